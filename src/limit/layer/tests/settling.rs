//! What requests have cost after all.

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;
use crate::limit::Unit;

async fn status(app: &Router, path: &str) -> u16 {
    send(app, by(ALICE, "POST", path)).await.status().as_u16()
}

#[tokio::test]
async fn only_failures_count_where_only_failures_are_to_count() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("2/m", client_ip());
        limit.count_only(|answer| answer.status() == StatusCode::UNAUTHORIZED)
    });
    for _ in 0..5 {
        assert_eq!(status(&app, "/").await, 200);
    }
    assert_eq!(status(&app, "/no").await, 401);
    assert_eq!(status(&app, "/").await, 200);
    assert_eq!(status(&app, "/no").await, 401);
    assert_eq!(status(&app, "/").await, 429);
    assert_eq!(world.runs(), 8);
}

#[tokio::test]
async fn a_crowd_of_guesses_does_not_slip_through_together() {
    let world = World::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handler = {
        let (gate, runs) = (gate.clone(), world.runs.clone());
        async move || {
            runs.fetch_add(1, Ordering::SeqCst);
            drop(gate.acquire().await);
            StatusCode::UNAUTHORIZED
        }
    };
    let layer = world.layer("test").quota("3/m", client_ip());
    let layer = layer.count_only(|answer| answer.status() == StatusCode::UNAUTHORIZED);
    let app = Router::new()
        .fallback(any(handler))
        .layer(layer.build().unwrap());
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { status(&app, "/").await })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.add_permits(100);
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(guess.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3);
    assert_eq!(world.runs(), 3);
}

#[tokio::test]
async fn what_was_dropped_before_its_answer_counts() {
    let world = World::new();
    let layer = world.layer("test").quota("1/m", client_ip());
    let layer = layer.count_only(|_| false).build().unwrap();
    let app = Router::new()
        .route("/wait", any(async || std::future::pending::<()>().await))
        .fallback(any(async || "soup"))
        .layer(layer);
    assert_eq!(get(&app, ALICE).await, 200);
    let request = app.clone().oneshot(by(ALICE, "GET", "/wait"));
    assert!(futures_util::FutureExt::now_or_never(request).is_none());
    assert_eq!(get(&app, ALICE).await, 429);
}

#[tokio::test]
async fn the_cost_can_be_settled_by_the_answer() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("10/m", client_ip()).fields(Fields::Always);
        limit.settle(|answer| if answer.status().is_success() { 4 } else { 0 })
    });
    let remaining = async |path: &str| {
        let answer = send(&app, by(ALICE, "GET", path)).await;
        let limit = field(&answer, "ratelimit").unwrap().to_owned();
        let (_, rest) = limit.split_once(";r=").unwrap();
        rest.split(';').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(remaining("/").await, 6);
    assert_eq!(remaining("/no").await, 6);
    assert_eq!(remaining("/").await, 2);
    // It may go over, and is then refused until the debt is worked off.
    assert_eq!(remaining("/").await, 0);
    assert_eq!(get(&app, ALICE).await, 429);
    world.advance(Duration::from_secs(12));
    assert_eq!(get(&app, ALICE).await, 429);
    world.advance(Duration::from_secs(6));
    assert_eq!(get(&app, ALICE).await, 200);
}

/// Bodies of ten bytes each of `frames`.
fn by_bytes(world: &World, quota: &str) -> Router {
    let quota: Quota = quota.parse().unwrap();
    let layer = world.layer("test");
    let layer = layer.quota(quota.unit(Unit::ContentBytes), client_ip());
    let layer = layer.settle_bytes().build().unwrap();
    let handler = async || {
        let frames = (0..10).map(|_| {
            let frame = Frame::data(Bytes::from_static(&[b'x'; 10]));
            Ok::<_, std::convert::Infallible>(frame)
        });
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    };
    Router::new()
        .route("/empty", any(async || ()))
        .fallback(any(handler))
        .layer(layer)
}

#[tokio::test]
async fn bytes_are_charged_when_the_body_is_over() {
    let world = World::new();
    let app = by_bytes(&world, "250/m");
    for _ in 0..3 {
        let answer = send(&app, from(ALICE)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(text(answer).await.len(), 100);
    }
    // 300 were sent of 250.
    assert_eq!(get(&app, ALICE).await, 429);
    world.advance(Duration::from_secs(12));
    assert_eq!(get(&app, ALICE).await, 429);
    world.advance(Duration::from_secs(1));
    assert_eq!(get(&app, ALICE).await, 200);
}

#[tokio::test]
async fn whoever_goes_away_is_charged_what_was_sent() {
    let world = World::new();
    let app = by_bytes(&world, "100/m");
    for _ in 0..2 {
        let mut body = send(&app, from(ALICE)).await.into_body();
        for _ in 0..5 {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
    }
    assert_eq!(get(&app, ALICE).await, 429);
    let world = World::new();
    let app = by_bytes(&world, "1/m");
    for _ in 0..5 {
        // Nothing was sent, so nothing is charged.
        drop(send(&app, from(ALICE)).await);
        assert_eq!(send(&app, by(ALICE, "GET", "/empty")).await.status(), 200);
    }
}
