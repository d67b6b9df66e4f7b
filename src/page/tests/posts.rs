//! Answers to POST that serve later GETs (RFC 9110 §9.3.3, RFC 9111 §3).

use super::origin::Origin;
use super::*;
use crate::InvalidationLayer;

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const HERE: (&str, &str) = ("content-location", "/p");

fn post(fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = request(Method::POST, "/p", fields);
    *request.body_mut() = Body::from("order");
    request
}

/// Answers "posted" with these fields to POST, and "got" to anything else.
fn gateway(world: &World, layer: CacheLayer, status: u16, fields: Fields) -> (Origin, Site) {
    let (origin, site) = world.origin(layer);
    origin.answers(move |request| match *request.method() {
        Method::POST => with_status(status, fields, "posted"),
        _ => page(&[FRESH, ("vary", "X-L")], "got"),
    });
    (origin, site)
}

/// The same with a layer round it that frees what unsafe methods change.
fn invalidating(world: &World, fields: Fields) -> (Origin, Site) {
    let (origin, site) = gateway(world, world.cache.gateway(), 200, fields);
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    (origin, Site::of(world.clone(), site.runs.clone(), layered))
}

on_every_store! {
    an_answer_to_post_for_its_own_target_serves_get_and_head
    a_post_is_always_forwarded
    what_stood_at_the_target_is_gone_after_a_post_that_is_stored
    a_stored_answer_survives_the_purge_of_its_own_post
    a_purge_during_a_post_keeps_its_answer_from_being_stored
    a_get_under_way_during_a_post_is_not_stored_over_its_answer
    a_later_put_frees_the_answer_to_a_post
}

async fn an_answer_to_post_for_its_own_target_serves_get_and_head(world: World) {
    for location in [
        "/p",
        "http://shop.example/p",
        "http://shop.example:80/p",
        "//SHOP.example/p",
        "p",
    ] {
        let (origin, site) = world.origin(world.cache.gateway());
        origin.answers(move |_| page(&[FRESH, ("content-location", location)], "posted"));
        let answer = site.ask(post(&[])).await;
        assert!(answer.is(200, "posted"));
        assert!(answer.said().starts_with("fwd=method"), "{}", answer.said());
        let hit = site.get("/p").await;
        assert!(hit.is_hit() && hit.is(200, "posted"), "{location}: {hit:?}");
        let head = site.ask(request(Method::HEAD, "/p", &[])).await;
        assert!(head.is_hit() && head.is(200, ""));
        assert_eq!(site.runs(), 1);
        let _ = world.cache.clear().await.unwrap();
    }
    world.assert_at_rest().await;
}

async fn a_post_is_always_forwarded(world: World) {
    let (_, site) = gateway(&world, world.cache.gateway(), 200, &[FRESH, HERE]);
    for run in 1..=3 {
        site.ask(post(&[])).await;
        assert_eq!(site.runs(), run);
    }
    assert!(site.get("/p").await.is_hit());
}

async fn what_stood_at_the_target_is_gone_after_a_post_that_is_stored(world: World) {
    let fields: Fields = &[FRESH, HERE, ("vary", "X-L")];
    let (_, site) = gateway(&world, world.cache.gateway(), 200, fields);
    let ask = |target, language| get_with(target, &[("x-l", language)]);
    for (target, language) in [("/p", "de"), ("/p", "en"), ("/p?q", "de")] {
        site.ask(ask(target, language)).await;
        assert!(site.ask(ask(target, language)).await.is_hit());
    }
    site.ask(post(&[("x-l", "fr")])).await;
    let runs = site.runs();
    assert_eq!(site.ask(ask("/p", "fr")).await.body, "posted");
    assert_eq!(site.runs(), runs);
    for (target, language) in [("/p", "de"), ("/p", "en"), ("/p?q", "de")] {
        let answer = site.ask(ask(target, language)).await;
        assert!(
            !answer.is_hit() && answer.body == "got",
            "{target} {language}"
        );
    }
}

async fn a_stored_answer_survives_the_purge_of_its_own_post(world: World) {
    let (_, site) = invalidating(&world, &[FRESH, HERE]);
    site.get("/p").await;
    assert_eq!(site.ask(post(&[])).await.body, "posted");
    let hit = site.get("/p").await;
    assert!(hit.is_hit() && hit.body == "posted", "{hit:?}");
    assert_eq!(site.runs(), 2);
    // One that is not stored frees the target as ever.
    let (_, site) = invalidating(&world, &[FRESH]);
    site.ask(post(&[])).await;
    assert_eq!(site.get("/p").await.body, "got");
}

async fn a_purge_during_a_post_keeps_its_answer_from_being_stored(world: World) {
    for how in ["page", "tag", "clear", "put", "post"] {
        let layer = world.cache.gateway().tag("layer");
        let (origin, site) = gateway(&world, layer, 200, &[FRESH, HERE]);
        let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
        let site = Site::of(world.clone(), site.runs.clone(), layered);
        let gate = origin.hold();
        let posted = site.start(post(&[]));
        site.runs.reach(1).await;
        // What comes after it is not held up.
        origin.hold().open();
        match how {
            "page" => world.purge_page("/p").await,
            "tag" => world.purge_tag("layer").await,
            "clear" => drop(world.cache.clear().await.unwrap()),
            "put" => drop(site.ask(request(Method::PUT, "/p", &[])).await),
            _ => {
                assert_eq!(site.ask(post(&[])).await.body, "posted");
                // The later one is stored, and the earlier must not be put over it.
                assert!(site.get("/p").await.is_hit());
            }
        }
        gate.open();
        assert_eq!(posted.await.unwrap().body, "posted");
        world.cache.background().idle().await;
        let runs = site.runs();
        site.get("/p").await;
        assert_eq!(site.runs(), runs + 1, "{how}");
        let _ = world.cache.clear().await.unwrap();
    }
    world.assert_at_rest().await;
}

async fn a_get_under_way_during_a_post_is_not_stored_over_its_answer(world: World) {
    let (origin, site) = invalidating(&world, &[FRESH, HERE]);
    let gate = origin.hold();
    let old = site.start(get("/p"));
    site.runs.reach(1).await;
    origin.hold().open();
    assert_eq!(site.ask(post(&[])).await.body, "posted");
    gate.open();
    assert_eq!(old.await.unwrap().body, "got");
    world.cache.background().idle().await;
    let hit = site.get("/p").await;
    assert!(hit.is_hit() && hit.body == "posted", "{hit:?}");
    world.assert_at_rest().await;
}

async fn a_later_put_frees_the_answer_to_a_post(world: World) {
    let (_, site) = invalidating(&world, &[FRESH, HERE]);
    site.ask(post(&[])).await;
    site.ask(request(Method::PUT, "/p", &[])).await;
    assert_eq!(site.get("/p").await.body, "got");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_post_without_leave_to_serve_get_is_not_stored() {
    let table: [(u16, Fields); 14] = [
        (200, &[FRESH]),
        (200, &[HERE]),
        (
            200,
            &[HERE, ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")],
        ),
        (200, &[HERE, ("cache-control", "public")]),
        (200, &[HERE, ("cache-control", "max-age=0")]),
        (200, &[HERE, ("cache-control", "no-store, max-age=60")]),
        (200, &[HERE, ("cache-control", "private, max-age=60")]),
        (200, &[FRESH, HERE, ("set-cookie", "a=b")]),
        (200, &[FRESH, HERE, HERE]),
        (200, &[FRESH, ("content-location", "/p?q")]),
        (200, &[FRESH, ("content-location", "/p/1")]),
        (200, &[FRESH, ("content-location", "//other.example/p")]),
        (404, &[FRESH, HERE]),
        (500, &[FRESH, HERE]),
    ];
    for (status, fields) in table {
        let world = World::new();
        let (_, site) = gateway(&world, world.cache.gateway(), status, fields);
        site.ask(post(&[])).await;
        assert_eq!(site.get("/p").await.body, "got", "{status} {fields:?}");
        // Nor at what it names instead.
        let runs = site.runs();
        site.get("/p?q").await;
        site.get("/p/1").await;
        assert_eq!(site.runs(), runs + 2, "{fields:?}");
    }
}

/// A part is no answer to a GET for the whole (RFC 9111 §3.3).
#[tokio::test(start_paused = true)]
async fn a_part_that_answers_a_post_is_not_stored() {
    let world = World::new();
    let fields: Fields = &[FRESH, HERE, ("content-range", "bytes 0-5/20")];
    let (_, site) = gateway(&world, world.cache.gateway(), 206, fields);
    site.ask(post(&[])).await;
    assert!(site.get("/p").await.is(200, "got"));
}

/// RFC 9111 §5.2.1.5: no part of such a request, and no response to it.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_post_that_says_no_store_is_not_stored() {
    let world = World::new();
    let (_, site) = gateway(&world, world.cache.gateway(), 200, &[FRESH, HERE]);
    site.ask(post(&[("cache-control", "no-store")])).await;
    assert_eq!(site.get("/p").await.body, "got");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_one_persons_post_is_not_stored_unless_it_is_for_all() {
    for (cache_control, stored) in [("max-age=60", false), ("public, max-age=60", true)] {
        for credentials in [("cookie", "a=b"), ("authorization", "Basic x")] {
            let world = World::new();
            let (origin, site) = world.origin(world.cache.gateway());
            origin.answers(move |_| page(&[("cache-control", cache_control), HERE], "page"));
            site.ask(post(&[credentials])).await;
            assert_eq!(site.get("/p").await.is_hit(), stored, "{credentials:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_cache_stores_no_answer_to_post_and_a_gateway_may_be_told_not_to() {
    let world = World::new();
    for layer in [world.page(), world.cache.gateway().store_posts(false)] {
        let (_, site) = gateway(&world, layer, 200, &[FRESH, HERE]);
        let answer = site.ask(post(&[])).await;
        assert_eq!(answer.said(), "fwd=method");
        assert_eq!(site.get("/p").await.body, "got");
        let _ = world.cache.clear().await.unwrap();
    }
    let (_, site) = gateway(&world, world.page().store_posts(true), 200, &[FRESH, HERE]);
    site.ask(post(&[])).await;
    assert_eq!(site.get("/p").await.body, "posted");
}

/// What selects is what the handler has seen (RFC 9110 §12.5.3).
#[tokio::test(start_paused = true)]
async fn a_posted_answer_is_selected_by_the_codings_that_the_handler_saw() {
    let world = World::new();
    let fields: Fields = &[
        FRESH,
        HERE,
        ("vary", "Accept-Encoding"),
        ("content-encoding", "br"),
    ];
    let (origin, site) = gateway(&world, world.cache.gateway(), 200, fields);
    site.ask(post(&[("accept-encoding", "BR;q=1.0, gzip")]))
        .await;
    let saw = origin.asked("accept-encoding");
    let plain = site.get("/p").await;
    assert_eq!(plain.body, "got", "a coding that was not asked for");
    let hit = site
        .ask(get_with("/p", &[("accept-encoding", "br, gzip")]))
        .await;
    assert!(hit.is_hit());
    assert_eq!(saw.as_deref(), Some("br, gzip"));
}
