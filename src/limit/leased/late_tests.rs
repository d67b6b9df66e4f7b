//! Leases from limiters that answer late, or fail late, or name what they lend as they like.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::testing::{Far, TokioClock, quota};
use super::super::{
    Action, Ask, Decision, LimitKey, Limiter, LimiterError, MemoryLimiter, Quota, Receipt,
    Standing, Wait,
};
use super::Leased;
use crate::clock::ManualClock;

/// Takes its time before it decides, or fails.
#[derive(Clone)]
struct Late {
    inner: MemoryLimiter,
    millis: Arc<AtomicU64>,
    is_away: Arc<AtomicBool>,
}

impl Late {
    fn new(millis: u64) -> Self {
        Self {
            inner: MemoryLimiter::with_clock(TokioClock::new()),
            millis: Arc::new(AtomicU64::new(millis)),
            is_away: Arc::default(),
        }
    }
}

#[async_trait]
impl Limiter for Late {
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        sleep(Duration::from_millis(self.millis.load(Ordering::SeqCst))).await;
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(LimiterError::Unavailable("it is away".into())),
            false => self.inner.decide(action, asks).await,
        }
    }
}

/// Sets the highest bit of its receipts, as one may that makes them of random numbers.
struct HighReceipts(Far);

const HIGHEST: u64 = 1 << 63;

#[async_trait]
impl Limiter for HighReceipts {
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        let asks = asks.iter().map(|ask| {
            let receipt = ask.receipt.value() & !HIGHEST;
            ask.receipt(Receipt::new(receipt))
        });
        let asks: Vec<_> = asks.collect();
        let decision = self.0.decide(action, &asks).await?;
        let standings = decision.standings().iter().map(|standing| Standing {
            receipt: Receipt::new(HIGHEST | standing.receipt.value()),
            ..*standing
        });
        Ok(Decision::new(standings))
    }
}

async fn acquire(leased: &Leased, quota: &Quota, cost: u64) -> Standing {
    let ask = Ask::new(LimitKey::new("g", b"k1"), quota).cost(cost);
    let decision = leased.decide(Action::Acquire, &[ask]).await.unwrap();
    decision.standings()[0]
}

#[test]
fn places_in_flight_go_back_to_the_limiter_whatever_it_calls_them() {
    let clock = ManualClock::new();
    let leased = Leased::with_clock(HighReceipts(Far::new(clock.clone())), clock);
    let places = Quota::in_flight(NonZeroU32::MIN);
    for _ in 0..3 {
        let held = acquire(&leased, &places, 1).now_or_never().unwrap();
        assert!(held.admitted);
        let back = Ask::new(LimitKey::new("g", b"k1"), &places).receipt(held.receipt);
        assert!(leased.decide_now(Action::GiveBack, &[back]).is_pending());
        let given = leased.decide(Action::GiveBack, &[back]).now_or_never();
        given.unwrap().unwrap();
    }
}

#[test]
fn a_wait_that_is_remembered_is_that_of_the_cost() {
    let clock = ManualClock::new();
    let leased = Leased::with_clock(Far::new(clock.clone()), clock);
    let quota = quota("10/10s");
    let waits = |cost| {
        let standing = acquire(&leased, &quota, cost).now_or_never();
        standing.unwrap().wait
    };
    assert_eq!(waits(10), Wait::NONE);
    assert_eq!(waits(1), Wait::Micros(1_000_000));
    assert_eq!(waits(5), Wait::Micros(5_000_000));
    assert_eq!(waits(1), Wait::Micros(1_000_000));
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_long_as_told_is_admitted() {
    let late = Late::new(300);
    let leased = Leased::with_clock(late.clone(), TokioClock::new());
    let quota = quota("1/s");
    assert!(acquire(&leased, &quota, 1).await.admitted);
    assert!(!acquire(&leased, &quota, 1).await.admitted);
    // What is told from here on is what is remembered; the answer to the last call is as quick as none.
    late.millis.store(0, Ordering::SeqCst);
    let Wait::Micros(wait) = acquire(&leased, &quota, 1).await.wait else {
        panic!("it is refused for some time");
    };
    sleep(Duration::from_micros(wait)).await;
    assert!(acquire(&leased, &quota, 1).await.admitted);
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_one_that_fails_do_not_fail_one_after_the_other() {
    let late = Late::new(1_000);
    late.is_away.store(true, Ordering::SeqCst);
    let leased = Leased::with_clock(late, TokioClock::new());
    let since = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let leased = leased.clone();
        calls.spawn(async move {
            let quota = quota("1000/s");
            let ask = Ask::new(LimitKey::new("g", b"k1"), &quota);
            leased.decide(Action::Acquire, &[ask]).await.is_err()
        });
    }
    assert!(calls.join_all().await.into_iter().all(|failed| failed));
    // The one that was waited for, and then all together.
    assert_eq!(since.elapsed(), Duration::from_secs(2));
}
