//! The limiter on real servers.

#[cfg(feature = "redis-cluster")]
mod cluster;
mod differential;
mod exact;
mod keys;
mod outage;
mod places;

use super::RedisLimiter;
use super::builder::RedisLimiterBuilder;
use crate::limit::conformance::{self, RealTime};
use crate::limit::{Action, Ask, Decision, LimitKey, Limiter, Quota, Standing};
use crate::store::redis::Script;
use crate::store::redis::process::{Options, Redis};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Far above what anything here takes: only what never comes takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The script by a clock that the test sets. What is kept outlives the test, however far apart the two clocks are.
static BY_HAND: Script = Script::new(concat!(
    "local now = tonumber(redis.call('GET', '#now'))\nlocal margin = 3600000\n",
    include_str!("../scripts/decide.lua")
));

/// A limiter that waits for its server, however slow the machine is.
fn patient(redis: &Redis) -> RedisLimiterBuilder {
    RedisLimiter::builder(redis.url()).server(|server| {
        server
            .acquire_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .answer_timeout(PATIENCE)
    })
}

fn node(redis: &Redis) -> RedisLimiter {
    patient(redis).build().unwrap()
}

/// A limiter by a clock that the test sets.
fn by_hand(redis: &Redis) -> RedisLimiter {
    let limiter = node(redis);
    let shared = Arc::into_inner(limiter.shared).unwrap();
    RedisLimiter {
        shared: Arc::new(shared.scripted(&BY_HAND)),
    }
}

fn quota(text: &str) -> Quota {
    text.parse().unwrap()
}

fn key(name: &str) -> LimitKey<'_> {
    LimitKey::new("group", name.as_bytes())
}

impl RedisLimiter {
    async fn acts(&self, action: Action, asks: &[Ask<'_>]) -> Decision {
        self.decide(action, asks).await.unwrap()
    }

    async fn one(&self, action: Action, ask: Ask<'_>) -> Standing {
        self.acts(action, &[ask]).await.standings()[0]
    }

    async fn admits(&self, name: &str, quota: &Quota) -> bool {
        self.one(Action::Acquire, Ask::new(key(name), quota))
            .await
            .admitted
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_a_limiter() {
    let redis = Redis::start(Options::default()).await;
    let (redis, nth) = (&redis, &AtomicU64::new(0));
    let make = || async move {
        let namespace = nth.fetch_add(1, Ordering::Relaxed).to_string();
        patient(redis).namespace(namespace).build().unwrap()
    };
    conformance::run(make, &RealTime).await;
}

/// But that of several at once all may be refused for want of what another has reserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_a_limiter_when_spread() {
    let redis = Redis::start(Options::default()).await;
    let nth = AtomicU64::new(0);
    let make = || {
        let namespace = nth.fetch_add(1, Ordering::Relaxed).to_string();
        let limiter = patient(&redis).namespace(namespace).spread();
        limiter.build().unwrap()
    };
    conformance::exactly_the_capacity_is_admitted(make()).await;
    conformance::what_is_given_back_can_be_used_again(make()).await;
    conformance::nothing_and_everything_need_no_counts(make()).await;
    conformance::keys_are_compared_in_full(make()).await;
    conformance::another_quota_counts_anew(make()).await;
    conformance::all_quotas_are_taken_or_none(make()).await;
    conformance::every_quota_that_refuses_says_so(make()).await;
    conformance::the_same_quota_twice_counts_together(make()).await;
    conformance::no_quotas_refuse_nothing(make()).await;
    conformance::places_in_flight_are_held_until_they_are_given_back(make()).await;
    conformance::a_reset_frees_no_places_in_flight(make()).await;
    conformance::of_many_at_once_exactly_the_capacity_is_admitted(make()).await;
}
