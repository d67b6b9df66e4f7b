//! `No-Vary-Search` by its letter, and what still applies beside it.

use super::*;
use crate::QueryRule;

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

/// Answers with its own target and this rule.
fn site(world: &World, layer: CacheLayer, rule: &'static str) -> Site {
    let (origin, site) = world.origin(layer);
    origin.answers(move |request| {
        page(
            &[("no-vary-search", rule), FRESH],
            request.uri().to_string(),
        )
    });
    site
}

on_every_store! {
    each_rule_merges_what_it_says
    what_cannot_be_read_merges_nothing
    vary_and_freshness_still_apply
    a_purge_of_one_query_leaves_the_others
    a_page_that_is_soon_over_does_not_hide_those_that_last
    ranges_head_and_conditions_are_answered_from_an_equivalent
    a_fill_under_way_during_a_purge_of_its_target_answers_no_equivalent
}

async fn each_rule_merges_what_it_says(world: World) {
    // The rule, what was asked first, then its equivalents, then what is none.
    let table: [(&str, &str, &[&str], &[&str]); 9] = [
        (
            "params=(\"a\")",
            "b=1&a=1",
            &["b=1", "a=2&b=1", "b=1&a", "b=1&a=1&a=2", "b=1&&%61=7"],
            &["b=2", "", "A=1&b=1", "b=1&c=1"],
        ),
        (
            "params=(\"a\" \"b\")",
            "a=1&b=1&c=1",
            &["c=1", "b=2&c=1"],
            &["c=2", "c=1&c=1"],
        ),
        ("params=(\"a\");x, other=1", "a=1", &["a=2"], &["b=2"]),
        (
            "except=(\"a\")",
            "a=1&b=1",
            &["a=1", "c=2&a=1"],
            &["a=2", "b=1", "a=1&a=1"],
        ),
        ("except=()", "a=1", &["", "b=2", "x=1&y=2"], &[]),
        ("key-order", "a=1&b=2", &["b=2&a=1"], &["a=2&b=1", "a=1"]),
        (
            "key-order",
            "a=2&a=1&b=3",
            &["b=3&a=2&a=1"],
            &["a=1&a=2&b=3"],
        ),
        (
            "key-order, params=(\"u\")",
            "a=1&b=2&u=1",
            &["b=2&u=9&a=1"],
            &["u=1&a=1"],
        ),
        (
            "params=(\"%C3%A9+b\")",
            "%C3%A9+b=1",
            &["%C3%A9%20b=2"],
            &["%C3%A8+b=1"],
        ),
    ];
    for (n, (rule, first, same, other)) in table.into_iter().enumerate() {
        let site = site(&world, world.cache.gateway(), rule);
        let target = |query: &str| format!("/{n}?{query}");
        site.get(&target(first)).await;
        for query in same {
            let hit = site.get(&target(query)).await;
            assert!(hit.is_hit(), "{rule}: {query}");
            assert_eq!(hit.body, target(first), "{rule}: {query}");
            assert_eq!(hit.field("no-vary-search"), Some(rule));
        }
        for query in other {
            let miss = site.get(&target(query)).await;
            assert!(!miss.is_hit(), "{rule}: {query}");
            assert_eq!(miss.body, target(query), "{rule}: {query}");
        }
        // Another path is another page.
        assert!(!site.get(&format!("/other{n}?{first}")).await.is_hit());
    }
}

async fn what_cannot_be_read_merges_nothing(world: World) {
    for (n, rule) in [
        "garbage(",
        "",
        "params",
        "params=?1",
        "params=?0",
        "params=\"a\"",
        "params=(a)",
        "params=(\"a\" 1)",
        "params=(\"a\"), except=(\"b\")",
        "params=(), except=()",
        "params=()",
        "except=\"a\"",
        "key-order=1",
        "key-order=?0",
        "key-order=(\"a\"), params=(\"a\")",
        "Params=(\"a\")",
        "params=(\"a\"),",
    ]
    .into_iter()
    .enumerate()
    {
        let site = site(&world, world.cache.gateway(), rule);
        let target = |query: &str| format!("/{n}?{query}");
        site.get(&target("a=1&b=1")).await;
        for query in ["a=2&b=1", "b=1", "b=1&a=1", ""] {
            assert!(!site.get(&target(query)).await.is_hit(), "{rule}: {query}");
        }
        let hit = site.get(&target("a=1&b=1")).await;
        assert!(hit.is_hit(), "{rule}");
        assert_eq!(hit.field("no-vary-search"), Some(rule));
    }
}

async fn vary_and_freshness_still_apply(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|request| {
        let rule = ("no-vary-search", "params=(\"a\")");
        page(&[rule, FRESH, ("vary", "X-L")], request.uri().to_string())
    });
    let ask = |target, language| get_with(target, &[("x-l", language)]);
    site.ask(ask("/p?a=1", "de")).await;
    assert!(site.ask(ask("/p?a=2", "de")).await.is_hit());
    let other = site.ask(ask("/p?a=3", "en")).await;
    assert_eq!(other.body, "/p?a=3");
    assert_eq!(site.ask(ask("/p?a=4", "de")).await.body, "/p?a=1");
    assert_eq!(site.ask(ask("/p?a=4", "en")).await.body, "/p?a=3");
    world.advance(Duration::from_secs(60));
    assert!(!site.ask(ask("/p?a=5", "de")).await.is_hit());
}

/// What is purged is one page, not what its neighbours are found by.
async fn a_purge_of_one_query_leaves_the_others(world: World) {
    let site = site(&world, world.cache.gateway(), "params=(\"a\")");
    for target in ["/p?id=1&a=1", "/p?id=2&a=1"] {
        site.get(target).await;
    }
    assert!(site.get("/p?id=2&a=1").await.is_hit());
    world.purge_page("/p?id=1&a=1").await;
    assert!(site.get("/p?id=2&a=1").await.is_hit(), "its own address");
    assert!(site.get("/p?id=2&a=2").await.is_hit(), "an equivalent");
    assert!(!site.get("/p?id=1&a=1").await.is_hit());
}

async fn a_page_that_is_soon_over_does_not_hide_those_that_last(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|request| {
        let lifetime = match request.uri().query() {
            Some("id=1") => "max-age=86400",
            _ => "max-age=5, must-revalidate",
        };
        let rule = ("no-vary-search", "params=(\"a\")");
        page(
            &[rule, ("cache-control", lifetime)],
            request.uri().to_string(),
        )
    });
    site.get("/p?id=1").await;
    world.advance(Duration::from_secs(1));
    site.get("/p?id=2").await;
    world.advance(Duration::from_secs(20_000));
    assert!(site.get("/p?id=1&a=1").await.is_hit());
    assert!(site.get("/p?id=1").await.is_hit());
}

async fn ranges_head_and_conditions_are_answered_from_an_equivalent(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    let rule = ("no-vary-search", "params=(\"a\")");
    origin.answers(move |_| page(&[rule, FRESH, ("etag", "\"a\"")], "0123456789"));
    site.get("/p?a=1").await;
    let part = site
        .ask(get_with("/p?a=2", &[("range", "bytes=2-4")]))
        .await;
    assert!(part.is(206, "234") && part.is_hit());
    let head = site.ask(request(Method::HEAD, "/p?a=3", &[])).await;
    assert!(head.is(200, "") && head.is_hit());
    let held = site
        .ask(get_with("/p?a=4", &[("if-none-match", "\"a\"")]))
        .await;
    assert!(held.is(304, "") && held.is_hit());
    let only = site
        .ask(get_with("/p?a=5", &[("cache-control", "only-if-cached")]))
        .await;
    assert!(only.is(200, "0123456789"));
    let no_store = site
        .ask(get_with("/p?a=6", &[("cache-control", "no-store")]))
        .await;
    assert!(no_store.is_hit());
    assert_eq!(site.runs(), 1);
}

async fn a_fill_under_way_during_a_purge_of_its_target_answers_no_equivalent(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|request| {
        let rule = ("no-vary-search", "params=(\"a\")");
        page(&[rule, FRESH], request.uri().to_string())
    });
    let gate = origin.hold();
    let old = site.start(get("/p?a=1"));
    site.runs.reach(1).await;
    world.purge_page("/p?a=1").await;
    gate.open();
    old.await.unwrap();
    world.cache.background().idle().await;
    assert_eq!(site.get("/p?a=2").await.body, "/p?a=2");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn requests_with_authorization_neither_get_nor_give_an_equivalent() {
    let world = World::new();
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|request| {
        let rule = ("no-vary-search", "except=()");
        page(
            &[rule, ("cache-control", "public, max-age=60")],
            request.uri().to_string(),
        )
    });
    let signed = |target| get_with(target, &[("authorization", "Basic x")]);
    site.ask(signed("/p?sig=1")).await;
    assert_eq!(site.get("/p?sig=2").await.body, "/p?sig=2");
    assert_eq!(site.ask(signed("/p?sig=3")).await.body, "/p?sig=3");
    // A cookie is no signature.
    let cookie = site.ask(get_with("/p?sig=4", &[("cookie", "a=b")])).await;
    assert_eq!(cookie.body, "/p?sig=2");
}

#[tokio::test(start_paused = true)]
async fn names_that_are_never_ignored_count_whatever_the_rule_says() {
    let world = World::new();
    for (n, rule) in [
        "params=(\"a\" \"token\")",
        "except=(\"id\")",
        "except=()",
        "key-order, params=(\"token\" \"a\")",
    ]
    .into_iter()
    .enumerate()
    {
        let layer = world.cache.gateway().no_vary_search(["token"]);
        let site = site(&world, layer, rule);
        let target = |query: &str| format!("/{n}?{query}");
        site.get(&target("token=1&a=1")).await;
        assert!(site.get(&target("token=1&a=2")).await.is_hit(), "{rule}");
        for query in [
            "token=2&a=1",
            "a=1",
            "token=1&token=2",
            "%74oken=3&a=1",
            "token=&a=1",
        ] {
            let miss = site.get(&target(query)).await;
            assert_eq!(miss.body, target(query), "{rule}: {query}");
        }
        // However the name is spelled, it is that parameter.
        assert!(site.get(&target("%74oken=1&a=3")).await.is_hit(), "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_cache_ignores_the_field_and_passes_it_on() {
    let world = World::new();
    for layer in [world.page(), world.cache.gateway().exact_search()] {
        let site = site(&world, layer, "params=(\"a\")");
        let first = site.get("/p?a=1").await;
        assert_eq!(first.field("no-vary-search"), Some("params=(\"a\")"));
        assert_eq!(site.get("/p?a=2").await.body, "/p?a=2");
        assert!(site.get("/p?a=1").await.is_hit());
        let _ = world.cache.clear().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn each_query_rule_is_told_as_far_as_the_field_can_say_it() {
    let table: [(QueryRule, &str, Option<&str>); 9] = [
        (QueryRule::AsSent, "b=1", None),
        (QueryRule::Sorted, "b=1", Some("key-order")),
        (
            QueryRule::only(["a"]),
            "b=1",
            Some("key-order, except=(\"a\")"),
        ),
        (
            QueryRule::except(["a", "utm_*"]),
            "b=1",
            Some("key-order, params=(\"a\")"),
        ),
        (QueryRule::Nothing, "b=1", Some("except=()")),
        (QueryRule::Nothing, "%61=1", Some("except=()")),
        (QueryRule::Sorted, "%61=1", None),
        (QueryRule::only(["a"]), "a+b=1", None),
        (
            QueryRule::except(["a"]),
            "b=%61",
            Some("key-order, params=(\"a\")"),
        ),
    ];
    let world = World::new();
    for (rule, query, told) in table {
        let layer = world.page().query(rule.clone()).tell_query_rule();
        let site = world.site(layer, async |_| page(&[], "page"));
        for _ in 0..2 {
            let answer = site.get(&format!("/p?{query}")).await;
            assert_eq!(answer.field("no-vary-search"), told, "{rule:?} {query}");
        }
        let silent = world.site(world.page().query(rule), async |_| page(&[], "page"));
        assert_eq!(silent.get("/q?b=1").await.field("no-vary-search"), None);
        let _ = world.cache.clear().await.unwrap();
    }
}

/// A stored page that was asked with another spelling says for that one what holds for it.
#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_plain_query_is_not_told_of_a_spelled_one() {
    let world = World::new();
    let layer = world
        .page()
        .query(QueryRule::except(["a", "%61"]))
        .tell_query_rule();
    let site = world.site(layer, async |_| page(&[], "page"));
    let plain = site.get("/p?b=1&a=1").await;
    assert_eq!(
        plain.field("no-vary-search"),
        Some("key-order, params=(\"a\")")
    );
    let spelled = site.get("/p?b=1&%61=1").await;
    assert!(spelled.is_hit());
    assert_eq!(spelled.body, "page");
}

#[tokio::test(start_paused = true)]
async fn the_handlers_own_field_is_not_replaced() {
    let world = World::new();
    let layer = world
        .page()
        .query(QueryRule::except(["a"]))
        .tell_query_rule();
    let site = site(&world, layer, "params=(\"own\")");
    for _ in 0..2 {
        let answer = site.get("/p?b=1").await;
        assert_eq!(answer.field("no-vary-search"), Some("params=(\"own\")"));
    }
}
