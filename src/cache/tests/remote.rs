//! A store that has to be waited for, that counts how often it is asked, and that can be unwell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;

use crate::MIB;
use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, MemoryStore, Notice, Op, Purge, PurgeError, Scanned,
    Stamp, Store, StoreError, Struck,
};

#[derive(Clone)]
pub(super) struct Remote {
    inner: MemoryStore,
    is_down: Arc<AtomicBool>,
    trips: Arc<AtomicU64>,
}

impl Remote {
    pub(super) fn new() -> Self {
        Self {
            inner: MemoryStore::new(MIB),
            is_down: Arc::default(),
            trips: Arc::default(),
        }
    }

    pub(super) fn go_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often it was asked since the last time.
    pub(super) fn trips(&self) -> u64 {
        self.trips.swap(0, Ordering::SeqCst)
    }

    async fn trip(&self) -> Result<(), StoreError> {
        self.trips.fetch_add(1, Ordering::SeqCst);
        // Twice: a purge is asked once before anybody waits for it.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(StoreError::new("answer", "it is down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Remote {
    fn about(&self) -> About {
        About::remote()
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        self.trip().await?;
        self.inner.get(keys, now).await
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        self.trip().await?;
        self.inner.apply(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.trip().await?;
        self.inner.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        self.trip().await.map_err(PurgeError::Undelivered)?;
        self.inner.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.inner.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.inner.watch()
    }
}
