//! Attempts to be answered with what was made for somebody else.

use std::net::SocketAddr;

use axum::extract::connect_info::MockConnectInfo;
use axum::middleware::{Next, from_fn};
use axum::routing::{get as on_get, post as on_post};
use axum::{Extension, Router};

use super::*;
use crate::control::ConditionalLayer;
use crate::extract::{Page, Personal};
use crate::identity::{self, Identity};
use crate::{
    CacheControl, CacheControlLayer, CachesLayer, ClientIp, ClientIpLayer, Trace, TrustedProxies,
    hours,
};
use crate::{Identify, seconds};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Who is signed in, and for whom they work.
#[derive(Clone, Copy)]
struct User {
    id: u64,
    tenant: u64,
}

fn by_field() -> impl Identify + Clone {
    identity::header(HeaderName::from_static("x-user"))
}

fn by_tenant() -> impl Identify {
    identity::extension("tenant", |user: &User| user.tenant.to_be_bytes())
}

/// A cache that was told that `x-user` says who is asking.
fn world_by_field() -> World {
    World::built(Cache::builder(MemoryStore::new(MIB)).user(by_field()))
}

/// A cache that was told that the number of a [`User`] says who is asking.
fn world_by_id() -> World {
    let by_id = identity::extension("user", |user: &User| user.id.to_be_bytes());
    World::built(Cache::builder(MemoryStore::new(MIB)).user(by_id))
}

fn from(user: User, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = get_with("/", fields);
    request.extensions_mut().insert(user);
    request
}

/// Greets whoever the field names.
fn greeting(world: &World, layer: CacheLayer, fields: Fields) -> Site {
    world.site(layer, move |request: Request<Body>| {
        let name = request.headers().get("x-user");
        let name = name.map_or("nobody", |name| name.to_str().unwrap());
        let body = format!("for {name}");
        async move { page(fields, body) }
    })
}

/// Wraps what a site answers in another layer.
fn behind<L, R>(layer: L, site: &Site) -> Site
where
    L: Layer<BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>>,
    L::Service: Service<Request<Body>, Response = Response<R>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<axum::BoxError>,
{
    Site::of(
        site.world.clone(),
        site.runs.clone(),
        layer.layer(site.service.clone()),
    )
}

/// Forgetting to vary must be slow, and not somebody else's page: by a field as by an extension.
#[tokio::test(start_paused = true)]
async fn what_says_who_the_user_is_is_a_credential_whatever_it_is() {
    let world = world_by_field();
    let site = greeting(&world, world.page(), &[]);
    for name in ["alice", "bob"] {
        let answer = site.ask(get_with("/", &[("x-user", name)])).await;
        assert_eq!(answer.body, format!("for {name}"));
    }

    let by = identity::closure("token", |request| {
        Some(request.headers.get("x-token")?.as_bytes().to_vec())
    });
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).user(by));
    let site = world.site(world.page(), async |request| {
        page(
            &[],
            request.headers()["x-token"].to_str().unwrap().to_owned(),
        )
    });
    for token in ["alice", "bob"] {
        let answer = site.ask(get_with("/", &[("x-token", token)])).await;
        assert_eq!(answer.body, token);
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_shared_route_the_handler_does_not_see_the_field_that_names_the_user() {
    let world = world_by_field();
    let site = greeting(&world, world.page().shared(), &[]);
    let answer = site.ask(get_with("/", &[("x-user", "alice")])).await;
    assert_eq!(answer.body, "for nobody");
}

/// What a key holds is a tenant, a cart, a key of an interface; who the user is it does not hold.
#[tokio::test(start_paused = true)]
async fn a_page_of_a_user_whom_the_key_does_not_hold_is_not_stored() {
    let greet = async |Extension(user): Extension<User>| format!("for {}", user.id);
    let personal = async |user: Personal<Extension<User>>| format!("for {}", user.0.0.id);
    let routes = || [on_get(greet), on_get(personal)];
    let mut leaks = Vec::new();
    for n in 0..3 {
        for (m, route) in routes().into_iter().enumerate() {
            let world = world_by_id();
            let page = world.page();
            let layer = match n {
                0 => page.vary_on_identity(by_tenant()),
                1 => page.vary_on_identity(by_field()),
                _ => page.vary_on_identity(identity::cookie("cart")),
            };
            let app = Router::new().route("/", route.layer(layer.unwrap()));
            let site = Site::of(world, Runs::default(), app);
            for id in [1, 2] {
                let user = User { id, tenant: 7 };
                let fields = [("x-user", "key"), ("cookie", "cart=3")];
                let answer = site.ask(from(user, &fields)).await;
                if answer.body != format!("for {id}") {
                    leaks.push(format!("layer {n}, route {m}: {} to {id}", answer.body));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// The first user of the first tenant: both are number 1.
#[tokio::test(start_paused = true)]
async fn two_things_that_one_extension_tells_are_two_identities() {
    let world = world_by_id();
    let layer = world.page().vary_on_identity(by_tenant()).unwrap();
    let read = async |_: Identity, Extension(user): Extension<User>| format!("for {}", user.id);
    let app = Router::new().route("/", on_get(read).layer(layer));
    let site = Site::of(world, Runs::default(), app);
    for id in [1, 2] {
        let answer = site.ask(from(User { id, tenant: 1 }, &[])).await;
        assert_eq!(answer.body, format!("for {id}"));
    }
}

/// Nobody is signed in, and the other part says nothing of who it is.
#[tokio::test(start_paused = true)]
async fn visitors_of_one_tenant_are_not_one_person() {
    let world = world_by_id();
    let tenant = identity::header(HeaderName::from_static("x-tenant"));
    let by = identity::extension("user", |user: &User| user.id.to_be_bytes()).and(tenant);
    let layer = world.page().vary_on_identity(by).unwrap();
    let site = world.site(layer, async |request| {
        let cookie = request.headers()["cookie"].to_str().unwrap().to_owned();
        page(&[("cache-control", "private, max-age=60")], cookie)
    });
    for cart in ["cart=1", "cart=2"] {
        let answer = site
            .ask(get_with("/", &[("x-tenant", "t"), ("cookie", cart)]))
            .await;
        assert_eq!(answer.body, cart);
    }
}

/// RFC 9213 §2.2: what a targeted field says counts in place of `Cache-Control`.
#[tokio::test(start_paused = true)]
async fn a_layer_that_fills_gaps_does_not_share_a_private_page() {
    let world = world_by_field();
    let varying = greeting(&world, world.page().vary_on_user().unwrap(), &[]);
    let plain = greeting(
        &world,
        world.page().named("plain"),
        &[("cache-control", "private, max-age=60")],
    );
    for site in [varying, plain] {
        let cdn = HeaderName::from_static("cdn-cache-control");
        let layer = CacheControlLayer::if_not_present(CacheControl::public().max_age(minutes(5)))
            .targeted(cdn, CacheControl::new().max_age(hours(1)));
        let answer = behind(layer, &site)
            .ask(get_with("/", &[("x-user", "alice")]))
            .await;
        assert!(answer.field("cache-control").unwrap().contains("private"));
        assert_eq!(answer.field("cdn-cache-control"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn no_field_that_speaks_to_a_cache_in_front_leaves_with_a_page_of_one_person() {
    let world = world_by_field();
    let fields = &[("x-accel-expires", "60"), ("edge-control", "max-age=60")];
    let site = greeting(&world, world.page().vary_on_user().unwrap(), fields);
    for _ in 0..2 {
        let answer = site.ask(get_with("/", &[("x-user", "alice")])).await;
        assert_eq!(answer.field("x-accel-expires"), None);
        assert_eq!(answer.field("edge-control"), None);
    }
}

/// The answer to a POST can be stored by a cache outside (RFC 9110 §9.3.3).
#[tokio::test(start_paused = true)]
async fn all_answers_of_a_route_that_varies_leave_as_private() {
    let world = world_by_field();
    let fields = &[
        ("cache-control", "public, max-age=60"),
        ("content-location", "/"),
    ];
    let site = greeting(&world, world.page().vary_on_user().unwrap(), fields);
    let post = request(Method::POST, "/", &[("x-user", "alice")]);
    let answer = site.ask(post).await;
    assert_eq!(answer.field("cache-control"), Some("private, max-age=60"));
}

#[tokio::test(start_paused = true)]
async fn dates_do_not_tell_people_apart_to_a_layer_outside_either() {
    let world = world_by_field();
    let fields = &[("last-modified", DATE)];
    let site = greeting(&world, world.page().vary_on_user().unwrap(), fields);
    for layer in [
        ConditionalLayer::new(),
        ConditionalLayer::new().without_etag(),
    ] {
        let site = behind(layer, &site);
        // The browser has the page of whoever used it before.
        let since = [("x-user", "bob"), ("if-modified-since", DATE)];
        for _ in 0..2 {
            let answer = site.ask(get_with("/", &since)).await;
            assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "for bob"));
        }
    }
}

/// Half of what one person has is not completed with half of what is another's.
#[tokio::test(start_paused = true)]
async fn dates_do_not_tell_people_apart_in_if_range() {
    let world = world_by_field();
    let fields = &[("last-modified", DATE)];
    let site = greeting(&world, world.page().vary_on_user().unwrap(), fields);
    let _ = site.ask(get_with("/", &[("x-user", "bob")])).await;
    let rest = [("x-user", "bob"), ("range", "bytes=4-"), ("if-range", DATE)];
    let answer = site.ask(get_with("/", &rest)).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "for bob"));
}

/// Something between both layers has made a response of its own, so that only the trace tells.
#[tokio::test(start_paused = true)]
async fn what_a_layer_within_cannot_tell_is_stored_for_nobody_outside() {
    let world = world_by_field();
    let inner = world.page().vary_on_identity(identity::cookie("session"));
    let site = world.site(inner.unwrap(), async |request| {
        page(
            &[],
            request.headers()["cookie"].to_str().unwrap().to_owned(),
        )
    });
    let between = site
        .service
        .clone()
        .map_response(|response: Response<Body>| {
            let mut fresh = Response::new(Body::empty());
            *fresh.headers_mut() = response.headers().clone();
            *fresh.body_mut() = response.into_body();
            fresh
        });
    let outer = world.page().named("outer").vary_on_user().unwrap();
    let site = Site::of(world, site.runs.clone(), outer.layer(between));
    for cookies in ["session=a; session=b", "session=c"] {
        let asked = get_with("/", &[("x-user", "key"), ("cookie", cookies)]);
        assert_eq!(read(site.open(asked).await).await.body, cookies);
    }
}

/// A batch: both requests carry the extensions of the one that they came in.
#[tokio::test(start_paused = true)]
async fn what_one_handler_says_of_its_page_is_not_taken_for_another() {
    let world = World::new();
    let (gate, runs) = (Gate::closed(), Runs::default());
    let secret = {
        let (gate, runs) = (gate.clone(), runs.clone());
        async move |page: Page| {
            runs.begin();
            page.do_not_store();
            gate.pass().await;
            "secret"
        }
    };
    let pages = Router::new()
        .route("/secret", on_get(secret))
        .route("/open", on_get(async || "open"))
        .layer(world.page());
    let batch = {
        let pages = pages.clone();
        async move |request: Request<Body>| {
            let extensions = request.into_parts().0.extensions;
            let part = |target| {
                let mut part = get(target);
                *part.extensions_mut() = extensions.clone();
                part
            };
            let one = tokio::spawn(pages.clone().oneshot(part("/secret")));
            settle().await;
            let _ = read(pages.clone().oneshot(part("/open")).await.unwrap()).await;
            gate.open_for(1);
            read(one.await.unwrap().unwrap()).await.body
        }
    };
    let app = Router::new()
        .route("/batch", on_post(batch))
        .layer(world.page());
    let site = Site::of(world, Runs::default(), app);
    for run in 1..=2 {
        let answer = site.ask(request(Method::POST, "/batch", &[])).await;
        assert_eq!(answer.body, "secret");
        assert_eq!(runs.count(), run);
    }
}

/// A page that asks for its fragments while it is sent.
#[tokio::test(start_paused = true)]
async fn what_a_body_reads_of_who_is_asking_is_not_stored() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let trace = Trace::of(request.extensions()).unwrap().clone();
        let name = request.headers()["x-user"].to_str().unwrap().to_owned();
        let fragments = stream::once(async move {
            trace.read_identity();
            Ok::<_, Infallible>(Bytes::from(name))
        });
        page(&[], Body::from_stream(fragments))
    });
    for name in ["alice", "bob"] {
        let answer = site.ask(get_with("/", &[("x-user", name)])).await;
        assert_eq!(answer.body, name);
    }
}

/// What a layer outside makes of who is asking, and passes on, is as good as that: it is registered.
#[tokio::test(start_paused = true)]
async fn what_a_layer_outside_passes_on_of_who_is_asking_is_a_credential() {
    #[derive(Clone)]
    struct Place(String);

    let world = World::built(Cache::builder(MemoryStore::new(MIB)).identity::<Place>());
    let locate = async |client: ClientIp, mut request: Request<Body>, next: Next| {
        let place = Place(client.addr().to_string());
        request.extensions_mut().insert(place);
        next.run(request).await
    };
    let app = Router::new()
        .route(
            "/",
            on_get(async |Extension(place): Extension<Place>| place.0),
        )
        .layer(world.page())
        .layer(from_fn(locate))
        .layer(ClientIpLayer::new(TrustedProxies::none()));
    let site = Site::of(world, Runs::default(), app);
    for addr in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(site.ask(by_peer(addr)).await.body, addr);
    }
}

/// A guard, or a line in a log, does not keep the pages within from being stored.
#[tokio::test(start_paused = true)]
async fn what_a_layer_outside_only_looks_at_is_no_part_of_the_page() {
    let world = world_by_field();
    let look = async |_: ClientIp, _: Identity, request: Request<Body>, next: Next| {
        next.run(request).await
    };
    let app = Router::new()
        .route("/", on_get(async || "for all"))
        .layer(world.page())
        .layer(from_fn(look))
        .layer(CachesLayer::new(&world.cache))
        .layer(ClientIpLayer::new(TrustedProxies::none()));
    let site = Site::of(world, Runs::default(), app);
    let _ = site.ask(by_peer("192.0.2.1")).await;
    assert!(site.ask(by_peer("192.0.2.2")).await.is_hit());
}

fn by_peer(addr: &str) -> Request<Body> {
    let mut asked = get("/");
    let peer = SocketAddr::new(addr.parse().unwrap(), 1);
    asked.extensions_mut().insert(MockConnectInfo(peer));
    asked
}

#[test]
fn a_layer_is_not_both_shared_and_of_one_person_in_whichever_order() {
    let world = world_by_field();
    let page = world.page().vary_on_user().unwrap().shared();
    let both = page.policy().shared && page.policy().identity.is_some();
    assert!(!both, "{page:?}");
}

mod sound {
    //! What was tried in vain.

    use super::*;

    fn sees_cookies(world: &World, layer: CacheLayer, fields: Fields) -> Site {
        world.site(layer, move |request: Request<Body>| {
            let lines = request.headers().get_all("cookie").iter();
            let lines: Vec<_> = lines
                .map(|line| line.to_str().unwrap().to_owned())
                .collect();
            async move { page(fields, lines.join("|")) }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_declared_cookie_comes_by_no_other_name() {
        let world = World::new();
        let layer = world.page().shared().vary_on(KeyPart::cookie("c"));
        let site = sees_cookies(&world, layer, &[]);
        for (sent, seen) in [
            ("%63=1; c=2", "c=2"),
            ("$Version=1; c=\"2\"; $Path=/", "c=2"),
            ("C=1; c =2", "c=2"),
            ("c", ""),
            ("c=", "c="),
            ("s=\"a; c=3; b\"; c=3", "c=3"),
        ] {
            let answer = site.ask(get_with("/", &[("cookie", sent)])).await;
            assert_eq!(answer.body, seen, "{sent}");
        }
        let twice = get_with("/", &[("cookie", "c=1"), ("cookie", "c=2")]);
        assert_eq!(site.ask(twice).await.said(), "fwd=bypass");
    }

    /// Something stale of one person is nothing to another: not for an error, a slow handler, a range, a HEAD, a 304.
    #[tokio::test(start_paused = true)]
    async fn what_is_stale_stays_its_owners() {
        let world = world_by_field();
        let layer = world
            .cache
            .gateway()
            .vary_on_user()
            .unwrap()
            .grace(hours(1))
            .soft_timeout(seconds(1))
            .unwrap();
        let site = world.site(layer, async |request| {
            let name = request.headers()["x-user"].to_str().unwrap().to_owned();
            let asked = request.headers();
            let fields = [
                ("cache-control", "max-age=10"),
                ("etag", "\"same\""),
                ("last-modified", DATE),
            ];
            if asked.contains_key("if-none-match") {
                return with_status(304, &fields, "");
            }
            if asked.contains_key("x-slow") {
                tokio::time::sleep(seconds(5)).await;
            }
            match asked.contains_key("x-fail") {
                true => with_status(503, &[], name),
                false => page(&fields, name),
            }
        });
        let _ = site.ask(get_with("/", &[("x-user", "alice")])).await;
        world.advance(seconds(20));
        let ways: [Fields; 5] = [
            &[("x-user", "bob"), ("x-fail", "1")],
            &[("x-user", "bob"), ("x-slow", "1")],
            &[("x-user", "carol"), ("range", "bytes=0-2")],
            &[("x-user", "dave"), ("cache-control", "max-stale")],
            &[("x-user", "erin"), ("cache-control", "only-if-cached")],
        ];
        for fields in ways {
            let answer = site.ask(get_with("/", fields)).await;
            assert!(!answer.body.contains("ali"), "{fields:?}: {answer:?}");
            let head = site.ask(request(Method::HEAD, "/", fields)).await;
            assert_ne!(head.field("age"), Some("20"), "{fields:?}");
        }
        let alice = site.ask(get_with("/", &[("x-user", "alice")])).await;
        assert_eq!(alice.body, "alice");
    }

    /// Equivalents, parts and the answers to POST stand under their owner.
    #[tokio::test(start_paused = true)]
    async fn whatever_is_stored_of_a_page_is_its_owners() {
        let world = world_by_field();
        let layer = world.cache.gateway().vary_on_user().unwrap();
        let site = world.site(layer, async |request| {
            let name = request.headers()["x-user"].to_str().unwrap().to_owned();
            let fields = [
                ("cache-control", "private, max-age=60"),
                ("no-vary-search", "params"),
                ("content-location", "/p?a"),
                ("etag", "\"same\""),
            ];
            match request.headers().get("range") {
                Some(_) => {
                    let part = [("content-range", "bytes 0-2/9")];
                    with_status(206, &[&fields[..], &part].concat(), name[..3].to_owned())
                }
                None => page(&fields, format!("{name:9}")),
            }
        });
        let ask = |method: Method, target: &str, fields: &[(&str, &str)]| {
            let asked = request(method, target, fields);
            let site = site.clone();
            async move { site.ask(asked).await }
        };
        let alice = ("x-user", "alice");
        let _ = ask(Method::GET, "/q?a", &[alice]).await;
        let _ = ask(Method::POST, "/p?a", &[alice]).await;
        let _ = ask(Method::GET, "/r", &[alice, ("range", "bytes=0-2")]).await;
        for target in ["/q?a", "/q?b", "/p?a", "/p?b", "/r"] {
            for name in ["bob", "carol"] {
                for fields in [&[][..], &[("range", "bytes=0-2")]] {
                    let fields = [&[("x-user", name)], fields].concat();
                    let answer = ask(Method::GET, target, &fields).await;
                    assert!(answer.body.starts_with(&name[..3]), "{target}: {answer:?}");
                    let says = answer.field("cache-control").unwrap();
                    assert!(says.contains("private"), "{says}");
                }
            }
        }
    }
}
