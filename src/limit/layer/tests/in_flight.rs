//! Places in flight: never more at once than there are, and each released once.

use std::num::NonZeroU32;

use futures_util::FutureExt;

use super::*;

fn places(most: u32) -> Quota {
    Quota::in_flight(NonZeroU32::new(most).unwrap())
}

#[tokio::test]
async fn a_place_is_held_until_the_body_has_ended() {
    let world = World::new();
    let app = world.app(|limit| limit.quota(places(1), client_ip()));
    let first = send(&app, from(ALICE)).await;
    assert_eq!(get(&app, ALICE).await, 429);
    assert_eq!(get(&app, BOB).await, 200);
    assert_eq!(text(first).await, "soup");
    let second = send(&app, from(ALICE)).await;
    assert_eq!(second.status(), 200);
    drop(second);
    assert_eq!(get(&app, ALICE).await, 200);
}

#[tokio::test]
async fn a_place_is_free_after_cancellation_and_panic() {
    let world = World::new();
    let layer = world
        .layer("test")
        .quota(places(1), client_ip())
        .build()
        .unwrap();
    let app = Router::new()
        .route("/wait", any(async || std::future::pending::<()>().await))
        .route("/panic", any(async || -> () { panic!("as a handler may") }))
        .fallback(any(async || "soup"))
        .layer(layer);
    for _ in 0..3 {
        let mut waiting = Box::pin(app.clone().oneshot(by(ALICE, "GET", "/wait")));
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(get(&app, ALICE).await, 429);
        drop(waiting);
        let request = app.clone().oneshot(by(ALICE, "GET", "/panic"));
        assert!(tokio::spawn(request).await.is_err());
        assert_eq!(get(&app, ALICE).await, 200);
    }
}

#[tokio::test]
async fn places_and_rates_are_taken_together() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit
            .quota(places(1), client_ip())
            .quota("3/m", client_ip());
        limit.cost(|_| 1)
    });
    let first = send(&app, from(ALICE)).await;
    // What is refused for want of a place uses nothing of the rate.
    for _ in 0..10 {
        assert_eq!(get(&app, ALICE).await, 429);
    }
    drop(first);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 429);
    // What is refused by the rate holds no place.
    world.advance(Duration::from_secs(60));
    assert_eq!(get(&app, ALICE).await, 200);
}

#[test]
fn however_requests_end_all_places_are_free_again() {
    use proptest::prelude::{ProptestConfig, prop};
    use proptest::prop_assert_eq;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        ..ProptestConfig::default()
    });
    // 0: begin a request; 1: begin one that waits for ever; else: end the oldest.
    let steps = prop::collection::vec(0..4_u8, 1..40);
    let checked = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let world = World::new();
            let layer = world.layer("test").quota(places(3), client_ip());
            let app = Router::new()
                .route("/wait", any(async || std::future::pending::<()>().await))
                .fallback(any(async || "soup"))
                .layer(layer.build().unwrap());
            let mut held = std::collections::VecDeque::new();
            for step in steps {
                match step {
                    0 | 1 => {
                        let path = ["/", "/wait"][usize::from(step)];
                        let mut asked = Box::pin(app.clone().oneshot(by(ALICE, "GET", path)));
                        let answer = (&mut asked).now_or_never().map(Result::unwrap);
                        let is_refused =
                            answer.as_ref().is_some_and(|answer| answer.status() == 429);
                        prop_assert_eq!(is_refused, held.len() == 3);
                        if !is_refused {
                            held.push_back((asked, answer));
                        }
                    }
                    _ => drop(held.pop_front()),
                }
            }
            drop(held);
            for _ in 0..3 {
                prop_assert_eq!(get(&app, ALICE).await, 200);
            }
            Ok(())
        })
    });
    checked.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_there_are_never_more_than_there_are_places() {
    let world = World::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (now, most) = (now.clone(), most.clone());
        async move || {
            let running = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(running, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            "soup"
        }
    };
    let layer = world
        .layer("test")
        .quota(places(5), everyone())
        .build()
        .unwrap();
    let app = Router::new().fallback(any(handler)).layer(layer);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..200 {
                    let answer = send(&app, from(ALICE)).await;
                    admitted += usize::from(answer.status() == 200);
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for client in clients {
        admitted += client.await.unwrap();
    }
    assert!(admitted > 0);
    assert!(most.load(Ordering::SeqCst) <= 5);
    for _ in 0..5 {
        assert_eq!(get(&app, ALICE).await, 200);
    }
}
