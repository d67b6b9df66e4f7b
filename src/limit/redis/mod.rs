//! The shared limiter: counts in Redis, exact across nodes.
//!
//! ```text
//! acquire ─► one script for all quotas: the server's time ─► do all admit it? ─► take from all, or from none ─► standings
//! ```
//!
//! A call is one round trip and one step, for any number of quotas counted in whatever way, by the server's own clock in whole microseconds
//! and with exact arithmetic: so many nodes as there are, together they admit what the quota allows, and not one more.
//!
//! # What it needs of the server
//!
//! * Redis 6.2 or later, or Valkey, with one primary; nothing is read from replicas.
//! * No `maxmemory-policy` that evicts its keys (`allkeys-…`, and `volatile-…`, as all of them have a lifetime), or room enough that it does not
//!   come to that: who is evicted counts anew, and is admitted too often. A server with `noeviction` that is full refuses to count: what then
//!   happens is the [`Outage`](super::Outage) policy of each quota.
//! * Keys are removed by the server when they are as good as new, never earlier.
//!
//! # What is lost and what is not
//!
//! * A server that is flushed, restarts empty, or fails over to a replica that lags, forgets what it forgot: quotas count anew from there.
//! * An acquire whose answer does not come in time is an error, and may have been counted all the same. Nothing that counts is sent twice.
//!   But the client of a cluster sends a call again when its connection breaks, as often as its pool says: what such a call takes or gives back
//!   may count twice, places in flight excepted.
//! * A clock that steps back neither shuts anybody out for longer than one refill, nor lets anybody have more than one quota more.
//!
//! # Places in flight
//!
//! A place of a quota [in flight](super::Quota::in_flight) is a lease of 30 s (see [`place_lease`](RedisLimiterBuilder::place_lease)), which its
//! node renews three times as often by one script for all that it holds. At most the quota's places are taken at all times, as long as nodes
//! reach the server. The places of a node that is gone come back when their leases end. After a server has lost its data, or a node has not
//! reached it for as long as a lease, each node takes its places anew when it renews: for so long there may be more.
//! A place that could not be given back, as the server was away, or whose answer was lost, is given back when the server answers again, or comes
//! back at the end of its lease.
//!
//! # How its keys are called
//!
//! `namespace:{group}:rule:digest`. Whose a key is cannot be read in the database, and quotas of one group lie in one slot of a cluster.

mod batch;
mod builder;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod join;
mod limiter;
mod link;
mod names;
mod owed;
mod places;
mod renewal;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::builder::RedisLimiterBuilder;
use self::limiter::Shared;
use self::link::Link;
use self::names::Names;
use super::ask::{Action, Ask};
use super::decision::Decision;
use super::limiter::{Limiter, LimiterError};
use crate::log;

/// Counts in Redis, for all nodes that share it; see the [module](self) for what it promises. Clones share everything.
///
/// ```no_run
/// use larder::limit::{Quota, RateLimiter, RedisLimiter};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RedisLimiter::builder("redis://:password@cache.internal:6379/0").namespace("shop").connect().await?;
/// let limiter = RateLimiter::new(limiter);
/// let permit = limiter.acquire("supplier", &["100/m".parse()?]).await?;
/// # drop(permit);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisLimiter {
    shared: Arc<Shared>,
}

impl RedisLimiter {
    fn new(link: Arc<dyn Link>, names: Names, lease: Duration) -> Self {
        Self {
            shared: Arc::new(Shared::new(link, names, lease)),
        }
    }

    async fn try_server(&self) {
        if let Err(error) = self.shared.link.try_server().await {
            log::redis_is_away(&error);
        }
    }
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiter")
            .field("link", &self.shared.link)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        self.shared.decide(action, asks).await
    }
}
