//! What the layer costs round a route that does nothing, beside the bare route: without fields, and with them on every answer.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::Request;
use larder::limit::{Fields, RateLimiter};
use larder::{ClientIpLayer, MemoryLimiter, Quota, TrustedProxies, identity};
use tower::Service;

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(12);

/// Prints nanoseconds for each request. Rounds of the variants take turns, and the best of each counts. Its last line is for machines.
pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without threads starts");
    let quota = || -> Quota { "1000000000/s".parse().expect("it is a rate") };
    let limiter = RateLimiter::new(MemoryLimiter::new());
    let limit = |fields| {
        let limit = limiter.layer("bench").quota(quota(), identity::client_ip());
        limit
            .fields(fields)
            .build()
            .expect("the options make sense")
    };
    let bare = || Router::new().route("/", get(async || "soup"));
    let address = || ClientIpLayer::new(TrustedProxies::default());
    let mut variants = [
        bare().layer(address()),
        bare().layer(limit(Fields::OnRefusal)).layer(address()),
        bare().layer(limit(Fields::Always)).layer(address()),
    ];
    let mut best = [f64::INFINITY; 3];
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            for (app, best) in variants.iter_mut().zip(&mut best) {
                *best = best.min(nanoseconds(app).await);
            }
        }
    });
    let [bare, silent, telling] = best;
    println!("bare {bare:.0} ns, layer {silent:.0} ns, layer with fields {telling:.0} ns");
    println!(
        "layer adds={:.0} with_fields={:.0}",
        silent - bare,
        telling - bare
    );
}

async fn nanoseconds(app: &mut Router) -> f64 {
    let begun = Instant::now();
    let mut requests = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            let answer = app.call(request()).await.expect("a router does not fail");
            assert!(black_box(&answer).status().is_success());
            requests += 1;
        }
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(requests)
}

fn request() -> Request<Body> {
    let peer = SocketAddr::new(IpAddr::from([192, 0, 2, 7]), 4_711);
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}
