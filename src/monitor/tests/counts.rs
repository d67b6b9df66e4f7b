//! Whose request something is counted for.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{Next, from_fn};
use axum::routing::get as on_get;
use bytes::Bytes;
use http_body_util::Full;
use tokio::sync::{Barrier, Semaphore};
use tower::{Layer, service_fn};

use super::super::{Absence, RequestCounts};
use super::*;
use crate::{Ttl, minutes};

#[tokio::test]
async fn a_page_is_a_miss_and_a_set_and_then_a_hit() {
    let (world, told) = (World::new(), Told::default());
    let page = on_get(async || "soup").layer(world.cache.page(minutes(30)));
    let app = Router::new()
        .route("/menu", page)
        .layer(told.by(world.monitor()));

    let first = ask(app.clone(), get("/menu")).await;
    assert_eq!(hit_fields(&first), ["0", "1", "0.0%"]);
    let second = ask(app, get("/menu")).await;
    assert_eq!(hit_fields(&second), ["1", "0", "100.0%"]);
    assert_eq!(
        told.lines(),
        [
            "GET /menu 200 hits=0 misses=1 sets=1 errors=0 rate=0.0% duration=0.000s",
            "GET /menu 200 hits=1 misses=0 sets=0 errors=0 rate=100.0% duration=0.000s",
        ]
    );
}

#[tokio::test]
async fn pages_and_values_count_together() {
    let world = World::new();
    let cache = world.cache.clone();
    let handler = async move || {
        count(&cache, Reason::Hit, 3);
        cache.shared.counters.store_error();
        RequestCounts::current().unwrap().errors().to_string()
    };
    let page = on_get(handler).layer(world.cache.page(Ttl::Forever));
    let app = Router::new().route("/", page).layer(world.monitor());
    let headers = ask(app, get("/")).await;
    assert_eq!(hit_fields(&headers), ["3", "1", "75.0%"]);
}

#[tokio::test]
async fn a_handler_that_asks_no_cache_counts_nothing() {
    let app = Router::<()>::new()
        .route("/", on_get(async || "plain"))
        .layer(World::new().monitor());
    assert_eq!(hit_fields(&ask(app, get("/")).await), ["0", "0", "0.0%"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_requests_at_once_keep_their_counts_apart() {
    const REQUESTS: usize = 200;

    let world = World::new();
    let (cache, all) = (world.cache.clone(), Arc::new(Barrier::new(REQUESTS)));
    let part = Router::new()
        .route("/part/{id}", on_get(async || "part"))
        .layer(world.cache.page(minutes(30)));
    let handler = async move |request: Request<Body>| {
        let id: usize = request.uri().path()[1..].parse().unwrap();
        // Every request is under way, and moves between threads, while each of them counts.
        all.wait().await;
        for _ in 0..id {
            count(&cache, Reason::Hit, 1);
            tokio::task::yield_now().await;
        }
        // Three parts from a page cache within: a miss, and two hits.
        for _ in 0..3 {
            ask(part.clone(), get(&format!("/part/{id}"))).await;
        }
        all.wait().await;
        count(&cache, Reason::Stored(Absence::Uri), id % 7);
        "done"
    };
    let app = Router::new()
        .fallback(handler)
        .layer(world.monitor())
        .with_state(());

    let asking: Vec<_> = (0..REQUESTS)
        .map(|id| tokio::spawn(ask(app.clone(), get(&format!("/{id}")))))
        .collect();
    for (id, asking) in asking.into_iter().enumerate() {
        let headers = asking.await.unwrap();
        let [hits, misses, _] = hit_fields(&headers);
        assert_eq!(
            (hits.parse(), misses.parse()),
            (Ok(id + 2), Ok(id % 7 + 1)),
            "request {id}"
        );
    }
    assert!(RequestCounts::current().is_none());
}

#[tokio::test]
async fn who_follows_a_flight_hits_and_who_leads_it_misses() {
    let world = World::new();
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = async move || {
        opened.acquire().await.unwrap().forget();
        "soup"
    };
    let page = on_get(handler).layer(world.cache.page(minutes(30)));
    let app = Router::new().route("/", page).layer(world.monitor());
    let lead = tokio::spawn(ask(app.clone(), get("/")));
    tokio::task::yield_now().await;
    let follow = tokio::spawn(ask(app, get("/")));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(hit_fields(&lead.await.unwrap()), ["0", "1", "0.0%"]);
    assert_eq!(hit_fields(&follow.await.unwrap()), ["1", "0", "100.0%"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_counts_where_it_is_told_to() {
    let world = World::new();
    let cache = world.cache.clone();
    let handler = async move || {
        let counts = RequestCounts::current().unwrap();
        let (carried, lost) = (cache.clone(), cache.clone());
        let carrying = tokio::spawn(counts.scope(async move {
            count(&carried, Reason::Hit, 2);
            tokio::task::yield_now().await;
            count(&carried, Reason::Hit, 1);
            let counts = RequestCounts::current().unwrap();
            // And a task of a task.
            let nested =
                counts.scope(async move { count(&carried, Reason::Stored(Absence::Uri), 1) });
            tokio::spawn(nested).await.unwrap();
        }));
        let losing = tokio::spawn(async move {
            assert!(RequestCounts::current().is_none());
            count(&lost, Reason::Hit, 50);
        });
        carrying.await.unwrap();
        losing.await.unwrap();
        assert_eq!((counts.hits(), counts.misses(), counts.sets()), (3, 1, 1));
        "done"
    };
    let app = Router::new()
        .route("/", on_get(handler))
        .layer(world.monitor());
    let headers = ask(app, get("/")).await;
    assert_eq!(hit_fields(&headers), ["3", "1", "75.0%"]);
}

#[tokio::test]
async fn of_two_layers_the_inner_adopts_the_counts_of_the_outer() {
    let (world, inner, outer) = (World::new(), Told::default(), Told::default());
    let cache = world.cache.clone();
    let handler = async move || {
        count(&cache, Reason::Hit, 1);
        "done"
    };
    let cache = world.cache.clone();
    let between = from_fn(move |request: Request<Body>, next: Next| {
        let cache = cache.clone();
        async move {
            count(&cache, Reason::Hit, 1);
            let response = next.run(request).await;
            count(&cache, Reason::Stored(Absence::Uri), 1);
            response
        }
    });
    let app = Router::new()
        .route("/", on_get(handler))
        .layer(inner.by(world.monitor()))
        .layer(between)
        .layer(outer.by(world.monitor()));
    let headers = ask(app, get("/")).await;
    assert_eq!(hit_fields(&headers), ["2", "1", "66.7%"]);
    assert!(inner.line().contains("hits=2 misses=0"));
    assert!(outer.line().contains("hits=2 misses=1"));
    assert_eq!(headers.get_all("server-timing").iter().count(), 2);
}

#[tokio::test]
async fn what_a_service_counts_before_its_first_await_counts() {
    let world = World::new();
    let cache = world.cache.clone();
    let service = world.monitor().layer(service_fn(move |_: Request<Body>| {
        // Not in a future: in `call` itself, as a page layer that hits.
        count(&cache, Reason::Hit, 1);
        std::future::ready(Ok(Response::new(Full::new(Bytes::new()))))
    }));
    let headers = ask(service, get("/")).await;
    assert_eq!(hit_fields(&headers)[0], "1");
}

#[tokio::test]
async fn one_task_that_asks_for_two_requests_in_turns_keeps_them_apart() {
    let world = World::new();
    let cache = world.cache.clone();
    let app = Router::new()
        .fallback(async move |request: Request<Body>| {
            let times = request.uri().path().len();
            for _ in 0..times {
                count(&cache, Reason::Hit, 1);
                tokio::task::yield_now().await;
            }
        })
        .layer(world.monitor());
    let (one, other) = tokio::join!(ask(app.clone(), get("/a")), ask(app, get("/abcdef")));
    assert_eq!(hit_fields(&one)[0], "2");
    assert_eq!(hit_fields(&other)[0], "7");
}
