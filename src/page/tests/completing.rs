//! A stored beginning and its rest, joined to the whole page (RFC 9111 §3.4).

use super::origin::Origin;
use super::ranged::{TEXT, get_range, ranged, ranged_of};
use super::*;

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

/// A gateway that has stored the first ten bytes, if there is anything to store, from an origin that serves ranges by the book.
async fn begun(world: &World, tag: &'static str) -> (Origin, Site) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(move |request| ranged(request, tag, &[]));
    let part = site.ask(get_range("/p", "bytes=0-9")).await;
    assert!(part.is(206, "0123456789"));
    assert_eq!((part.said(), site.runs()), ("fwd=uri-miss; stored", 1));
    (origin, site)
}

/// What the handler was asked for: `Range` and `If-Range`.
fn asked(origin: &Origin) -> (Option<String>, Option<String>) {
    (origin.asked("range"), origin.asked("if-range"))
}

/// Nothing is left that is half a page: it is asked for as a whole, and then answered from the store.
async fn assert_whole_is_asked_next(origin: &Origin, site: &Site) {
    origin.answers(|request| ranged(request, "\"z\"", &[]));
    let runs = site.runs();
    let next = site.get("/p").await;
    assert!(next.is(200, TEXT), "{next:?}");
    assert_eq!(asked(origin), (None, None));
    let hit = site.get("/p").await;
    assert!(hit.is_hit() && hit.is(200, TEXT), "{hit:?}");
    assert_eq!(site.runs(), runs + 1);
    site.world.assert_at_rest().await;
}

on_every_store! {
    a_get_asks_for_the_rest_of_a_stored_beginning_and_is_answered_with_the_whole
    what_has_no_strong_tag_is_asked_for_as_a_whole
    only_a_beginning_is_completed
    a_stale_beginning_is_completed_too
    the_whole_that_comes_instead_of_the_rest_is_used
    a_rest_that_is_another_is_a_bad_gateway_and_the_next_request_is_fine
    a_rest_that_breaks_stores_nothing
    a_purge_before_the_rest_is_asked_for_takes_the_beginning_away
    a_purge_while_the_rest_is_under_way_keeps_the_whole_from_being_stored
    crowds_for_a_begun_page_ask_for_the_rest_once
}

async fn a_get_asks_for_the_rest_of_a_stored_beginning_and_is_answered_with_the_whole(
    world: World,
) {
    let (origin, site) = begun(&world, "\"a\"").await;
    let whole = site.get("/p").await;
    assert_eq!(
        asked(&origin),
        (Some("bytes=10-".to_owned()), Some("\"a\"".to_owned()))
    );
    assert!(whole.is(200, TEXT), "{whole:?}");
    assert_eq!(whole.field("content-range"), None);
    assert_eq!(whole.field("content-length").unwrap_or("20"), "20");
    assert_eq!(whole.field("etag"), Some("\"a\""));
    assert!(whole.said().ends_with("; stored"), "{}", whole.said());
    let hit = site.get("/p").await;
    assert!(hit.is_hit() && hit.is(200, TEXT));
    assert_eq!(hit.field("content-length"), Some("20"));
    assert_eq!(hit.field("content-range"), None);
    assert!(
        site.ask(get_range("/p", "bytes=8-11"))
            .await
            .is(206, "89ab")
    );
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn what_has_no_strong_tag_is_asked_for_as_a_whole(world: World) {
    for tag in ["W/\"a\"", ""] {
        let (origin, site) = begun(&world, tag).await;
        assert!(site.get("/p").await.is(200, TEXT), "{tag}");
        assert_eq!(asked(&origin), (None, None), "{tag}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn only_a_beginning_is_completed(world: World) {
    for (range, fields) in [
        ("bytes=1-9", &[][..]),
        ("bytes=10-", &[]),
        ("bytes=0-", &[]),
        ("bytes=0-9", &[("cache-control", "no-cache")]),
    ] {
        let (origin, site) = world.origin(world.cache.gateway());
        origin.answers(move |request| ranged(request, "\"a\"", fields));
        site.ask(get_range("/p", range)).await;
        assert!(site.get("/p").await.is(200, TEXT), "{range}");
        assert_eq!(asked(&origin), (None, None), "{range} {fields:?}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_stale_beginning_is_completed_too(world: World) {
    let (origin, site) = begun(&world, "\"a\"").await;
    world.advance(Duration::from_secs(61));
    let whole = site.get("/p").await;
    assert!(whole.is(200, TEXT));
    assert_eq!(origin.asked("range").as_deref(), Some("bytes=10-"));
    // The whole is as fresh as the answer that made it.
    assert_eq!(site.get("/p").await.said(), "hit; ttl=60");
}

async fn the_whole_that_comes_instead_of_the_rest_is_used(world: World) {
    let (origin, site) = begun(&world, "\"a\"").await;
    origin.answers(|request| ranged_of("quite another text", request, "\"b\"", &[]));
    assert!(site.get("/p").await.is(200, "quite another text"));
    assert_eq!(origin.asked("if-range").as_deref(), Some("\"a\""));
    let hit = site.get("/p").await;
    assert!(hit.is_hit() && hit.is(200, "quite another text"));
    // What was stored of the old one is no part of the new one.
    assert!(
        site.ask(get_range("/p", "bytes=0-4"))
            .await
            .is(206, "quite")
    );
    assert_eq!(site.runs(), 2);
}

async fn a_rest_that_is_another_is_a_bad_gateway_and_the_next_request_is_fine(world: World) {
    const REST: &str = "abcdefghij";
    let table: [(Fields, &str); 8] = [
        (
            &[("etag", "\"b\""), ("content-range", "bytes 10-19/20")],
            REST,
        ),
        (
            &[("etag", "W/\"a\""), ("content-range", "bytes 10-19/20")],
            REST,
        ),
        (&[("content-range", "bytes 10-19/20")], REST),
        (
            &[("etag", "\"a\""), ("content-range", "bytes 10-19/30")],
            REST,
        ),
        (
            &[("etag", "\"a\""), ("content-range", "bytes 10-19/*")],
            REST,
        ),
        (
            &[("etag", "\"a\""), ("content-range", "bytes 9-18/20")],
            REST,
        ),
        (
            &[("etag", "\"a\""), ("content-range", "bytes 10-14/20")],
            "abcde",
        ),
        (&[("etag", "\"a\"")], REST),
    ];
    for (fields, rest) in table {
        let (origin, site) = begun(&world, "\"a\"").await;
        origin.answers(move |_| with_status(206, &[fields, &[FRESH]].concat(), rest));
        let answer = site.get("/p").await;
        assert_eq!(answer.code(), 502, "{fields:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_whole_is_asked_next(&origin, &site).await;
        let _ = world.cache.clear().await.unwrap();
    }
    // Shorter now than what is stored of it: there is no rest.
    let (origin, site) = begun(&world, "\"a\"").await;
    origin.says(416, &[("content-range", "bytes */5")], "");
    assert_eq!(site.get("/p").await.code(), 502);
    assert_whole_is_asked_next(&origin, &site).await;
}

async fn a_rest_that_breaks_stores_nothing(world: World) {
    for frames in [
        vec![Ok("abc"), Err("gone")],
        vec![Ok("abc")],
        vec![Ok("abcdefghij"), Ok("k")],
    ] {
        let (origin, site) = begun(&world, "\"a\"").await;
        origin.answers(move |_| {
            let fields = [
                FRESH,
                ("etag", "\"a\""),
                ("content-range", "bytes 10-19/20"),
            ];
            with_status(
                206,
                &fields,
                Body::from_stream(stream::iter(frames.clone())),
            )
        });
        let opened = site.open(get("/p")).await;
        assert_eq!(opened.status(), 200);
        let read = try_read(opened).await;
        // Its client must know: by an error, or by a length that is not the one it was told.
        let seems_whole = read.as_ref().is_ok_and(|read| read.body.len() == 20);
        assert!(!seems_whole, "{read:?}");
        world.cache.background().idle().await;
        origin.answers(|request| ranged(request, "\"a\"", &[]));
        let next = site.get("/p").await;
        assert!(next.is(200, TEXT) && !next.is_hit(), "{next:?}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_purge_before_the_rest_is_asked_for_takes_the_beginning_away(world: World) {
    let (origin, site) = begun(&world, "\"a\"").await;
    world.purge_page("/p").await;
    assert!(site.get("/p").await.is(200, TEXT));
    assert_eq!(asked(&origin), (None, None));
}

async fn a_purge_while_the_rest_is_under_way_keeps_the_whole_from_being_stored(world: World) {
    for how in ["page", "layer", "beginning", "rest", "key"] {
        let layer = world.cache.gateway().tag("layer");
        let key = layer.key(&RequestHead::of(&get("/p"))).unwrap();
        let (origin, site) = world.origin(layer);
        // Each part has a tag that the other has not.
        origin.answers(|request| {
            let mut answer = ranged(request, "\"a\"", &[]);
            let tag = match request.headers().contains_key("if-range") {
                true => "rest",
                false => "beginning",
            };
            answer.extensions_mut().insert(CacheTags::new([tag]));
            answer
        });
        site.ask(get_range("/p", "bytes=0-9")).await;
        let gate = origin.hold();
        let under_way = site.start(get("/p"));
        site.runs.reach(2).await;
        assert_eq!(origin.asked("range").as_deref(), Some("bytes=10-"));
        match how {
            "page" => world.purge_page("/p").await,
            "key" => drop(world.cache.purge_key(&key).await.unwrap()),
            tag => world.purge_tag(tag).await,
        }
        gate.open();
        // It was asked before the purge, and may be answered with what was true then.
        let whole = under_way.await.unwrap();
        assert!(whole.code() == 502 || whole.is(200, TEXT), "{whole:?}");
        world.cache.background().idle().await;
        assert!(!site.get("/p").await.is_hit(), "{how}");
        assert_eq!(asked(&origin), (None, None), "{how}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn crowds_for_a_begun_page_ask_for_the_rest_once(world: World) {
    let (origin, site) = begun(&world, "\"a\"").await;
    let gate = origin.hold();
    let asked: Vec<_> = (0..10).map(|_| site.start(get("/p"))).collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for request in asked {
        assert!(request.await.unwrap().is(200, TEXT));
    }
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_the_joined_page_is_told_so() {
    let world = World::new();
    let (_, site) = begun(&world, "\"a\"").await;
    let held = site
        .ask(get_with("/p", &[("if-none-match", "\"a\"")]))
        .await;
    assert!(held.is(304, ""), "{held:?}");
    assert_eq!(held.field("content-range"), None);
    assert!(site.get("/p").await.is(200, TEXT));
}

/// The origin cannot give a cookie-bound rest to everyone.
#[tokio::test(start_paused = true)]
async fn a_rest_that_is_one_persons_is_not_stored() {
    let world = World::new();
    let (origin, site) = begun(&world, "\"a\"").await;
    origin.answers(|request| ranged(request, "\"a\"", &[("set-cookie", "a=b")]));
    let whole = site.get("/p").await;
    assert!(whole.is(200, TEXT));
    assert_eq!(whole.field("set-cookie"), Some("a=b"));
    assert!(!site.get("/p").await.is_hit());
}
