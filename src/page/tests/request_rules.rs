//! Directives of requests (RFC 9111 §5.2.1), each where it counts and where it does not.

use super::*;
use crate::{RequestRules, seconds};

on_every_store! {
    max_age_bounds_the_age
    max_stale_accepts_so_much_staleness
    max_stale_is_no_reason_to_refresh_and_none_against_it
    min_fresh_asks_for_time_left
    no_cache_validates_what_is_fresh
    only_if_cached_is_answered_here_or_504
    a_page_takes_no_orders_from_clients
    each_directive_is_switched_for_itself
    a_request_that_forces_work_is_collapsed_like_any_other
}

/// Fresh for ten seconds, with a tag.
const SAYS: Fields = &[("etag", "\"a\""), ("cache-control", "max-age=10")];

/// How a request with these directives is answered at this age: from the store, or not.
async fn is_hit(world: &World, layer: CacheLayer, age: u64, asks: &str) -> bool {
    let (origin, site) = world.origin(layer);
    world.purge_page("/p").await;
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    world.advance(seconds(age));
    let answer = site.ask(get_with("/p", &[("cache-control", asks)])).await;
    assert!(answer.is(200, "soup"), "{asks} at {age}: {answer:?}");
    if !answer.is_hit() {
        let asked = origin.asked("if-none-match");
        assert_eq!(asked.as_deref(), Some("\"a\""), "{asks} at {age}");
    }
    assert_eq!(site.runs(), if answer.is_hit() { 1 } else { 2 });
    answer.is_hit()
}

async fn all(world: &World, table: &[(u64, &str, bool)]) {
    for (age, asks, hit) in table {
        let is = is_hit(world, world.cache.gateway(), *age, asks).await;
        assert_eq!(is, *hit, "{asks} at {age}");
    }
}

async fn max_age_bounds_the_age(world: World) {
    let table = [
        (5, "max-age=5", true),
        (6, "max-age=5", false),
        (0, "max-age=0", false),
        (9, "max-age=99", true),
        // Without `max-stale` it does not make up for staleness.
        (11, "max-age=99", false),
        (11, "max-age=99, max-stale", true),
        (11, "max-age=5, max-stale", false),
    ];
    all(&world, &table).await;
}

async fn max_stale_accepts_so_much_staleness(world: World) {
    let table = [
        (16, "max-stale=5", false),
        (16, "max-stale=6", true),
        (16, "max-stale=7", true),
        (600, "max-stale", true),
        (16, "max-stale=x", false),
        (5, "max-stale=1", true),
    ];
    all(&world, &table).await;
}

async fn max_stale_is_no_reason_to_refresh_and_none_against_it(world: World) {
    let (origin, site) = world.origin(world.cache.gateway().grace(minutes(1)));
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    world.advance(seconds(12));
    let answer = site
        .ask(get_with("/p", &[("cache-control", "max-stale=5")]))
        .await;
    assert_eq!(answer.said(), "hit; ttl=-2");
    assert_eq!(answer.field("age"), Some("12"));
    // Less than the window of the layer: the client wants nothing staler than a second.
    let answer = site
        .ask(get_with("/p", &[("cache-control", "max-stale=1")]))
        .await;
    assert!(answer.is(200, "soup"));
}

async fn min_fresh_asks_for_time_left(world: World) {
    let table = [
        (6, "min-fresh=5", false),
        (5, "min-fresh=5", true),
        (0, "min-fresh=11", false),
        (11, "min-fresh=0", false),
        (11, "min-fresh=1, max-stale", false),
    ];
    all(&world, &table).await;
}

async fn no_cache_validates_what_is_fresh(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    origin.confirms(SAYS);
    let reload = || get_with("/p", &[("cache-control", "no-cache")]);
    let answer = site.ask(reload()).await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(answer.said(), "fwd=request; fwd-status=304; ttl=10; stored");
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    world.advance(seconds(11));
    let answer = site.ask(reload()).await;
    assert_eq!(answer.said(), "fwd=stale; fwd-status=304; ttl=10; stored");
    // Not even where the origin fails.
    origin.is_unreachable();
    world.advance(seconds(11));
    assert_eq!(site.ask(reload()).await.code(), 502);
}

async fn only_if_cached_is_answered_here_or_504(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(200, SAYS, "soup");
    let only = |fields: &[(&str, &str)]| {
        let fields = [&[("cache-control", "only-if-cached")], fields].concat();
        get_with("/p", &fields)
    };
    let miss = site.ask(only(&[])).await;
    assert_eq!((miss.code(), site.runs()), (504, 0), "{miss:?}");
    assert_eq!(miss.field("cache-status"), None);
    site.get("/p").await;
    let hit = site.ask(only(&[])).await;
    assert!(hit.is(200, "soup") && hit.is_hit(), "{hit:?}");
    assert!(
        site.ask(only(&[("if-none-match", "\"a\"")]))
            .await
            .is(304, "")
    );
    let head = request(Method::HEAD, "/q", &[("cache-control", "only-if-cached")]);
    assert_eq!(site.ask(head).await.code(), 504);
    let part = [("cache-control", "only-if-cached"), ("range", "bytes=0-1")];
    assert_eq!(site.ask(get_with("/q", &part)).await.code(), 504);
    world.advance(seconds(11));
    assert_eq!(site.ask(only(&[])).await.code(), 504, "it is stale");
    let accepts = [("cache-control", "only-if-cached, max-stale")];
    assert!(site.ask(get_with("/p", &accepts)).await.is(200, "soup"));
    assert_eq!(site.runs(), 1, "never forwarded");
}

const ORDERS: [(u64, &str); 6] = [
    (1, "no-cache"),
    (1, "max-age=0"),
    (1, "max-age=0, no-cache, min-fresh=99"),
    (1, "min-fresh=10"),
    (1, "only-if-cached"),
    (1, "pragma"),
];

async fn a_page_takes_no_orders_from_clients(world: World) {
    for (age, asks) in ORDERS {
        assert!(is_hit(&world, world.page(), age, asks).await, "{asks}");
    }
    assert!(!is_hit(&world, world.page(), 11, "max-stale").await);
    let (_, site) = world.origin(world.page());
    let answer = site
        .ask(get_with("/new", &[("cache-control", "only-if-cached")]))
        .await;
    assert_eq!((answer.code(), site.runs()), (200, 1));
}

async fn each_directive_is_switched_for_itself(world: World) {
    type Switch = fn(RequestRules, bool) -> RequestRules;
    // A directive, at which age it matters, and whether it brings a hit where it counts.
    let table: [(Switch, u64, &str, bool); 4] = [
        (RequestRules::no_cache, 1, "no-cache", false),
        (RequestRules::max_age, 6, "max-age=5", false),
        (RequestRules::min_fresh, 6, "min-fresh=5", false),
        (RequestRules::max_stale, 12, "max-stale=5", true),
    ];
    for (n, (switch, age, asks, hit)) in table.into_iter().enumerate() {
        let on = world.page().request_rules(switch(RequestRules::NONE, true));
        assert_eq!(is_hit(&world, on.clone(), age, asks).await, hit, "{asks}");
        let off = world
            .cache
            .gateway()
            .request_rules(switch(RequestRules::ALL, false));
        assert_eq!(is_hit(&world, off.clone(), age, asks).await, !hit, "{asks}");
        // The others are as they were.
        for (m, (_, age, asks, hit)) in table.into_iter().enumerate().filter(|(m, _)| *m != n) {
            let is = is_hit(&world, on.clone(), age, asks).await;
            assert_eq!(is, !hit, "{asks} beside {n}, {m}");
            let is = is_hit(&world, off.clone(), age, asks).await;
            assert_eq!(is, hit, "{asks} beside {n}, {m}");
        }
    }
    let only = [("cache-control", "only-if-cached")];
    let layers = [
        (world.page(), RequestRules::NONE.only_if_cached(true), 504),
        (
            world.cache.gateway(),
            RequestRules::ALL.only_if_cached(false),
            200,
        ),
    ];
    for (layer, rules, status) in layers {
        let (_, site) = world.origin(layer.request_rules(rules));
        assert_eq!(site.ask(get_with("/new", &only)).await.code(), status);
    }
}

async fn a_request_that_forces_work_is_collapsed_like_any_other(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    origin.confirms(SAYS);
    let gate = origin.hold();
    let reload = || get_with("/p", &[("cache-control", "no-cache")]);
    let crowd: Vec<_> = (0..100).map(|_| site.start(reload())).collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for answer in crowd {
        assert!(answer.await.unwrap().is(200, "soup"));
    }
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_reason_to_forward_has_its_word_and_no_forwarded_request_is_a_hit() {
    let world = World::new();
    let (origin, site) = world.origin(world.cache.gateway());
    const VARIES: Fields = &[("vary", "x-l"), ("cache-control", "max-age=10")];
    origin.says(200, VARIES, "soup");
    let said = async |request| {
        let answer = site.ask(request).await;
        let said = answer.said().to_owned();
        let first = said.split(';').next().unwrap().to_owned();
        assert_eq!(first == "hit", !said.contains("fwd"), "{said}");
        first
    };
    assert_eq!(said(get("/p")).await, "fwd=uri-miss");
    assert_eq!(said(get("/p")).await, "hit");
    let other = get_with("/p", &[("x-l", "de")]);
    assert_eq!(said(other).await, "fwd=vary-miss");
    let reload = get_with("/p", &[("cache-control", "no-cache")]);
    assert_eq!(said(reload).await, "fwd=request");
    let for_the_origin = get_with("/p", &[("if-match", "*")]);
    assert_eq!(said(for_the_origin).await, "fwd=bypass");
    let unsafe_method = request(Method::DELETE, "/q", &[]);
    assert_eq!(said(unsafe_method).await, "fwd=method");
    world.advance(seconds(10));
    assert_eq!(said(get("/p")).await, "fwd=stale");

    const PART: Fields = &[
        ("etag", "\"a\""),
        ("content-range", "bytes 0-3/8"),
        ("cache-control", "max-age=10"),
    ];
    origin.says(206, PART, "0123");
    let range = |range| get_with("/part", &[("range", range)]);
    said(range("bytes=0-3")).await;
    assert_eq!(said(range("bytes=1-2")).await, "hit");
    assert_eq!(said(range("bytes=6-7")).await, "fwd=partial");
}
