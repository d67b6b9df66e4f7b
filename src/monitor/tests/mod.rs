//! Monitored services as clients and logs see them. Time stands still until a handler moves it.

#[cfg(feature = "tonic")]
mod calls;
mod counts;
mod dropped;
mod fields;
#[cfg(feature = "tracing")]
mod log;
mod routes;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use super::{Reason, RequestSummary};
use crate::clock::ManualClock;
use crate::{Cache, MIB, MemoryStore, MonitorLayer};

struct World {
    cache: Cache,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let cache = Cache::builder(MemoryStore::new(16 * MIB))
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { cache, clock }
    }

    fn monitor(&self) -> MonitorLayer {
        MonitorLayer::new(&self.cache)
    }
}

/// What was handed over, in its order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<RequestSummary>>>);

impl Told {
    fn by(&self, layer: MonitorLayer) -> MonitorLayer {
        let told = self.clone();
        layer.on_request(move |summary| told.0.lock().unwrap().push(summary.clone()))
    }

    fn lines(&self) -> Vec<String> {
        let told = self.0.lock().unwrap();
        told.iter().map(ToString::to_string).collect()
    }

    /// The only request that was told of.
    fn line(&self) -> String {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }
}

/// Counts as the page cache does when it answers for this reason.
fn count(_: &Cache, reason: Reason, times: usize) {
    for _ in 0..times {
        super::count_for_request(reason);
    }
}

fn get(target: &str) -> Request<Body> {
    let request = Request::get(target).header("host", "shop.example");
    request.body(Body::empty()).unwrap()
}

/// The fields of an answer that was read to its end.
async fn ask<S, B>(service: S, request: Request<Body>) -> HeaderMap
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    let Ok(response) = service.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let _ = body.collect().await;
    parts.headers
}

/// `X-Cache-Hits`, `X-Cache-Misses` and `X-Cache-Hit-Rate`.
fn hit_fields(headers: &HeaderMap) -> [&str; 3] {
    ["x-cache-hits", "x-cache-misses", "x-cache-hit-rate"].map(|name| {
        let lines = headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        lines[0].to_str().unwrap()
    })
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
