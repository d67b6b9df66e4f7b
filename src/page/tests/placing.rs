//! Where a page layer may stand: a route, a method router, a nested router, an application, a stack without axum, and within another.

use axum::extract::Path;
use axum::routing::{MethodRouter, get as get_route};
use axum::{Extension, Router};
use http_body_util::{Empty, Full};
use tower::limit::ConcurrencyLimitLayer;

use super::*;
use crate::{Trace, seconds};

fn on_router(world: &World, router: Router, runs: &Runs) -> Site {
    Site::of(world.clone(), runs.clone(), router)
}

/// A handler that counts, and answers with what stands in the path.
fn counting(runs: &Runs) -> MethodRouter {
    let runs = runs.clone();
    get_route(async move |path: Option<Path<String>>| {
        runs.begin();
        path.map_or("none".to_owned(), |Path(id)| id)
    })
}

#[tokio::test(start_paused = true)]
async fn it_stands_round_a_route_a_method_router_a_nested_router_and_an_application() {
    let world = World::new();
    let layer = || world.page();
    type Place = fn(MethodRouter, CacheLayer) -> Router;
    let places: [(&str, Place); 6] = [
        ("method router", |route, layer| {
            Router::new().route("/p", route.layer(layer))
        }),
        ("route_layer", |route, layer| {
            Router::new().route("/p", route).route_layer(layer)
        }),
        ("Router::layer", |route, layer| {
            Router::new().route("/p", route).layer(layer)
        }),
        ("nested", |route, layer| {
            Router::new().nest("/n", Router::new().route("/p", route).layer(layer))
        }),
        ("round a nest", |route, layer| {
            Router::new()
                .nest("/n", Router::new().route("/p", route))
                .layer(layer)
        }),
        ("nest_service", |route, layer| {
            Router::new().nest_service("/n", layer.layer(Router::new().route("/p", route)))
        }),
    ];
    for (n, (name, place)) in places.into_iter().enumerate() {
        let runs = Runs::default();
        let router = place(
            counting(&runs),
            layer().vary_on(KeyPart::computed(name, |_| None)),
        );
        let site = on_router(&world, router, &runs);
        let target = if n < 3 { "/p" } else { "/n/p" };
        assert_eq!(
            site.get(target).await.said(),
            "fwd=uri-miss; stored",
            "{name}"
        );
        let hit = site.get(target).await;
        assert_eq!(
            (hit.said(), &*hit.body),
            ("hit; ttl=1800", "none"),
            "{name}"
        );
        assert_eq!(
            site.ask(request(Method::HEAD, target, &[])).await.headers,
            hit.headers
        );
        assert_eq!(runs.count(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_router_keeps_its_tenants_apart() {
    let world = World::new();
    let runs = Runs::default();
    let inner = Router::new().route("/page", counting(&runs).layer(world.page()));
    let site = on_router(&world, Router::new().nest("/t/{id}", inner), &runs);
    for id in ["1", "2"] {
        let target = format!("/t/{id}/page");
        assert_eq!(site.get(&target).await.body, id);
        let hit = site.get(&target).await;
        assert_eq!((hit.is_hit(), &*hit.body), (true, id));
    }
    assert_eq!(runs.count(), 2);
    // And each is purged by the address that clients know.
    world.purge_page("/t/1/page").await;
    assert!(!site.get("/t/1/page").await.is_hit());
    assert!(site.get("/t/2/page").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_an_axum_route_has_the_length_of_its_body_also_for_head() {
    let world = World::new();
    let router: Router = Router::new()
        .route("/p", get_route(async || "soup"))
        .route("/none", get_route(async || http::StatusCode::NO_CONTENT))
        .layer(world.page());
    let site = on_router(&world, router, &Runs::default());
    site.get("/p").await;
    for asked in [Method::GET, Method::HEAD] {
        let answer = site.ask(request(asked, "/p", &[])).await;
        assert_eq!(
            (answer.is_hit(), answer.field("content-length")),
            (true, Some("4"))
        );
    }
}

/// A body of trailers has no length in its head; one of zero, which axum would add to an empty body, is not its length.
#[tokio::test(start_paused = true)]
async fn head_of_a_page_with_trailers_does_not_claim_to_be_empty() {
    let world = World::new();
    let router: Router = Router::new().route(
        "/p",
        get_route(async || page(&[], trailing(&["soup"], &[("x-t", "1")]))).layer(world.page()),
    );
    let site = on_router(&world, router, &Runs::default());
    site.get("/p").await;
    let get = site.get("/p").await;
    assert_eq!(
        (get.is_hit(), &*get.body, get.field("content-length")),
        (true, "soup", None)
    );
    assert_eq!(get.trailers.unwrap()["x-t"], "1");
    let head = site.ask(request(Method::HEAD, "/p", &[])).await;
    assert_eq!((head.is_hit(), head.field("content-length")), (true, None));
}

/// Neither axum nor a body of its own is needed, and the request's body may be of any type.
#[tokio::test(start_paused = true)]
async fn it_stands_in_a_plain_tower_stack() {
    async fn ask<B>(
        service: impl Service<
            Request<B>,
            Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
            Error = &'static str,
        > + Clone,
        body: B,
    ) -> (String, Bytes) {
        let request = Request::get("http://shop.example/p").body(body).unwrap();
        let response = service.oneshot(request).await.unwrap();
        let said = response.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        (
            said,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }
    fn handler<B>(
        _: Request<B>,
    ) -> std::future::Ready<Result<Response<Full<Bytes>>, &'static str>> {
        std::future::ready(Ok(Response::new(Full::from("soup"))))
    }
    let world = World::new();
    // Not `Sync`, not `Default`, not `Unpin`-bound: only a body.
    let owned = world.page().layer(tower::service_fn(
        handler::<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>,
    ));
    let empty = world
        .page()
        .layer(tower::service_fn(handler::<Empty<Bytes>>));
    let unsync = || Empty::<Bytes>::new().boxed_unsync();
    assert_eq!(
        ask(owned.clone(), unsync()).await.0,
        "larder; fwd=uri-miss; stored"
    );
    let soup = Bytes::from("soup");
    let hit = ("larder; hit; ttl=1800".to_owned(), soup);
    assert_eq!(ask(owned, unsync()).await, hit);
    assert_eq!(
        ask(empty, Empty::new()).await,
        hit,
        "of one cache, under one key"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hit_is_served_while_the_only_permit_is_held() {
    let world = World::new();
    let runs = Runs::default();
    let gate = Gate::closed();
    let held = gate.clone();
    let handler = runs.handler(move |request: Request<Body>| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/slow" {
                held.pass().await;
            }
            page(&[], "soup")
        }
    });
    // A clone that was not ready, once called, panics.
    let limited = ConcurrencyLimitLayer::new(1).layer(handler);
    let site = Site::of(world.clone(), runs.clone(), world.page().layer(limited));
    site.get("/menu").await;
    let slow = site.start(get("/slow"));
    runs.reach(2).await;
    // Followers hold no permit either, and those of another page wait for theirs.
    let follower = site.start(get("/slow"));
    let other = site.start(get("/other"));
    settle().await;
    for _ in 0..10 {
        assert!(site.get("/menu").await.is_hit());
    }
    assert_eq!(runs.count(), 2);
    gate.open();
    for task in [slow, follower, other] {
        assert_eq!(task.await.unwrap().body, "soup");
    }
    assert_eq!(runs.count(), 3);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_layer_is_ready_though_its_service_never_is() {
    #[derive(Clone)]
    struct Never;
    impl Service<Request<Body>> for Never {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Response<Body>, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Pending
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            panic!("an unready clone is called")
        }
    }
    let world = World::new();
    world
        .site(world.page(), async |_| page(&[], "soup"))
        .get("/p")
        .await;
    let mut service = world.page().layer(Never);
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .unwrap();
    let hit = service.call(get("/p")).await.unwrap();
    assert_eq!(hit.headers()["cache-status"], "larder; hit; ttl=1800");
    // A miss waits for the service, and calls nothing before.
    let mut miss = Box::pin(service.call(get("/q")));
    assert!(futures_util::FutureExt::now_or_never(&mut miss).is_none());
}

/// An outer layer round the application, an inner one round the route.
fn nested(world: &World, runs: &Runs) -> Site {
    let runs_of_handler = runs.clone();
    let handler = get_route(async move || {
        let run = runs_of_handler.begin();
        // A page that caches outside may keep; with what the inner layer says by default, `no-cache`, none would.
        page(&[("cache-control", "public, max-age=600")], run.to_string())
    });
    let inner = world.page().tag("menu");
    let router = Router::new()
        .route("/p", handler.layer(inner))
        .layer(world.page().named("outer"));
    on_router(world, router, runs)
}

/// The key under which this layer stores `/p`.
async fn purge_by_key_of(world: &World, layer: crate::CacheLayer) {
    let asked = get("/p");
    let key = layer.key(&RequestHead::of(&asked)).unwrap();
    let _ = world.cache.purge_key(&key).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_purge_by_key_strikes_the_inner_page_and_the_outer_copy_of_it() {
    let world = World::new();
    let runs = Runs::default();
    let site = nested(&world, &runs);
    assert_eq!(site.get("/p").await.body, "1");
    purge_by_key_of(&world, world.page().tag("menu")).await;
    assert_eq!(site.get("/p").await.body, "2");
}

/// What an inner layer does not store, an outer one may: it is struck by the same tags.
#[tokio::test(start_paused = true)]
async fn a_tag_of_an_inner_layer_that_stores_nothing_frees_the_outer_copy() {
    for refuses in [true, false] {
        let world = World::new();
        let runs = Runs::default();
        let counted = runs.clone();
        let handler = get_route(async move || {
            let run = counted.begin();
            page(
                &[("cache-control", "public, max-age=600")],
                format!("soup {run}"),
            )
        });
        let inner = world.page().tag("menu");
        let inner = match refuses {
            true => inner.max_body(1).unwrap(),
            false => inner.hosts(["elsewhere.example"]).unwrap(),
        };
        let router = Router::new()
            .route("/p", handler.layer(inner))
            .layer(world.page().named("outer"));
        let site = on_router(&world, router, &runs);
        site.get("/p").await;
        assert_eq!(site.get("/p").await.body, "soup 1", "an outer hit");
        world.purge_tag("menu").await;
        assert_eq!(site.get("/p").await.body, "soup 2", "refused: {refuses}");
    }
}

/// An outer layer knows nothing of what an inner one computes for its key.
#[tokio::test(start_paused = true)]
async fn an_outer_layer_does_not_share_what_an_inner_one_tells_apart() {
    let world = World::new();
    let runs = Runs::default();
    let handler = get_route(async |headers: HeaderMap| {
        let tenant = headers["x-tenant"].to_str().unwrap().to_owned();
        page(&[], format!("for {tenant}"))
    });
    let inner = world
        .page()
        .client_ttl(minutes(1))
        .vary_on(KeyPart::computed("tenant", |request| {
            Some(request.headers.get("x-tenant")?.as_bytes().to_vec())
        }));
    let router = Router::new()
        .route("/p", handler.layer(inner))
        .layer(world.page().named("outer"));
    let site = on_router(&world, router, &runs);
    for tenant in ["alice", "bob", "alice", "bob"] {
        let answer = site.ask(get_with("/p", &[("x-tenant", tenant)])).await;
        assert_eq!(answer.body, format!("for {tenant}"));
        assert_eq!(answer.field("cache-control"), Some("private, max-age=60"));
    }
}

/// Two applications on one cache are told apart by the names of their layers.
#[tokio::test(start_paused = true)]
async fn layers_of_different_names_share_nothing() {
    let world = World::new();
    let internal = world.site(world.page().named("internal"), |_| async {
        page(&[], "internal")
    });
    let public = world.site(world.page().named("public"), |_| async {
        page(&[], "public")
    });
    assert_eq!(internal.get("/report").await.body, "internal");
    assert_eq!(public.get("/report").await.body, "public");
}

#[tokio::test(start_paused = true)]
async fn of_two_layers_both_store_and_neither_waits_for_the_other() {
    let world = World::new();
    let runs = Runs::default();
    let site = nested(&world, &runs);
    let first = site.get("/p").await;
    let lines = [
        "larder; fwd=uri-miss; stored",
        "larder; fwd=uri-miss; stored",
    ];
    assert_eq!(first.lines("cache-status"), lines);
    world.advance(seconds(5));
    let hit = site.get("/p").await;
    assert_eq!(
        hit.lines("cache-status"),
        ["larder; fwd=uri-miss; stored", "larder; hit; ttl=595"]
    );
    assert_eq!((hit.field("age"), runs.count()), (Some("5"), 1));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_the_inner_page_frees_the_outer_copy_however_that_was_filled() {
    let world = World::new();
    let runs = Runs::default();
    let site = nested(&world, &runs);
    assert_eq!(site.get("/p").await.body, "1");
    world.purge_tag("menu").await;
    assert_eq!(
        site.get("/p").await.body,
        "2",
        "filled by the handler's answer"
    );
    // The outer copy alone goes; filled again, from the inner layer's hit, it depends on the same.
    purge_by_key_of(&world, world.page().named("outer")).await;
    assert_eq!(site.get("/p").await.body, "2");
    assert_eq!(
        site.get("/p").await.lines("cache-status").len(),
        2,
        "an outer hit"
    );
    world.purge_tag("menu").await;
    assert_eq!(site.get("/p").await.body, "3");
}

#[tokio::test(start_paused = true)]
async fn an_inner_handler_that_reads_who_asks_keeps_the_outer_page_from_being_stored() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        Trace::of(request.extensions())
            .expect("a trace on every forward")
            .read_identity();
        page(&[("cache-control", "public, max-age=60")], "hello, you")
    });
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.said(), "fwd=uri-miss");
    }
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_registered_identity_fills_a_page_only_where_the_response_says_that_it_is_for_all() {
    #[derive(Clone)]
    struct User(&'static str);
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).identity::<User>());
    let runs = Runs::default();
    let counted = runs.clone();
    let page_of = async move |user: Option<Extension<User>>, uri: http::Uri| {
        counted.begin();
        let public: &[(&str, &str)] = &[("cache-control", "public, max-age=60")];
        let fields = if uri.path() == "/public" { public } else { &[] };
        page(
            fields,
            user.map_or("anonymous", |Extension(User(name))| name),
        )
    };
    let router = Router::new()
        .route("/public", get_route(page_of.clone()).layer(world.page()))
        .route("/plain", get_route(page_of.clone()).layer(world.page()))
        .route("/shared", get_route(page_of).layer(world.page().shared()));
    let anonymous = on_router(&world, router.clone(), &runs);
    let alice = on_router(&world, router.layer(Extension(User("alice"))), &runs);
    assert_eq!(alice.get("/plain").await.body, "alice");
    assert_eq!(anonymous.get("/plain").await.body, "anonymous");
    assert!(
        alice.get("/plain").await.is_hit(),
        "look-ups are for everyone"
    );
    assert_eq!(
        alice.get("/shared").await.body,
        "anonymous",
        "it is taken away before the handler"
    );
    assert!(anonymous.get("/shared").await.is_hit());
    assert_eq!(alice.get("/public").await.body, "alice", "its own word");
    assert!(anonymous.get("/public").await.is_hit());
    assert_eq!(runs.count(), 4);
}
