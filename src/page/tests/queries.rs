//! QUERY (RFC 10008): keyed by its content.

use super::*;

on_every_store! {
    equal_contents_are_one_page
    a_content_beyond_the_limit_passes_by_whole
    crowds_with_one_content_run_the_handler_once
    a_purge_of_the_target_frees_all_contents
}

const LIMIT: usize = 1_000;

fn query(target: &str, content: impl Into<Body>, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = request(Method::from_bytes(b"QUERY").unwrap(), target, fields);
    *request.body_mut() = content.into();
    request
}

/// Answers with what it was asked.
fn site(world: &World) -> Site {
    let layer = world.page().query_method(LIMIT, Body::new).unwrap();
    world.site(layer, async |request: Request<Body>| {
        let content = request.into_body().collect().await.unwrap().to_bytes();
        page(&[], content)
    })
}

async fn equal_contents_are_one_page(world: World) {
    let site = site(&world);
    let json = [("content-type", "application/json")];
    let first = site.ask(query("/find", "a", &json)).await;
    assert_eq!((first.said(), &*first.body), ("fwd=uri-miss; stored", "a"));
    assert!(site.ask(query("/find", "a", &json)).await.is_hit());
    // In frames it is the same content.
    let frames = Body::from_stream(stream::iter(["", "a", ""].map(Ok::<_, Infallible>)));
    assert!(site.ask(query("/find", frames, &json)).await.is_hit());
    assert_eq!(site.ask(query("/find", "b", &json)).await.body, "b");
    let runs = site.runs();
    for fields in [
        &[("content-type", "text/plain")][..],
        &[],
        &[json[0], ("content-encoding", "gzip")],
        &[json[0], ("content-language", "de")],
    ] {
        assert!(!site.ask(query("/find", "a", fields)).await.is_hit());
    }
    assert!(!site.ask(query("/other", "a", &json)).await.is_hit());
    assert_eq!(site.runs(), runs + 5);
}

async fn a_content_beyond_the_limit_passes_by_whole(world: World) {
    let site = site(&world);
    let long = "x".repeat(LIMIT + 1);
    for _ in 0..2 {
        let answer = site.ask(query("/find", long.clone(), &[])).await;
        assert_eq!((answer.said(), &*answer.body), ("fwd=bypass", &*long));
    }
    let fits = "x".repeat(LIMIT);
    site.ask(query("/find", fits.clone(), &[])).await;
    assert!(site.ask(query("/find", fits, &[])).await.is_hit());
}

async fn crowds_with_one_content_run_the_handler_once(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let layer = world.page().query_method(LIMIT, Body::new).unwrap();
    let site = world.site(layer, move |request: Request<Body>| {
        let held = held.clone();
        async move {
            held.pass().await;
            page(&[], request.into_body())
        }
    });
    let asked: Vec<_> = (0..10)
        .map(|_| site.start(query("/find", "a", &[])))
        .collect();
    let other = site.start(query("/find", "b", &[]));
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for request in asked {
        assert_eq!(request.await.unwrap().body, "a");
    }
    assert_eq!(other.await.unwrap().body, "b");
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn a_purge_of_the_target_frees_all_contents(world: World) {
    let site = site(&world);
    for content in ["a", "b"] {
        site.ask(query("/find", content, &[])).await;
    }
    world.purge_page("/find").await;
    for content in ["a", "b"] {
        assert!(!site.ask(query("/find", content, &[])).await.is_hit());
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_option_and_with_another_body_type_it_passes_by() {
    let world = World::new();
    let other = world.page().query_method(LIMIT, |body| body).unwrap();
    for layer in [world.page(), other] {
        let site = world.site(layer, async |request: Request<Body>| {
            page(&[], request.into_body())
        });
        for _ in 0..2 {
            let answer = site.ask(query("/find", "a", &[])).await;
            assert_eq!((answer.said(), &*answer.body), ("fwd=method", "a"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_neither_answered_from_a_get_nor_answers_one_nor_frees_one() {
    let world = World::new();
    let site = site(&world);
    let layered = site.service.clone();
    let layered = crate::InvalidationLayer::new(&world.cache).layer(layered);
    let site = Site::of(world.clone(), site.runs.clone(), layered);
    site.get("/find").await;
    assert!(!site.ask(query("/find", Body::empty(), &[])).await.is_hit());
    site.ask(query("/find", "a", &[])).await;
    assert!(site.get("/find").await.is_hit());
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_content_that_fails_fails_for_the_handler() {
    let world = World::new();
    let layer = world.page().query_method(LIMIT, Body::new).unwrap();
    let site = world.site(layer, async |request: Request<Body>| {
        let read = request.into_body().collect().await;
        page(&[], if read.is_err() { "failed" } else { "whole" })
    });
    let failing = || Body::from_stream(stream::iter([Ok("a"), Err("gone")]));
    for _ in 0..2 {
        let answer = site.ask(query("/find", failing(), &[])).await;
        assert_eq!((answer.said(), &*answer.body), ("fwd=bypass", "failed"));
    }
}
