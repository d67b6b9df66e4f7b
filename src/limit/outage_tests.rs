//! What becomes of limits when Redis is killed, paused, and started again; and how few calls leases cost it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::testing::quota;
use super::*;
use crate::store::redis::process::{Options, Redis};

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// Only what never comes takes longer, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn shared() -> [Quota; 1] {
    [quota("10/d").outage(Outage::Estimate { nodes: TWO })]
}

fn node(redis: &Redis) -> RateLimiter {
    RateLimiter::new(RedisLimiter::builder(redis.url()).build().unwrap())
}

async fn admitted(limiter: &RateLimiter, key: &str, calls: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        admitted += usize::from(limiter.acquire(key, &shared()).await.is_ok());
    }
    admitted
}

/// Until the server answers this node again.
async fn until_it_is_back(limiter: &RateLimiter) {
    let since = Instant::now();
    while limiter
        .peek("other", &shared())
        .await
        .unwrap()
        .is_estimated()
    {
        assert!(since.elapsed() < PATIENCE, "it does not come back");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_killed_each_node_admits_its_share_and_no_call_fails() {
    let redis = Redis::start(Options::default()).await;
    let nodes = [node(&redis), node(&redis)];
    for node in &nodes {
        until_it_is_back(node).await;
    }
    redis.kill();
    for node in &nodes {
        assert_eq!(admitted(node, "k1", 20).await, 5);
        assert!(node.stats().total.errors > 0);
    }
    redis.restart().await;
    for node in &nodes {
        until_it_is_back(node).await;
    }
    // The server's counts rule, which know nothing of the estimates.
    let first = admitted(&nodes[0], "k1", 7).await;
    let second = admitted(&nodes[1], "k1", 20).await;
    assert_eq!((first, second), (7, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_paused_no_call_hangs_and_then_its_counts_rule() {
    let redis = Redis::start(Options::default()).await;
    let limiter = node(&redis);
    until_it_is_back(&limiter).await;
    assert_eq!(admitted(&limiter, "k1", 4).await, 4);
    redis.pause();
    let in_time = tokio::time::timeout(PATIENCE, admitted(&limiter, "k1", 20));
    let share = in_time.await.unwrap();
    redis.resume();
    assert_eq!(share, 5);
    until_it_is_back(&limiter).await;
    // What was sent before the pause was noticed may have been counted.
    let rest = admitted(&limiter, "k1", 20).await;
    assert!((1..=6).contains(&rest), "{rest}");
    assert_eq!(admitted(&limiter, "k1", 5).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_could_not_be_released_comes_back_with_its_lease() {
    let redis = Redis::start(Options::default()).await;
    let limiter = RedisLimiter::builder(redis.url());
    let limiter = limiter.place_lease(Duration::from_millis(500));
    let limiter = RateLimiter::new(limiter.build().unwrap());
    until_it_is_back(&limiter).await;
    let places = [Quota::in_flight(NonZeroU32::MIN).outage(Outage::Closed)];
    let held = limiter.acquire("k1", &places).await.unwrap();
    redis.pause();
    drop(held);
    limiter.background().idle().await;
    redis.resume();
    until_it_is_back(&limiter).await;
    let patient = Waiting::at_most(PATIENCE);
    assert!(limiter.acquire("k1", &places).wait(patient).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_leases_admit_no_more_and_ask_redis_seldom() {
    let redis = Redis::start(Options::default()).await;
    let quotas = [quota("4000/d").algorithm(Algorithm::FixedWindow)];
    let server = || {
        let patient = RedisLimiter::builder(redis.url()).server(|server| {
            server
                .acquire_timeout(PATIENCE)
                .connect_timeout(PATIENCE)
                .answer_timeout(PATIENCE)
        });
        patient.build().unwrap()
    };
    let nodes = [(); 3].map(|()| RateLimiter::new(server().leased().hold(PATIENCE)));
    let tasks = nodes.map(|node| {
        let quotas = quotas.clone();
        tokio::spawn(async move {
            let mut admitted = 0;
            for _ in 0..4_000 {
                admitted += u64::from(node.acquire("k1", &quotas).await.is_ok());
            }
            // What is refused for this node may lie unused at another; the other is not done yet, or has spent it.
            admitted
        })
    });
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert!(admitted <= 4_000, "{admitted}");
    assert!(admitted > 4_000 - 3 * 400, "{admitted}");
    let stats = redis.ask(&["INFO", "commandstats"]).await;
    let calls: u64 = stats
        .lines()
        .filter(|line| line.contains("evalsha:calls="))
        .filter_map(|line| line.split(['=', ',']).nth(1)?.parse::<u64>().ok())
        .sum();
    assert!((1..400).contains(&calls), "{calls} calls: {stats}");
}
