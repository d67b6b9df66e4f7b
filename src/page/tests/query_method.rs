//! QUERY (RFC 10008) beyond its key: what passes by, and what else of a cache holds for it.

use super::origin::Origin;
use super::*;
use crate::InvalidationLayer;

const LIMIT: usize = 100;

fn query(target: &str, content: impl Into<Body>, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = request(Method::from_bytes(b"QUERY").unwrap(), target, fields);
    *request.body_mut() = content.into();
    request
}

fn layer(world: &World) -> CacheLayer {
    world.page().query_method(LIMIT, Body::new).unwrap()
}

/// Answers with the content it was asked with, and a tag.
fn echo(world: &World) -> Site {
    world.site(layer(world), async |request: Request<Body>| {
        let content = request.into_body().collect().await.unwrap().to_bytes();
        page(&[("etag", "\"a\"")], content)
    })
}

fn frames(frames: &[&'static str]) -> Body {
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| Ok::<_, Infallible>(*frame))
        .collect();
    Body::from_stream(stream::iter(frames))
}

on_every_store! {
    the_handler_sees_the_same_bytes_however_they_are_framed
    content_is_keyed_by_each_of_its_fields
    what_says_no_store_is_not_stored
    a_purge_by_the_key_of_the_target_frees_its_contents
    a_content_under_way_during_a_purge_is_not_stored
    query_frees_nothing
}

async fn the_handler_sees_the_same_bytes_however_they_are_framed(world: World) {
    let site = echo(&world);
    for (cut, stored) in [
        (vec!["0123456789"; 1], true),
        (vec!["0123456789"; 10], true),
        (vec!["", "0123456789", "", ""], true),
        (vec!["x"; LIMIT], true),
        (vec!["0123456789"; 11], false),
        (vec!["x"; LIMIT + 1], false),
        (vec!["0123456789"; 500], false),
    ] {
        let whole = cut.concat();
        for _ in 0..2 {
            let answer = site.ask(query("/find", frames(&cut), &[])).await;
            assert_eq!(answer.body, whole);
        }
        let third = site.ask(query("/find", whole.clone(), &[])).await;
        assert_eq!((third.is_hit(), third.body), (stored, whole));
    }
    world.assert_at_rest().await;
}

async fn content_is_keyed_by_each_of_its_fields(world: World) {
    let site = echo(&world);
    let mut asked: Vec<Vec<(&str, &str)>> = vec![vec![]];
    for name in ["content-type", "content-encoding", "content-language"] {
        for value in ["", "a", "b"] {
            asked.push(vec![(name, value)]);
        }
    }
    asked.push(vec![("content-type", "a"), ("content-language", "a")]);
    for fields in &asked {
        let miss = site.ask(query("/find", "a", fields)).await;
        assert!(!miss.is_hit(), "{fields:?}");
    }
    for fields in &asked {
        assert!(
            site.ask(query("/find", "a", fields)).await.is_hit(),
            "{fields:?}"
        );
        assert!(
            !site.ask(query("/find", "b", fields)).await.is_hit(),
            "{fields:?}"
        );
    }
}

async fn what_says_no_store_is_not_stored(world: World) {
    let site = echo(&world);
    let no_store = [("cache-control", "no-store")];
    site.ask(query("/find", "a", &no_store)).await;
    assert!(!site.ask(query("/find", "a", &[])).await.is_hit());
    assert_eq!(site.runs(), 2);
}

async fn a_purge_by_the_key_of_the_target_frees_its_contents(world: World) {
    let site = echo(&world);
    for content in ["a", "b"] {
        site.ask(query("/find?x", content, &[])).await;
    }
    world.purge_key("/find?x").await;
    for content in ["a", "b"] {
        assert!(!site.ask(query("/find?x", content, &[])).await.is_hit());
    }
}

async fn a_content_under_way_during_a_purge_is_not_stored(world: World) {
    let (origin, site) = world.origin(layer(&world));
    let gate = origin.hold();
    let asked = site.start(query("/find", "a", &[]));
    site.runs.reach(1).await;
    world.purge_page("/find").await;
    gate.open();
    asked.await.unwrap();
    assert!(!site.ask(query("/find", "a", &[])).await.is_hit());
    world.assert_at_rest().await;
}

async fn query_frees_nothing(world: World) {
    let site = echo(&world);
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    let site = Site::of(world.clone(), site.runs.clone(), layered);
    site.get("/find").await;
    site.ask(query("/find", "a", &[])).await;
    site.ask(query("/find", "x".repeat(LIMIT + 1), &[])).await;
    assert!(site.get("/find").await.is_hit());
    assert!(site.ask(query("/find", "a", &[])).await.is_hit());
    // What changes the target frees both.
    site.ask(request(Method::PUT, "/find", &[])).await;
    assert!(!site.get("/find").await.is_hit());
    assert!(!site.ask(query("/find", "a", &[])).await.is_hit());
}

/// A content that is longer than a key holds is not read to its end before the handler is asked.
#[tokio::test(start_paused = true)]
async fn content_beyond_the_limit_streams_to_the_handler() {
    let world = World::new();
    let gate = Gate::closed();
    let rest = gate.clone();
    let site = world.site(layer(&world), async |request: Request<Body>| {
        let content = request.into_body().collect().await.unwrap().to_bytes();
        page(&[], content)
    });
    let long = "x".repeat(LIMIT + 1);
    let first = stream::iter([Ok::<_, Infallible>(long.clone())]);
    let body = first.chain(stream::once(async move {
        rest.pass().await;
        Ok("end".to_owned())
    }));
    let asked = site.start(query("/find", Body::from_stream(body), &[]));
    site.runs.reach(1).await;
    gate.open();
    let answer = asked.await.unwrap();
    assert_eq!(
        (answer.said(), answer.body.clone()),
        ("fwd=bypass", format!("{long}end"))
    );
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_the_answer_is_told_so() {
    let world = World::new();
    let site = echo(&world);
    let conditional = || query("/find", "a", &[("if-none-match", "\"a\"")]);
    site.ask(query("/find", "a", &[])).await;
    let held = site.ask(conditional()).await;
    assert!(held.is(304, "") && held.is_hit());
    // On a miss too, and what is stored is the whole.
    let fresh = echo(&World::new());
    assert_eq!(fresh.ask(conditional()).await.code(), 304);
    assert!(fresh.ask(query("/find", "a", &[])).await.is(200, "a"));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_validated_with_the_same_content() {
    let world = World::new();
    let (origin, site) = world.origin(layer(&world));
    origin.holds("\"a\"", &[("cache-control", "max-age=60")], "found");
    site.ask(query("/find", "a", &[("content-type", "x/y")]))
        .await;
    world.advance(Duration::from_secs(61));
    let again = site
        .ask(query("/find", "a", &[("content-type", "x/y")]))
        .await;
    assert!(again.is(200, "found"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(origin.last().0.as_str(), "QUERY");
    assert!(
        site.ask(query("/find", "a", &[("content-type", "x/y")]))
            .await
            .is_hit()
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_and_vary_hold_for_query_too() {
    let world = World::new();
    let (origin, site) = world.origin(layer(&world));
    site.ask(query("/find", "a", &[("cookie", "a=b")])).await;
    assert!(!site.ask(query("/find", "a", &[])).await.is_hit());
    origin.says(200, &[("vary", "X-L")], "page");
    site.ask(query("/vary", "a", &[("x-l", "1")])).await;
    assert!(
        site.ask(query("/vary", "a", &[("x-l", "1")]))
            .await
            .is_hit()
    );
    assert!(
        !site
            .ask(query("/vary", "a", &[("x-l", "2")]))
            .await
            .is_hit()
    );
}

#[tokio::test(start_paused = true)]
async fn a_gateway_passes_query_by_unless_told() {
    let world = World::new();
    let (origin, site): (Origin, Site) = world.origin(world.cache.gateway());
    origin.says(
        200,
        &[
            ("cache-control", "max-age=60"),
            ("content-location", "/find"),
        ],
        "found",
    );
    for run in 1..=2 {
        let answer = site.ask(query("/find", "a", &[])).await;
        assert_eq!((answer.said(), site.runs()), ("fwd=method", run));
    }
    assert!(!site.get("/find").await.is_hit());
}
