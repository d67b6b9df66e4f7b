//! Places in flight, as leases.

use super::*;
use crate::limit::Receipt;
use std::num::NonZeroU32;

fn two() -> Quota {
    Quota::in_flight(NonZeroU32::new(2).unwrap())
}

fn short(redis: &Redis) -> RedisLimiter {
    let lease = Duration::from_millis(300);
    patient(redis).place_lease(lease).build().unwrap()
}

async fn free(node: &RedisLimiter, quota: &Quota) -> u64 {
    let ask = Ask::new(key("k"), quota);
    node.one(Action::Peek, ask).await.remaining
}

async fn until_free(node: &RedisLimiter, quota: &Quota, count: u64) {
    let waiting = async {
        while free(node, quota).await != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("{count} are never free"));
}

#[tokio::test]
async fn places_are_renewed_while_their_node_lives_and_come_back_when_it_is_gone() {
    let redis = Redis::start(Options::default()).await;
    let (node, other) = (short(&redis), short(&redis));
    let quota = two();
    let ask = Ask::new(key("k"), &quota);
    let kept = node.one(Action::Acquire, ask).await;
    let lost = other.one(Action::Acquire, ask).await;
    assert!(kept.admitted && lost.admitted);
    assert!(!node.one(Action::Acquire, ask).await.admitted);
    drop(other);
    until_free(&node, &quota, 1).await;
    // Several leases later, what is held is still held.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(free(&node, &quota).await, 1);
    node.one(Action::GiveBack, ask.receipt(kept.receipt)).await;
    assert_eq!(free(&node, &quota).await, 2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(free(&node, &quota).await, 2, "nothing is renewed any more");
}

#[tokio::test]
async fn after_a_flush_what_is_held_is_held_again() {
    let redis = Redis::start(Options::default()).await;
    let (node, other) = (short(&redis), short(&redis));
    let quota = two();
    let ask = Ask::new(key("k"), &quota).cost(2);
    let held = node.one(Action::Acquire, ask).await;
    redis.ask(&["FLUSHALL"]).await;
    assert_eq!(free(&other, &quota).await, 2);
    until_free(&other, &quota, 0).await;
    node.one(Action::GiveBack, ask.cost(1).receipt(held.receipt))
        .await;
    assert_eq!(free(&other, &quota).await, 1, "a part of it");
    node.one(Action::GiveBack, ask.cost(1).receipt(held.receipt))
        .await;
    until_free(&other, &quota, 2).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_place_taken() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    let quota = two();
    let ask = [Ask::new(key("k"), &quota).cost(2)];
    free(&node, &quota).await;
    redis.pause();
    let deciding = node.decide(Action::Acquire, &ask);
    let given_up = tokio::time::timeout(Duration::from_millis(50), deciding).await;
    assert!(given_up.is_err(), "the server is paused");
    redis.resume();
    until_free(&node, &quota, 2).await;
    assert!(node.one(Action::Acquire, ask[0]).await.admitted);
    assert_ne!(Receipt::NONE, Receipt::new(1));
}

#[tokio::test]
async fn a_clock_that_has_stepped_back_locks_nobody_out() {
    let redis = Redis::start(Options::default()).await;
    let (limiter, quota) = (by_hand(&redis), two());
    let ask = Ask::new(key("k"), &quota);
    redis.ask(&["SET", "#now", "1800000000000000"]).await;
    assert!(limiter.one(Action::Acquire, ask.cost(2)).await.admitted);
    // A year earlier.
    redis.ask(&["SET", "#now", "1768464000000000"]).await;
    assert!(!limiter.one(Action::Acquire, ask).await.admitted);
    // A lease later, as nobody renews by this clock.
    redis.ask(&["SET", "#now", "1768464031000000"]).await;
    assert!(limiter.one(Action::Acquire, ask.cost(2)).await.admitted);
}
