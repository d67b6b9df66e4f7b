//! Giving values other lifetimes.

use std::time::Duration;

use super::Cache;
use super::error::CacheError;
use super::lifetime::end;
use crate::clock::Now;
use crate::store::{Done, If, Op};
use crate::ttl::Ttl;

impl Cache {
    /// Gives the value under `key` the lifetime `ttl` from now on, and says whether there is one. A lifetime of zero removes it.
    ///
    /// What a purge has outlawed stays so: a value is not made younger.
    ///
    /// ```
    /// # async fn handler(cache: larder::Cache) -> Result<(), larder::CacheError> {
    /// use larder::minutes;
    ///
    /// let is_signed_in = cache.touch("session:7", minutes(30)).await?;
    /// # let _ = is_signed_in;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`contains`](Self::contains).
    pub async fn touch(&self, key: &str, ttl: impl Into<Ttl>) -> Result<bool, CacheError> {
        let shared = &self.shared;
        match end(ttl.into(), shared.default_ttl, shared.clock.now()) {
            Some(end) => self.live_until(key, end).await,
            None => self.delete(key).await,
        }
    }

    /// Keeps the value under `key` until it is purged or evicted, and says whether there is one.
    ///
    /// # Errors
    ///
    /// As [`contains`](Self::contains).
    pub async fn persist(&self, key: &str) -> Result<bool, CacheError> {
        self.live_until(key, Now::NEVER).await
    }

    async fn live_until(&self, key: &str, end: Now) -> Result<bool, CacheError> {
        let shared = &self.shared;
        // What is stale, and kept for a loader that fails, must not come back to life; so it is looked at first.
        let Some(record) = self.fresh(key).await? else {
            return Ok(false);
        };
        let times = record.times;
        let stale: Duration = times.keep_until.since(times.fresh_until);
        let op = Op::Life {
            fresh_until: end,
            keep_until: end + stale,
            of: If::Any,
        };
        let key = shared.value_key(key)?;
        let done = shared.apply(key.as_key(), op, shared.clock.now()).await?;
        Ok(done == Done::Stored)
    }
}
