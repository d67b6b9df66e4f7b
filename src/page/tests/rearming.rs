//! Refreshing never re-arms what was purged meanwhile (DESIGN §5, P2).

use super::*;
use crate::{hours, seconds};

/// What is under way while the purge is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    /// A request that waits for its validation.
    Validation,
    /// A refresh in the background.
    Refresh,
}

/// What the handler answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Confirmation,
    Page,
    Failure,
}

macro_rules! races {
    ($($name:ident = $under:ident, $comes:ident;)*) => {
        on_every_store! { $($name)* }

        $(async fn $name(world: World) {
            for how in How::ALL {
                race(&world, how, Under::$under, Comes::$comes).await;
            }
        })*
    };
}

mod races {
    use super::*;

    races! {
        no_purge_is_undone_by_a_304 = Validation, Confirmation;
        no_purge_is_undone_by_a_new_page = Validation, Page;
        no_purge_is_undone_by_a_failure = Validation, Failure;
        no_purge_is_undone_by_a_304_in_the_background = Refresh, Confirmation;
        no_purge_is_undone_by_a_new_page_in_the_background = Refresh, Page;
        no_purge_is_undone_by_a_failure_in_the_background = Refresh, Failure;
    }
}

/// A page that every [`How`] strikes, stale.
async fn stale(world: &World, under: Under) -> (origin::Origin, Site) {
    let layer = world.page().tag("layer").keep(hours(1)).unwrap();
    let layer = match under {
        Under::Validation => layer.stale_if_error(hours(1)),
        Under::Refresh => layer.grace(hours(1)),
    };
    let (origin, site) = world.origin(layer);
    says(&origin, 200, "old");
    site.get("/p?q").await;
    world.advance(minutes(31));
    (origin, site)
}

fn says(origin: &origin::Origin, status: u16, body: &'static str) {
    origin.answers(move |_| {
        let mut response = with_status(status, &[("etag", "\"a\"")], body);
        CacheTags::new(["handler"]).add_to(response.extensions_mut());
        response
    });
}

async fn race(world: &World, how: How, under: Under, comes: Comes) {
    let case = format!("{how:?}, {under:?}, {comes:?}");
    let (origin, site) = stale(world, under).await;
    match comes {
        Comes::Confirmation => says(&origin, 304, ""),
        Comes::Page => says(&origin, 200, "old too"),
        Comes::Failure => says(&origin, 503, "sorry"),
    }
    let gate = origin.hold();
    let before = site.start(get("/p?q"));
    site.runs.reach(2).await;
    settle().await;
    world.purge(how).await;
    // Who comes after the purge is told nothing that was read before it.
    says(&origin, 200, "new");
    let after = site.start(get("/p?q"));
    settle().await;
    gate.open();
    let before = before.await.unwrap();
    assert!(before.body.starts_with("old"), "{case}: {before:?}");
    let after = after.await.unwrap();
    assert!(after.is(200, "new"), "{case}: {after:?}");
    world.cache.background().idle().await;
    for _ in 0..2 {
        let next = site.get("/p?q").await;
        assert!(next.is(200, "new"), "{case}: {next:?}");
    }
    world.assert_at_rest().await;
    let _ = world.cache.clear().await.unwrap();
}

on_every_store! {
    followers_of_a_validation_get_nothing_that_was_purged_while_they_waited
    a_refresh_that_is_cancelled_brings_nothing_back
    a_slow_validation_replaces_no_newer_page
    a_slow_304_replaces_no_newer_page_though_nothing_was_purged
    a_slow_answer_replaces_no_newer_page_though_nothing_was_purged
    a_slow_refresh_replaces_no_newer_page
    a_304_that_comes_after_a_purge_offers_its_tag_to_nobody
}

async fn followers_of_a_validation_get_nothing_that_was_purged_while_they_waited(world: World) {
    for how in How::ALL {
        let (origin, site) = stale(&world, Under::Validation).await;
        says(&origin, 304, "");
        let gate = origin.hold();
        let leader = site.start(get("/p?q"));
        site.runs.reach(2).await;
        world.purge(how).await;
        says(&origin, 200, "new");
        let followers: Vec<_> = (0..5).map(|_| site.start(get("/p?q"))).collect();
        settle().await;
        gate.open();
        leader.await.unwrap();
        for follower in followers {
            let answer = follower.await.unwrap();
            assert!(answer.is(200, "new"), "{how:?}: {answer:?}");
        }
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_refresh_that_is_cancelled_brings_nothing_back(world: World) {
    let (origin, site) = stale(&world, Under::Refresh).await;
    says(&origin, 304, "");
    let _gate = origin.hold();
    assert!(read(site.open(get("/p?q")).await).await.is(200, "old"));
    site.runs.reach(2).await;
    world.purge(How::Page).await;
    world.cache.background().shutdown();
    world.cache.background().idle().await;
    says(&origin, 200, "new");
    origin.hold().open();
    let answer = read(site.open(get("/p?q")).await).await;
    assert!(answer.is(200, "new"), "{answer:?}");
}

/// Two at once: the older of them is held up and answers last.
async fn a_slow_validation_replaces_no_newer_page(world: World) {
    for status in [304, 200] {
        let (origin, site) = stale(&world, Under::Validation).await;
        says(&origin, status, "old too");
        let slow = origin.hold();
        let first = site.start(get("/p?q"));
        site.runs.reach(2).await;
        // What is asked after the purge has another flight, and is quicker.
        world.purge(How::LayersTag).await;
        says(&origin, 200, "new");
        origin.hold().open();
        assert!(site.get("/p?q").await.is(200, "new"), "{status}");
        world.advance(seconds(1));
        slow.open();
        first.await.unwrap();
        world.cache.background().idle().await;
        let hit = site.get("/p?q").await;
        assert!(hit.is(200, "new") && hit.is_hit(), "{status}: {hit:?}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_slow_304_replaces_no_newer_page_though_nothing_was_purged(world: World) {
    slow_and_newer(&world, 304).await;
}

async fn a_slow_answer_replaces_no_newer_page_though_nothing_was_purged(world: World) {
    slow_and_newer(&world, 200).await;
}

async fn slow_and_newer(world: &World, status: u16) {
    let (origin, site) = stale(world, Under::Validation).await;
    says(&origin, status, "old too");
    let slow = origin.hold();
    let first = site.start(get("/p?q"));
    site.runs.reach(2).await;
    world.advance(seconds(1));
    // A follower that has waited too long asks for itself.
    says(&origin, 200, "new");
    origin.hold().open();
    assert!(site.get("/p?q").await.is(200, "new"));
    assert_eq!(site.runs(), 3);
    slow.open();
    first.await.unwrap();
    world.cache.background().idle().await;
    let hit = site.get("/p?q").await;
    assert!(hit.is(200, "new") && hit.is_hit(), "{hit:?}");
}

async fn a_slow_refresh_replaces_no_newer_page(world: World) {
    let (origin, site) = stale(&world, Under::Refresh).await;
    says(&origin, 304, "");
    let slow = origin.hold();
    assert!(read(site.open(get("/p?q")).await).await.is(200, "old"));
    site.runs.reach(2).await;
    world.purge(How::Key).await;
    says(&origin, 200, "new");
    origin.hold().open();
    assert!(read(site.open(get("/p?q")).await).await.is(200, "new"));
    settle().await;
    slow.open();
    world.cache.background().idle().await;
    let hit = site.get("/p?q").await;
    assert!(hit.is(200, "new") && hit.is_hit(), "{hit:?}");
}

async fn a_304_that_comes_after_a_purge_offers_its_tag_to_nobody(world: World) {
    let (origin, site) = stale(&world, Under::Validation).await;
    says(&origin, 304, "");
    let gate = origin.hold();
    let before = site.start(get("/p?q"));
    site.runs.reach(2).await;
    world.purge(How::HandlersTag).await;
    gate.open();
    before.await.unwrap();
    world.cache.background().idle().await;
    says(&origin, 503, "sorry");
    let answer = site.get("/p?q").await;
    assert!(answer.is(503, "sorry"), "{answer:?}");
    assert_eq!(origin.asked("if-none-match"), None);
}
