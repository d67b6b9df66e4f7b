//! The contract of tower, and the services and bodies that the layer fits.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use http_body::Body as _;
use tonic::server::NamedService;
use tower::limit::ConcurrencyLimitLayer;
use tower_service::Service;

use super::*;
use crate::content::BoxError;
use crate::grpc::{CallPolicy, GrpcBody, GrpcCacheService};
use crate::ttl::{minutes, seconds};

fn layer() -> GrpcCacheLayer {
    cache().0.grpc().method(ITEM, minutes(5)).build().unwrap()
}

/// A service that must be polled ready before each call, and says how often it was.
#[derive(Clone)]
struct Strict<S> {
    inner: S,
    polls: Arc<AtomicUsize>,
    ready: bool,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.ready = true;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        self.inner.call(request)
    }
}

#[tokio::test]
async fn the_inner_service_is_readied_for_what_is_forwarded_and_not_for_a_hit() {
    let polls = Arc::new(AtomicUsize::new(0));
    let mut service = layer().layer(Strict {
        inner: Counted::new(|_| async { ok(b"soup") }),
        polls: polls.clone(),
        ready: false,
    });
    for (call, expected) in [
        (call(ITEM, b"7"), 1),
        (call(ITEM, b"7"), 1),
        (call_with(ITEM, message(b"7"), &[("authorization", "x")]), 2),
        (call("/catalog.Catalog/WatchItems", b"7"), 3),
    ] {
        let response = service.ready().await.unwrap().call(call).await.unwrap();
        seen(response).await;
        assert_eq!(polls.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_and_a_wait_hold_no_permit_of_the_inner_service() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let handler = Counted::new(move |request: Request<Body>| {
        let gate = gate.clone();
        async move {
            if request.uri().path() == ITEM {
                gate.acquire().await.unwrap().forget();
            }
            ok(b"soup")
        }
    });
    let service = layer().layer(ConcurrencyLimitLayer::new(1).layer(handler.clone()));
    let asked = |content: &[u8]| {
        let asking = service.clone().oneshot(call(ITEM, content));
        tokio::spawn(async move { seen(asking.await.unwrap()).await })
    };
    opened.add_permits(1);
    asked(b"kept").await.unwrap();
    // The one permit is taken, and others wait for what its holder brings.
    let waiting: Vec<_> = (0..3).map(|_| asked(b"7")).collect();
    let_others_run().await;
    assert_eq!(asked(b"kept").await.unwrap().reason, None);
    opened.add_permits(1);
    for call in waiting {
        assert_eq!(call.await.unwrap().data, message(b"soup"));
    }
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn the_layer_fails_only_where_the_inner_service_does() {
    #[derive(Clone)]
    struct NeverReady;
    impl Service<Request<Body>> for NeverReady {
        type Response = Response<Body>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<Body>, &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let mut service = layer().layer(NeverReady);
    assert!(service.ready().await.is_ok());
    assert_eq!(service.call(call(ITEM, b"7")).await.unwrap_err(), "closed");
}

#[tokio::test]
async fn a_body_ends_behind_its_trailers_and_names_no_length() {
    let bodies = async |answers: fn() -> Response<Body>| {
        let layer = cache()
            .0
            .grpc()
            .method(
                ITEM,
                CallPolicy::new(minutes(5)).code(tonic::Code::NotFound, seconds(9)),
            )
            .build()
            .unwrap();
        let handler = Counted::new(move |_| async move { answers() });
        let asked = || layer.layer(handler.clone()).oneshot(call(ITEM, b"7"));
        [asked().await.unwrap(), asked().await.unwrap()].map(Response::into_body)
    };
    for mut body in bodies(|| ok(b"soup")).await {
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            message(b"soup")
        );
        assert!(!body.is_end_stream(), "its trailers are still to come");
        assert_eq!(body.size_hint().exact(), None);
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
    for body in bodies(|| answer_of(&[("grpc-status", "5")], None, None)).await {
        assert!(body.is_end_stream(), "one block of fields has all of it");
        assert_eq!(body.size_hint().exact(), None);
    }
}

#[tokio::test]
async fn trailers_survive_the_body_of_tonic() {
    let (layer, handler) = (layer(), Counted::new(|_| async { ok(b"soup") }));
    for _ in 0..2 {
        let response = layer
            .layer(handler.clone())
            .oneshot(call(ITEM, b"7"))
            .await
            .unwrap();
        let response = response.map(Body::new);
        assert_eq!(seen(response).await.code(), "0");
    }
    // A block of trailers alone, which was never kept.
    let only = Counted::new(|_| async { answer_of(&[], None, Some(&[("grpc-status", "3")])) });
    let response = layer.layer(only).oneshot(call(ITEM, b"8")).await.unwrap();
    assert_eq!(
        seen(response.map(Body::new)).await.trailers,
        Some(fields(&[("grpc-status", "3")]))
    );
}

#[tokio::test]
async fn a_layer_in_a_layer_keeps_for_itself_and_both_are_purged() {
    let (cache, clock) = cache();
    let policy = |ttl| CallPolicy::new(ttl).tag("items");
    let outer = cache
        .grpc()
        .method(ITEM, policy(minutes(1)))
        .build()
        .unwrap();
    let inner = cache
        .grpc()
        .method(ITEM, policy(minutes(5)))
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let asked = async || {
        let inner = inner
            .layer(handler.clone())
            .map_response(|response| response.map(Body::new));
        seen(outer.layer(inner).oneshot(call(ITEM, b"7")).await.unwrap()).await
    };
    let first = asked().await;
    assert_eq!(first.reason, Some(Reason::Stored(Absence::Uri)));
    let hit = asked().await;
    assert_eq!((hit.reason, handler.count()), (None, 1));
    assert_eq!(hit.sent(), first.sent());
    // The outer one is stale, and the inner one is not.
    clock.advance(minutes(2));
    assert_eq!((asked().await.sent(), handler.count()), (first.sent(), 1));
    cache.purge_tag("items").await.unwrap();
    asked().await;
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn two_layers_keep_an_answer_no_longer_than_one() {
    for at_once in [true, false] {
        let store = MemoryStore::new(MIB);
        let (cache, clock) = match at_once {
            true => built(Cache::builder(store)),
            false => built(Cache::builder(Waiting(store))),
        };
        let layer_of = |ttl| cache.grpc().method(ITEM, ttl).build().unwrap();
        let (outer, inner) = (layer_of(minutes(5)), layer_of(minutes(6)));
        let handler = Counted::new(|_| async { ok(b"soup") });
        let asked = async || {
            let inner = inner
                .layer(handler.clone())
                .map_response(|response| response.map(Body::new));
            drop(seen(outer.layer(inner).oneshot(call(ITEM, b"7")).await.unwrap()).await);
        };
        asked().await;
        // The outer one's is stale, the inner one's is not, and is older than the outer one keeps any.
        clock.advance(seconds(330));
        asked().await;
        assert_eq!(handler.count(), 1);
        clock.advance(seconds(45));
        asked().await;
        assert_eq!(handler.count(), 2, "{at_once}");
    }
}

#[tokio::test]
async fn a_layer_outside_judges_for_itself_what_one_within_does_not_keep() {
    let (cache, _) = cache();
    let outer = CallPolicy::new(minutes(5)).code(tonic::Code::NotFound, seconds(9));
    let outer = cache.grpc().method(ITEM, outer).build().unwrap();
    let inner = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { answer_of(&[("grpc-status", "5")], None, None) });
    for _ in 0..2 {
        let inner = inner
            .layer(handler.clone())
            .map_response(|response| response.map(Body::new));
        let response = outer.layer(inner).oneshot(call(ITEM, b"7")).await.unwrap();
        assert_eq!(seen(response).await.code(), "5");
    }
    assert_eq!(handler.count(), 1);
}

/// What a layer within keeps for each person apart is for nobody else outside of it.
#[tokio::test]
async fn a_layer_outside_does_not_share_what_one_within_keeps_for_each_user() {
    let user = http::HeaderName::from_static("x-user");
    let (cache, _) =
        built(Cache::builder(MemoryStore::new(MIB)).user(crate::identity::header(user.clone())));
    let outer = CallPolicy::new(minutes(5)).inert_metadata(user);
    let outer = cache.grpc().method(ITEM, outer).build().unwrap();
    let inner = CallPolicy::new(minutes(5)).vary_on_user();
    let inner = cache.grpc().method(ITEM, inner).build().unwrap();
    let handler = Counted::new(|request: Request<Body>| async move {
        let user = request.headers().get("x-user");
        ok(user.map_or(&b"nobody"[..], |user| user.as_bytes()))
    });
    for _ in 0..2 {
        for user in ["ann", "bob", ""] {
            let inner = inner
                .layer(handler.clone())
                .map_response(|response| response.map(Body::new));
            let asked = match user {
                "" => call(ITEM, b"7"),
                user => call_with(ITEM, message(b"7"), &[("x-user", user)]),
            };
            let seen = seen(outer.layer(inner).oneshot(asked).await.unwrap()).await;
            let expected = if user.is_empty() { "nobody" } else { user };
            assert_eq!(seen.data, message(expected.as_bytes()));
        }
    }
}

/// A tonic service, as far as its type goes.
#[derive(Clone)]
struct Catalog(Counted);

impl NamedService for Catalog {
    const NAME: &'static str = "catalog.Catalog";
}

impl Service<Request<Body>> for Catalog {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        self.0.call(request)
    }
}

fn is_send<T: Send>(_: &T) {}

#[tokio::test]
async fn the_layer_fits_a_tonic_server_and_one_of_its_services() {
    let (layer, handler) = (layer(), Counted::new(|_| async { ok(b"soup") }));
    let catalog = Catalog(handler.clone());
    let server = tonic::transport::Server::builder()
        .layer(layer.clone())
        .add_service(catalog.clone())
        .serve("127.0.0.1:0".parse().unwrap());
    is_send(&server);
    let one = tonic::transport::Server::builder()
        .add_service(layer.layer(catalog.clone()))
        .serve("127.0.0.1:0".parse().unwrap());
    is_send(&one);

    // Both ways behind the routes of tonic, which need no socket.
    let routes = tonic::service::Routes::new(layer.layer(catalog.clone()));
    let around = layer.layer(tonic::service::Routes::new(catalog));
    for _ in 0..2 {
        let response = routes.clone().oneshot(call(ITEM, b"7")).await.unwrap();
        assert_eq!(seen(response).await.data, message(b"soup"));
        let response = around.clone().oneshot(call(ITEM, b"8")).await.unwrap();
        assert_eq!(seen(response).await.data, message(b"soup"));
    }
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn a_stack_of_layers_fits_one_service_of_a_tonic_server() {
    let (cache, _) = cache();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let limit = crate::RateLimiter::new(crate::MemoryLimiter::new())
        .layer("calls")
        .quota("2/h", crate::identity::client_ip())
        .build()
        .unwrap();
    let stack = tower::ServiceBuilder::new()
        .layer(crate::ClientIpLayer::new(crate::TrustedProxies::none()))
        .layer(crate::MonitorLayer::new(&cache))
        .layer(limit)
        .layer(crate::cache::CachesLayer::new(&cache))
        .layer(crate::InvalidationLayer::new(&cache))
        .layer(layer())
        .service(Catalog(handler.clone()));
    let routes = tonic::service::Routes::new(stack);
    for code in ["0", "0", "8"] {
        let response = routes.clone().oneshot(call(ITEM, b"7")).await.unwrap();
        assert_eq!(seen(response).await.code(), code);
    }
    assert_eq!(handler.count(), 1);
}

#[test]
fn a_body_is_nothing_by_default() {
    assert!(GrpcBody::<Body>::default().is_end_stream());
    assert!(crate::limit::RateLimitBody::<Body>::default().is_end_stream());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_layer_fits_an_axum_router() {
    let handler = Counted::new(|_| async { ok(b"soup") });
    let catalog = handler
        .clone()
        .map_request(|request: Request<axum::body::Body>| request.map(Body::new));
    let router: axum::Router = axum::Router::new()
        .route_service(ITEM, catalog)
        .layer(layer());
    for _ in 0..2 {
        let asked = call(ITEM, b"7").map(axum::body::Body::new);
        let response = router.clone().oneshot(asked).await.unwrap();
        assert_eq!(seen(response).await.data, message(b"soup"));
    }
    assert_eq!(handler.count(), 1);
}

#[test]
fn the_service_is_as_free_as_what_it_holds() {
    /// A body that is sent between threads, and not shared.
    struct Unshared(PhantomData<std::cell::Cell<()>>);
    impl http_body::Body for Unshared {
        type Data = Bytes;
        type Error = tonic::Status;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
            Poll::Ready(None)
        }
    }
    fn is_service<S, B>(service: &S)
    where
        S: Service<Request<Body>, Response = Response<GrpcBody<B>>, Error = BoxError>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        GrpcBody<B>: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        let _ = service;
    }
    let inner = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, BoxError>(Response::new(Unshared(PhantomData)))
    });
    is_service::<GrpcCacheService<_>, Unshared>(&layer().layer(inner));
}
