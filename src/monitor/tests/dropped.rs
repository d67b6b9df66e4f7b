//! Requests without a response, and services that are not ready.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::routing::get as on_get;
use futures_util::FutureExt;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, service_fn};

use super::super::{MonitorFuture, MonitorService, RequestCounts};
use super::*;

#[tokio::test]
async fn a_client_that_goes_away_is_told_of_without_a_status() {
    let (world, told) = (World::new(), Told::default());
    let (cache, clock) = (world.cache.clone(), world.clock.clone());
    let handler = async move || {
        count(&cache, Reason::Hit, 2);
        clock.advance(millis(250));
        std::future::pending::<()>().await;
    };
    let app = Router::new()
        .route("/slow", on_get(handler))
        .route("/", on_get(async || "next"))
        .layer(told.by(world.monitor()));

    let mut asking = Box::pin(app.clone().oneshot(get("/slow")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(asking.as_mut().poll(&mut cx).is_pending());
    assert!(told.lines().is_empty());
    drop(asking);
    assert_eq!(
        told.line(),
        "GET /slow - hits=2 misses=0 sets=0 errors=0 rate=100.0% duration=0.250s"
    );
    // And leaves nothing behind for the next request on this thread.
    assert!(RequestCounts::current().is_none());
    assert_eq!(hit_fields(&ask(app, get("/")).await)[0], "0");
}

#[tokio::test]
async fn a_handler_that_panics_is_told_of_and_leaves_no_counts_behind() {
    let (world, told) = (World::new(), Told::default());
    let cache = world.cache.clone();
    let handler = async move |request: Request<Body>| {
        count(&cache, Reason::Hit, 1);
        tokio::task::yield_now().await;
        assert_ne!(request.uri().path(), "/panics", "as a handler may");
    };
    let app = Router::new()
        .fallback(handler)
        .layer(told.by(world.monitor()));
    let asking = AssertUnwindSafe(app.clone().oneshot(get("/panics")));
    assert!(asking.catch_unwind().await.is_err());
    assert!(told.line().starts_with("GET /panics - hits=1"));
    assert!(RequestCounts::current().is_none());
    assert_eq!(hit_fields(&ask(app, get("/")).await)[0], "1");
}

#[tokio::test]
async fn a_service_that_panics_at_once_is_told_of_too() {
    let (world, told) = (World::new(), Told::default());
    let service = told.by(world.monitor()).layer(service_fn(
        |_: Request<Body>| -> std::future::Ready<Result<Response<Body>, Infallible>> {
            panic!("as a service may")
        },
    ));
    let asking = AssertUnwindSafe(service.oneshot(get("/")));
    assert!(asking.catch_unwind().await.is_err());
    assert!(told.line().starts_with("GET / - hits=0"));
    assert!(RequestCounts::current().is_none());
}

#[tokio::test]
async fn a_summary_that_panics_ends_no_request() {
    let world = World::new();
    let monitor = world
        .monitor()
        .on_request(|_| panic!("as an application may"));
    let app = Router::<()>::new()
        .fallback(async |request: Request<Body>| {
            tokio::task::yield_now().await;
            assert_ne!(request.uri().path(), "/panics", "as a handler may");
        })
        .layer(monitor);
    assert_eq!(hit_fields(&ask(app.clone(), get("/")).await)[0], "0");
    // Also when it panics while another panic unwinds.
    let asking = AssertUnwindSafe(app.oneshot(get("/panics")));
    assert!(asking.catch_unwind().await.is_err());
}

#[tokio::test]
async fn errors_of_the_service_pass_untouched() {
    let (world, told) = (World::new(), Told::default());
    let service = told
        .by(world.monitor())
        .layer(service_fn(async |_: Request<Body>| {
            Err::<Response<Body>, _>("unwell")
        }));
    assert_eq!(service.oneshot(get("/")).await.unwrap_err(), "unwell");
    assert!(told.line().starts_with("GET / - "));
}

#[tokio::test]
async fn it_is_ready_when_its_service_is() {
    let world = World::new();
    let held = service_fn(async |_: Request<Body>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut service = world.monitor().layer(ConcurrencyLimit::new(held, 1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    {
        let mut asking = pin!(service.call(get("/")));
        assert!(asking.as_mut().poll(&mut cx).is_pending());
        assert!(service.poll_ready(&mut cx).is_pending());
        // A clone waits for a permit of its own.
        assert!(service.clone().poll_ready(&mut cx).is_pending());
    }
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
}

#[test]
fn it_can_be_sent_and_shared() {
    fn is_sent_and_shared<T: Clone + Send + Sync + 'static>() {}
    fn is_sent<T: Send + 'static>() {}

    is_sent_and_shared::<MonitorLayer>();
    is_sent_and_shared::<MonitorService<Router>>();
    is_sent_and_shared::<RequestCounts>();
    is_sent_and_shared::<RequestSummary>();
    is_sent::<MonitorFuture<<Router as Service<Request<Body>>>::Future>>();
}
