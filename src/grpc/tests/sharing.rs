//! Calls that ask for the same at the same time, their deadlines, and clients that go away.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::grpc::CallPolicy;
use crate::ttl::{minutes, seconds};

/// A handler that answers so, each time when it is let.
fn gated(answers: fn() -> Response<Body>) -> (Counted, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = Counted::new(move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            answers()
        }
    });
    (handler, opened)
}

fn layer() -> (Cache, GrpcCacheLayer) {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    (cache, layer)
}

fn within(timeout: &str) -> Request<Body> {
    call_with(ITEM, message(b"7"), &[("grpc-timeout", timeout)])
}

#[tokio::test(start_paused = true)]
async fn calls_for_the_same_run_the_handler_once() {
    let (cache, layer) = layer();
    let (handler, gate) = gated(|| ok(b"soup"));
    let calls: Vec<_> = (0..20)
        .map(|_| start(&layer, &handler, call(ITEM, b"7")))
        .collect();
    let_others_run().await;
    gate.add_permits(1);
    let mut collapsed = 0;
    let first = seen(ok(b"soup")).await;
    for call in calls {
        let seen = call.await.unwrap();
        assert_eq!(seen.sent(), first.sent());
        collapsed += usize::from(seen.reason == Some(Reason::Collapsed(Absence::Uri)));
    }
    assert_eq!((handler.count(), collapsed), (1, 19));
    assert_at_rest(&cache).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_in_a_hurry_does_not_take_the_answer_from_those_who_have_time() {
    let (cache, layer) = layer();
    let handler = Counted::new(|request| async move {
        // Not the leader's, but what a handler has who is asked for everyone.
        assert_eq!(request.headers()["grpc-timeout"], "30000000u");
        tokio::time::sleep(seconds(1)).await;
        ok(b"soup")
    });
    let leader = start(&layer, &handler, within("10m"));
    let_others_run().await;
    let waiter = start(&layer, &handler, within("5S"));
    let began = tokio::time::Instant::now();
    let late = leader.await.unwrap();
    assert_eq!(
        (late.status, late.code(), late.trailers.is_none()),
        (200, "4", true)
    );
    assert_eq!(began.elapsed(), Duration::from_millis(10));
    let served = waiter.await.unwrap();
    assert_eq!(served.data, message(b"soup"));
    assert_eq!(handler.count(), 1);
    assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.reason, None);
    assert_at_rest(&cache).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_in_a_hurry_ends_by_itself_and_the_leader_is_served() {
    let (cache, layer) = layer();
    let (handler, gate) = gated(|| ok(b"soup"));
    let leader = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    let waiter = start(&layer, &handler, within("10m"));
    assert_eq!(waiter.await.unwrap().code(), "4");
    gate.add_permits(1);
    assert_eq!(leader.await.unwrap().data, message(b"soup"));
    assert_eq!(handler.count(), 1);
    assert_at_rest(&cache).await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cannot_be_read_is_none_and_goes_on_as_it_is() {
    let (_, layer) = layer();
    for malformed in ["", "S", "10", "123456789S", "1.5S", "-1S", "5s"] {
        let handler = Counted::new(|_| async {
            tokio::time::sleep(seconds(5)).await;
            ok(b"soup")
        });
        let asked = call_with(
            ITEM,
            message(malformed.as_bytes()),
            &[("grpc-timeout", malformed)],
        );
        assert_eq!(
            ask(&layer, &handler, asked).await.code(),
            "0",
            "{malformed}"
        );
    }
    let bypassing = Counted::new(|request| async move {
        assert_eq!(request.headers()["grpc-timeout"], "5s");
        ok(b"soup")
    });
    let asked = [("grpc-timeout", "5s"), ("authorization", "x")];
    ask(&layer, &bypassing, call_with(ITEM, message(b"7"), &asked)).await;
    assert_eq!(bypassing.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_at_hand_is_given_whatever_the_deadline() {
    let (_, layer) = layer();
    let handler = Counted::new(|_| async { ok(b"soup") });
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(ask(&layer, &handler, within("0n")).await.reason, None);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_for_everyone_ends_the_call() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).fill_timeout(seconds(2));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    for hangs in [
        Counted::new(|_| std::future::pending()),
        Counted::new(|_| async {
            let body = StreamBody::new(futures_util::stream::pending::<
                Result<Frame<Bytes>, std::io::Error>,
            >());
            answer_of(&[], None, None).map(|_| Body::new(body))
        }),
    ] {
        let began = tokio::time::Instant::now();
        let seen = ask(&layer, &hangs, call(ITEM, b"7")).await;
        assert_eq!((seen.code(), began.elapsed()), ("4", seconds(2)));
        seen.assert_refused(NotStored::Incomplete);
    }
    assert_at_rest(&cache).await;
}

#[tokio::test(start_paused = true)]
async fn what_refuses_or_fails_one_call_is_not_given_to_those_who_wait() {
    for code in ["1", "2", "4", "7", "8", "10", "13", "14", "15", "16", "3"] {
        let (cache, layer) = layer();
        let gate = Arc::new(Semaphore::new(0));
        let (opened, runs) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
        let handler = Counted::new(move |_| {
            let (gate, run) = (gate.clone(), runs.fetch_add(1, Ordering::SeqCst));
            async move {
                gate.acquire().await.unwrap().forget();
                match run {
                    0 => answer_of(&[("grpc-status", code)], None, None),
                    _ => ok(b"soup"),
                }
            }
        });
        let leader = start(&layer, &handler, call(ITEM, b"7"));
        let_others_run().await;
        let waiters: Vec<_> = (0..3)
            .map(|_| start(&layer, &handler, call(ITEM, b"7")))
            .collect();
        let_others_run().await;
        opened.add_permits(10);
        assert_eq!(leader.await.unwrap().code(), code);
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap().data, message(b"soup"), "{code}");
        }
        assert_at_rest(&cache).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_leaves_those_who_wait_to_themselves() {
    let (cache, layer) = layer();
    let gate = Arc::new(Semaphore::new(0));
    let (opened, runs) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let handler = Counted::new(move |_| {
        let (gate, run) = (gate.clone(), runs.fetch_add(1, Ordering::SeqCst));
        async move {
            gate.acquire().await.unwrap().forget();
            assert!(run > 0, "as a handler may");
            ok(b"soup")
        }
    });
    let leader = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    let waiter = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    opened.add_permits(2);
    assert!(leader.await.unwrap_err().is_panic());
    assert_eq!(waiter.await.unwrap().data, message(b"soup"));
    assert_eq!(handler.count(), 2);
    assert_at_rest(&cache).await;
}

/// A handler that yields between all that it does.
fn hesitant() -> Counted {
    Counted::new(|request| async move {
        drop(request.into_body().collect().await);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let parts = [
            Frame::data(message(b"soup").slice(..2)),
            Frame::data(message(b"soup").slice(2..)),
            Frame::trailers(fields(&[("grpc-status", "0")])),
        ];
        let body = futures_util::stream::unfold(parts.into_iter(), |mut parts| async move {
            tokio::task::yield_now().await;
            Some((Ok::<_, std::io::Error>(parts.next()?), parts))
        });
        answer_of(&[], None, None).map(|_| Body::new(StreamBody::new(Box::pin(body))))
    })
}

/// Drops a call after so many polls: has it been answered by then?
fn dropped_after(polls: usize, layer: &GrpcCacheLayer, handler: &Counted) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut asking = pin!(ask(layer, handler, within("20S")));
    (0..polls).any(|_| asking.as_mut().poll(&mut cx) != Poll::Pending)
}

async fn clients_may_go_at_any_point(cache: Cache) {
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let mut polls = 0;
    loop {
        cache.clear().await.unwrap();
        let handler = hesitant();
        let answered = dropped_after(polls, &layer, &handler);
        assert_at_rest(&cache).await;
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!(seen.data, message(b"soup"), "after {polls} polls");
        assert!(handler.count() <= 2, "after {polls} polls");
        if handler.count() == 1 && seen.reason.is_none() {
            // Whoever has led it as far as that has left it to the background, where it was stored.
            assert!(polls > 0);
        }
        if answered {
            break;
        }
        polls += 1;
    }
    assert!(polls > 5, "there is something to wait for");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_leaves_nothing_locked() {
    clients_may_go_at_any_point(cache().0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_leaves_nothing_locked_on_a_store_that_has_to_be_waited_for() {
    let store = Waiting(MemoryStore::new(16 * MIB));
    clients_may_go_at_any_point(built(Cache::builder(store)).0).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_client_has_left_behind_is_stored_for_the_next() {
    let (cache, layer) = layer();
    let (handler, gate) = gated(|| ok(b"soup"));
    let leader = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    cache.background().idle().await;
    assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.reason, None);
    assert_eq!(handler.count(), 1);
}
