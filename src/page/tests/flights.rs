//! One flight per key: N misses at once run the handler once, whatever becomes of the leader (P3).

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::background::Background;

/// A handler that waits at `gate`, and answers with the number of its run, in two parts if it is to be `streamed`.
fn numbered(world: &World, gate: &Gate, streamed: bool) -> Site {
    let runs = Runs::default();
    let (counted, gate) = (runs.clone(), gate.clone());
    let handler = runs.handler(move |_| {
        let (run, gate) = (counted.count(), gate.clone());
        async move {
            gate.pass().await;
            let parts = [Ok::<_, Infallible>("run ".to_owned()), Ok(run.to_string())];
            let body = if streamed {
                Body::from_stream(stream::iter(parts))
            } else {
                format!("run {run}").into()
            };
            page(&[], body)
        }
    });
    Site::of(world.clone(), runs, world.page().layer(handler))
}

async fn all(tasks: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let answers = futures_util::future::join_all(tasks).await;
    answers.into_iter().map(Result::unwrap).collect()
}

on_every_store! {
    fifty_misses_at_once_run_the_handler_once
    fifty_misses_of_a_body_without_length_run_the_handler_once
    a_leader_dropped_in_the_handler_goes_on_for_its_followers
    a_leader_dropped_while_it_streams_goes_on_for_its_followers
    followers_that_go_away_leave_the_flight_alone
    trailers_reach_followers_and_hits
}

async fn fifty_misses_at_once_run_the_handler_once(world: World) {
    fifty(world, false).await;
}

async fn fifty_misses_of_a_body_without_length_run_the_handler_once(world: World) {
    fifty(world, true).await;
}

async fn fifty(world: World, streamed: bool) {
    let gate = Gate::closed();
    let site = numbered(&world, &gate, streamed);
    let asked = (0..50).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(site.runs(), 1);
    gate.open();
    let answers = all(asked).await;
    let said = |said| {
        answers
            .iter()
            .filter(|answer| answer.said() == said)
            .count()
    };
    assert_eq!(
        (
            said("fwd=uri-miss; stored"),
            said("fwd=uri-miss; collapsed")
        ),
        (1, 49)
    );
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "run 1"));
        assert_eq!(answer.field("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    }
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is_hit());
    assert_eq!((site.runs(), world.cache.stats().collapsed()), (1, 49));
    world.assert_at_rest().await;
}

async fn a_leader_dropped_in_the_handler_goes_on_for_its_followers(world: World) {
    let gate = Gate::closed();
    let site = numbered(&world, &gate, true);
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    let before = site.start(get("/p"));
    settle().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    let after = site.start(get("/p"));
    settle().await;
    gate.open();
    for answer in all(vec![before, after]).await {
        assert_eq!(
            (answer.said(), &*answer.body),
            ("fwd=uri-miss; collapsed", "run 1")
        );
    }
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is_hit());
    assert_eq!(site.runs(), 1);
    world.assert_at_rest().await;
}

async fn a_leader_dropped_while_it_streams_goes_on_for_its_followers(world: World) {
    for length in [None, Some("9")] {
        let body = Gate::closed();
        let held = body.clone();
        let site = world.site(world.page(), move |_| {
            let held = held.clone();
            let end = stream::once(async move {
                held.pass().await;
                Ok::<_, Infallible>("text")
            });
            let body = Body::from_stream(stream::iter([Ok("begin")]).chain(end));
            async move {
                page(
                    &length.map_or(vec![], |length| vec![("content-length", length)]),
                    body,
                )
            }
        });
        let target = format!("/{length:?}");
        let mut leader = site.open(get(&target)).await;
        let first = leader.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "begin", "not held back");
        let follower = site.start(get(&target));
        settle().await;
        drop(leader);
        settle().await;
        body.open();
        assert_eq!(follower.await.unwrap().body, "begintext");
        world.cache.background().idle().await;
        let hit = site.get(&target).await;
        assert_eq!(
            (hit.is_hit(), &*hit.body, site.runs()),
            (true, "begintext", 1)
        );
    }
    world.assert_at_rest().await;
}

async fn followers_that_go_away_leave_the_flight_alone(world: World) {
    let gate = Gate::closed();
    let site = numbered(&world, &gate, true);
    let leader = site.start(get("/p"));
    settle().await;
    for _ in 0..5 {
        let follower = site.start(get("/p"));
        settle().await;
        follower.abort();
    }
    gate.open();
    assert_eq!(leader.await.unwrap().body, "run 1");
    world.cache.background().idle().await;
    assert!(site.get("/p").await.is_hit());
    world.assert_at_rest().await;
}

async fn trailers_reach_followers_and_hits(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            page(&[], trailing(&["a", "b"], &[("grpc-status", "0")]))
        }
    });
    let asked = (0..3).map(|_| site.start(get("/p"))).collect();
    settle().await;
    gate.open();
    let mut answers = all(asked).await;
    world.cache.background().idle().await;
    answers.push(site.get("/p").await);
    for answer in answers {
        assert_eq!(answer.body, "ab");
        assert_eq!(answer.trailers.as_ref().unwrap()["grpc-status"], "0");
        assert_eq!(
            answer.field("grpc-status"),
            None,
            "never a field of the head"
        );
    }
    assert_eq!(site.runs(), 1);
}

/// At its limit, the background drops a leader that was left, and those who waited elect a new one.
#[tokio::test(start_paused = true)]
async fn with_no_room_in_the_background_followers_elect_a_new_leader() {
    let background = Background::new(1);
    assert!(background.spawn(Box::pin(std::future::pending())));
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).background(background.clone()));
    let gate = Gate::closed();
    let site = numbered(&world, &gate, false);
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    let followers = (0..5).map(|_| site.start(get("/p"))).collect();
    settle().await;
    leader.abort();
    settle().await;
    gate.open();
    for answer in all(followers).await {
        assert_eq!(answer.body, "run 2");
    }
    assert_eq!(site.runs(), 2);
    background.shutdown();
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_shut_down_background_takes_detached_fills_with_it() {
    let world = World::new();
    let site = numbered(&world, &Gate::closed(), false);
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    leader.abort();
    settle().await;
    assert_eq!(world.cache.background().running(), 1);
    world.cache.background().shutdown();
    world.assert_at_rest().await;
}

#[derive(Debug, PartialEq)]
struct Fault;

/// The first run ends as `fails` has it, the next ones with a page.
async fn followers_of_a_failed_leader_are_served<F>(fails: F)
where
    F: Fn() -> Result<Response<Body>, Fault> + Clone + Send + Sync + 'static,
{
    let world = World::new();
    let (runs, gate) = (Runs::default(), Gate::closed());
    let (counted, held) = (runs.clone(), gate.clone());
    let handler = tower::service_fn(move |_: Request<Body>| {
        let (run, held, fails) = (counted.begin(), held.clone(), fails.clone());
        async move {
            held.pass().await;
            if run == 1 {
                fails()
            } else {
                Ok(page(&[], "soup"))
            }
        }
    });
    let service = world.page().layer(handler);
    let start = || {
        let service = service.clone();
        tokio::spawn(
            AssertUnwindSafe(async move {
                let response = service.oneshot(get("/p")).await?;
                let body = response.into_body().collect().await.map_err(|_| Fault)?;
                Ok::<_, Fault>(body.to_bytes())
            })
            .catch_unwind(),
        )
    };
    let leader = start();
    runs.reach(1).await;
    let followers: Vec<_> = (0..5).map(|_| start()).collect();
    settle().await;
    gate.open();
    let fault = leader.await.unwrap();
    assert!(
        !matches!(fault, Ok(Ok(_))),
        "the leader gets its own fault: {fault:?}"
    );
    for follower in followers {
        assert_eq!(follower.await.unwrap().unwrap(), Ok("soup".into()));
    }
    assert_eq!(runs.count(), 2);
    assert_eq!(start().await.unwrap().unwrap(), Ok("soup".into()));
    assert_eq!(runs.count(), 2, "nothing is poisoned");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_replaced_for_those_who_wait() {
    followers_of_a_failed_leader_are_served(|| Err(Fault)).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_replaced_for_those_who_wait() {
    followers_of_a_failed_leader_are_served(|| panic!("as a handler may")).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_is_replaced_for_those_who_wait() {
    followers_of_a_failed_leader_are_served(|| {
        let parts = [Ok("so"), Err("the database went away")];
        Ok(page(&[], Body::from_stream(stream::iter(parts))))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_is_replaced_for_those_who_wait() {
    followers_of_a_failed_leader_are_served(|| {
        let body = stream::iter([0, 1]).map(|part| match part {
            0 => Ok::<_, Infallible>("so"),
            _ => panic!("as a body may"),
        });
        Ok(page(&[], Body::from_stream(body)))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_is_replaced_for_those_who_wait() {
    let world = World::new();
    let (runs, gate) = (Runs::default(), Gate::closed());
    let (counted, held) = (runs.clone(), gate.clone());
    let handler = runs.handler(move |_| {
        let (run, held) = (counted.count(), held.clone());
        let end = stream::once(async move {
            held.pass().await;
            Ok::<_, Infallible>(if run == 1 { "" } else { "text" })
        });
        let body = Body::from_stream(stream::iter([Ok("begin")]).chain(end));
        async move { page(&[("trailer", "x"), ("content-length", "9")], body) }
    });
    let site = Site::of(world.clone(), runs, world.page().layer(handler));
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    settle().await;
    gate.open();
    assert_eq!(leader.await.unwrap().body, "begin", "as the handler cut it");
    assert_eq!(site.get("/p").await.body, "begintext");
    assert!(site.get("/p").await.is_hit());
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

/// With a length that is known the followers are let in at the head, without one when all is there; neither waits for the leader's client.
#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_read_does_not_hold_its_followers() {
    for length in [None, Some("40000")] {
        let world = World::new();
        let site = world.site(world.page(), move |_| {
            let part = Bytes::from(vec![b'x'; 10_000]);
            let body = Body::from_stream(stream::iter(
                (0..4).map(move |_| Ok::<_, Infallible>(part.clone())),
            ));
            async move {
                page(
                    &length.map_or(vec![], |length| vec![("content-length", length)]),
                    body,
                )
            }
        });
        let mut leader = site.open(get("/p")).await;
        leader.body_mut().frame().await.unwrap().unwrap();
        let since = Instant::now();
        for follower in all((0..5).map(|_| site.start(get("/p"))).collect()).await {
            assert_eq!(follower.body.len(), 40_000);
        }
        assert!(
            since.elapsed() < Duration::from_secs(1),
            "of paused time: {:?}",
            since.elapsed()
        );
        assert!(site.get("/p").await.is_hit());
        assert_eq!(
            read(leader).await.body.len(),
            30_000,
            "and it loses nothing"
        );
        assert_eq!(site.runs(), 1);
        world.assert_at_rest().await;
    }
}
