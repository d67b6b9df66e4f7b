//! The embedded store: bounded in bytes, resistant to scans, and answered without waiting.

mod builder;
mod changes;
mod entries;
mod purges;
mod shared;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use async_trait::async_trait;

use self::entries::weight_of;
use self::shared::Shared;
use super::watch::Ready;
use super::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Stamp, Store,
    StoreError, StoreFacts, Struck,
};
use crate::clock::Now;

pub use self::builder::{MemoryStoreBuilder, MemoryStoreError};

/// Keeps records in this process's memory, within a bound in bytes.
///
/// The bound covers keys, heads, bodies, marks and book-keeping. What is evicted is what a scan brought in and nobody asked for again
/// (S3-FIFO, by the `quick_cache` crate). Clones share the records.
///
/// ```
/// use larder::{Cache, MIB, MemoryStore};
///
/// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

impl MemoryStore {
    /// The least capacity that makes a store: 64 KiB.
    pub const LEAST: usize = 64 * 1024;

    /// A store of at most `capacity` bytes (at least [`LEAST`](Self::LEAST)), with entries of at most an eighth of that.
    pub fn new(capacity: usize) -> Self {
        MemoryStoreBuilder::new(capacity.max(Self::LEAST)).open()
    }

    /// A store of at most `capacity` bytes, with options.
    pub fn builder(capacity: usize) -> MemoryStoreBuilder {
        MemoryStoreBuilder::new(capacity)
    }

    /// How many records are held, expired and outlawed ones that nobody has asked for since among them.
    pub fn len(&self) -> usize {
        self.shared.entries.len()
    }

    /// Is nothing held?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in use by records, of those that [`About::capacity`] allows.
    pub fn weight(&self) -> u64 {
        self.shared.entries.weight()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.shared.capacity)
            .field("weight", &self.weight())
            .field("len", &self.len())
            .finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn about(&self) -> About {
        About::local().bounded(self.shared.capacity as u64, self.shared.largest as u64)
    }

    fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        Poll::Ready(Ok(self.shared.get(key, now)))
    }

    fn apply_now(&self, key: Key<'_>, op: &Op, now: Now) -> Poll<Result<Done, StoreError>> {
        Poll::Ready(Ok(self.shared.apply(key, op, now)))
    }

    fn admits_now(&self, stamp: Stamp, marks: &[Mark]) -> Poll<Result<bool, StoreError>> {
        Poll::Ready(Ok(self.shared.fence().admits_fill(stamp, marks)))
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        Ok(keys.iter().map(|key| self.shared.get(*key, now)).collect())
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        Ok(ops
            .iter()
            .map(|(key, op)| self.shared.apply(*key, op, now))
            .collect())
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        Ok(self.shared.fence().admits_fill(stamp, marks))
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        Ok(self.shared.purge(purge, now).await)
    }

    async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Result<Option<Stamp>, PurgeError> {
        Ok(self.shared.supersede(marks, fill, carried, now))
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        let matching = self
            .shared
            .entries
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix.as_bytes()))
            .take(budget)
            .map(|(key, record)| {
                Ok(Scanned {
                    weight: weight_of(&key, &record),
                    times: record.times,
                    kind: record.kind,
                    key,
                })
            });
        Box::pin(Ready(matching))
    }

    fn facts_now(&self) -> Poll<Result<StoreFacts, StoreError>> {
        Poll::Ready(Ok(StoreFacts {
            entries: Some(self.len() as u64),
            bytes: Some(self.weight()),
            capacity: Some(self.shared.capacity as u64),
            evictions: Some(self.shared.evictions.load(Ordering::Relaxed)),
            expirations: Some(self.shared.expirations.load(Ordering::Relaxed)),
            ..StoreFacts::default()
        }))
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        Box::pin(self.shared.watchers.watch())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{Head, Kind, Record, Times, When, conformance};

    pub(super) const NOW: Now = Now::from_millis(1_000_000);

    pub(super) fn record(stamp: Stamp, marks: &[Mark], body: usize) -> Arc<Record> {
        Arc::new(Record::new(
            Kind::Page,
            stamp,
            Times {
                born: NOW,
                fresh_until: Now::NEVER,
                keep_until: Now::NEVER,
            },
            marks,
            Head::Wire(Bytes::new()),
            Bytes::from(vec![0; body]),
        ))
    }

    fn put(store: &MemoryStore, key: &[u8], body: usize) -> Done {
        let key = Key::new(key);
        let stamp = store.shared.get(key, NOW).stamp;
        store
            .shared
            .apply(key, &Op::Put(record(stamp, &[], body), When::Fenced), NOW)
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        conformance::run(|| async { MemoryStore::new(1024 * 1024) }).await;
    }

    #[test]
    fn its_weight_never_exceeds_its_capacity() {
        let store = MemoryStore::new(1024 * 1024);
        for n in 0..20_000_u32 {
            put(&store, &n.to_be_bytes(), (n % 4_000) as usize);
            assert!(store.weight() <= 1024 * 1024);
        }
        assert!(store.weight() > 512 * 1024, "and most of it is used");
    }

    #[test]
    fn what_is_asked_for_survives_a_scan() {
        let store = MemoryStore::new(1024 * 1024);
        let hot: Vec<[u8; 4]> = (0..100_u32).map(u32::to_be_bytes).collect();
        for key in &hot {
            put(&store, key, 1_000);
        }
        for _ in 0..3 {
            for key in &hot {
                store.shared.get(Key::new(key), NOW);
            }
        }
        for n in 1_000..20_000_u32 {
            put(&store, &n.to_be_bytes(), 1_000);
        }
        let kept = hot
            .iter()
            .filter(|key| store.shared.get(Key::new(*key), NOW).record.is_some())
            .count();
        assert!(kept >= 95, "{kept} of 100 hot entries are left");
    }
}
