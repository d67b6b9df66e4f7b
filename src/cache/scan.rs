//! What there is: keys, sizes and lifetimes, within a budget.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use super::Cache;
use super::error::CacheError;
use super::lifetime::Lifetime;
use crate::store::{BoxStream, KeyBuf, Scanned, StoreError};

/// How many values a scan brings, unless it is told otherwise.
const BUDGET: usize = 1_000;

/// A scan of values that may be begun. Made by [`Cache::scan`].
#[must_use = "nothing is scanned until its stream is read"]
pub struct Scan {
    cache: Cache,
    within: KeyBuf,
    budget: usize,
}

/// The values that a scan finds, in no order.
pub struct ScanStream<'a> {
    cache: &'a Cache,
    inner: BoxStream<'a, Result<Scanned, StoreError>>,
    /// Until when the store may take for the next.
    patience: Option<Pin<Box<Sleep>>>,
}

/// A value as a scan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScannedValue {
    /// Its key, without prefix and version.
    pub key: String,
    /// What it takes in the store, in bytes, its key and book-keeping included.
    pub size: u64,
    /// What is left of its lifetime.
    pub lifetime: Lifetime,
}

impl Cache {
    /// Looks for the values whose keys start with `prefix`, at most 1,000 unless [`Scan::budget`] says otherwise. Pages are not among them.
    ///
    /// It reads no values, and leaves alone what is used often. What a purge has outlawed may be among what is found, until the store takes it
    /// away.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, Lifetime, MIB, MemoryStore, Ttl};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// cache.set("dish:1", "soup", Ttl::Forever).await?;
    /// cache.set("user:1", "Ada", Ttl::Forever).await?;
    ///
    /// let scan = cache.scan("dish:").budget(100);
    /// let mut found = scan.stream();
    /// while let Some(value) = found.next().await {
    ///     let value = value?;
    ///     assert_eq!((value.key.as_str(), value.lifetime), ("dish:1", Lifetime::Forever));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn scan(&self, prefix: &str) -> Scan {
        Scan {
            cache: self.clone(),
            within: self.shared.value_prefix(prefix.as_bytes()),
            budget: BUDGET,
        }
    }
}

impl Scan {
    /// Looks at no more than `most` of them, those among them whose time is over.
    pub fn budget(mut self, most: usize) -> Self {
        self.budget = most;
        self
    }

    /// Begins.
    pub fn stream(&self) -> ScanStream<'_> {
        let shared = &self.cache.shared;
        ScanStream {
            cache: &self.cache,
            inner: shared.store.scan(self.within.as_key(), self.budget),
            patience: None,
        }
    }
}

impl ScanStream<'_> {
    /// The next value; `None` when there are no more, or the budget is used up.
    pub async fn next(&mut self) -> Option<Result<ScannedValue, CacheError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn value(&self, scanned: &Scanned) -> Option<ScannedValue> {
        let shared = &self.cache.shared;
        let name = shared.name_in(&scanned.key)?;
        let end = scanned.times.fresh_until;
        Some(ScannedValue {
            key: std::str::from_utf8(name).ok()?.to_owned(),
            size: scanned.weight,
            lifetime: Lifetime::until(end, shared.clock.now())?,
        })
    }

    /// `Ready` when the store has taken too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.cache.shared.store_timeout;
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        patience.as_mut().poll(cx)
    }
}

impl Stream for ScanStream<'_> {
    type Item = Result<ScannedValue, CacheError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(next) = self.inner.as_mut().poll_next(cx) else {
                if self.poll_patience(cx).is_pending() {
                    return Poll::Pending;
                }
                self.patience = None;
                let late = self.cache.shared.late("scan");
                return Poll::Ready(Some(Err(late.into())));
            };
            self.patience = None;
            return Poll::Ready(match next {
                None => None,
                Some(Err(error)) => Some(Err(error.into())),
                Some(Ok(scanned)) => match self.value(&scanned) {
                    Some(value) => Some(Ok(value)),
                    // Over, or not a value.
                    None => continue,
                },
            });
        }
    }
}
