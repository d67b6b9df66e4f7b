//! Pages of one person each: nobody sees another's, and nothing that is one's leaves for all.

use super::*;
use crate::clock::Clock;
use crate::identity::{self, Identity};
use crate::{Anonymous, Identify, seconds};

/// Whose name is in the field `x-user`.
fn by_field() -> impl Identify + Clone {
    identity::header(HeaderName::from_static("x-user"))
}

fn person(name: &str) -> Identity {
    Identity::known("field x-user", name)
}

fn users(world: World) -> World {
    let World { cache, clock } = world;
    let waits = cache
        .store()
        .get_now(crate::store::Key::new(b""), clock.now())
        .is_pending();
    let builder = match waits {
        true => Cache::builder(Waiting(MemoryStore::new(16 * MIB))).secret([7; 32]),
        false => Cache::builder(MemoryStore::new(16 * MIB)),
    };
    let cache = builder
        .user(by_field())
        .clock(clock.clone())
        .build()
        .unwrap();
    World { cache, clock }
}

fn from(name: &str, target: &str) -> Request<Body> {
    get_with(target, &[("x-user", name), ("authorization", name)])
}

/// A page that greets whoever asks, with these fields.
fn greeting(world: &World, layer: CacheLayer, fields: Fields) -> Site {
    world.site(layer, move |request: Request<Body>| {
        let name = request.headers().get("x-user").cloned();
        let name = name.map_or("nobody".to_owned(), |name| {
            name.to_str().unwrap().to_owned()
        });
        async move { page(fields, format!("for {name}")) }
    })
}

fn varying(world: &World) -> CacheLayer {
    world.page().vary_on_user().unwrap()
}

on_every_store! {
    each_gets_a_page_of_their_own
    what_says_private_is_stored_for_its_owner
    what_says_no_store_or_sets_a_cookie_is_not
    nobody_in_particular_shares_a_page_by_the_rules_of_all
    nobody_passes_by_where_no_page_is_kept_for_them
    a_purge_of_one_identity_leaves_the_others
    a_stale_page_is_refreshed_for_its_owner
    requests_of_different_people_never_collapse
    dates_do_not_tell_people_apart
    a_closure_that_panics_makes_nobodys_page
    two_lines_of_a_field_are_nobodys_page
}

async fn each_gets_a_page_of_their_own(world: World) {
    let world = users(world);
    let site = greeting(&world, varying(&world), &[]);
    for round in 0..2 {
        for name in ["alice", "bob"] {
            let answer = site.ask(from(name, "/")).await;
            assert_eq!(answer.body, format!("for {name}"));
            assert_eq!(answer.is_hit(), round == 1, "{name}");
            assert_eq!(answer.field("cache-control"), Some("private, no-cache"));
        }
    }
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn what_says_private_is_stored_for_its_owner(world: World) {
    let world = users(world);
    let table: [(Fields, &str); 5] = [
        (
            &[("cache-control", "private, max-age=60")],
            "private, max-age=60",
        ),
        (
            &[("cache-control", "private=\"x-name\", max-age=60")],
            "private, max-age=60",
        ),
        (
            &[("cache-control", "public, s-maxage=60")],
            "private, no-cache",
        ),
        (
            &[
                ("cache-control", "max-age=60"),
                ("cdn-cache-control", "max-age=99"),
            ],
            "private, max-age=60",
        ),
        (
            &[
                ("access-control-allow-origin", "https://a.example"),
                ("access-control-allow-credentials", "true"),
                ("vary", "origin"),
            ],
            "private, no-cache",
        ),
    ];
    for (n, (fields, leaves)) in table.into_iter().enumerate() {
        let site = greeting(&world, varying(&world), fields);
        let target = format!("/{n}");
        for hit in [false, true] {
            let answer = site.ask(from("alice", &target)).await;
            assert_eq!(answer.is_hit(), hit, "{fields:?}");
            assert_eq!(answer.field("cache-control"), Some(leaves), "{fields:?}");
            assert_eq!(answer.field("cdn-cache-control"), None);
        }
        let other = site.ask(from("bob", &target)).await;
        assert_eq!(other.body, "for bob");
    }
}

async fn what_says_no_store_or_sets_a_cookie_is_not(world: World) {
    let world = users(world);
    let table: [Fields; 4] = [
        &[("cache-control", "no-store")],
        &[("cache-control", "private, no-cache")],
        &[("set-cookie", "a=b")],
        &[("clear-site-data", "\"cache\"")],
    ];
    for (n, fields) in table.into_iter().enumerate() {
        let site = greeting(&world, varying(&world), fields);
        for _ in 0..2 {
            let answer = site.ask(from("alice", &format!("/{n}"))).await;
            assert!(!answer.said().contains("stored"), "{fields:?}");
            let says = answer.field("cache-control").unwrap();
            assert!(
                says.contains("private") || says.contains("no-store"),
                "{says}"
            );
        }
        assert_eq!(site.runs(), 2);
    }
}

async fn nobody_in_particular_shares_a_page_by_the_rules_of_all(world: World) {
    let world = users(world);
    let site = greeting(&world, varying(&world), &[]);
    assert!(!site.get("/").await.is_hit());
    let shared = site.get("/").await;
    assert!(shared.is_hit());
    assert_eq!(shared.body, "for nobody");
    // Outer caches cannot tell who is somebody.
    assert_eq!(shared.field("cache-control"), Some("private, no-cache"));
    // What a stranger brings along may be in the page: it is not stored for all strangers.
    let with_cookie = || get_with("/cookie", &[("cookie", "theme=dark")]);
    assert!(!site.ask(with_cookie()).await.said().contains("stored"));
    assert!(!site.ask(with_cookie()).await.is_hit());
    let private = greeting(
        &world,
        varying(&world).named("private"),
        &[("cache-control", "private")],
    );
    assert!(!private.get("/").await.said().contains("stored"));
    assert_eq!(site.ask(from("alice", "/")).await.body, "for alice");
}

async fn nobody_passes_by_where_no_page_is_kept_for_them(world: World) {
    let world = users(world);
    let site = greeting(&world, varying(&world).anonymous(Anonymous::Bypass), &[]);
    for _ in 0..2 {
        let answer = site.get("/").await;
        assert_eq!(answer.said(), "fwd=bypass");
        assert_eq!(answer.field("cache-control"), Some("private"));
    }
    assert_eq!(world.cache.stats().details()["anonymous"], 2);
    let _ = site.ask(from("alice", "/")).await;
    assert!(site.ask(from("alice", "/")).await.is_hit());
}

async fn a_purge_of_one_identity_leaves_the_others(world: World) {
    let world = users(world);
    let site = greeting(&world, varying(&world), &[]);
    for name in ["alice", "bob"] {
        for target in ["/a", "/b"] {
            let _ = site.ask(from(name, target)).await;
        }
    }
    let purged = world.cache.purge_identity(&person("alice")).await;
    let _ = purged.unwrap();
    for target in ["/a", "/b"] {
        assert!(!site.ask(from("alice", target)).await.is_hit());
        assert!(site.ask(from("bob", target)).await.is_hit());
    }
}

async fn a_stale_page_is_refreshed_for_its_owner(world: World) {
    let world = users(world);
    let layer = world.cache.page(seconds(10)).vary_on_user().unwrap();
    let site = greeting(&world, layer.stale_while_revalidate(seconds(60)), &[]);
    let _ = site.ask(from("alice", "/")).await;
    world.advance(seconds(20));
    assert!(site.ask(from("alice", "/")).await.is_hit());
    let refreshed = site.ask(from("alice", "/")).await;
    assert_eq!(refreshed.field("age"), Some("0"));
    assert_eq!(refreshed.body, "for alice");
    assert_eq!(site.runs(), 2);
    assert!(!site.ask(from("bob", "/")).await.is_hit());
}

async fn requests_of_different_people_never_collapse(world: World) {
    let world = users(world);
    let gate = Gate::closed();
    let site = {
        let gate = gate.clone();
        world.site(varying(&world), move |request: Request<Body>| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                let name = request.headers()["x-user"].to_str().unwrap().to_owned();
                page(&[("cache-control", "private")], name)
            }
        })
    };
    let asked: Vec<_> = ["alice", "bob", "alice", "bob"]
        .into_iter()
        .map(|name| (name, site.start(from(name, "/"))))
        .collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for (name, answer) in asked {
        assert_eq!(answer.await.unwrap().body, name);
    }
    assert_eq!(site.runs(), 2);
}

async fn dates_do_not_tell_people_apart(world: World) {
    let world = users(world);
    let fields = &[
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("etag", "\"same\""),
    ];
    let site = greeting(&world, varying(&world), fields);
    let since = [
        ("x-user", "bob"),
        ("if-modified-since", "Mon, 06 Nov 2034 08:49:37 GMT"),
    ];
    for _ in 0..2 {
        let answer = site.ask(get_with("/", &since)).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "for bob"));
    }
    // A tag must be unique (RFC 9110 §8.8.1), so that it is heeded.
    let tagged = [("x-user", "bob"), ("if-none-match", "\"same\"")];
    let answer = site.ask(get_with("/", &tagged)).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
}

async fn a_closure_that_panics_makes_nobodys_page(world: World) {
    let world = users(world);
    let by = identity::closure("broken", |_| -> Option<String> { panic!("cannot tell") });
    let layer = world.page().vary_on_identity(by).unwrap();
    let site = greeting(&world, layer, &[("cache-control", "public, max-age=60")]);
    for _ in 0..2 {
        let answer = site.ask(from("alice", "/")).await;
        assert_eq!(
            (answer.status, answer.said()),
            (StatusCode::OK, "fwd=bypass")
        );
    }
    assert_eq!(world.cache.stats().details()["identity-unclear"], 2);
}

async fn two_lines_of_a_field_are_nobodys_page(world: World) {
    let world = users(world);
    let site = greeting(&world, varying(&world), &[]);
    for _ in 0..2 {
        let answer = site
            .ask(get_with("/", &[("x-user", "alice"), ("x-user", "bob")]))
            .await;
        assert_eq!(answer.said(), "fwd=bypass");
    }
    let long = "a".repeat(5_000);
    assert_eq!(site.ask(from(&long, "/")).await.said(), "fwd=bypass");
}

#[test]
fn what_cannot_be_kept_apart_is_refused_by_the_builder() {
    let nobody = Cache::builder(MemoryStore::new(MIB)).build().unwrap();
    let error = nobody.page(minutes(1)).vary_on_user().unwrap_err();
    assert!(error.to_string().contains(".user("), "{error}");
    let shared = nobody.page(minutes(1)).shared();
    let error = shared.vary_on_identity(by_field()).unwrap_err();
    assert!(error.to_string().contains(".shared("), "{error}");
}
