//! The limiter on real servers.

mod differential;

use super::RedisLimiter;
use super::builder::RedisLimiterBuilder;
use crate::limit::{Action, Ask, Decision, LimitKey, Limiter, Quota, Standing};
use crate::store::redis::Script;
use crate::store::redis::process::{Options, Redis};
use std::sync::Arc;
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
