//! Handlers that are slow: soft and hard timeouts of a layer.

use tokio::time::Instant;

use super::*;
use crate::{PolicyError, seconds};

on_every_store! {
    after_the_soft_timeout_a_stale_page_answers_and_the_handler_goes_on
    without_anything_stale_that_may_answer_the_soft_timeout_is_none
    after_the_hard_timeout_the_answer_is_504_and_the_handler_goes_on
    the_hard_timeout_follows_where_nothing_stale_may_answer
    a_handler_in_time_is_not_disturbed
    followers_of_a_slow_handler_get_the_stale_page_too
    a_purge_while_a_slow_handler_goes_on_is_not_undone
}

/// A stale page that may answer for a minute more.
async fn stale(world: &World, layer: CacheLayer) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer);
    origin.says(200, &[("etag", "\"a\"")], "soup");
    site.get("/p").await;
    world.advance(seconds(61));
    origin.says(200, &[("etag", "\"b\"")], "bread");
    (origin, site)
}

fn soft(world: &World) -> CacheLayer {
    let layer = world.cache.page(minutes(1)).stale_if_error(minutes(1));
    layer.soft_timeout(seconds(2)).unwrap()
}

fn hard(world: &World) -> CacheLayer {
    let layer = world.cache.page(minutes(1));
    layer.hard_timeout(seconds(9)).unwrap()
}

async fn after_the_soft_timeout_a_stale_page_answers_and_the_handler_goes_on(world: World) {
    let (origin, site) = stale(&world, soft(&world)).await;
    let gate = origin.hold();
    let since = Instant::now();
    let answer = read(site.open(get("/p")).await).await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(answer.said(), "fwd=stale; ttl=-1");
    assert_eq!(since.elapsed().as_secs(), 2);
    gate.open();
    world.cache.background().idle().await;
    let new = site.get("/p").await;
    assert!(new.is(200, "bread") && new.is_hit(), "{new:?}");
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn without_anything_stale_that_may_answer_the_soft_timeout_is_none(world: World) {
    let layer = soft(&world).store_to_validate(true);
    let says = [
        "max-age=1, must-revalidate",
        "s-maxage=1",
        "no-cache",
        "max-age=1, stale-if-error=1",
    ];
    for says in says {
        let (origin, site) = world.origin(layer.clone());
        origin.answers(move |_| page(&[("etag", "\"a\""), ("cache-control", says)], "soup"));
        site.get("/p").await;
        world.advance(seconds(10));
        origin.says(200, &[], "bread");
        let gate = origin.hold();
        let asked = site.start(get("/p"));
        tokio::time::sleep(seconds(60)).await;
        assert!(!asked.is_finished(), "{says}");
        gate.open();
        assert!(asked.await.unwrap().is(200, "bread"), "{says}");
        world.cache.background().idle().await;
        world.purge_page("/p").await;
    }
}

async fn after_the_hard_timeout_the_answer_is_504_and_the_handler_goes_on(world: World) {
    let (origin, site) = world.origin(hard(&world));
    origin.says(200, &[], "soup");
    let gate = origin.hold();
    let since = Instant::now();
    let answer = read(site.open(get("/p")).await).await;
    assert_eq!(answer.code(), 504, "{answer:?}");
    assert_eq!(since.elapsed().as_secs(), 9);
    assert_eq!(answer.field("cache-status"), None);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    gate.open();
    world.cache.background().idle().await;
    let hit = site.get("/p").await;
    assert!(hit.is(200, "soup") && hit.is_hit(), "{hit:?}");
    assert_eq!(site.runs(), 1);
    world.assert_at_rest().await;
}

async fn the_hard_timeout_follows_where_nothing_stale_may_answer(world: World) {
    let both = soft(&world).hard_timeout(seconds(9)).unwrap();
    let (origin, site) = stale(&world, both).await;
    world.advance(minutes(2));
    let gate = origin.hold();
    let since = Instant::now();
    let answer = read(site.open(get("/p")).await).await;
    assert_eq!((answer.code(), since.elapsed().as_secs()), (504, 9));
    gate.open();
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is(200, "bread"));
}

async fn a_handler_in_time_is_not_disturbed(world: World) {
    let both = soft(&world).hard_timeout(seconds(9)).unwrap();
    let (origin, site) = stale(&world, both).await;
    let gate = origin.hold();
    let asked = site.start(get("/p"));
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    gate.open();
    let answer = asked.await.unwrap();
    assert!(answer.is(200, "bread"), "{answer:?}");
    assert_eq!(answer.said(), "fwd=stale; stored");
}

async fn followers_of_a_slow_handler_get_the_stale_page_too(world: World) {
    let (origin, site) = stale(&world, soft(&world)).await;
    let gate = origin.hold();
    let crowd: Vec<_> = (0..20).map(|_| site.start(get("/p"))).collect();
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert!(answer.is(200, "soup"), "{answer:?}");
    }
    assert_eq!(site.runs(), 2);
    gate.open();
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is(200, "bread"));
    world.assert_at_rest().await;
}

async fn a_purge_while_a_slow_handler_goes_on_is_not_undone(world: World) {
    let (origin, site) = stale(&world, soft(&world)).await;
    let gate = origin.hold();
    assert!(read(site.open(get("/p")).await).await.is(200, "soup"));
    world.purge_page("/p").await;
    gate.open();
    world.cache.background().idle().await;
    origin.says(200, &[], "cake");
    let answer = site.get("/p").await;
    assert!(answer.is(200, "cake"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_no_length_or_in_the_wrong_order_are_refused() {
    let world = World::new();
    let zero = world.page().soft_timeout(Duration::ZERO).err();
    assert!(matches!(zero, Some(PolicyError::ZeroTimeout)));
    let zero = world.page().hard_timeout(Duration::ZERO).err();
    assert!(matches!(zero, Some(PolicyError::ZeroTimeout)));
    let equal = soft(&world).hard_timeout(seconds(2)).err();
    assert!(matches!(equal, Some(PolicyError::SoftAboveHard { .. })));
    let above = hard(&world).soft_timeout(seconds(10)).err();
    assert!(matches!(above, Some(PolicyError::SoftAboveHard { .. })));
}
