//! Values as an application sees them.

mod codecs;
mod contract;
mod loads;
mod locks;
mod many;
mod misses;
mod remote;
mod stales;
mod trouble;

use std::time::Duration;

use self::remote::Remote;
use super::Cache;
use crate::MIB;
use crate::clock::ManualClock;
use crate::store::{MemoryStore, Store};
use crate::ttl::seconds;

/// A cache, and its clock.
struct World {
    cache: Cache,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        Self::on(MemoryStore::new(MIB))
    }

    fn on(store: impl Store) -> Self {
        let clock = ManualClock::new();
        let cache = Cache::builder(store).clock(clock.clone());
        Self {
            cache: cache.build().unwrap(),
            clock,
        }
    }

    /// On a store that has to be waited for, which can fail.
    fn remote() -> (Self, Remote) {
        let store = Remote::new();
        (Self::on(store.clone()), store)
    }

    fn pass(&self, span: Duration) {
        self.clock.advance(span);
    }
}

/// Lets other tasks run until they wait.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

const SECOND: Duration = seconds(1);
