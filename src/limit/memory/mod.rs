//! The limiter of one process.
//!
//! ```text
//! asks ─► key, hash ─► lock the shards, in order ─► time ─► states ─► all or nothing ─► decision
//!                                                             ├─ known: the state of the key
//!                                                             ├─ new, and there is room: a fresh state
//!                                                             └─ new, and there is none: the state that newcomers share
//! ```

mod builder;
mod call;
mod name;
mod overflow;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use foldhash::quality::RandomState;

pub use self::builder::MemoryLimiterBuilder;
use self::name::Sought;
use self::overflow::Overflow;
use self::table::Table;
use super::ask::{Action, Ask};
use super::decision::Decision;
use super::limiter::{Limiter, LimiterError};
use super::rule::Rule;
use crate::clock::{Clock, SystemClock};

/// Counts in the memory of this process; clones share their counts. Each of several processes admits the whole quota: where that is too much, they
/// count together by a `RedisLimiter` (feature `redis`).
///
/// # Memory
///
/// It keeps a state for each key and quota that is not as good as new: a million of them unless [told otherwise](Self::builder), of
/// [at most 160 bytes](Self::BYTES_PER_KEY), whatever the length of the key. A quota that is counted as a log (`strict` without a burst,
/// [`Algorithm::SlidingLog`](super::Algorithm::SlidingLog)) takes some 100 bytes more, and 16 to 32 for each admission that still counts.
///
/// A state is dropped only where it would decide as a fresh one does, so nobody gains by it. When there is no room, keys that have a state
/// keep it, and newcomers share one state for each group and quota: a flood of random keys shuts out other newcomers, but nobody who was
/// there before, and admits no more than one quota's worth.
///
/// # Time
///
/// It goes by a monotonic clock, so corrections of the wall clock change nothing. Fixed windows are aligned to the Unix epoch as the wall
/// clock stood when the limiter was made.
///
/// ```
/// use larder::limit::{Action, Ask, LimitKey, Limiter, MemoryLimiter, Quota};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = MemoryLimiter::builder().keys(100_000).build();
/// let quota: Quota = "2/h".parse()?;
/// let ask = Ask::new(LimitKey::new("reports", b"alice"), &quota);
///
/// let first = limiter.decide(Action::Acquire, &[ask]).await?;
/// assert_eq!(first.standings()[0].remaining, 1);
/// let too_much = limiter.decide(Action::Acquire, &[ask.cost(2)]).await?;
/// assert!(!too_much.is_admitted());
/// assert_eq!(limiter.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// Seeded anew for each limiter, so that nobody can choose keys that collide.
    hasher: RandomState,
    /// The most keys.
    keys: usize,
    /// How many there are, and how many are about to be.
    taken: AtomicUsize,
    /// As many as a power of two.
    shards: Box<[Shard]>,
    overflow: Overflow,
}

/// Far enough apart that two processors do not contend for one cache line.
#[repr(align(128))]
#[derive(Default)]
struct Shard(Mutex<Table>);

impl MemoryLimiter {
    /// The most bytes for each of the [keys](MemoryLimiterBuilder::keys), logs of admissions aside.
    pub const BYTES_PER_KEY: usize = 160;

    /// A limiter for a million keys, by the clock of this machine.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// The same by another clock.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::builder().clock(clock).build()
    }

    /// The options of a limiter.
    pub fn builder() -> MemoryLimiterBuilder {
        MemoryLimiterBuilder::new(SystemClock::new())
    }

    /// How many states of keys it keeps, those that are as good as new and not dropped yet included.
    pub fn len(&self) -> usize {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// Does it keep none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops every state that is as good as new, and tells how many: frees memory after a flood. Newcomers do that by and by, so it need not
    /// be called.
    pub fn sweep(&self) -> usize {
        let shared = &self.shared;
        let swept = shared.shards.iter().map(|shard| {
            let mut table = shard.lock();
            let all = table.len();
            table.evict(all, shared.clock.micros(), &[])
        });
        let swept = swept.sum();
        shared.release(swept);
        swept
    }
}

impl Shared {
    #[inline]
    fn hash(&self, rule: &Rule, group: &str, name: &Sought<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        // All that tells most rules of one key apart: those that are alike in it are compared.
        hasher.write_u64(rule.capacity());
        hasher.write(group.as_bytes());
        hasher.write(name.bytes());
        hasher.finish()
    }

    /// The shard of a hash, by bits that its table does not look at.
    fn shard(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    /// Takes room for one more key, if there is any.
    fn reserve(&self) -> bool {
        let more = |taken| (taken < self.keys).then_some(taken + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.taken.fetch_update(set, fetch, more).is_ok()
    }

    fn release(&self, keys: usize) {
        self.taken.fetch_sub(keys, Ordering::Relaxed);
    }
}

impl Shard {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter")
            .field("keys", &self.shared.keys)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    #[inline]
    fn decide_now(&self, action: Action, asks: &[Ask<'_>]) -> Poll<Result<Decision, LimiterError>> {
        Poll::Ready(self.shared.decide(action, asks))
    }

    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        self.shared.decide(action, asks)
    }
}
