//! What handlers are told and say by extractors, and what of it the page layers know.

use axum::extract::FromRequestParts;
use axum::routing::{get as on_get, post as on_post};
use axum::{Extension, Router};

use super::*;
use crate::cache::CachesLayer;
use crate::extract::{Caches, Looked, Page, Personal};
use crate::identity::{self, Identity};
use crate::monitor::{Absence, Bypass, NotStored, Reason};
use crate::testing::{NotCacheable, assert_cacheable, check_cacheable};
use crate::{Trace, seconds};

#[derive(Clone)]
struct User(&'static str);

fn world() -> World {
    World::built(
        Cache::builder(MemoryStore::new(MIB))
            .user(identity::extension("user", |user: &User| user.0)),
    )
}

fn site(world: &World, app: Router) -> Site {
    Site::of(world.clone(), Runs::default(), app)
}

fn from(name: &'static str, target: &str) -> Request<Body> {
    let mut request = get(target);
    request.extensions_mut().insert(User(name));
    request
}

async fn greet(Personal(user): Personal<Option<Extension<User>>>) -> String {
    format!("for {}", user.map_or("nobody", |Extension(user)| user.0))
}

#[tokio::test]
async fn a_page_that_reads_who_is_asking_is_served_and_not_stored() {
    let world = world();
    let routes = [
        on_get(async |who: Identity| format!("{}", who.is_anonymous())),
        on_get(async |who: Option<Identity>| format!("{}", who.is_some())),
        on_get(greet),
        on_get(async |user: Option<Personal<Extension<User>>>| format!("{}", user.is_some())),
        on_get(async |request: Request<Body>| {
            Trace::of(request.extensions()).unwrap().read_identity();
            "anyone"
        }),
    ];
    for (n, route) in routes.into_iter().enumerate() {
        let layer = world.page().named(format!("{n}"));
        let site = site(&world, Router::new().route("/", route.layer(layer)));
        for _ in 0..2 {
            let answer = site.get("/").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.said(), "fwd=uri-miss", "{n}");
        }
        let response = site.open(get("/")).await;
        let reason = response.extensions().get::<Reason>();
        assert_eq!(
            reason,
            Some(&Reason::Refused(Absence::Uri, NotStored::Identity))
        );
    }
    assert_eq!(world.cache.stats().details()["identity"], 15);
}

#[tokio::test]
async fn a_page_that_varies_on_what_was_read_is_stored() {
    let world = world();
    let layer = world.page().vary_on_user().unwrap();
    let read = async |who: Identity, user: Option<Extension<User>>| {
        format!(
            "{} {}",
            who.is_anonymous(),
            user.map_or("nobody", |user| user.0.0)
        )
    };
    let site = site(&world, Router::new().route("/", on_get(read).layer(layer)));
    for round in 0..2 {
        for (asked, body) in [
            (from("alice", "/"), "false alice"),
            (from("bob", "/"), "false bob"),
            (get("/"), "true nobody"),
        ] {
            let answer = site.ask(asked).await;
            assert_eq!((&*answer.body, answer.is_hit()), (body, round == 1));
        }
    }
}

/// Authentication within the layer: to the key, everybody is nobody.
#[tokio::test]
async fn a_person_who_is_found_within_the_layer_is_not_nobody() {
    let world = world();
    let authenticate = |mut request: Request<Body>, next: axum::middleware::Next| async move {
        let name = request.headers().get("x-name").cloned();
        if let Some(name) = name {
            let name = if name == "alice" { "alice" } else { "bob" };
            request.extensions_mut().insert(User(name));
        }
        next.run(request).await
    };
    let exact = async |who: Identity, user: Option<Extension<User>>| {
        let name = user.map_or("nobody", |user| user.0.0);
        format!("{} for {name}", who.is_anonymous())
    };
    for (n, route) in [on_get(greet), on_get(exact)].into_iter().enumerate() {
        let within = axum::middleware::from_fn(authenticate);
        let layer = world.page().named(format!("{n}")).vary_on_user().unwrap();
        let app = Router::new().route("/", route.layer::<_, Infallible>(within).layer(layer));
        let site = site(&world, app);
        for _ in 0..2 {
            for name in ["alice", "bob"] {
                let answer = site.ask(get_with("/", &[("x-name", name)])).await;
                assert!(answer.body.ends_with(name), "{} for {name}", answer.body);
                assert_eq!(answer.said(), "fwd=uri-miss");
            }
        }
    }
}

/// Two ways to tell who is asking: what varies on one does not know the other.
#[tokio::test]
async fn a_key_of_another_identity_does_not_cover_what_was_read() {
    let world = world();
    let tenant = identity::header(HeaderName::from_static("x-tenant"));
    let layer = world.page().vary_on_identity(tenant).unwrap();
    let app = Router::new().route(
        "/",
        on_get(async |who: Identity| format!("{who:?}")).layer(layer),
    );
    let site = site(&world, app);
    for _ in 0..2 {
        let mut request = from("alice", "/");
        request
            .headers_mut()
            .insert("x-tenant", "t".parse().unwrap());
        assert_eq!(site.ask(request).await.said(), "fwd=uri-miss");
    }
}

#[tokio::test]
async fn a_layer_round_one_that_varies_on_the_user_stores_nothing() {
    let world = world();
    let inner = world.page().vary_on_user().unwrap();
    let app = Router::new()
        .route("/", on_get(async || "a page").layer(inner))
        .layer(world.page());
    let site = site(&world, app);
    for _ in 0..3 {
        let answer = site.ask(from("alice", "/")).await;
        let says = answer.lines("cache-status").join(", ");
        assert!(says.ends_with("larder; fwd=uri-miss"), "{says}");
    }
}

#[tokio::test]
async fn the_page_hears_what_its_handler_says() {
    let world = world();
    let handler = async |page: Page| {
        page.tag("scores");
        page.ttl(seconds(10));
        page.ttl(minutes(10));
        assert_eq!(page.looked(), Looked::Missed(Absence::Uri));
        "2:1"
    };
    let secret = async |page: Page| {
        page.do_not_store();
        "not yet"
    };
    let app = Router::new()
        .route("/scores", on_get(handler).layer(world.page()))
        .route("/secret", on_get(secret).layer(world.page()));
    let site = site(&world, app);
    let _ = site.get("/scores").await;
    assert_eq!(site.get("/scores").await.said(), "hit; ttl=10");
    world.purge_tag("scores").await;
    assert!(!site.get("/scores").await.is_hit());
    for _ in 0..2 {
        assert_eq!(site.get("/secret").await.said(), "fwd=uri-miss");
    }
}

#[tokio::test]
async fn the_layer_outside_hears_it_too() {
    let world = world();
    let app = Router::new()
        .route(
            "/",
            on_get(async |page: Page| page.tag("inner")).layer(world.page().client_ttl(minutes(5))),
        )
        .layer(world.page());
    let site = site(&world, app);
    let _ = site.get("/").await;
    let outer = |answer: &Answer| answer.lines("cache-status").pop().unwrap().to_owned();
    assert_eq!(outer(&site.get("/").await), "larder; hit; ttl=300");
    world.purge_tag("inner").await;
    assert_eq!(outer(&site.get("/").await), "larder; fwd=uri-miss; stored");
}

#[tokio::test]
async fn a_handler_that_is_passed_to_knows_why() {
    let world = world();
    let handler = async |page: Page| {
        assert_eq!(page.looked(), Looked::Bypassed(Bypass::Method));
    };
    let app = Router::new().route("/", on_post(handler).layer(world.page()));
    let answer = site(&world, app).ask(request(Method::POST, "/", &[])).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn extractors_work_wherever_their_layer_stands() {
    let world = world();
    let handler = || on_post(async |cache: Cache| format!("{:?}", cache.stats().hits()));
    let layer = CachesLayer::new(&world.cache);
    let apps = [
        Router::new().route("/in", handler()).layer(layer.clone()),
        Router::new()
            .route("/in", handler())
            .route_layer(layer.clone()),
        Router::new().route("/in", handler().layer(layer.clone())),
    ];
    for app in apps {
        let answer = site(&world, app)
            .ask(request(Method::POST, "/in", &[]))
            .await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "0"));
    }
}

#[tokio::test]
async fn extractors_work_within_nest_and_with_state() {
    let world = world();
    let handler =
        async |axum::extract::State(n): axum::extract::State<u8>, cache: Cache, caches: Caches| {
            let _ = cache;
            let other = caches.named("other").is_ok();
            format!("{n} {other} {}", caches.named("none").is_err())
        };
    let nested = Router::new().route("/in", on_get(handler));
    let app = Router::new()
        .nest("/nested", nested)
        .layer(CachesLayer::new(&world.cache).and("other", &world.cache))
        .with_state(7_u8);
    let answer = site(&world, app).open(get("/nested/in")).await;
    assert_eq!(read(answer).await.body, "7 true true");
}

#[tokio::test]
async fn a_missing_layer_is_named() {
    let world = world();
    let app = Router::new()
        .route("/cache", on_get(async |_: Cache| ()))
        .route("/caches", on_get(async |_: Caches| ()))
        .route("/page", on_get(async |_: Page| ()))
        .route("/identity", on_get(async |_: Identity| ()))
        .route(
            "/optional",
            on_get(
                async |cache: Option<Cache>, page: Option<Page>, who: Option<Identity>| {
                    assert!(cache.is_none() && page.is_none() && who.is_none());
                },
            ),
        );
    let site = site(&world, app);
    for (target, layer) in [
        ("/cache", "CachesLayer"),
        ("/caches", "CachesLayer"),
        ("/page", "Cache::page"),
        ("/identity", ".user()"),
    ] {
        let answer = read(site.open(get(target)).await).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{target}");
        assert!(answer.body.contains(layer), "{}", answer.body);
    }
    assert_eq!(
        read(site.open(get("/optional")).await).await.status,
        StatusCode::OK
    );
}

/// An extractor that refuses has told who is asking, too.
#[tokio::test]
async fn a_refusal_of_a_personal_extractor_is_not_stored() {
    struct SignedIn;

    impl<S: Sync> FromRequestParts<S> for SignedIn {
        type Rejection = Response<Body>;

        async fn from_request_parts(
            parts: &mut http::request::Parts,
            _: &S,
        ) -> Result<Self, Self::Rejection> {
            match parts.extensions.get::<User>() {
                Some(_) => Ok(Self),
                None => Err(page(
                    &[("cache-control", "public, max-age=60")],
                    "who are you?",
                )),
            }
        }
    }

    let world = world();
    let handler = async |_: Personal<SignedIn>| "come in";
    let app = Router::new().route("/", on_get(handler).layer(world.page()));
    let site = site(&world, app);
    assert_eq!(site.get("/").await.said(), "fwd=uri-miss");
    assert_eq!(site.ask(from("alice", "/")).await.body, "come in");
}

#[tokio::test]
async fn a_suite_finds_cached_routes_that_read_who_is_asking() {
    let world = world();
    let app = Router::new()
        .route("/menu", on_get(async || "soup").layer(world.page()))
        .route("/greeting", on_get(greet).layer(world.page()))
        .route(
            "/mine",
            on_get(greet).layer(world.page().vary_on_user().unwrap()),
        )
        .route("/none", on_get(greet));
    for _ in 0..2 {
        assert_cacheable(app.clone(), get("/menu")).await;
        assert_cacheable(app.clone(), from("alice", "/mine")).await;
    }
    let table = [
        (get("/greeting"), NotCacheable::Identity),
        (from("alice", "/menu?other"), NotCacheable::Credentials),
        (get("/none"), NotCacheable::NoLayer),
        (
            get_with("/menu", &[("if-match", "\"a\"")]),
            NotCacheable::Refused(Reason::Bypassed(Bypass::Precondition)),
        ),
    ];
    for (request, expected) in table {
        assert_eq!(check_cacheable(app.clone(), request).await, Err(expected));
    }
}

#[tokio::test]
#[should_panic(expected = "GET /greeting is not cacheable")]
async fn a_suite_fails_where_a_cached_route_reads_who_is_asking() {
    let world = world();
    let app = Router::new().route("/greeting", on_get(greet).layer(world.page()));
    assert_cacheable(app, get("/greeting")).await;
}
