//! The map under a memory store: how it weighs what it holds, and what it tells of what it evicts.

use std::sync::Arc;

use foldhash::quality::RandomState;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use crate::store::Record;

/// What an entry takes beside its key and its record: two allocations' headers, reference counts, a slot and a place in the map, and its
/// share of the memory of keys lately evicted. Measured, and rounded up.
const ENTRY_OVERHEAD: usize = 136;

pub(super) type Entries = Cache<Box<[u8]>, Arc<Record>, ByWeight, RandomState, Evictions>;

/// What left the map in one write, to be told of and freed after the shard's lock.
pub(super) type Left = Vec<(Box<[u8]>, Arc<Record>)>;

#[derive(Clone)]
pub(super) struct ByWeight;

impl Weighter<Box<[u8]>, Arc<Record>> for ByWeight {
    fn weight(&self, key: &Box<[u8]>, record: &Arc<Record>) -> u64 {
        weight_of(key, record)
    }
}

pub(super) fn weight_of(key: &[u8], record: &Record) -> u64 {
    (key.len() + record.weight() + ENTRY_OVERHEAD) as u64
}

#[derive(Clone)]
pub(super) struct Evictions;

impl Lifecycle<Box<[u8]>, Arc<Record>> for Evictions {
    type RequestState = Left;

    fn on_evict(&self, left: &mut Left, key: Box<[u8]>, record: Arc<Record>) {
        left.push((key, record));
    }
}
