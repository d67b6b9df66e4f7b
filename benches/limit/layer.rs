//! What the layer costs round a route that does nothing, beside the bare route: without fields, and with them on every answer.
//!
//! Its last line is for machines: `layer adds=N with_fields=N allocations=N`, in nanoseconds, and the allocations without fields.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::Request;
use larder::limit::{Fields, RateLimiter};
use larder::{ClientIpLayer, MemoryLimiter, TrustedProxies, identity};
use tower::Service;

use super::median;

const ROUNDS: usize = 101;
const ROUND: Duration = Duration::from_millis(6);

/// Prints nanoseconds and allocations for each request.
pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without threads starts");
    let limiter = RateLimiter::new(MemoryLimiter::new());
    let limit = |name, fields| {
        let limit = limiter.layer(name);
        let limit = limit.quota("1000000000/s", identity::client_ip());
        let limit = limit.fields(fields).build();
        limit.expect("the options make sense")
    };
    let bare = || Router::new().route("/", get(async || "soup"));
    let address = || ClientIpLayer::new(TrustedProxies::none());
    let silent = bare().layer(limit("silent", Fields::OnRefusal));
    let telling = bare().layer(limit("telling", Fields::Always));
    // Finished as `axum::serve` does it: before that, axum makes the layers of a route anew for each request.
    let finished = |app: Router| app.layer(address()).with_state(());
    let mut variants = [bare(), silent, telling].map(finished);
    let mut rounds = [const { Vec::new() }; 3];
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            for (app, rounds) in variants.iter_mut().zip(&mut rounds) {
                rounds.push(round(app).await);
            }
        }
    });
    let [bare, silent, telling] = rounds.map(median);
    let [bare_allocates, allocates, telling_allocates] = variants.each_mut().map(|app| {
        let counted = allocation_counter::measure(|| runtime.block_on(ask(app)));
        counted.count_total
    });
    println!(
        "bare route {bare:.0} ns, {bare_allocates} allocations; with the layer {silent:.0} ns, {allocates} allocations; with fields \
         {telling:.0} ns, {telling_allocates} allocations"
    );
    println!(
        "layer adds={:.0} with_fields={:.0} allocations={}",
        silent - bare,
        telling - bare,
        allocates - bare_allocates
    );
}

/// In nanoseconds for each request.
async fn round(app: &mut Router) -> f64 {
    let begun = Instant::now();
    let mut requests = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            ask(app).await;
            requests += 1;
        }
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(requests)
}

async fn ask(app: &mut Router) {
    let peer = SocketAddr::new(IpAddr::from([192, 0, 2, 7]), 4_711);
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = app.call(request).await.expect("a router does not fail");
    assert!(black_box(&answer).status().is_success());
}
