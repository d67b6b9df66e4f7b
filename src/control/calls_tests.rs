//! gRPC calls that pass layers which are there for pages.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::grpc::sample::{GET_ITEM, UPDATE_ITEM, assert_ok, call, failed, ok, seen};
use crate::{
    Cache, CacheGroups, ClientIpLayer, MIB, MemoryStore, MonitorLayer, TrustedProxies, minutes,
};

/// A handler that counts its runs. It answers `UpdateItem` as the metadata `x-answer` say.
#[derive(Clone, Default)]
struct Handler {
    runs: Arc<AtomicUsize>,
}

impl Handler {
    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn service(
        &self,
    ) -> impl tower::Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static {
        let runs = self.runs.clone();
        service_fn(move |request: Request<Body>| {
            runs.fetch_add(1, Ordering::SeqCst);
            let mut answer = match request.headers().get("x-answer").map(|it| it.as_bytes()) {
                Some(b"fails") => failed("9"),
                _ => ok(),
            };
            if request.headers().contains_key("x-answer") {
                let groups = "\"items\"".parse().unwrap();
                answer
                    .headers_mut()
                    .insert("cache-group-invalidation", groups);
                let location = "/page".parse().unwrap();
                answer.headers_mut().insert("location", location);
            }
            std::future::ready(Ok(answer))
        })
    }
}

fn cache() -> Cache {
    Cache::builder(MemoryStore::new(MIB)).build().unwrap()
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "shop.example");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_call_frees_nothing_that_is_kept_of_its_method() {
    let (cache, handler) = (cache(), Handler::default());
    let kept = cache.grpc().method(GET_ITEM, minutes(5)).build().unwrap();
    let service = InvalidationLayer::new(&cache).layer(kept.layer(handler.service()));
    for _ in 0..3 {
        assert_ok(service.clone().oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
    }
    assert_eq!(handler.runs(), 1);
    // Nor does one that passes the cache by.
    let passing = call(GET_ITEM, &[("x-tenant", "t")]);
    assert_ok(service.clone().oneshot(passing).await.unwrap()).await;
    // Nor one whose client goes away.
    drop(service.clone().oneshot(call(UPDATE_ITEM, &[])));
    assert_ok(service.oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
    assert_eq!(handler.runs(), 2);
}

#[tokio::test]
async fn who_merely_says_that_it_is_a_call_frees_what_it_changes() {
    let cache = cache();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let app = axum::Router::new()
        .fallback(axum::routing::any(async move || {
            counted.fetch_add(1, Ordering::SeqCst).to_string()
        }))
        .layer(cache.page(minutes(5)))
        .layer(InvalidationLayer::new(&cache));
    let show = async |path: &str| {
        let request = get(path).map(axum::body::Body::new);
        let answer = app.clone().oneshot(request).await.unwrap();
        let page = axum::body::to_bytes(answer.into_body(), 1_000).await;
        String::from_utf8(page.unwrap().to_vec()).unwrap()
    };
    for path in ["/like", "/notes/5"] {
        let before = show(path).await;
        assert_eq!(show(path).await, before);
        let change = call(path, &[]).map(axum::body::Body::new);
        drop(app.clone().oneshot(change).await.unwrap());
        assert_ne!(show(path).await, before, "{path}");
    }
}

/// Its change may have been made all the same, and no answer tells whether it was a call.
#[tokio::test]
async fn who_says_that_it_is_a_call_and_goes_away_frees_what_it_may_have_changed() {
    let cache = cache();
    let runs = Arc::new(AtomicUsize::new(0));
    let app = cache.page(minutes(5)).layer(service_fn({
        move |request: Request<Body>| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            async move {
                if request.method() == http::Method::POST {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(Body::new(run.to_string())))
            }
        }
    }));
    let service = InvalidationLayer::new(&cache).layer(app);
    let show = async || {
        let answer = service.clone().oneshot(get("/notes/5")).await.unwrap();
        http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap()
            .to_bytes()
    };
    let before = show().await;
    assert_eq!(show().await, before);
    let mut change = Box::pin(service.clone().oneshot(call("/notes/5", &[])));
    assert!((&mut change).now_or_never().is_none());
    drop(change);
    cache.background().idle().await;
    assert_ne!(show().await, before);
}

/// What is declared to change nothing does not, whoever goes away: others wait for it, and it is stored.
#[tokio::test]
async fn a_call_whose_client_goes_away_frees_nothing_that_is_kept_of_its_method() {
    let (cache, handler) = (cache(), Handler::default());
    let kept = cache.grpc().method(GET_ITEM, minutes(5)).build().unwrap();
    let service = InvalidationLayer::new(&cache).layer(kept.layer(handler.service()));
    assert_ok(service.clone().oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
    let never = kept.layer(service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    // Twice, as where one stands round a service and one round the server.
    let never = InvalidationLayer::new(&cache).layer(InvalidationLayer::new(&cache).layer(never));
    for name in ["grpc-accept-encoding", "x-tenant"] {
        let leaving = call(GET_ITEM, &[(name, "else")]);
        let mut leaving = Box::pin(never.clone().oneshot(leaving));
        assert!((&mut leaving).now_or_never().is_none());
        drop(leaving);
        assert_ok(service.clone().oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
    }
    assert_eq!(handler.runs(), 1);
}

#[tokio::test]
async fn what_a_call_says_that_it_has_changed_is_freed_if_it_went_well() {
    let (cache, handler) = (cache(), Handler::default());
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let pages = axum::Router::new()
        .fallback(axum::routing::any(
            async move |request: axum::extract::Request| {
                counted.fetch_add(1, Ordering::SeqCst);
                let group = match request.uri().path() {
                    "/page" => "other",
                    _ => "items",
                };
                (CacheGroups::new([group]).unwrap(), "a page")
            },
        ))
        .layer(cache.page(minutes(5)));
    let show = async |path: &str| {
        let request = get(path).map(axum::body::Body::new);
        let answer = pages.clone().oneshot(request).await.unwrap();
        drop(
            axum::body::to_bytes(answer.into_body(), 1_000)
                .await
                .unwrap(),
        );
        runs.load(Ordering::SeqCst)
    };
    let calls = InvalidationLayer::new(&cache).layer(handler.service());
    assert_eq!((show("/page").await, show("/item").await), (1, 2));
    for (answer, after) in [("fails", (2, 2)), ("well", (2, 3))] {
        // As plain http, as those requests for pages are.
        let request = call(UPDATE_ITEM, &[("x-answer", answer)]);
        drop(calls.clone().oneshot(request).await.unwrap());
        // What `location` names is no page that the call has changed.
        assert_eq!(
            (show("/page").await, show("/item").await),
            after,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn layers_for_pages_leave_calls_as_they_are() {
    let (cache, handler) = (cache(), Handler::default());
    let service = tower::ServiceBuilder::new()
        .map_response(|answer: Response<_>| answer.map(Body::new))
        .layer(MonitorLayer::new(&cache))
        .layer(InvalidationLayer::new(&cache))
        .layer(CacheControlLayer::never_cache().expires(true))
        .layer(CacheControlLayer::set(
            CacheControl::public().max_age(minutes(5)),
        ))
        .layer(ConditionalLayer::new())
        .layer(ClientIpLayer::new(TrustedProxies::none()))
        .layer(cache.page(minutes(5)).store_posts(true))
        .service(handler.service());
    for runs in 1..3 {
        assert_ok(service.clone().oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
        assert_eq!(handler.runs(), runs);
    }
    let conditional = call(GET_ITEM, &[("if-none-match", "*"), ("x-answer", "fails")]);
    let (head, data, trailers) = seen(service.oneshot(conditional).await.unwrap()).await;
    assert_eq!(
        (&head["grpc-status"], data.len(), trailers),
        (&"9".parse().unwrap(), 0, None)
    );
    assert_eq!(head.len(), 4, "{head:?}");
}

#[tokio::test]
async fn pages_and_calls_are_kept_side_by_side() {
    let (cache, handler) = (cache(), Handler::default());
    let (runs, counted) = (Arc::new(AtomicUsize::new(0)), handler.service());
    let pages = runs.clone();
    let inner = service_fn(move |request: Request<Body>| {
        let (counted, pages) = (counted.clone(), pages.clone());
        async move {
            if request.method() == http::Method::POST {
                return counted.oneshot(request).await;
            }
            pages.fetch_add(1, Ordering::SeqCst);
            let page = Response::builder().header("cache-control", "max-age=60");
            Ok(page
                .body(Body::new(http_body_util::Full::from("soup")))
                .unwrap())
        }
    });
    let calls = cache.grpc().method(GET_ITEM, minutes(5)).build().unwrap();
    let page = || cache.page(minutes(5)).store_posts(true);
    let one = boxed(page().layer(calls.layer(inner.clone())));
    let other = boxed(calls.layer(page().layer(inner)));
    for service in [one, other] {
        for _ in 0..3 {
            assert_ok(service.clone().oneshot(call(GET_ITEM, &[])).await.unwrap()).await;
            let page = service
                .clone()
                .oneshot(get("/catalog.Catalog/GetItem"))
                .await
                .unwrap();
            assert!(page.headers().contains_key("cache-status"));
            let (_, data, _) = seen(page).await;
            assert_eq!(data, "soup");
        }
    }
    // A layer within another keeps its own.
    assert_eq!((runs.load(Ordering::SeqCst), handler.runs()), (1, 2));
}

fn boxed<S, B>(
    service: S,
) -> tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tower::util::BoxCloneSyncService::new(
        service.map_response(|answer: Response<B>| answer.map(Body::new)),
    )
}
