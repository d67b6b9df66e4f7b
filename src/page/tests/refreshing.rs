//! Refreshing in the background what was answered stale (RFC 5861 §3).

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::background::{Background, LONGEST_ALONE};
use crate::{hours, seconds};

on_every_store! {
    a_hundred_stale_hits_start_one_refresh
    a_hundred_requests_for_a_page_that_must_be_validated_run_the_handler_once
    a_refresh_outlives_its_client
    a_refresh_asks_with_the_stored_validators_and_a_304_freshens_the_page
    a_failed_refresh_leaves_the_page_and_is_not_tried_again_at_once
    a_panic_in_a_refresh_leaves_the_page_and_later_refreshes
    a_refresh_is_asked_by_nobody_in_particular
    a_refresh_carries_what_selects_the_page
    a_refresh_carries_credentials_only_where_the_page_varies_on_them
    a_shared_route_is_refreshed_without_credentials
    each_variant_is_refreshed_for_itself
    a_refresh_that_may_not_be_stored_leaves_the_page
    a_body_beyond_the_limit_is_no_refresh
    a_leader_that_leaves_a_validation_half_way_disturbs_nobody
    a_refresh_stores_the_whole_though_a_part_was_asked_for
    a_refresh_that_shows_who_asked_is_not_stored_for_others
    a_refresh_that_hangs_is_given_up_and_tried_again
}

/// A page that lives a minute, may answer for ten more while it is refreshed, and stays an hour.
fn layer(world: &World) -> CacheLayer {
    let layer = world.cache.page(minutes(1));
    layer
        .stale_while_revalidate(minutes(10))
        .keep(hours(1))
        .unwrap()
}

async fn stale(world: &World, layer: CacheLayer, fields: Fields) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer);
    origin.answers(move |_| page(&[fields, &[("etag", "\"a\"")]].concat(), "soup"));
    site.get("/p").await;
    world.advance(seconds(61));
    origin.says(200, &[("etag", "\"b\"")], "bread");
    (origin, site)
}

async fn a_hundred_stale_hits_start_one_refresh(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let gate = origin.hold();
    for _ in 0..100 {
        let answer = read(site.open(get("/p")).await).await;
        assert!(answer.is(200, "soup"), "{answer:?}");
        assert_eq!(answer.said(), "hit; ttl=-1");
    }
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is(200, "bread"));
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn a_hundred_requests_for_a_page_that_must_be_validated_run_the_handler_once(world: World) {
    let plain = world.cache.page(minutes(1));
    let (origin, site) = stale(&world, plain, &[]).await;
    origin.confirms(&[("etag", "\"a\"")]);
    let gate = origin.hold();
    let crowd: Vec<_> = (0..100).map(|_| site.start(get("/p"))).collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    let mut collapsed = 0;
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert!(answer.is(200, "soup"), "{answer:?}");
        collapsed += usize::from(answer.said().contains("collapsed"));
    }
    assert_eq!((site.runs(), collapsed), (2, 99));
    world.assert_at_rest().await;
}

async fn a_refresh_outlives_its_client(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let gate = origin.hold();
    drop(site.open(get("/p")).await);
    site.runs.reach(2).await;
    gate.open();
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is(200, "bread"));
    assert_eq!(site.runs(), 2);
}

async fn a_refresh_asks_with_the_stored_validators_and_a_304_freshens_the_page(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    origin.confirms(&[("etag", "\"a\""), ("x-new", "1")]);
    assert!(site.get("/p").await.is(200, "soup"));
    assert_eq!(origin.last().0, Method::GET);
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    let hit = site.get("/p").await;
    assert_eq!((hit.said(), hit.field("x-new")), ("hit; ttl=60", Some("1")));
    assert_eq!(site.runs(), 2);
}

async fn a_failed_refresh_leaves_the_page_and_is_not_tried_again_at_once(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    origin.says(503, &[("cache-control", "max-age=60")], "sorry");
    for _ in 0..10 {
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup") && answer.is_hit(), "{answer:?}");
    }
    assert_eq!(site.runs(), 2, "one try");
    world.advance(seconds(5));
    site.get("/p").await;
    site.get("/p").await;
    assert_eq!(site.runs(), 3, "and one after the back-off");
    world.advance(seconds(5));
    origin.says(200, &[], "bread");
    site.get("/p").await;
    assert!(site.get("/p").await.is(200, "bread"));
    world.assert_at_rest().await;
}

async fn a_panic_in_a_refresh_leaves_the_page_and_later_refreshes(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let panics = Arc::new(AtomicBool::new(true));
    let still = panics.clone();
    origin.answers(move |_| match still.load(Ordering::SeqCst) {
        true => panic!("the handler of a refresh"),
        false => page(&[], "bread"),
    });
    for _ in 0..3 {
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup"), "{answer:?}");
        world.advance(seconds(10));
    }
    assert!(site.runs() > 1);
    panics.store(false, Ordering::SeqCst);
    // The lock of the handler's own answers is not poisoned: it panicked outside.
    site.get("/p").await;
    assert!(site.get("/p").await.is(200, "bread"));
    world.assert_at_rest().await;
}

const CLIENTS: Fields = &[
    ("cookie", "session=alice"),
    ("authorization", "Bearer alice"),
    ("proxy-authorization", "Basic alice"),
    ("accept-language", "de"),
    ("x-user", "alice"),
    ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("user-agent", "alice's"),
];

async fn a_refresh_is_asked_by_nobody_in_particular(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let fields = [CLIENTS, &[("if-none-match", "\"alices\"")]].concat();
    assert!(site.ask(get_with("/p", &fields)).await.is(200, "soup"));
    assert_eq!(site.runs(), 2);
    let (method, headers) = origin.last();
    assert_eq!(method, Method::GET);
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "if-none-match"]);
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    let hit = site.get("/p").await;
    assert!(hit.is(200, "bread") && hit.is_hit());
}

async fn a_refresh_carries_what_selects_the_page(world: World) {
    let keyed = layer(&world).vary_on_header(HeaderName::from_static("x-user"));
    let (origin, site) = world.origin(keyed);
    origin.says(200, &[("vary", "accept-language")], "soup");
    let asked = || get_with("/p", &CLIENTS[3..5]);
    site.ask(asked()).await;
    world.advance(seconds(61));
    let stale = site.ask(get_with("/p", &CLIENTS[3..])).await;
    assert!(stale.is_hit(), "{stale:?}");
    assert_eq!(site.runs(), 2);
    assert_eq!(origin.asked("accept-language").as_deref(), Some("de"));
    assert_eq!(origin.asked("x-user").as_deref(), Some("alice"));
    assert_eq!(origin.asked("user-agent"), None);
    assert_eq!(site.ask(asked()).await.said(), "hit; ttl=60");
}

async fn a_refresh_carries_credentials_only_where_the_page_varies_on_them(world: World) {
    const SAYS: Fields = &[("vary", "Cookie"), ("cache-control", "public, max-age=60")];
    let (origin, site) = world.origin(layer(&world));
    origin.says(200, SAYS, "soup");
    site.ask(get_with("/p", CLIENTS)).await;
    world.advance(seconds(61));
    let other = [("cookie", "session=bob")];
    assert!(!site.ask(get_with("/p", &other)).await.is_hit());
    let stale = site.ask(get_with("/p", CLIENTS)).await;
    assert!(stale.is_hit(), "{stale:?}");
    assert_eq!(site.runs(), 3);
    assert_eq!(origin.asked("cookie").as_deref(), Some("session=alice"));
    assert_eq!(origin.asked("authorization"), None);
}

async fn a_shared_route_is_refreshed_without_credentials(world: World) {
    let (origin, site) = stale(&world, layer(&world).shared(), &[("vary", "Cookie")]).await;
    let answer = site.ask(get_with("/p", CLIENTS)).await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(site.runs(), 2);
    for name in ["cookie", "authorization", "proxy-authorization"] {
        assert_eq!(origin.asked(name), None);
    }
    assert!(site.get("/p").await.is(200, "bread"));
}

async fn each_variant_is_refreshed_for_itself(world: World) {
    let (origin, site) = world.origin(layer(&world));
    let echo = |version: &'static str| {
        move |request: &Request<Body>| {
            let language = request.headers()["x-l"].to_str().unwrap();
            page(&[("vary", "x-l")], format!("{version} {language}"))
        }
    };
    origin.answers(echo("old"));
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await.body;
    ask("de").await;
    ask("en").await;
    world.advance(seconds(61));
    origin.answers(echo("new"));
    assert_eq!(ask("de").await, "old de");
    assert_eq!(site.runs(), 3);
    assert_eq!(ask("de").await, "new de");
    assert_eq!(ask("en").await, "old en");
    assert_eq!(ask("en").await, "new en");
    assert_eq!(site.runs(), 4);
}

async fn a_refresh_that_may_not_be_stored_leaves_the_page(world: World) {
    let answers: [(u16, Fields); 4] = [
        (200, &[("set-cookie", "a=b")]),
        (200, &[("cache-control", "private")]),
        (404, &[]),
        (200, &[("vary", "*")]),
    ];
    for (status, fields) in answers {
        let (origin, site) = stale(&world, layer(&world), &[]).await;
        origin.says(status, fields, "not for all");
        site.get("/p").await;
        let answer = site.get("/p").await;
        assert!(!answer.is(status, "not for all"), "{fields:?}: {answer:?}");
        world.purge_page("/p").await;
    }
}

async fn a_body_beyond_the_limit_is_no_refresh(world: World) {
    let small = layer(&world).max_body(4).unwrap();
    let (origin, site) = stale(&world, small, &[]).await;
    origin.answers(|_| page(&[], trailing(&["more ", "than fits"], &[])));
    for _ in 0..2 {
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup") && answer.is_hit(), "{answer:?}");
    }
    world.assert_at_rest().await;
}

async fn a_leader_that_leaves_a_validation_half_way_disturbs_nobody(world: World) {
    for followed in [false, true] {
        let plain = world.cache.page(minutes(1));
        let (origin, site) = stale(&world, plain, &[]).await;
        origin.confirms(&[("etag", "\"a\"")]);
        let gate = origin.hold();
        let leader = site.start(get("/p"));
        site.runs.reach(2).await;
        let follower = followed.then(|| site.start(get("/p")));
        settle().await;
        leader.abort();
        settle().await;
        gate.open();
        if let Some(follower) = follower {
            assert!(follower.await.unwrap().is(200, "soup"));
        }
        world.cache.background().idle().await;
        let next = site.get("/p").await;
        assert!(next.is(200, "soup"), "{next:?}");
        assert!(next.is_hit(), "what was begun is finished: {next:?}");
        world.assert_at_rest().await;
        world.purge_page("/p").await;
    }
}

async fn a_refresh_stores_the_whole_though_a_part_was_asked_for(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let fields = [("range", "bytes=0-1"), ("if-range", "\"a\"")];
    let part = site.ask(get_with("/p", &fields)).await;
    assert!(part.is(206, "so"), "{part:?}");
    assert_eq!(
        (origin.asked("range"), origin.asked("if-range")),
        (None, None)
    );
    let hit = site.get("/p").await;
    assert!(hit.is(200, "bread") && hit.is_hit(), "{hit:?}");
}

/// What the key of a layer was computed from cannot be told, so the request stays whole.
async fn a_refresh_that_shows_who_asked_is_not_stored_for_others(world: World) {
    let computed = layer(&world).vary_on(KeyPart::computed("tenant", |head| {
        let tenant = head.headers.get("x-t")?.to_str().ok()?;
        Some(tenant.to_owned().into())
    }));
    let (origin, site) = world.origin(computed);
    origin.answers(|request| {
        let who = request.headers().get("cookie");
        page(
            &[],
            who.map_or("nobody", |who| who.to_str().unwrap()).to_owned(),
        )
    });
    let ask = async |fields: Fields| site.ask(get_with("/p", fields)).await;
    ask(&[("x-t", "1")]).await;
    world.advance(seconds(61));
    let stale = ask(&[("x-t", "1"), ("cookie", "alice")]).await;
    assert!(stale.is(200, "nobody"), "{stale:?}");
    for _ in 0..2 {
        let next = ask(&[("x-t", "1")]).await;
        assert!(next.is(200, "nobody"), "{next:?}");
    }
}

async fn a_refresh_that_hangs_is_given_up_and_tried_again(world: World) {
    let (origin, site) = stale(&world, layer(&world), &[]).await;
    let _never = origin.hold();
    assert!(read(site.open(get("/p")).await).await.is(200, "soup"));
    site.runs.reach(2).await;
    tokio::time::sleep(LONGEST_ALONE + seconds(1)).await;
    world.assert_at_rest().await;
    world.advance(seconds(10));
    origin.hold().open();
    assert!(site.get("/p").await.is(200, "soup"));
    assert!(site.get("/p").await.is(200, "bread"));
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_room_in_the_background_a_stale_page_answers_all_the_same() {
    let builder = Cache::builder(MemoryStore::new(MIB)).background(Background::new(1));
    let world = World::built(builder);
    let (origin, site) = world.origin(layer(&world));
    for target in ["/a", "/b"] {
        site.get(target).await;
    }
    world.advance(seconds(61));
    let gate = origin.hold();
    for target in ["/a", "/b", "/b"] {
        let answer = read(site.open(get(target)).await).await;
        assert!(answer.is_hit(), "{answer:?}");
    }
    site.runs.reach(3).await;
    settle().await;
    assert_eq!(site.runs(), 3, "one at a time");
    gate.open();
    world.cache.background().idle().await;
    site.get("/b").await;
    assert_eq!(site.get("/b").await.said(), "hit; ttl=60");
    world.assert_at_rest().await;
}
