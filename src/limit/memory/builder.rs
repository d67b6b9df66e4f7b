//! How a memory limiter is sized.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use foldhash::quality::RandomState;

use super::overflow::Overflow;
use super::{MemoryLimiter, Shared};
use crate::clock::Clock;

const KEYS: usize = 1_000_000;
/// With fewer keys than that for each, more shards would not help.
const KEYS_PER_SHARD: usize = 1_024;

/// Options of a [`MemoryLimiter`].
#[derive(Clone)]
pub struct MemoryLimiterBuilder {
    keys: usize,
    clock: Arc<dyn Clock>,
}

impl MemoryLimiterBuilder {
    pub(super) fn new(clock: impl Clock) -> Self {
        Self {
            keys: KEYS,
            clock: Arc::new(clock),
        }
    }

    /// The most keys that have a state of their own, of at most [`MemoryLimiter::BYTES_PER_KEY`] each. Default: a million.
    ///
    /// Count one for each quota of each client that was there within the longest window. With 0 all share one state for each group and quota.
    #[must_use]
    pub fn keys(mut self, most: usize) -> Self {
        // Tables count in 32 bits.
        self.keys = most.min(1 << 30);
        self
    }

    /// Where the time comes from. Default: the monotonic clock of this machine.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the limiter.
    pub fn build(self) -> MemoryLimiter {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let most = (threads * 4).next_power_of_two();
        let shards = (self.keys / KEYS_PER_SHARD + 1).next_power_of_two();
        let shards = shards.min(most);
        MemoryLimiter {
            shared: Arc::new(Shared {
                clock: self.clock,
                hasher: RandomState::default(),
                keys: self.keys,
                taken: AtomicUsize::new(0),
                shards: (0..shards).map(|_| super::Shard::default()).collect(),
                overflow: Overflow::new(self.keys),
            }),
        }
    }
}

impl fmt::Debug for MemoryLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiterBuilder")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
