//! When something stale may answer, and how it tells that it is (RFC 9111 §4.2.4, RFC 5861 §3, RFC 8246).

use super::*;
use crate::seconds;

on_every_store! {
    nothing_stale_is_served_unless_something_allows_it
    what_forbids_stale_answers_holds_against_clients_windows_and_unreachable_origins
    within_its_window_a_stale_page_answers_at_once_and_the_next_is_new
    beyond_its_window_a_stale_page_waits_for_its_validation
    the_response_decides_before_the_layer
    beside_s_maxage_the_windows_of_the_response_hold_unless_read_to_the_letter
    what_is_answered_stale_says_its_true_age_and_warns_of_nothing
    what_must_be_revalidated_is_an_error_while_the_origin_cannot_be_reached
    no_cache_is_validated_for_each_request_whatever_windows_there_are
    what_never_changes_is_not_validated_while_it_is_fresh
    a_purge_removes_what_never_changes
    a_window_that_cannot_be_read_is_none
}

const TAG: (&str, &str) = ("etag", "\"a\"");

/// A page that says this, made and grown old.
async fn aged(
    world: &World,
    layer: CacheLayer,
    says: &'static str,
    age: u64,
) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer);
    world.purge_page("/p").await;
    origin.answers(move |_| page(&[TAG, ("cache-control", says)], "soup"));
    site.get("/p").await;
    world.advance(seconds(age));
    origin.says(200, &[("etag", "\"b\"")], "bread");
    (origin, site)
}

async fn nothing_stale_is_served_unless_something_allows_it(world: World) {
    for layer in [world.page(), world.cache.gateway()] {
        let (_, site) = aged(&world, layer, "max-age=60", 60).await;
        let answer = site.get("/p").await;
        assert!(answer.is(200, "bread"), "{answer:?}");
    }
}

const FORBIDDING: [&str; 7] = [
    "max-age=60, no-cache",
    "max-age=60, must-revalidate",
    "max-age=60, proxy-revalidate",
    "s-maxage=60",
    "max-age=60, must-revalidate, stale-while-revalidate=99, stale-if-error=99",
    "max-age=60, proxy-revalidate, stale-while-revalidate=99, stale-if-error=99",
    "max-age=60, no-cache, stale-while-revalidate=99, stale-if-error=99",
];

async fn what_forbids_stale_answers_holds_against_clients_windows_and_unreachable_origins(
    world: World,
) {
    let gateway = || world.cache.gateway().grace(minutes(5));
    let asks: [Fields; 3] = [
        &[],
        &[("cache-control", "max-stale")],
        &[("cache-control", "max-stale=99, stale-if-error=99")],
    ];
    for says in FORBIDDING {
        for fields in asks {
            let (_, site) = aged(&world, gateway(), says, 61).await;
            let answer = site.ask(get_with("/p", fields)).await;
            assert!(answer.is(200, "bread"), "{says}, {fields:?}: {answer:?}");

            let (origin, site) = aged(&world, gateway(), says, 61).await;
            origin.says(503, &[], "sorry");
            let answer = site.ask(get_with("/p", fields)).await;
            assert!(answer.is(503, "sorry"), "{says}, {fields:?}: {answer:?}");

            let (origin, site) = aged(&world, gateway(), says, 61).await;
            origin.is_unreachable();
            let answer = site.ask(get_with("/p", fields)).await;
            assert_eq!(answer.code(), 504, "{says}, {fields:?}: {answer:?}");
        }
    }
}

async fn within_its_window_a_stale_page_answers_at_once_and_the_next_is_new(world: World) {
    let says = "max-age=60, stale-while-revalidate=30";
    for age in [61, 90] {
        let (origin, site) = aged(&world, world.page(), says, age).await;
        let gate = origin.hold();
        // The handler does not answer, and nobody waits for it.
        let stale = read(site.open(get("/p")).await).await;
        assert!(stale.is(200, "soup"), "{age}: {stale:?}");
        assert_eq!(stale.said(), format!("hit; ttl=-{}", age - 60));
        site.runs.reach(2).await;
        gate.open();
        world.cache.background().idle().await;
        let new = site.get("/p").await;
        assert!(new.is(200, "bread") && new.is_hit(), "{age}: {new:?}");
        assert_eq!(site.runs(), 2);
        world.assert_at_rest().await;
    }
}

async fn beyond_its_window_a_stale_page_waits_for_its_validation(world: World) {
    let says = "max-age=60, stale-while-revalidate=30";
    let (origin, site) = aged(&world, world.page(), says, 91).await;
    let answer = site.get("/p").await;
    assert!(answer.is(200, "bread"), "{answer:?}");
    assert_eq!(answer.said(), "fwd=stale; stored");
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
}

async fn the_response_decides_before_the_layer(world: World) {
    let layer = || world.page().stale_while_revalidate(seconds(30));
    let table = [
        ("max-age=60", 90, true),
        ("max-age=60", 91, false),
        ("max-age=60, stale-while-revalidate=5", 65, true),
        ("max-age=60, stale-while-revalidate=5", 66, false),
        ("max-age=60, stale-while-revalidate=0", 61, false),
        ("max-age=60, stale-while-revalidate=90", 150, true),
        ("s-maxage=60", 61, false),
    ];
    for (says, age, is_stale) in table {
        let (_, site) = aged(&world, layer(), says, age).await;
        assert_eq!(site.get("/p").await.is_hit(), is_stale, "{says} at {age}");
    }
}

async fn beside_s_maxage_the_windows_of_the_response_hold_unless_read_to_the_letter(world: World) {
    let says = "s-maxage=60, stale-while-revalidate=30, stale-if-error=30";
    let (_, site) = aged(&world, world.page(), says, 62).await;
    assert!(site.get("/p").await.is(200, "soup"));
    let (_, site) = aged(&world, world.page().strict_s_maxage(), says, 62).await;
    assert!(site.get("/p").await.is(200, "bread"));

    let errors = "s-maxage=60, stale-if-error=30";
    let (origin, site) = aged(&world, world.page(), errors, 62).await;
    origin.says(503, &[], "sorry");
    assert!(site.get("/p").await.is(200, "soup"));
    let (origin, site) = aged(&world, world.page().strict_s_maxage(), errors, 62).await;
    origin.says(503, &[], "sorry");
    assert!(site.get("/p").await.is(503, "sorry"));
}

async fn what_is_answered_stale_says_its_true_age_and_warns_of_nothing(world: World) {
    let says = "max-age=60, stale-while-revalidate=30, stale-if-error=90";
    let (origin, site) = aged(&world, world.page(), says, 75).await;
    origin.says(503, &[], "sorry");
    for (age, said) in [
        ("75", "hit; ttl=-15"),
        ("100", "fwd=stale; fwd-status=503; ttl=-40"),
    ] {
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup"));
        assert_eq!((answer.field("age"), answer.said()), (Some(age), said));
        assert_eq!(answer.field("warning"), None);
        assert_eq!(answer.field("cache-control"), Some(says));
        world.advance(seconds(25));
    }
}

async fn what_must_be_revalidated_is_an_error_while_the_origin_cannot_be_reached(world: World) {
    for says in FORBIDDING {
        let layer = world
            .page()
            .store_to_validate(true)
            .stale_while_unreachable(true);
        let (origin, site) = aged(&world, layer, says, 61).await;
        origin.is_unreachable();
        let answer = site.get("/p").await;
        assert_eq!(answer.code(), 504, "{says}: {answer:?}");
        assert_ne!(answer.body, "soup");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(
            answer.field("cache-status"),
            None,
            "it is about nothing stored"
        );
        origin.confirms(&[TAG]);
        assert!(site.get("/p").await.is(200, "soup"), "{says}: it is kept");
    }
}

async fn no_cache_is_validated_for_each_request_whatever_windows_there_are(world: World) {
    for says in [
        "no-cache",
        "max-age=60, no-cache",
        "max-age=60, no-cache=\"x-a\"",
    ] {
        let layer = world.page().store_to_validate(true).grace(minutes(5));
        let (origin, site) = aged(&world, layer, says, 0).await;
        origin.confirms(&[TAG]);
        for run in 2..5 {
            let answer = site.get("/p").await;
            assert!(answer.is(200, "soup"), "{says}: {answer:?}");
            assert!(!answer.is_hit(), "{says}: {answer:?}");
            assert_eq!(site.runs(), run, "{says}");
            assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
        }
    }
}

async fn what_never_changes_is_not_validated_while_it_is_fresh(world: World) {
    let reload: Fields = &[("cache-control", "max-age=0")];
    let force: Fields = &[("cache-control", "no-cache")];
    let cases = [
        ("max-age=60, immutable", 59, reload, true),
        ("max-age=60, immutable=0", 59, reload, true),
        ("max-age=60, immutable, immutable=\"x\"", 59, reload, true),
        ("max-age=60", 59, reload, false),
        (
            "max-age=60",
            59,
            &[("cache-control", "immutable, max-age=0")],
            false,
        ),
        ("max-age=60, immutable", 59, force, false),
        ("max-age=60, immutable", 60, reload, false),
        ("max-age=60, immutable", 60, &[], false),
    ];
    for (says, age, fields, is_hit) in cases {
        let (origin, site) = aged(&world, world.cache.gateway(), says, age).await;
        let answer = site.ask(get_with("/p", fields)).await;
        assert_eq!(answer.is_hit(), is_hit, "{says}, {fields:?} at {age}");
        if !is_hit {
            assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
        }
        let (_, site) = aged(&world, world.cache.gateway(), says, 30).await;
        let conditional = [("if-none-match", "\"a\"")];
        let answer = site.ask(get_with("/p", &conditional)).await;
        assert!(answer.is(304, "") && answer.is_hit(), "{says}: {answer:?}");
    }
}

async fn a_purge_removes_what_never_changes(world: World) {
    let says = "max-age=60, immutable, stale-if-error=60";
    let (_, site) = aged(&world, world.page(), says, 1).await;
    world.purge_page("/p").await;
    assert!(site.get("/p").await.is(200, "bread"));
}

async fn a_window_that_cannot_be_read_is_none(world: World) {
    for said in [
        "stale-while-revalidate",
        "stale-while-revalidate=x",
        "stale-if-error",
        "stale-if-error=x",
        "stale-if-error=-1",
    ] {
        let says: &'static str = format!("max-age=60, {said}").leak();
        let (origin, site) = aged(&world, world.page(), says, 61).await;
        origin.says(503, &[], "sorry");
        let answer = site.get("/p").await;
        assert!(answer.is(503, "sorry"), "{said}: {answer:?}");
    }
}
