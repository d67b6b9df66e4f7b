//! Standing in line instead of being refused.
//!
//! ```text
//! take ─┬─ admitted ─► permit
//!       └─ refused ──► is there time, and room? ─► join the line of each key that refused
//!                        first in all of them ─► sleep for the least wait ─► take again
//! ```

mod behind;
mod flow;
mod line;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::line::Line;

/// How long a call may wait for its quotas, and how many may wait at a time.
///
/// Of one key, who came first is served first. A call is refused at once where it could not be served in time: where the quota, or those
/// ahead of it in line, need longer than it may wait. A call that goes away leaves its place.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use larder::limit::Waiting;
/// use larder::{MemoryLimiter, Quota, RateLimiter};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let quotas: [Quota; 1] = ["1/h".parse()?];
/// let patient = Waiting::at_most(Duration::from_secs(5)).queue(100);
/// limiter.acquire("bank", &quotas).wait(patient).await?;
/// // An hour is more than 5 s: this is told at once.
/// assert!(limiter.acquire("bank", &quotas).wait(patient).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    at_most: Duration,
    queue: usize,
}

impl Waiting {
    /// No longer than this, or than until the deadline of the call ([`Acquire::deadline`](super::Acquire::deadline),
    /// [`RateLimitBuilder::deadline`](super::RateLimitBuilder::deadline)) where that is sooner.
    pub const fn at_most(wait: Duration) -> Self {
        Self {
            at_most: wait,
            queue: 1_000,
        }
    }

    /// While so many wait, over all keys of the [`RateLimiter`](super::RateLimiter), nobody else does. Default: 1000.
    #[must_use]
    pub const fn queue(mut self, most: usize) -> Self {
        self.queue = most;
        self
    }
}

impl From<Duration> for Waiting {
    fn from(wait: Duration) -> Self {
        Self::at_most(wait)
    }
}
