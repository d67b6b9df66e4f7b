//! Where requests are counted: in this process, or in Redis for every process that is told so.

use std::num::NonZeroU32;

use larder::{
    MemoryLimiter, Quota, RateLimiter,
    limit::{Outage, QuotaError},
};

use crate::process::AnyError;

pub(crate) struct Limits {
    pub(crate) limiter: RateLimiter,
    /// What the log says of it.
    pub(crate) note: String,
    nodes: NonZeroU32,
}

impl Limits {
    /// `nodes` processes count together.
    pub(crate) async fn new(redis: Option<&str>, nodes: NonZeroU32) -> Result<Self, AnyError> {
        let (limiter, place) = match redis {
            Some(url) => (shared(url).await?, "Redis"),
            None => (RateLimiter::new(MemoryLimiter::new()), "this process"),
        };
        Ok(Self {
            limiter,
            note: format!("counting in {place}"),
            nodes,
        })
    }

    /// While Redis is away, each node admits its share of it: together no more than all of them may, and nobody is turned away for it.
    pub(crate) fn quota(&self, rate: &str) -> Result<Quota, QuotaError> {
        let quota: Quota = rate.parse()?;
        Ok(quota.outage(Outage::Estimate { nodes: self.nodes }))
    }
}

/// One count for all: exact, by one round trip for each request. The API starts whether Redis is there or not.
#[cfg(feature = "redis")]
async fn shared(url: &str) -> Result<RateLimiter, AnyError> {
    let limiter = larder::limit::RedisLimiter::builder(url).namespace("api");
    let limiter = limiter.connect().await?;
    Ok(RateLimiter::new(limiter))
}

#[cfg(not(feature = "redis"))]
async fn shared(_: &str) -> Result<RateLimiter, AnyError> {
    Err(crate::args::NEEDS_REDIS.into())
}
