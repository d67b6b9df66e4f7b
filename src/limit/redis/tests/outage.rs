//! A server that is down, slow, flushed or restarted in the middle.

use super::*;
use crate::limit::LimiterError;
use crate::store::redis::process::{Fault, Proxy};

/// With the timeouts that users have.
fn hasty(url: impl Into<String>) -> RedisLimiter {
    RedisLimiter::builder(url).build().unwrap()
}

async fn refuses(limiter: &RedisLimiter, quota: &Quota) {
    let decided = limiter
        .decide(Action::Acquire, &[Ask::new(key("k"), quota)])
        .await;
    assert!(
        matches!(decided, Err(LimiterError::Unavailable(_))),
        "{decided:?}"
    );
}

/// Until it decides again.
async fn recovers(limiter: &RedisLimiter, quota: &Quota) -> Standing {
    let waiting = async {
        loop {
            let ask = [Ask::new(key("k"), quota)];
            if let Ok(decision) = limiter.decide(Action::Acquire, &ask).await {
                return decision.standings()[0];
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let recovered = tokio::time::timeout(PATIENCE, waiting).await;
    recovered.expect("it recovers")
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_at_once() {
    let redis = Redis::start(Options::default()).await;
    let limiter = hasty(redis.url());
    let quota = quota("3/h");
    for left in [2, 1] {
        assert_eq!(recovers(&limiter, &quota).await.remaining, left);
    }
    redis.kill();
    for _ in 0..20 {
        refuses(&limiter, &quota).await;
    }
    redis.restart().await;
    assert_eq!(recovers(&limiter, &quota).await.remaining, 2, "it is empty");

    redis.pause();
    for _ in 0..7 {
        refuses(&limiter, &quota).await;
    }
    redis.resume();
    // What was sent in the meantime may have been counted.
    let after = recovers(&limiter, &quota).await;
    assert!(after.remaining < 2, "{after:?}");
}

#[tokio::test]
async fn a_flush_in_the_middle_counts_anew() {
    let redis = Redis::start(Options::default()).await;
    let limiter = node(&redis);
    let quota = quota("1/h");
    assert!(limiter.admits("k", &quota).await);
    redis.ask(&["FLUSHALL"]).await;
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert!(limiter.admits("k", &quota).await);
    assert!(!limiter.admits("k", &quota).await);
}

#[tokio::test]
async fn a_broken_connection_is_an_error_and_the_next_call_has_another() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let limiter = hasty(format!("redis://127.0.0.1:{}", proxy.port()));
    let quota = quota("9/h");
    recovers(&limiter, &quota).await;
    proxy.set(Fault::CutAfter(3));
    refuses(&limiter, &quota).await;
    proxy.set(Fault::BlackHole);
    refuses(&limiter, &quota).await;
    proxy.set(Fault::None);
    assert!(recovers(&limiter, &quota).await.admitted);
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_not_asked() {
    let redis = Redis::start(Options::default()).await;
    let primary = Redis::start(Options::default()).await;
    let limiter = hasty(redis.url());
    let quota = quota("9/h");
    recovers(&limiter, &quota).await;
    let port = primary.port().to_string();
    redis.ask(&["REPLICAOF", "127.0.0.1", &port]).await;
    refuses(&limiter, &quota).await;
    redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(recovers(&limiter, &quota).await.admitted);
}

#[tokio::test]
async fn without_a_server_a_node_starts() {
    let port = crate::store::redis::process::free_port();
    let url = format!("redis://:secret@127.0.0.1:{port}");
    let limiter = RedisLimiter::connect(url).await.unwrap();
    let quota = quota("9/h");
    let decided = limiter
        .decide(Action::Acquire, &[Ask::new(key("k"), &quota)])
        .await;
    let text = format!("{decided:?} {limiter:?}");
    assert!(decided.is_err() && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_place_that_could_not_be_given_back_is_given_back_when_the_server_answers_again() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let far = RedisLimiter::builder(format!("redis://127.0.0.1:{}", proxy.port()));
    let far = far.place_lease(Duration::from_secs(600)).build().unwrap();
    let near = node(&redis);
    let quota = Quota::in_flight(std::num::NonZeroU32::MIN);
    let held = recovers(&far, &quota).await;
    assert!(held.admitted);
    proxy.set(Fault::BlackHole);
    let back = Ask::new(key("k"), &quota).receipt(held.receipt);
    assert!(far.decide(Action::GiveBack, &[back]).await.is_err());
    assert!(!near.admits("k", &quota).await);
    proxy.set(Fault::None);
    let waiting = async {
        while !near.admits("k", &quota).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("it is free long before its lease ends");
}
