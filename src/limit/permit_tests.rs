//! What a permit holds, and gives back.

use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::FutureExt;

use super::testing::{Far, TokioClock, quota};
use super::*;
use crate::clock::ManualClock;

fn limiter() -> RateLimiter {
    RateLimiter::new(Far::new(ManualClock::new()))
}

async fn remaining(limiter: &RateLimiter, quota: &Quota) -> u64 {
    let quotas = std::slice::from_ref(quota);
    let decision = limiter.peek("k1", quotas).await.unwrap();
    decision.standings()[0].remaining
}

#[tokio::test]
async fn what_was_taken_stays_used_and_is_given_back_once() {
    let (limiter, quota) = (limiter(), quota("10/m"));
    let quotas = [quota.clone()];
    drop(limiter.acquire("k1", &quotas).cost(2).await.unwrap());
    assert_eq!(remaining(&limiter, &quota).await, 8);
    let permit = Arc::new(limiter.acquire("k1", &quotas).cost(3).await.unwrap());
    assert_eq!(permit.remaining(), 5);
    for _ in 0..3 {
        permit.give_back().await.unwrap();
        assert_eq!(permit.remaining(), 8);
    }
    drop(permit);
    assert_eq!(remaining(&limiter, &quota).await, 8);
}

#[tokio::test]
async fn settling_charges_what_is_missing_and_gives_back_what_is_too_much() {
    let (limiter, quota) = (limiter(), quota("10/m"));
    let quotas = [quota.clone()];
    let permit = limiter.acquire("k1", &quotas).cost(4).await.unwrap();
    for (cost, left) in [(7, 3), (7, 3), (1, 7), (0, 7)] {
        permit.settle(cost).await.unwrap();
        assert_eq!(remaining(&limiter, &quota).await, left, "settled at {cost}");
    }
}

#[tokio::test]
async fn settling_at_less_gives_back_the_difference() {
    let (limiter, quota) = (limiter(), quota("10/m"));
    let quotas = [quota.clone()];
    let permit = limiter.acquire("k1", &quotas).cost(8).await.unwrap();
    permit.settle(3).await.unwrap();
    assert_eq!(remaining(&limiter, &quota).await, 7);
    permit.give_back().await.unwrap();
    assert_eq!(remaining(&limiter, &quota).await, 10);
}

#[tokio::test]
async fn a_charge_may_go_over() {
    let (limiter, quota) = (limiter(), quota("10/m"));
    let permit = limiter.acquire("k1", &[quota]).await.unwrap();
    let decision = permit.charge(12).await.unwrap();
    assert_eq!(
        (decision.standings()[0].remaining, permit.remaining()),
        (0, 0)
    );
}

#[tokio::test]
async fn places_are_released_once_and_only_by_drop() {
    let limiter = limiter();
    let places = Quota::in_flight(NonZeroU32::new(2).unwrap());
    let quotas = [places.clone(), quota("100/m")];
    let permit = Arc::new(limiter.acquire("k1", &quotas).cost(5).await.unwrap());
    assert_eq!(remaining(&limiter, &places).await, 1);
    permit.give_back().await.unwrap();
    permit.settle(50).await.unwrap();
    permit.charge(1).await.unwrap();
    assert_eq!(remaining(&limiter, &places).await, 1);
    let other = limiter.acquire("k1", &quotas).await.unwrap();
    drop(permit);
    limiter.background().idle().await;
    assert_eq!(remaining(&limiter, &places).await, 1);
    drop(other);
    limiter.background().idle().await;
    assert_eq!(remaining(&limiter, &places).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_in_the_middle_leaves_no_place_taken() {
    let far = Far::new(TokioClock::new());
    let limiter = RateLimiter::new(far.clone());
    let places = Quota::in_flight(NonZeroU32::MIN);
    far.delay(50);
    for gone_after in [0, 10, 49, 50] {
        let quotas = [places.clone()];
        let asked = limiter.acquire("k1", &quotas).into_future();
        drop(tokio::time::timeout(std::time::Duration::from_millis(gone_after), asked).await);
        limiter.background().idle().await;
        assert_eq!(remaining(&limiter, &places).await, 1);
    }
    assert!(far.calls() > 4);
}

#[test]
fn without_a_runtime_a_permit_is_dropped_in_silence() {
    let far = Far::new(ManualClock::new());
    let limiter = RateLimiter::new(far);
    let quotas = [Quota::in_flight(NonZeroU32::MIN)];
    let permit = limiter.acquire("k1", &quotas).into_future().now_or_never();
    drop(permit.unwrap().unwrap());
    let limiter = RateLimiter::new(MemoryLimiter::new());
    for _ in 0..3 {
        let permit = limiter.acquire("k1", &quotas).into_future().now_or_never();
        assert!(permit.unwrap().is_ok());
    }
}

#[test]
fn a_permit_can_be_shared_and_sent() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Permit>();
    check::<RateLimiter>();
    check::<Refusal>();
}

#[tokio::test]
async fn a_place_is_released_by_a_thread_without_a_runtime() {
    let limiter = limiter();
    let places = [Quota::in_flight(NonZeroU32::MIN)];
    for _ in 0..3 {
        let held = limiter.acquire("k1", &places).await.unwrap();
        std::thread::spawn(move || drop(held)).join().unwrap();
        limiter.background().idle().await;
    }
    assert_eq!(remaining(&limiter, &places[0]).await, 1);
}
