//! Limits as a client sees them: status, fields, body, and how often the handler ran. Time stands still until it is moved.

mod basics;
mod cached;
#[cfg(feature = "tonic")]
mod calls;
#[cfg(feature = "tonic")]
mod calls_cached;
mod extractor;
mod far;
mod forms;
mod identities;
mod in_flight;
mod scopes;
mod settling;
mod telling;
mod waiting;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::clock::ManualClock;
use crate::identity::client::Found;
use crate::identity::{ClientIp, client_ip};
use crate::limit::{Event, Fields, MemoryLimiter, Quota, RateLimiter};

/// A limiter on a clock that stands still, and a handler that counts how often it ran.
#[derive(Clone)]
struct World {
    limiter: RateLimiter,
    clock: ManualClock,
    runs: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            limiter: RateLimiter::new(MemoryLimiter::with_clock(clock.clone())),
            clock,
            runs: Arc::default(),
        }
    }

    fn layer(&self, name: &str) -> RateLimitBuilder {
        self.limiter.layer(name).clock(self.clock.clone())
    }

    /// Any path is answered with 200, and `/fail` with 500, `/no` with 401.
    fn route(&self) -> Router {
        let runs = self.runs.clone();
        Router::new().fallback(any(async move |request: Request<Body>| {
            runs.fetch_add(1, Ordering::SeqCst);
            match request.uri().path() {
                "/fail" => (StatusCode::INTERNAL_SERVER_ERROR, "oh"),
                "/no" => (StatusCode::UNAUTHORIZED, "no"),
                _ => (StatusCode::OK, "soup"),
            }
        }))
    }

    fn app(&self, build: impl FnOnce(RateLimitBuilder) -> RateLimitBuilder) -> Router {
        let layer = build(self.layer("test")).build().unwrap();
        self.route().layer(layer)
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn count(&self, event: Event) -> u64 {
        self.limiter.stats().total.count(event)
    }
}

/// A GET for `/` by this address, which nobody but a trusted layer could put there.
fn from(addr: &str) -> Request<Body> {
    by(addr, "GET", "/")
}

fn by(addr: &str, method: &str, path: &str) -> Request<Body> {
    let addr: IpAddr = addr.parse().unwrap();
    Request::builder()
        .method(method)
        .uri(path)
        .extension(Found(Some(ClientIp::from(addr))))
        .body(Body::empty())
        .unwrap()
}

async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

/// The status that a request by this address gets.
async fn get(app: &Router, addr: &str) -> u16 {
    send(app, from(addr)).await.status().as_u16()
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

const ALICE: &str = "192.0.2.1";
const BOB: &str = "192.0.2.2";
