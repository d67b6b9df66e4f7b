//! Cache groups (RFC 9875): what belongs together goes together, within one origin.

use super::origin::Origin;
use super::*;
use crate::{CacheGroupInvalidation, CacheGroups, InvalidationLayer};

const GROUPS: &str = "cache-groups";
const FREES: &str = "cache-group-invalidation";

/// Pages of the groups that `X-Groups` asks for; any other method says that it has changed those of `X-Frees`, with the status of `X-Status`.
fn site(world: &World) -> (Origin, Site) {
    site_of(world, world.page(), InvalidationLayer::new(&world.cache))
}

fn site_of(world: &World, page: CacheLayer, freeing: InvalidationLayer) -> (Origin, Site) {
    let (origin, site) = world.origin(page);
    origin.answers(|request| {
        let said = |name| request.headers().get(name).cloned();
        let status =
            said("x-status").map_or(200, |status| status.to_str().unwrap().parse().unwrap());
        let mut response = with_status(status, &[], "page");
        for (name, value) in [(GROUPS, said("x-groups")), (FREES, said("x-frees"))] {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        response
    });
    let layered = freeing.layer(site.service.clone());
    (origin, Site::of(world.clone(), site.runs.clone(), layered))
}

/// Makes a page of these groups, and sees that it is kept.
async fn kept(site: &Site, target: &str, groups: &str) {
    site.world.purge_page(target).await;
    site.ask(get_with(target, &[("x-groups", groups)])).await;
    assert!(site.get(target).await.is_hit(), "{target} {groups}");
}

fn change(method: &str, frees: &str) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    request(method, "/change", &[("x-frees", frees)])
}

/// Which of these were freed: each is asked for once.
async fn freed<'a>(site: &Site, targets: &[&'a str]) -> Vec<&'a str> {
    let mut freed = Vec::new();
    for target in targets {
        if !site.get(target).await.is_hit() {
            freed.push(*target);
        }
    }
    freed
}

const NONE: [&str; 0] = [];

on_every_store! {
    all_of_a_group_is_freed_before_the_answer_is_released
    a_group_frees_no_other_group
    what_is_freed_itself_leaves_its_group
    an_answer_to_a_safe_method_and_a_failure_free_no_group
    a_group_is_of_one_origin
    a_fill_under_way_for_a_freed_group_is_not_stored
    followers_of_a_freed_group_are_not_given_what_was_read_before
    what_a_confirmation_adds_to_a_group_is_of_it
    a_post_that_is_stored_frees_groups_and_may_be_of_one
    a_page_made_of_a_page_is_of_its_groups
    a_group_is_purged_by_name
    with_groups_off_nothing_is_freed_and_nobody_is_told
    groups_of_each_variant_count
}

async fn all_of_a_group_is_freed_before_the_answer_is_released(world: World) {
    let (_, site) = site(&world);
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        kept(&site, "/a", r#""x", "y""#).await;
        kept(&site, "/b?q", r#""y";v=1"#).await;
        kept(&site, "/c", r#""z""#).await;
        // By the head alone: the next request comes as soon as the client has it.
        let answer = site.open(change(method, r#""nothing", "y""#)).await;
        assert_eq!(
            answer.headers()[FREES],
            r#""nothing", "y""#,
            "others are told"
        );
        assert_eq!(freed(&site, &["/a", "/b?q", "/c"]).await, ["/a", "/b?q"]);
    }
}

/// RFC 9875 §2.2.1: A and B share a group, and B and C; to free what A and B share leaves C.
async fn a_group_frees_no_other_group(world: World) {
    let (_, site) = site(&world);
    kept(&site, "/a", r#""ab""#).await;
    kept(&site, "/b", r#""ab", "bc""#).await;
    kept(&site, "/c", r#""bc""#).await;
    kept(&site, "/A", r#""AB""#).await;
    site.ask(change("POST", r#""ab""#)).await;
    assert_eq!(freed(&site, &["/a", "/b", "/c", "/A"]).await, ["/a", "/b"]);
}

/// RFC 9875 §2.2.1 lets a cache free the group of what it frees; larder does so only where the answer names the group.
async fn what_is_freed_itself_leaves_its_group(world: World) {
    let (_, site) = site(&world);
    kept(&site, "/a", r#""x""#).await;
    kept(&site, "/b", r#""x""#).await;
    site.ask(request(Method::PUT, "/a", &[])).await;
    assert_eq!(freed(&site, &["/a", "/b"]).await, ["/a"]);
    kept(&site, "/a", r#""x""#).await;
    site.ask(request(Method::PUT, "/a", &[("x-frees", r#""x""#)]))
        .await;
    assert_eq!(freed(&site, &["/a", "/b"]).await, ["/a", "/b"]);
}

async fn an_answer_to_a_safe_method_and_a_failure_free_no_group(world: World) {
    let (_, site) = site(&world);
    kept(&site, "/a", r#""x""#).await;
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"] {
        site.ask(change(method, r#""x""#)).await;
        assert_eq!(freed(&site, &["/a"]).await, NONE, "{method}");
    }
    for status in ["400", "403", "404", "409", "500", "503"] {
        let fields = [("x-frees", r#""x""#), ("x-status", status)];
        site.ask(request(Method::POST, "/change", &fields)).await;
        assert_eq!(freed(&site, &["/a"]).await, NONE, "{status}");
    }
    for unreadable in ["x", r#""x", y"#, r#""x", 1"#, r#"("x")"#, r#""x"#, "X"] {
        site.ask(change("POST", unreadable)).await;
        assert_eq!(freed(&site, &["/a"]).await, NONE, "{unreadable}");
    }
    for status in ["201", "204", "303"] {
        let fields = [("x-frees", r#""x""#), ("x-status", status)];
        site.ask(request(Method::POST, "/change", &fields)).await;
        assert_eq!(freed(&site, &["/a"]).await, ["/a"], "{status}");
        kept(&site, "/a", r#""x""#).await;
    }
}

async fn a_group_is_of_one_origin(world: World) {
    let (_, site) = site(&world);
    let ask = async |method: Method, scheme: &str, host: &str, field: (&str, &str)| {
        let target = match method {
            Method::GET => "/a",
            _ => "/change",
        };
        let mut asked = request(method, &format!("{scheme}{host}{target}"), &[field]);
        asked.headers_mut().insert("host", host.parse().unwrap());
        site.ask(asked).await
    };
    let origins = [
        ("http://", "shop.example"),
        ("https://", "shop.example"),
        ("http://", "shop.example:8080"),
        ("http://", "other.example"),
    ];
    for (scheme, host) in origins {
        for (scheme, host) in origins {
            ask(Method::GET, scheme, host, ("x-groups", r#""x""#)).await;
        }
        ask(Method::POST, scheme, host, ("x-frees", r#""x""#)).await;
        for (other, name) in origins {
            let is_hit = ask(Method::GET, other, name, ("x-groups", r#""x""#))
                .await
                .is_hit();
            assert_eq!(is_hit, (other, name) != (scheme, host), "{other}{name}");
        }
    }
    // What does not show its scheme may be of either, and is of no other host.
    for (scheme, host) in origins {
        ask(Method::GET, scheme, host, ("x-groups", r#""x""#)).await;
    }
    site.ask(change("POST", r#""x""#)).await;
    for (scheme, host) in origins {
        let is_hit = ask(Method::GET, scheme, host, ("x-groups", ""))
            .await
            .is_hit();
        assert_eq!(is_hit, host != "shop.example", "{scheme}{host}");
    }
}

async fn a_fill_under_way_for_a_freed_group_is_not_stored(world: World) {
    let (origin, site) = site(&world);
    let gate = origin.hold();
    let old = site.start(get_with("/a", &[("x-groups", r#""x""#)]));
    site.runs.reach(1).await;
    origin.hold().open();
    site.ask(change("POST", r#""x""#)).await;
    gate.open();
    assert_eq!(old.await.unwrap().status, 200);
    world.cache.background().idle().await;
    assert_eq!(freed(&site, &["/a"]).await, ["/a"]);
    world.assert_at_rest().await;
}

async fn followers_of_a_freed_group_are_not_given_what_was_read_before(world: World) {
    let (origin, site) = site(&world);
    let gate = origin.hold();
    let ask = || site.start(get_with("/a", &[("x-groups", r#""x""#)]));
    let leader = ask();
    site.runs.reach(1).await;
    origin.hold().open();
    site.ask(change("POST", r#""x""#)).await;
    let follower = ask();
    settle().await;
    gate.open();
    leader.await.unwrap();
    let follower = follower.await.unwrap();
    assert!(
        !follower.said().contains("collapsed;") && !follower.is_hit(),
        "{}",
        follower.said()
    );
    // The change, the leader, and the follower for itself.
    assert_eq!(site.runs(), 3);
}

async fn what_a_confirmation_adds_to_a_group_is_of_it(world: World) {
    let (origin, site) = world.origin(world.page());
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    let site = Site::of(world.clone(), site.runs.clone(), layered);
    let answers = |groups: &'static str| {
        origin.answers(
            move |request| match request.headers().get("if-none-match") {
                _ if *request.method() == Method::POST => page(
                    &[(FREES, request.headers()["x-frees"].to_str().unwrap())],
                    "",
                ),
                None => page(
                    &[
                        ("etag", "\"v\""),
                        (GROUPS, groups),
                        ("cache-control", "max-age=60"),
                    ],
                    "page",
                ),
                Some(_) => with_status(
                    304,
                    &[
                        ("etag", "\"v\""),
                        (GROUPS, groups),
                        ("cache-control", "max-age=60"),
                    ],
                    Body::empty(),
                ),
            },
        );
    };
    for freed in [r#""new""#, r#""old""#] {
        world.purge_page("/a").await;
        answers(r#""old""#);
        site.get("/a").await;
        world.advance(Duration::from_secs(90));
        answers(r#""new""#);
        let confirmed = site.get("/a").await;
        assert!(
            confirmed.said().contains("fwd=stale; fwd-status=304"),
            "{}",
            confirmed.said()
        );
        assert_eq!(confirmed.field(GROUPS), Some(r#""new""#));
        assert!(site.get("/a").await.is_hit());
        // Of what it was made of, it has lost nothing.
        site.ask(change("POST", freed)).await;
        assert!(!site.get("/a").await.is_hit(), "{freed}");
    }
}

async fn a_post_that_is_stored_frees_groups_and_may_be_of_one(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|request| match *request.method() {
        Method::POST => page(
            &[
                ("cache-control", "max-age=60"),
                ("content-location", "/change"),
                (GROUPS, r#""x""#),
                (FREES, r#""x""#),
            ],
            "posted",
        ),
        Method::GET => page(
            &[("cache-control", "max-age=60"), (GROUPS, r#""x""#)],
            "got",
        ),
        _ => page(&[(FREES, r#""x""#)], ""),
    });
    let alone = site.clone();
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    let layered = Site::of(world.clone(), site.runs.clone(), layered);
    // The page layer frees them in the step that stores its answer; one round it frees nothing again.
    for site in [&alone, &layered] {
        site.get("/a").await;
        assert!(site.get("/a").await.is_hit());
        site.ask(request(Method::POST, "/change", &[])).await;
        assert!(!site.get("/a").await.is_hit());
        let stored = site.get("/change").await;
        assert!(stored.is_hit() && stored.is(200, "posted"), "{stored:?}");
    }
    layered.ask(change("PUT", "")).await;
    assert_eq!(freed(&layered, &["/a", "/change"]).await, ["/a", "/change"]);
}

async fn a_page_made_of_a_page_is_of_its_groups(world: World) {
    let runs = Runs::default();
    let inner = runs.handler(|request: Request<Body>| async move {
        match *request.method() {
            Method::GET => page(
                &[(GROUPS, r#""x""#), ("cache-control", "max-age=600")],
                "page",
            ),
            _ => page(&[(FREES, r#""x""#)], ""),
        }
    });
    // What stands between the two layers takes the field away.
    let inner =
        tower::util::MapResponse::new(world.page().layer(inner), |mut response: Response<_>| {
            response.headers_mut().remove(GROUPS);
            response.headers_mut().remove("cache-status");
            response
        });
    let layer = world.page().named("outer");
    let layered = InvalidationLayer::new(&world.cache).layer(layer.layer(inner));
    let site = Site::of(world.clone(), runs, layered);
    site.get("/a").await;
    assert!(site.get("/a").await.is_hit());
    assert_eq!(site.runs(), 1);
    site.ask(request(Method::POST, "/change", &[])).await;
    assert!(!site.get("/a").await.is_hit());
    assert_eq!(site.runs(), 3);
}

async fn a_group_is_purged_by_name(world: World) {
    let (_, site) = site(&world);
    for (origin, frees) in [
        ("shop.example", true),
        ("http://shop.example", true),
        ("https://shop.example:443/", true),
        ("//SHOP.example", true),
        ("http://other.example", false),
        ("shop.example:8080", false),
    ] {
        kept(&site, "/a", r#""x""#).await;
        let _ = world.cache.purge_group(origin, "X").await.unwrap();
        assert_eq!(freed(&site, &["/a"]).await, NONE, "{origin}");
        let _ = world.cache.purge_group(origin, "x").await.unwrap();
        assert_eq!(!freed(&site, &["/a"]).await.is_empty(), frees, "{origin}");
    }
    let error = world.cache.purge_group("/a", "x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#""/a" is not an origin: say "https://host" or "host:port""#
    );
}

/// For origins of several parties that do not trust each other (RFC 9875 §5).
async fn with_groups_off_nothing_is_freed_and_nobody_is_told(world: World) {
    let off = InvalidationLayer::new(&world.cache).cache_groups(false);
    let (_, site) = site_of(&world, world.page(), off);
    let asked = get_with("/a", &[("x-groups", r#""x""#)]);
    assert_eq!(site.ask(asked).await.field(GROUPS), None);
    assert_eq!(site.get("/a").await.field(GROUPS), None);
    let answer = site.ask(change("POST", r#""x""#)).await;
    assert_eq!(answer.field(FREES), None);
    assert_eq!(freed(&site, &["/a"]).await, NONE);

    let freeing = InvalidationLayer::new(&world.cache);
    let (_, site) = site_of(
        &world,
        world.page().named("off").cache_groups(false),
        freeing,
    );
    kept(&site, "/b", r#""x""#).await;
    site.ask(change("POST", r#""x""#)).await;
    assert_eq!(freed(&site, &["/b"]).await, NONE);
}

async fn groups_of_each_variant_count(world: World) {
    let (origin, site) = site(&world);
    origin.answers(|request| match request.headers().get("x-l") {
        _ if *request.method() == Method::POST => page(&[(FREES, r#""de""#)], ""),
        Some(_) => page(&[("vary", "x-l"), (GROUPS, r#""de""#)], "Suppe"),
        None => page(&[("vary", "x-l"), (GROUPS, r#""en""#)], "soup"),
    });
    let german = || get_with("/a", &[("x-l", "de")]);
    site.get("/a").await;
    site.ask(german()).await;
    assert!(site.get("/a").await.is_hit() && site.ask(german()).await.is_hit());
    site.ask(change("POST", "")).await;
    assert!(!site.ask(german()).await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_more_groups_than_can_be_kept_is_not_stored() {
    let world = World::built(Cache::builder(MemoryStore::new(16 * MIB)).cache_status_if(|_| true));
    let (origin, site) = world.origin(world.page());
    for (groups, tags, stored) in [
        (1_000, 0, true),
        (900, 100, true),
        (1_001, 0, false),
        (900, 101, false),
    ] {
        origin.answers(move |_| {
            let mut response = page(&[], "page");
            let names = (0..groups).map(|n| format!("{n}"));
            CacheGroups::new(names)
                .unwrap()
                .add_to(response.headers_mut());
            CacheTags::new((0..tags).map(|n| format!("{n}"))).add_to(response.extensions_mut());
            response
        });
        let target = format!("/{groups}/{tags}");
        let answer = site.get(&target).await;
        assert_eq!(
            site.get(&target).await.is_hit(),
            stored,
            "{}",
            answer.said()
        );
    }
    assert_eq!(world.cache.stats().refused_by_reason()["tags"], 4);
    // The last of a thousand frees it, too.
    let _ = world
        .cache
        .purge_group("shop.example", "999")
        .await
        .unwrap();
    assert!(!site.get("/1000/0").await.is_hit());
}

/// There is no index of groups: their marks are a part of each record, and go with it.
#[tokio::test(start_paused = true)]
async fn groups_take_room_in_the_records_alone() {
    let store = MemoryStore::new(MIB);
    let world = World::on(store.clone());
    let (_, site) = site(&world);
    for n in 0..2_000 {
        let groups: Vec<String> = (0..32)
            .map(|group| format!("\"{n} {group:0>28}\""))
            .collect();
        let target = format!("/{n}");
        site.ask(get_with(&target, &[("x-groups", &groups.join(", "))]))
            .await;
        if n % 10 == 0 {
            site.ask(change("POST", &groups.join(", "))).await;
        }
    }
    let facts = world.cache.stats().store;
    assert!(facts.bytes.unwrap() <= MIB as u64, "{facts:?}");
    assert!(facts.evictions.unwrap() > 0, "{facts:?}");
    let _ = world.cache.clear().await.unwrap();
    for n in 0..2_000 {
        assert!(!site.get(&format!("/{n}")).await.is_hit());
    }
}

/// The fields are the same whether a handler writes them itself or by their types.
#[tokio::test(start_paused = true)]
async fn a_handler_names_groups_by_response_parts() {
    use axum::Router;
    use axum::routing::get;

    let world = World::new();
    let runs = Runs::default();
    let counted = runs.clone();
    let scores = async move || {
        counted.begin();
        (CacheGroups::new(["scores", "a \"b\""]).unwrap(), "2:1")
    };
    let goal = async || (CacheGroupInvalidation::new(["a \"b\""]).unwrap(), "goal");
    let router = Router::new()
        .route("/scores", get(scores).layer(world.page()))
        .route("/goal", axum::routing::post(goal))
        .layer(InvalidationLayer::new(&world.cache));
    let site = Site::of(world.clone(), runs, router);
    site.get("/scores").await;
    assert!(site.get("/scores").await.is_hit());
    let answer = site.ask(request(Method::POST, "/goal", &[])).await;
    assert_eq!(answer.field(FREES), Some(r#""a \"b\"""#));
    assert!(!site.get("/scores").await.is_hit());
}
