//! What a `MonitorLayer` costs: a page hit and a bare route, each with and without it, in one process and one run.
//!
//! `cargo bench --bench monitor` prints nanoseconds and allocations per request for a body of 200 B. Rounds of the four take turns and the best
//! round of each counts, so that a busy machine disturbs the ratios little. Its last line is for machines: `ratio hit=R bare=R allocs=N`,
//! with what a monitored hit allocates more than a hit.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use http_body_util::BodyExt;
use larder::{Cache, MIB, MemoryStore, MonitorLayer, hours};
use tower::{Layer, Service, ServiceExt};

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(12);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads starts");
    runtime.block_on(measure());
}

async fn measure() {
    let cache = Cache::builder(MemoryStore::new(64 * MIB))
        .build()
        .expect("the options make sense");
    let monitor = MonitorLayer::new(&cache);
    let mut bare = router(None);
    let mut watched_bare = monitor.layer(bare.clone());
    let mut hit = router(Some(&cache));
    let mut watched_hit = monitor.layer(hit.clone());

    // Fills the cache, and sees to it that hits are measured.
    drain(ask(&mut hit).await).await;
    let response = ask(&mut watched_hit).await;
    assert_eq!(response.headers()["x-cache-hits"], "1");
    let response = ask(&mut watched_bare).await;
    assert_eq!(response.headers()["x-cache-hits"], "0");

    let mut best = [f64::INFINITY; 4];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(round(&mut bare).await);
        best[1] = best[1].min(round(&mut watched_bare).await);
        best[2] = best[2].min(round(&mut hit).await);
        best[3] = best[3].min(round(&mut watched_hit).await);
    }
    let allocations = [
        allocations(&mut bare),
        allocations(&mut watched_bare),
        allocations(&mut hit),
        allocations(&mut watched_hit),
    ];
    println!("{:>22} {:>9} {:>8}", "variant", "ns", "allocs");
    let names = ["bare route", "monitored route", "hit", "monitored hit"];
    for ((name, nanoseconds), allocations) in names.iter().zip(best).zip(allocations) {
        println!("{name:>22} {nanoseconds:>9.0} {allocations:>8}");
    }
    println!(
        "ratio hit={:.2} bare={:.2} allocs={}",
        best[3] / best[2],
        best[1] / best[0],
        allocations[3].saturating_sub(allocations[2])
    );
}

fn router(cache: Option<&Cache>) -> Router {
    let body = Bytes::from(vec![b'x'; 200]);
    let page = get(async move || Body::from(body));
    let page = match cache {
        None => page,
        Some(cache) => page.layer(cache.page(hours(1))),
    };
    Router::new()
        .route("/", get(async || "start"))
        .route("/articles", page)
        .route("/about", get(async || "about"))
        // As `axum::serve` does it: routes are made once, not for each request.
        .with_state(())
}

fn request() -> Request<Body> {
    Request::get("/articles")
        .header("host", "shop.example")
        .header("accept", "text/html,application/xhtml+xml")
        .header("accept-encoding", "gzip, deflate, br")
        .body(Body::empty())
        .expect("the request is well formed")
}

async fn ask<S>(service: &mut S) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(service) = service.ready().await;
    let Ok(response) = service.call(request()).await;
    response
}

async fn drain(response: Response<Body>) {
    let (parts, mut body) = response.into_parts();
    black_box(&parts);
    while let Some(frame) = body.frame().await {
        black_box(frame.expect("the body does not fail"));
    }
}

/// Nanoseconds per request, over one round.
async fn round<S>(service: &mut S) -> f64
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let start = Instant::now();
    let mut requests = 0_u32;
    loop {
        for _ in 0..64 {
            drain(ask(service).await).await;
        }
        requests += 64;
        let spent = start.elapsed();
        if spent >= ROUND {
            return spent.as_secs_f64() * 1e9 / f64::from(requests);
        }
    }
}

/// Allocations of one request, its own making included, as a median of many.
fn allocations<S>(service: &mut S) -> u64
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut counts: Vec<u64> = (0..101)
        .map(|_| {
            let counted = allocation_counter::measure(|| {
                // Nothing here waits, so one poll brings it to its end; the runtime's own allocations are not counted.
                let mut asking = pin!(async { drain(ask(service).await).await });
                let mut cx = Context::from_waker(Waker::noop());
                assert!(asking.as_mut().poll(&mut cx).is_ready());
            });
            counted.count_total
        })
        .collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}
