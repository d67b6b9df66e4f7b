//! What answers where the handler fails (RFC 5861 §4, RFC 9111 §4.3.3).

use super::*;
use crate::seconds;

on_every_store! {
    within_its_window_a_stale_page_covers_an_error
    beyond_its_window_the_error_is_passed_on
    what_is_no_failure_is_not_masked
    an_error_leaves_the_page_as_it_was
    a_purged_page_covers_no_error
    while_the_origin_cannot_be_reached_anything_stale_answers_where_that_is_on
    a_service_that_fails_altogether_is_covered
    a_hundred_requests_get_the_stale_page_from_one_failing_run
    what_covers_an_error_answers_conditions_and_ranges
    a_request_may_allow_it_for_itself_where_that_counts
    the_window_of_the_layer_counts_where_the_response_is_silent
}

const ERRORS: [u16; 4] = [500, 502, 503, 504];

/// A page that says this, made and grown old.
async fn aged(
    world: &World,
    layer: CacheLayer,
    says: &'static str,
    age: u64,
) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer);
    world.purge_page("/p").await;
    origin.answers(move |_| page(&[("etag", "\"a\""), ("cache-control", says)], "soup"));
    site.get("/p").await;
    world.advance(seconds(age));
    (origin, site)
}

const SAYS: &str = "max-age=60, stale-if-error=30";

async fn within_its_window_a_stale_page_covers_an_error(world: World) {
    let (origin, site) = aged(&world, world.page(), SAYS, 90).await;
    for status in ERRORS {
        origin.says(status, &[("x-error", "1")], "sorry");
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup"), "{status}: {answer:?}");
        let said = format!("fwd=stale; fwd-status={status}; ttl=-30");
        assert_eq!((answer.said(), answer.field("age")), (&*said, Some("90")));
        assert_eq!(answer.field("x-error"), None);
    }
    // It asks first: that is no stale-while-revalidate.
    assert_eq!(site.runs(), 5);
    origin.says(200, &[], "bread");
    assert!(site.get("/p").await.is(200, "bread"));
    world.assert_at_rest().await;
}

async fn beyond_its_window_the_error_is_passed_on(world: World) {
    for status in ERRORS {
        let (origin, site) = aged(&world, world.page(), SAYS, 91).await;
        origin.says(status, &[], "sorry");
        let answer = site.get("/p").await;
        assert!(answer.is(status, "sorry"), "{answer:?}");
    }
}

async fn what_is_no_failure_is_not_masked(world: World) {
    for status in [400, 403, 404, 410, 429, 501, 505] {
        let (origin, site) = aged(&world, world.page(), SAYS, 61).await;
        origin.says(status, &[], "no");
        let answer = site.get("/p").await;
        assert!(answer.is(status, "no"), "{answer:?}");
    }
}

async fn an_error_leaves_the_page_as_it_was(world: World) {
    let (origin, site) = aged(&world, world.page(), SAYS, 61).await;
    let worse: Fields = &[("cache-control", "no-store"), ("etag", "\"e\"")];
    origin.says(503, worse, "sorry");
    assert!(site.get("/p").await.is(200, "soup"));
    origin.holds("\"a\"", &[], "?");
    let answer = site.get("/p").await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(answer.field("etag"), Some("\"a\""));
}

async fn a_purged_page_covers_no_error(world: World) {
    for when in ["before", "while it runs"] {
        let (origin, site) = aged(&world, world.page(), SAYS, 61).await;
        origin.says(503, &[], "sorry");
        let gate = origin.hold();
        if when == "before" {
            world.purge_page("/p").await;
        }
        let asked_before = site.start(get("/p"));
        site.runs.reach(2).await;
        world.purge_page("/p").await;
        let asked_after = site.start(get("/p"));
        settle().await;
        gate.open();
        let _ = asked_before.await.unwrap();
        let after = asked_after.await.unwrap();
        assert!(after.is(503, "sorry"), "{when}: {after:?}");
        assert!(site.get("/p").await.is(503, "sorry"), "{when}");
        assert_eq!(origin.asked("if-none-match"), None, "{when}");
    }
}

async fn while_the_origin_cannot_be_reached_anything_stale_answers_where_that_is_on(world: World) {
    let layers = [
        (world.cache.gateway(), true),
        (world.cache.gateway().stale_while_unreachable(false), false),
        (world.page(), false),
        (world.page().stale_while_unreachable(true), true),
    ];
    for (n, (layer, covers)) in layers.into_iter().enumerate() {
        let (origin, site) = aged(&world, layer.clone(), "max-age=60", 600).await;
        origin.is_unreachable();
        let answer = site.get("/p").await;
        match covers {
            true => {
                assert!(answer.is(200, "soup"), "{n}: {answer:?}");
                let said = "fwd=stale; fwd-status=502; ttl=-540";
                assert_eq!((answer.said(), answer.field("age")), (said, Some("600")));
            }
            false => assert!(answer.is(502, "unreachable"), "{n}: {answer:?}"),
        }
        // An error that the origin itself answers with is another thing.
        let (origin, site) = aged(&world, layer, "max-age=60", 600).await;
        origin.says(502, &[], "sorry");
        assert!(site.get("/p").await.is(502, "sorry"), "{n}");
    }
}

async fn a_service_that_fails_altogether_is_covered(world: World) {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let failing = fails.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        let fails = failing.load(std::sync::atomic::Ordering::SeqCst);
        async move {
            match fails {
                true => Err("the service is down"),
                false => Ok(page(&[("cache-control", SAYS)], "soup")),
            }
        }
    });
    let service = world.page().layer(service);
    let ask = async || service.clone().oneshot(get("/p")).await;
    let first = ask().await.unwrap().map(Body::new);
    assert!(read(first).await.is(200, "soup"));
    world.cache.background().idle().await;
    fails.store(true, std::sync::atomic::Ordering::SeqCst);
    world.advance(seconds(61));
    let covered = read(ask().await.unwrap().map(Body::new)).await;
    assert!(covered.is(200, "soup"), "{covered:?}");
    assert_eq!(covered.said(), "fwd=stale; ttl=-1");
    world.advance(seconds(30));
    assert_eq!(ask().await.err(), Some("the service is down"));
}

async fn a_hundred_requests_get_the_stale_page_from_one_failing_run(world: World) {
    let (origin, site) = aged(&world, world.page(), SAYS, 61).await;
    origin.says(503, &[], "sorry");
    let gate = origin.hold();
    let crowd: Vec<_> = (0..100).map(|_| site.start(get("/p"))).collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert!(answer.is(200, "soup"), "{answer:?}");
    }
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn what_covers_an_error_answers_conditions_and_ranges(world: World) {
    let (origin, site) = aged(&world, world.page(), SAYS, 61).await;
    origin.says(503, &[], "sorry");
    let fields = [("if-none-match", "\"a\"")];
    let answer = site.ask(get_with("/p", &fields)).await;
    assert!(answer.is(304, ""), "{answer:?}");
    let answer = site.ask(get_with("/p", &[("range", "bytes=0-1")])).await;
    assert!(answer.is(206, "so"), "{answer:?}");
}

async fn a_request_may_allow_it_for_itself_where_that_counts(world: World) {
    let allows = [("cache-control", "stale-if-error=30")];
    let cases = [
        (world.cache.gateway(), "max-age=60", 90, true),
        (world.cache.gateway(), "max-age=60", 91, false),
        (
            world.cache.gateway(),
            "max-age=60, must-revalidate",
            61,
            false,
        ),
        (world.cache.gateway(), "s-maxage=60", 61, false),
        (world.page(), "max-age=60", 61, false),
    ];
    for (n, (layer, says, age, covers)) in cases.into_iter().enumerate() {
        let (origin, site) = aged(&world, layer, says, age).await;
        origin.says(503, &[], "sorry");
        let answer = site.ask(get_with("/p", &allows)).await;
        assert_eq!(answer.is(200, "soup"), covers, "{n}: {answer:?}");
        // That was for this request alone.
        assert!(site.get("/p").await.is(503, "sorry"), "{n}");
    }
}

async fn the_window_of_the_layer_counts_where_the_response_is_silent(world: World) {
    let layer = || world.page().stale_if_error(seconds(30));
    let table = [
        ("max-age=60", 90, true),
        ("max-age=60", 91, false),
        ("max-age=60, stale-if-error=5", 66, false),
        ("max-age=60, stale-if-error=60", 120, true),
        ("s-maxage=60", 61, false),
        ("max-age=60, must-revalidate", 61, false),
    ];
    for (says, age, covers) in table {
        let (origin, site) = aged(&world, layer(), says, age).await;
        origin.says(500, &[], "sorry");
        let answer = site.get("/p").await;
        assert_eq!(
            answer.is(200, "soup"),
            covers,
            "{says} at {age}: {answer:?}"
        );
    }
}
