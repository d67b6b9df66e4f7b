//! How a memory store is sized.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use foldhash::quality::RandomState;
use quick_cache::OptionsBuilder;

use super::MemoryStore;
use super::entries::{ByWeight, Entries, Evictions};
use super::shared::{Shared, WRITE_LOCKS};
use crate::clock::{Clock, Now, SystemClock};
use crate::store::fence::{Bounds, Fence};
use crate::store::record::random;
use crate::store::watch::Watchers;

/// What a mark takes: a place in the map, and at most two in the order, with the room that both keep free.
const MARK_WEIGHT: usize = 144;

/// Options of a [`MemoryStore`].
#[derive(Clone, Copy, Debug)]
pub struct MemoryStoreBuilder {
    capacity: usize,
    largest: Option<usize>,
    pub(super) now: Now,
}

/// Options of a [`MemoryStore`] that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryStoreError {
    /// Nothing fits.
    #[error("a memory store of {capacity} bytes holds nothing: give it at least 65536 bytes")]
    TooSmall {
        /// The capacity asked for.
        capacity: usize,
    },
    /// One entry could fill more than a quarter of the store.
    #[error(
        "entries of up to {largest} bytes do not fit a memory store of {capacity} bytes: raise the capacity to at least four of them, or lower largest_entry"
    )]
    LargestEntry {
        /// The bound asked for.
        largest: usize,
        /// The capacity asked for.
        capacity: usize,
    },
}

impl MemoryStoreBuilder {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            largest: None,
            now: SystemClock::new().now(),
        }
    }

    /// The most bytes that one entry may weigh; an eighth of the capacity, unless set.
    #[must_use]
    pub fn largest_entry(mut self, bytes: usize) -> Self {
        self.largest = Some(bytes);
        self
    }

    /// Makes the store.
    ///
    /// # Errors
    ///
    /// When nothing, or not four of the largest entries, would fit.
    pub fn build(self) -> Result<MemoryStore, MemoryStoreError> {
        let capacity = self.capacity;
        if capacity < MemoryStore::LEAST {
            return Err(MemoryStoreError::TooSmall { capacity });
        }
        let largest = self.largest();
        if largest == 0 || largest > capacity / 4 {
            return Err(MemoryStoreError::LargestEntry { largest, capacity });
        }
        Ok(self.open())
    }

    fn largest(&self) -> usize {
        self.largest.unwrap_or(self.capacity / 8)
    }

    pub(super) fn open(self) -> MemoryStore {
        let largest = self.largest();
        // An eighth for marks, up to a million of them. Those of keys are a tenth, since they live minutes, and soft ones too.
        let marks = (self.capacity / 8 / MARK_WEIGHT).min(1 << 20);
        let bounds = Bounds {
            key_marks: marks / 10,
            lasting_marks: marks - marks / 10 * 2,
            soft_marks: marks / 10,
        };
        // Both orders may hold twice their bound for a while.
        let room = self.capacity - marks * MARK_WEIGHT;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // The library splits the room evenly and refuses what is heavier than a share, so a share holds two of the largest at least.
        let shards = (room / (largest * 2)).clamp(1, threads * 4);
        let shards = if shards.is_power_of_two() {
            shards
        } else {
            shards.next_power_of_two() / 2
        };
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity((room / 2_048).max(64))
            .weight_capacity(room as u64)
            .build()
            .expect("both capacities are set");
        let fence = Fence::new(random(), bounds, self.now);
        MemoryStore {
            shared: Arc::new(Shared {
                entries: Entries::with_options(
                    options,
                    ByWeight,
                    RandomState::default(),
                    Evictions,
                ),
                largest,
                capacity: self.capacity,
                epoch: fence.stamp().epoch,
                seq: AtomicU64::new(fence.stamp().seq),
                fence: RwLock::new(fence),
                writes: [const { Mutex::new(()) }; WRITE_LOCKS],
                evictions: AtomicU64::new(0),
                expirations: AtomicU64::new(0),
                watchers: Watchers::default(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, record};
    use super::*;
    use crate::store::{Done, Key, Op, When};

    #[test]
    fn nonsense_is_refused_with_what_to_change() {
        let error = MemoryStore::builder(0).build().unwrap_err();
        assert!(error.to_string().contains("at least 65536"), "{error}");
        let error = MemoryStore::builder(1024 * 1024)
            .largest_entry(1024 * 1024)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains("largest_entry"), "{error}");
        assert!(
            MemoryStore::builder(1024 * 1024)
                .largest_entry(0)
                .build()
                .is_err()
        );
    }

    #[test]
    fn the_largest_entry_fits_and_a_larger_one_is_refused() {
        let store = MemoryStore::builder(4 * 1024 * 1024)
            .largest_entry(1024 * 1024)
            .build()
            .unwrap();
        let put = |key: &'static [u8], body| {
            let record = record(store.shared.fence().stamp(), &[], body);
            let op = Op::Put(record, When::Fenced);
            store.shared.apply(Key::new(key), &op, NOW)
        };
        assert_eq!(put(b"a", 1024 * 1024 - 1_024), Done::Stored);
        assert!(store.shared.get(Key::new(b"a"), NOW).record.is_some());
        assert_eq!(put(b"b", 1024 * 1024), Done::TooLarge);
    }
}
