//! What the handle does while its limiter is away, and when it is back.

use std::num::NonZeroU32;
use std::time::Duration;

use super::testing::{Far, quota};
use super::*;
use crate::clock::ManualClock;

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

fn node(far: &Far, clock: &ManualClock) -> RateLimiter {
    RateLimiter::builder(far.clone())
        .estimates(MemoryLimiter::with_clock(clock.clone()))
        .build()
}

async fn admitted(limiter: &RateLimiter, quotas: &[Quota], calls: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        admitted += usize::from(limiter.acquire("k1", quotas).await.is_ok());
    }
    admitted
}

#[tokio::test]
async fn each_node_admits_its_share_while_the_limiter_is_away() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let quotas = [quota("10/m").outage(Outage::Estimate { nodes: TWO })];
    let nodes = [node(&far, &clock), node(&far, &clock)];
    assert_eq!(admitted(&nodes[0], &quotas, 3).await, 3);
    far.lose(true);
    for node in &nodes {
        assert_eq!(admitted(node, &quotas, 20).await, 5);
        let refused = node.acquire("k1", &quotas).await.unwrap_err();
        assert!(refused.decision().unwrap().is_estimated());
        // Of half the rate, one more is there after twice the time.
        assert_eq!(refused.wait(), Wait::Micros(12_000_000));
    }
    // From the first answer on, the limiter's own counts rule: 3 of 10 are used.
    far.lose(false);
    assert_eq!(admitted(&nodes[1], &quotas, 20).await, 7);
    assert!(
        !nodes[0]
            .acquire("k1", &quotas)
            .await
            .unwrap_err()
            .decision()
            .unwrap()
            .is_estimated()
    );
    // The next outage does not begin with a full share.
    far.lose(true);
    assert_eq!(admitted(&nodes[0], &quotas, 20).await, 0);
    clock.advance(Duration::from_secs(12));
    assert_eq!(admitted(&nodes[0], &quotas, 20).await, 1);
}

#[tokio::test]
async fn an_open_quota_admits_and_a_closed_one_refuses_while_the_limiter_is_away() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    far.lose(true);
    let limiter = node(&far, &clock);
    let open = [quota("1/h").outage(Outage::Open)];
    assert_eq!(admitted(&limiter, &open, 50).await, 50);
    let closed = [quota("100/s").outage(Outage::Closed)];
    let refused = limiter.acquire("k1", &closed).await.unwrap_err();
    assert!(matches!(refused, Refusal::Closed(_)));
    assert_eq!(refused.wait(), Wait::Unknown);
    // What never counts needs no limiter.
    assert_eq!(admitted(&limiter, &[Quota::unlimited()], 5).await, 5);
    let denied = limiter
        .acquire("k1", &[Quota::deny_all()])
        .await
        .unwrap_err();
    assert_eq!(denied.wait(), Wait::Never);
}

#[tokio::test]
async fn what_one_quota_refuses_no_other_counts_while_the_limiter_is_away() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    far.lose(true);
    let limiter = node(&far, &clock);
    let counted = quota("5/m");
    let both = [counted.clone(), quota("100/s").outage(Outage::Closed)];
    assert_eq!(admitted(&limiter, &both, 20).await, 0);
    let both = [counted.clone(), quota("2/m")];
    assert_eq!(admitted(&limiter, &both, 20).await, 2);
    assert_eq!(admitted(&limiter, &[counted], 20).await, 3);
}

#[tokio::test]
async fn what_is_too_much_for_a_share_is_not_refused_for_good() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    far.lose(true);
    let limiter = node(&far, &clock);
    let quotas = [quota("10/m").outage(Outage::Estimate { nodes: TWO })];
    let refused = limiter.acquire("k1", &quotas).cost(6).await.unwrap_err();
    assert_eq!(refused.wait(), Wait::Unknown);
    let refused = limiter.acquire("k1", &quotas).cost(11).await.unwrap_err();
    assert_eq!(refused.wait(), Wait::Never);
    assert_eq!(
        refused.to_string(),
        "it costs more than the quota ever admits"
    );
}

#[tokio::test]
async fn a_place_is_released_where_it_was_taken() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let limiter = node(&far, &clock);
    let quotas = [Quota::in_flight(NonZeroU32::MIN)];
    let before = limiter.acquire("k1", &quotas).await.unwrap();
    far.lose(true);
    let meanwhile = limiter.acquire("k1", &quotas).await.unwrap();
    assert!(meanwhile.is_estimated() && !before.is_estimated());
    assert!(limiter.acquire("k1", &quotas).await.is_err());
    far.lose(false);
    // The one that this node has counted alone is not the limiter's.
    drop(meanwhile);
    assert!(limiter.acquire("k1", &quotas).await.is_err());
    drop(before);
    limiter.background().idle().await;
    assert!(limiter.acquire("k1", &quotas).await.is_ok());
}

#[tokio::test]
async fn a_quota_that_cannot_be_is_an_error_and_not_an_outage() {
    let far = Far::new(ManualClock::new());
    let limiter = RateLimiter::new(far);
    let wrong = [quota("10/m").algorithm(Algorithm::FixedWindow).strict()];
    let refused = limiter.acquire("k1", &wrong).await.unwrap_err();
    assert!(matches!(refused, Refusal::Error(LimiterError::Quota(_))));
    assert_eq!(limiter.stats().total.errors, 0);
}

#[tokio::test]
async fn calls_are_counted_by_group() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let limiter = node(&far, &clock);
    let quotas = [quota("2/m")];
    for _ in 0..3 {
        drop(limiter.acquire("k1", &quotas).group("payments").await);
    }
    far.lose(true);
    drop(limiter.acquire("k1", &quotas).group("payments").await);
    let stats = limiter.stats();
    let payments = stats.group("payments").unwrap();
    assert_eq!((payments.admitted, payments.refused), (3, 1));
    assert_eq!((payments.estimated, payments.errors), (1, 1));
    assert_eq!(stats.total.admitted, 3);
}

#[tokio::test]
async fn while_it_is_off_nothing_is_counted_and_nothing_refused() {
    let far = Far::new(ManualClock::new());
    let limiter = RateLimiter::new(far.clone());
    let quotas = [quota("1/h")];
    limiter.switch().off();
    assert_eq!(admitted(&limiter, &quotas, 10).await, 10);
    assert_eq!(far.calls(), 0);
    limiter.switch().on();
    assert_eq!(admitted(&limiter, &quotas, 10).await, 1);
}

#[tokio::test]
async fn a_peek_changes_nothing_and_a_reset_forgets() {
    let limiter = RateLimiter::new(Far::new(ManualClock::new()));
    let quotas = [quota("2/m")];
    let peek = async || limiter.peek("k1", &quotas).await.unwrap();
    for _ in 0..5 {
        assert_eq!(peek().await.standings()[0].remaining, 2);
    }
    limiter.charge("k1", &quotas, 3).await.unwrap();
    assert_eq!(peek().await.wait(), Wait::Micros(60_000_000));
    // Another group has counters of its own.
    assert!(
        limiter
            .peek("k1", &quotas)
            .group("other")
            .await
            .unwrap()
            .is_admitted()
    );
    limiter.reset("k1", &quotas).await.unwrap();
    assert_eq!(peek().await.standings()[0].remaining, 2);
}

#[tokio::test]
async fn several_keys_are_taken_together_or_not_at_all() {
    let limiter = RateLimiter::new(Far::new(ManualClock::new()));
    let (each, all) = (quota("2/m"), quota("10/m"));
    let asks = [
        Ask::new(LimitKey::new("g", b"k1"), &each),
        Ask::new(LimitKey::new("g", b"all"), &all).cost(4),
    ];
    assert!(limiter.acquire_all(&asks).await.is_ok());
    assert!(limiter.acquire_all(&asks).await.is_ok());
    let refused = limiter.acquire_all(&asks).await.unwrap_err();
    assert_eq!(refused.decision().unwrap().standings()[1].remaining, 2);
}
