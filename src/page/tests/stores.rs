//! Stores that are not as one would wish.

use async_trait::async_trait;

use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Stamp, Store,
    StoreError,
};

/// A store that never answers at once, as one behind a network.
pub(super) struct Waiting<S>(pub(super) S);

#[async_trait]
impl<S: Store> Store for Waiting<S> {
    fn about(&self) -> About {
        self.0.about()
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        tokio::task::yield_now().await;
        let found = self.0.get(keys, now).await;
        tokio::task::yield_now().await;
        found
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        tokio::task::yield_now().await;
        let done = self.0.apply(ops, now).await;
        tokio::task::yield_now().await;
        done
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        tokio::task::yield_now().await;
        let admits = self.0.admits(stamp, marks).await;
        tokio::task::yield_now().await;
        admits
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Stamp, PurgeError> {
        tokio::task::yield_now().await;
        let stamp = self.0.purge(purge, now).await;
        tokio::task::yield_now().await;
        stamp
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a [u8],
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.0.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.0.watch()
    }
}
