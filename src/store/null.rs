//! The store that keeps nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;

use super::{
    About, BoxStream, Done, Found, If, Key, Notice, Op, Purge, PurgeError, Scanned, Stamp, Store,
    StoreError, StoreFacts, Struck, When,
};
use crate::clock::Now;
use crate::store::Mark;

/// Accepts every write and misses every read: for tests, and to switch caching off in one place.
///
/// ```
/// use larder::{Cache, NullStore};
///
/// let cache = Cache::builder(NullStore).build()?;
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStore;

const STAMP: Stamp = Stamp { epoch: 0, seq: 0 };

#[async_trait]
impl Store for NullStore {
    fn about(&self) -> About {
        About::local().keeping_nothing()
    }

    fn get_now(&self, _: Key<'_>, _: Now) -> Poll<Result<Found, StoreError>> {
        Poll::Ready(Ok(Found {
            record: None,
            stamp: STAMP,
        }))
    }

    fn apply_now(&self, _: Key<'_>, op: &Op, _: Now) -> Poll<Result<Done, StoreError>> {
        Poll::Ready(Ok(match op {
            // No record that was read still stands here.
            Op::Put(_, When::Same(_)) => Done::Refused,
            Op::Put(..) => Done::Stored,
            Op::Count {
                create: Some(record),
                ..
            } => record.number().map_or(Done::NotANumber, Done::Counted),
            Op::Remove(If::Any | If::Same(_))
            | Op::Count { create: None, .. }
            | Op::Life { .. } => Done::Nothing,
        }))
    }

    /// Nothing is stored, so nothing read before a purge can be answered from here; but flights may be under way, and are outlawed.
    fn admits_now(&self, _: Stamp, _: &[Mark]) -> Poll<Result<bool, StoreError>> {
        Poll::Ready(Ok(false))
    }

    async fn get(&self, keys: &[Key<'_>], _: Now) -> Result<Vec<Found>, StoreError> {
        Ok(keys
            .iter()
            .map(|_| Found {
                record: None,
                stamp: STAMP,
            })
            .collect())
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        ops.iter()
            .map(|(key, op)| match self.apply_now(*key, op, now) {
                Poll::Ready(done) => done,
                Poll::Pending => Ok(Done::Nothing),
            })
            .collect()
    }

    async fn admits(&self, _: Stamp, _: &[Mark]) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn purge(&self, _: &Purge, _: Now) -> Result<Struck, PurgeError> {
        Ok(Struck::marked(STAMP))
    }

    fn scan<'a>(&'a self, _: Key<'a>, _: usize) -> BoxStream<'a, Result<Scanned, StoreError>> {
        Box::pin(Empty(std::marker::PhantomData))
    }

    fn facts_now(&self) -> Poll<Result<StoreFacts, StoreError>> {
        Poll::Ready(Ok(StoreFacts {
            entries: Some(0),
            bytes: Some(0),
            ..StoreFacts::default()
        }))
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        Box::pin(Empty(std::marker::PhantomData))
    }
}

struct Empty<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Stream for Empty<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract_of_keeping_nothing() {
        conformance::run_for_keeping_nothing(|| async { NullStore }).await;
    }
}
