//! What the answer to a forwarded HEAD changes of the page of GET (RFC 9111 §4.3.5).

use super::*;
use crate::{hours, seconds};

on_every_store! {
    a_head_that_agrees_freshens_the_page
    a_head_that_differs_is_followed_by_a_request_for_the_page
    a_head_that_fails_changes_nothing
    what_is_one_persons_in_a_head_freshens_nothing
    a_purge_while_a_head_waits_is_not_undone
    a_head_for_a_stale_page_is_answered_at_once_and_leaves_the_refresh_to_get
    a_head_that_asks_for_validation_freshens_a_page_that_is_fresh
}

fn head(fields: Fields) -> Request<Body> {
    request(Method::HEAD, "/p", fields)
}

const TAG: (&str, &str) = ("etag", "\"a\"");
const MODIFIED: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
const SAYS: Fields = &[TAG, MODIFIED, ("x-of", "get")];

/// A page that lives a minute and stays an hour, stored and stale.
async fn stale(world: &World) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(world.cache.page(minutes(1)).keep(hours(1)).unwrap());
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    world.advance(minutes(1));
    (origin, site)
}

async fn a_head_that_agrees_freshens_the_page(world: World) {
    let agreeing: [Fields; 4] = [
        &[("etag", "\"a\""), ("x-of", "head"), ("content-length", "4")],
        &[("etag", "\"a\""), ("x-of", "head")],
        &[
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("x-of", "head"),
        ],
        &[TAG, MODIFIED, ("x-of", "head")],
    ];
    for fields in agreeing {
        let (origin, site) = stale(&world).await;
        origin.says(200, fields, "");
        let answer = site.ask(head(&[])).await;
        assert!(answer.is(200, ""), "{answer:?}");
        assert_eq!(origin.last().0, Method::HEAD);
        assert_eq!(origin.asked("if-none-match"), None, "it asks for the head");
        let hit = site.get("/p").await;
        assert!(hit.is(200, "soup") && hit.is_hit(), "{fields:?}: {hit:?}");
        assert_eq!(
            (hit.said(), hit.field("x-of")),
            ("hit; ttl=60", Some("head"))
        );
        assert_eq!(hit.field("content-length"), Some("4"));
        world.purge_page("/p").await;
    }
}

async fn a_head_that_differs_is_followed_by_a_request_for_the_page(world: World) {
    let differing: [Fields; 4] = [
        &[("etag", "\"b\"")],
        &[("etag", "W/\"a\"")],
        &[("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT")],
        &[("etag", "\"a\""), ("content-length", "5")],
    ];
    for (n, fields) in differing.into_iter().enumerate() {
        // It is fresh, and would have been a hit.
        let (origin, site) = world.origin(world.cache.gateway());
        let fields = [fields, &[("cache-control", "max-age=60")]].concat();
        let target = format!("/{n}");
        origin.answers(|_| page(&[SAYS, &[("cache-control", "max-age=60")]].concat(), "soup"));
        site.get(&target).await;
        origin.answers(move |_| page(&fields, ""));
        let reload = [("cache-control", "no-cache")];
        let answer = site.ask(request(Method::HEAD, &target, &reload)).await;
        assert_eq!(answer.code(), 200);
        origin.says(200, &[("cache-control", "max-age=60")], "bread");
        let next = site.get(&target).await;
        assert!(next.is(200, "bread"), "{n}: {next:?}");
    }
}

async fn a_head_that_fails_changes_nothing(world: World) {
    let (origin, site) = stale(&world).await;
    // A 304 without a condition is no answer, and is none to the client either.
    for (status, gets) in [(304, 502), (404, 404), (405, 405), (500, 500), (503, 503)] {
        origin.says(status, &[("x-of", "head")], "");
        assert_eq!(site.ask(head(&[])).await.code(), gets);
    }
    origin.confirms(&[("etag", "\"a\"")]);
    let answer = site.get("/p").await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(answer.field("x-of"), Some("get"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
}

async fn what_is_one_persons_in_a_head_freshens_nothing(world: World) {
    let personal: [Fields; 3] = [
        &[("etag", "\"a\""), ("set-cookie", "a=alice")],
        &[
            ("etag", "\"a\""),
            ("cache-control", "private"),
            ("x-of", "alice"),
        ],
        &[("etag", "\"a\""), ("x-of", "alice")],
    ];
    for fields in personal {
        let (origin, site) = stale(&world).await;
        origin.says(200, fields, "");
        assert_eq!(site.ask(head(&[("cookie", "alice")])).await.code(), 200);
        origin.holds("\"a\"", &[], "soup");
        let answer = site.get("/p").await;
        assert!(!answer.is_hit(), "{fields:?}: {answer:?}");
        for answer in [answer, site.get("/p").await] {
            assert!(answer.is(200, "soup"));
            assert_eq!(answer.field("set-cookie"), None);
            assert_ne!(answer.field("x-of"), Some("alice"));
        }
        world.purge_page("/p").await;
    }
}

async fn a_purge_while_a_head_waits_is_not_undone(world: World) {
    let (origin, site) = stale(&world).await;
    let gate = origin.hold();
    origin.says(200, SAYS, "");
    let waiting = site.start(head(&[]));
    site.runs.reach(2).await;
    world.purge_page("/p").await;
    gate.open();
    assert_eq!(waiting.await.unwrap().code(), 200);
    world.cache.background().idle().await;
    origin.says(200, SAYS, "bread");
    let next = site.get("/p").await;
    assert!(next.is(200, "bread"), "{next:?}");
    assert_eq!(origin.asked("if-none-match"), None);
}

async fn a_head_for_a_stale_page_is_answered_at_once_and_leaves_the_refresh_to_get(world: World) {
    let layer = world.cache.page(minutes(1)).grace(minutes(1));
    let (origin, site) = world.origin(layer);
    origin.says(200, SAYS, "soup");
    site.get("/p").await;
    world.advance(seconds(61));
    origin.says(200, &[("etag", "\"b\"")], "bread");
    let stale_head = site.ask(head(&[])).await;
    assert!(stale_head.is(200, ""), "{stale_head:?}");
    assert_eq!(stale_head.said(), "hit; ttl=-1");
    assert_eq!(stale_head.field("content-length"), Some("4"));
    assert_eq!(stale_head.field("age"), Some("61"));
    if site.runs() > 1 {
        assert_eq!(origin.last().0, Method::GET, "a page is made by GET");
    }
    let stale_get = site.get("/p").await;
    assert!(stale_get.is_hit(), "{stale_get:?}");
    let refreshed = site.get("/p").await;
    assert!(refreshed.is(200, "bread") && refreshed.is_hit());
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn a_head_that_asks_for_validation_freshens_a_page_that_is_fresh(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(
        200,
        &[("etag", "\"a\""), ("cache-control", "max-age=60")],
        "soup",
    );
    site.get("/p").await;
    world.advance(seconds(50));
    origin.says(200, &[("etag", "\"a\""), ("x-of", "head")], "");
    site.ask(head(&[("cache-control", "no-cache")])).await;
    let hit = site.get("/p").await;
    assert_eq!(
        (hit.said(), hit.field("x-of")),
        ("hit; ttl=60", Some("head"))
    );
    assert_eq!(site.runs(), 2);
}
