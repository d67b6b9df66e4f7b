//! Who is served, when, and who is told at once that it is no use.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::testing::{Far, TokioClock, quota};
use super::super::{Ask, LimitKey, MemoryLimiter, Quota, RateLimiter, Wait};
use super::Waiting;

const SECOND: Duration = Duration::from_secs(1);

fn limiter() -> RateLimiter {
    RateLimiter::new(MemoryLimiter::with_clock(TokioClock::new()))
}

/// One a second, and one at once.
fn slow() -> [Quota; 1] {
    [quota("1/s")]
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_least_that_is_enough() {
    let limiter = limiter();
    limiter.acquire("k1", &slow()).await.unwrap();
    let since = Instant::now();
    limiter.acquire("k1", &slow()).wait(SECOND).await.unwrap();
    assert_eq!(since.elapsed(), SECOND);
    assert_eq!(limiter.stats().total.waited, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_in_time_is_refused_at_once() {
    let limiter = limiter();
    limiter.acquire("k1", &slow()).await.unwrap();
    let since = Instant::now();
    let short = Duration::from_millis(999);
    let refused = limiter
        .acquire("k1", &slow())
        .wait(short)
        .await
        .unwrap_err();
    assert_eq!(refused.wait(), Wait::Micros(1_000_000));
    // Nor is there any use in waiting for what never comes.
    let refused = limiter
        .acquire("k1", &slow())
        .cost(2)
        .wait(9 * SECOND)
        .await;
    assert_eq!(refused.unwrap_err().wait(), Wait::Never);
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(limiter.stats().total.waited, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beyond_the_deadline_of_the_call() {
    let limiter = limiter();
    limiter.acquire("k1", &slow()).await.unwrap();
    let since = Instant::now();
    let within = |span: Duration| (since + span).into_std();
    let quotas = slow();
    let ask = || limiter.acquire("k1", &quotas).wait(9 * SECOND);
    let refused = ask().deadline(within(SECOND / 2)).await.unwrap_err();
    assert_eq!(refused.wait(), Wait::Micros(1_000_000));
    assert_eq!(since.elapsed(), Duration::ZERO);
    ask().deadline(within(SECOND)).await.unwrap();
    assert_eq!(since.elapsed(), SECOND);
    // One that is over lets nobody wait, and nobody through who need not.
    let refused = ask().deadline(within(Duration::ZERO)).await;
    assert!(refused.is_err());
    assert_eq!(since.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn those_ahead_are_considered() {
    let limiter = limiter();
    limiter.acquire("k1", &slow()).await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let limiter = limiter.clone();
        waiting.spawn(async move {
            limiter
                .acquire("k1", &slow())
                .wait(9 * SECOND)
                .await
                .unwrap();
        });
    }
    sleep(Duration::from_millis(500)).await;
    let since = Instant::now();
    // Three are ahead: the fourth is served in 3.5 s.
    let refused = limiter
        .acquire("k1", &slow())
        .wait(3 * SECOND)
        .await
        .unwrap_err();
    assert_eq!(refused.wait(), Wait::Micros(3_500_000));
    assert_eq!(since.elapsed(), Duration::ZERO);
    // Another key has a line of its own.
    limiter.acquire("k2", &slow()).wait(SECOND).await.unwrap();
    assert_eq!(since.elapsed(), Duration::ZERO);
    limiter
        .acquire("k1", &slow())
        .wait(4 * SECOND)
        .await
        .unwrap();
    assert_eq!(since.elapsed(), Duration::from_millis(3_500));
    waiting.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first_and_the_limiter_is_not_stormed() {
    let far = Far::new(TokioClock::new());
    let limiter = RateLimiter::new(far.clone());
    limiter.acquire("k1", &slow()).await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    for number in 0..20 {
        let (limiter, served) = (limiter.clone(), served.clone());
        waiting.spawn(async move {
            sleep(Duration::from_millis(number)).await;
            let since = Instant::now();
            limiter
                .acquire("k1", &slow())
                .wait(60 * SECOND)
                .await
                .unwrap();
            let waited = since.elapsed().as_millis() as u64 + number;
            served.lock().unwrap().push((number, waited));
        });
    }
    waiting.join_all().await;
    let served = served.lock().unwrap();
    let expected: Vec<_> = (0..20)
        .map(|number| (number, 1_000 * (number + 1)))
        .collect();
    assert_eq!(*served, expected);
    // One look on joining, one refusal and one admission each.
    assert!(far.calls() <= 1 + 20 * 3, "{} calls", far.calls());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_away_leaves_its_place() {
    let limiter = limiter();
    limiter.acquire("k1", &slow()).await.unwrap();
    let since = Instant::now();
    let [first, second] = [(); 2].map(|()| {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            limiter
                .acquire("k1", &slow())
                .wait(9 * SECOND)
                .await
                .unwrap();
        })
    });
    sleep(Duration::from_millis(100)).await;
    first.abort();
    second.await.unwrap();
    assert_eq!(since.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_line_is_bounded_over_all_keys() {
    let limiter = limiter();
    let bounded = Waiting::at_most(9 * SECOND).queue(2);
    let mut waiting = JoinSet::new();
    for key in ["k1", "k2"] {
        limiter.acquire(key, &slow()).await.unwrap();
        let limiter = limiter.clone();
        waiting.spawn(async move {
            limiter.acquire(key, &slow()).wait(bounded).await.unwrap();
        });
    }
    limiter.acquire("k3", &slow()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let since = Instant::now();
    assert!(limiter.acquire("k3", &slow()).wait(bounded).await.is_err());
    assert_eq!(since.elapsed(), Duration::ZERO);
    waiting.join_all().await;
    assert!(limiter.acquire("k3", &slow()).wait(bounded).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_key_that_only_another_is_waiting_for() {
    let limiter = limiter();
    let all = [quota("1000/s")];
    let of = |key: &'static str| {
        let limiter = limiter.clone();
        async move {
            let (own, all) = (slow(), [quota("1000/s")]);
            let asks = [
                Ask::new(LimitKey::new("", key.as_bytes()), &own[0]),
                Ask::new(LimitKey::new("", b"all"), &all[0]),
            ];
            limiter.acquire_all(&asks).wait(9 * SECOND).await.unwrap();
        }
    };
    of("k1").await;
    let waits = tokio::spawn(of("k1"));
    sleep(Duration::from_millis(10)).await;
    let since = Instant::now();
    of("k2").await;
    limiter.acquire("all", &all).wait(SECOND).await.unwrap();
    assert_eq!(since.elapsed(), Duration::ZERO);
    waits.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_left_goes_to_the_first_in_line_at_once() {
    let limiter = limiter();
    let places = [Quota::in_flight(NonZeroU32::MIN)];
    let held = limiter.acquire("k1", &places).await.unwrap();
    let since = Instant::now();
    let waits = {
        let (limiter, places) = (limiter.clone(), places.clone());
        tokio::spawn(async move {
            let permit = limiter.acquire("k1", &places).wait(9 * SECOND).await;
            (permit.is_ok(), since.elapsed())
        })
    };
    // The polls are far apart by then.
    sleep(Duration::from_millis(2_501)).await;
    drop(held);
    assert_eq!(waits.await.unwrap(), (true, Duration::from_millis(2_501)));
    // Nobody leaves this one.
    let held = limiter.acquire("k1", &places).await.unwrap();
    let since = Instant::now();
    let refused = limiter.acquire("k1", &places).wait(SECOND).await;
    assert_eq!(refused.unwrap_err().wait(), Wait::Unknown);
    assert_eq!(since.elapsed(), SECOND);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_left_elsewhere_than_at_once_wakes_the_first_in_line() {
    let limiter = RateLimiter::new(Far::new(TokioClock::new()));
    let places = [Quota::in_flight(NonZeroU32::MIN)];
    let held = limiter.acquire("k1", &places).await.unwrap();
    let since = Instant::now();
    let waits = {
        let (limiter, places) = (limiter.clone(), places.clone());
        tokio::spawn(async move {
            let permit = limiter.acquire("k1", &places).wait(9 * SECOND).await;
            (permit.is_ok(), since.elapsed())
        })
    };
    sleep(Duration::from_millis(2_501)).await;
    drop(held);
    assert_eq!(waits.await.unwrap(), (true, Duration::from_millis(2_501)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_place_when_a_rate_refuses_for_longer() {
    let limiter = limiter();
    let quotas = [Quota::in_flight(NonZeroU32::MIN), quota("1/h")];
    let held = limiter.acquire("k1", &quotas).await.unwrap();
    let since = Instant::now();
    let refused = limiter.acquire("k1", &quotas).wait(9 * SECOND).await;
    assert!(refused.is_err());
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(limiter.stats().total.waited, 0);
    drop(held);
}
