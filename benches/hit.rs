//! A page hit beside the same route without a cache, in one process and one run.
//!
//! `cargo bench --bench hit` prints nanoseconds and allocations per request for bodies of 200 B, 10 KiB and 1 MiB with ten header fields: the
//! bare axum route, the layer on the route, and the layer outside the router. Rounds of the three take turns and the best round of each
//! counts, so that a busy machine disturbs the ratio little. Its last line is for machines:
//! `ratio route=R outside=R allocs=N`, for 200 B, with the allocations of a hit on the route.

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use axum::routing::get;
use http_body_util::BodyExt;
use larder::{Cache, MIB, MemoryStore, hours};
use tower::{Layer, Service, ServiceExt};

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(12);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads starts");
    println!(
        "{:>8} {:>22} {:>9} {:>7} {:>8}",
        "body", "variant", "ns", "ratio", "allocs"
    );
    let mut last = String::new();
    for size in [200, 10 * 1_024, MIB] {
        let [bare, route, outside] = runtime.block_on(measure(size));
        for (name, sample) in [
            ("bare route", &bare),
            ("layer on the route", &route),
            ("layer outside", &outside),
        ] {
            println!(
                "{size:>8} {name:>22} {:>9.0} {:>7.2} {:>8}",
                sample.nanoseconds,
                sample.nanoseconds / bare.nanoseconds,
                sample.allocations
            );
        }
        if size == 200 {
            last = format!(
                "ratio route={:.2} outside={:.2} allocs={}",
                route.nanoseconds / bare.nanoseconds,
                outside.nanoseconds / bare.nanoseconds,
                route.allocations
            );
        }
    }
    println!("{last}");
}

#[derive(Clone, Copy)]
struct Sample {
    nanoseconds: f64,
    allocations: u64,
}

async fn measure(size: usize) -> [Sample; 3] {
    let cache = Cache::builder(MemoryStore::new(64 * MIB))
        .build()
        .expect("the options make sense");
    let page = || cache.page(hours(1)).max_body(2 * MIB).expect("it fits");
    let mut bare = router(size, None);
    let mut route = router(size, Some(page()));
    let mut outside = page().layer(router(size, None));

    // Fills both caches, and sees to it that hits are measured.
    assert!(!is_hit(&mut bare).await && !is_hit(&mut bare).await);
    assert!(!is_hit(&mut route).await && is_hit(&mut route).await);
    // Another key than the route's, since the router's own layer is not in the way: the same page, so a hit at once.
    is_hit(&mut outside).await;
    assert!(is_hit(&mut outside).await);

    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(round(&mut bare).await);
        best[1] = best[1].min(round(&mut route).await);
        best[2] = best[2].min(round(&mut outside).await);
    }
    let allocations = [
        allocations(&mut bare),
        allocations(&mut route),
        allocations(&mut outside),
    ];
    std::array::from_fn(|i| Sample {
        nanoseconds: best[i],
        allocations: allocations[i],
    })
}

/// A page with ten fields.
fn router(size: usize, layer: Option<larder::CacheLayer>) -> Router {
    let body = Bytes::from(vec![b'x'; size]);
    let fields = fields();
    let handler = async move || {
        let mut response = Response::new(Body::from(body.clone()));
        *response.headers_mut() = fields.clone();
        response
    };
    let page = match layer {
        None => get(handler),
        Some(layer) => get(handler).layer(layer),
    };
    Router::new()
        .route("/", get(async || "start"))
        .route("/articles", page)
        .route("/about", get(async || "about"))
        // As `axum::serve` does it: routes are made once, not for each request.
        .with_state(())
}

fn fields() -> HeaderMap {
    [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "public, max-age=3600"),
        ("etag", "\"33a64df551425fcc55e4d42a148795d9\""),
        ("last-modified", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-robots-tag", "noarchive"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("strict-transport-security", "max-age=63072000"),
        ("content-language", "en"),
    ]
    .into_iter()
    .map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    })
    // Of now: a date of the past would make the page as old as that.
    .chain([(
        HeaderName::from_static("date"),
        HeaderValue::try_from(httpdate::fmt_http_date(std::time::SystemTime::now()))
            .expect("a date is printable"),
    )])
    .collect()
}

thread_local! {
    /// A browser's request, as a server's parser would hand it over: its values are slices of one buffer.
    static REQUEST: Request<()> = {
        let text = Bytes::from_static(
            b"shop.example\
              Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101\
              text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\
              en-GB,en;q=0.5\
              gzip, deflate, br",
        );
        let mut request = Request::get("/articles").body(()).expect("the request is well formed");
        let mut start = 0;
        for (name, length) in [("host", 12), ("user-agent", 56), ("accept", 63), ("accept-language", 14), ("accept-encoding", 17)] {
            let value = HeaderValue::from_maybe_shared(text.slice(start..start + length)).expect("printable");
            request.headers_mut().insert(HeaderName::from_static(name), value);
            start += length;
        }
        request
    };
}

fn request() -> Request<Body> {
    REQUEST.with(|request| request.clone().map(|()| Body::empty()))
}

async fn ask<S, B>(service: &mut S) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
{
    let Ok(service) = service.ready().await;
    let Ok(response) = service.call(request()).await;
    response
}

async fn is_hit<S, B>(service: &mut S) -> bool
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
    B: axum::body::HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let response = ask(service).await;
    let hit = response
        .headers()
        .get("cache-status")
        .is_some_and(|status| status.as_bytes().starts_with(b"larder; hit"));
    drain(response).await;
    hit
}

async fn drain<B>(response: Response<B>)
where
    B: axum::body::HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let (parts, mut body) = response.into_parts();
    black_box(&parts);
    while let Some(frame) = body.frame().await {
        black_box(frame.expect("the body does not fail"));
    }
}

/// Nanoseconds per request, over one round.
async fn round<S, B>(service: &mut S) -> f64
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
    B: axum::body::HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
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
fn allocations<S, B>(service: &mut S) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
    B: axum::body::HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let mut counts: Vec<u64> = (0..101)
        .map(|_| {
            let counted = allocation_counter::measure(|| {
                // Nothing here waits, so one poll brings it to its end; the runtime's own allocations are not counted.
                let mut asking = std::pin::pin!(async { drain(ask(service).await).await });
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(asking.as_mut().poll(&mut cx).is_ready());
            });
            counted.count_total
        })
        .collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}
