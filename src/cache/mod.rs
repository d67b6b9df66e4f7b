//! The [`Cache`]: a store, a namespace and defaults, shared by all layers and handlers of an application.
//!
//! Beside pages it keeps values: whatever [serde](https://serde.rs) can write, under keys that the application chooses.
//!
//! | | |
//! |---|---|
//! | [`get`](Cache::get), [`set`](Cache::set), [`add`](Cache::add), [`delete`](Cache::delete), [`contains`](Cache::contains) | one value |
//! | [`get_or_set`](Cache::get_or_set), [`get_or_try_set`](Cache::get_or_try_set), [`get_or_load`](Cache::get_or_load) | one load for a crowd |
//! | [`get_many`](Cache::get_many), [`set_many`](Cache::set_many), [`get_many_or_load`](Cache::get_many_or_load) | many in one round trip |
//! | [`lookup`](Cache::lookup), [`Miss::fill`] | a fill that loses to purges, without a closure |
//! | [`incr`](Cache::incr), [`decr`](Cache::decr), [`incr_or_create`](Cache::incr_or_create) | counting in one step |
//! | [`ttl`](Cache::ttl), [`touch`](Cache::touch), [`persist`](Cache::persist) | lifetimes |
//! | [`at_version`](Cache::at_version), [`incr_version`](Cache::incr_version) | versions |
//! | [`delete_prefix`](Cache::delete_prefix), [`delete_matching`](Cache::delete_matching), [`scan`](Cache::scan) | what is looked for |
//! | [`lock`](Cache::lock), [`health`](Cache::health) | locks, and whether the store is well |
//!
//! `get_or_set`, `get_many_or_load` and `lookup` are *fenced*: what was read before a purge or a delete is never answered to anyone who asks after it.
//! A plain `set` is not, since nobody knows when its value was read.

mod address;
mod again;
mod builder;
mod codec;
pub(crate) mod contract;
mod count;
mod delete;
mod error;
mod flight;
mod get;
mod groups;
mod health;
mod integer;
mod judge;
mod key;
mod life;
mod lifetime;
mod load;
mod loader;
mod lock;
mod many;
mod miss;
mod pages;
mod provided;
mod purges;
mod scan;
mod set;
mod soft;
mod stamp;
mod tags;
#[cfg(all(test, feature = "memory"))]
mod tests;
mod version;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderName;

use crate::background::Background;
use crate::clock::{Clock, Now};
use crate::header::CacheName;
use crate::identity::{Identify, IdentityDigest, IdentityType, Secret};
use crate::monitor::{Counters, Operation, Stats};
use crate::page::{Budget, CacheLayer, Flights, Guesses, Heads, Remembered, StatusField};
use crate::store::{Done, Found, Head, Key, Mark, Op, Stamp, Store, StoreError, StoreFacts};
use crate::ttl::Ttl;

pub use self::builder::{BuildError, CacheBuilder};
pub use self::codec::Codec;
pub use self::error::{CacheError, LoadError};
pub use self::health::Health;
pub(crate) use self::key::value_name;
pub use self::lifetime::Lifetime;
pub use self::load::GetOrSet;
pub use self::loader::{Load, Loaded};
pub use self::lock::{Lock, LockGuard};
pub use self::many::{GetManyOrLoad, SetMany};
pub use self::miss::{Fill, Lookup, Miss};
pub(crate) use self::provided::Provided;
pub use self::provided::{CachesLayer, CachesService, UnknownCache};
pub use self::purges::Purged;
pub use self::scan::{Scan, ScanStream, ScannedValue};
pub use self::set::Put;
pub use self::soft::SoftPurges;
pub use self::tags::CacheTags;

pub(crate) use self::address::{Addressed, page_marks};
pub(crate) use self::groups::Origin;

use self::flight::ValueFlights;
use self::stamp::Latest;
use self::version::Versions;

use self::again::Again;

/// A cheap handle on a cache; clones share everything.
///
/// It makes the layers of pages, with [`page`](Self::page), and frees what they stored.
///
/// ```
/// use axum::{Router, routing::get};
/// use larder::{Cache, MIB, MemoryStore, minutes};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder(MemoryStore::new(64 * MIB)).namespace("shop").build()?;
/// let app: Router = Router::new().route(
///     "/menu",
///     get(async || "soup").layer(cache.page(minutes(30)).tag("menu")),
/// );
///
/// // When the menu has changed, in the database first:
/// cache.purge_tag("menu").await?;
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(crate) struct Shared {
    store: Arc<dyn Store>,
    /// The same cache at other versions.
    versions: Arc<Versions>,
    version: u32,
    codec: Codec,
    /// The youngest stamp of the fence that was seen.
    latest: Latest,
    value_flights: Arc<ValueFlights>,
    /// What every key starts with: format, namespace, version.
    pub(crate) space: Box<[u8]>,
    pub(crate) namespace: Arc<str>,
    /// Of this namespace and version.
    pub(crate) namespace_mark: Mark,
    /// Of this namespace in all its versions.
    pub(crate) all_versions_mark: Mark,
    /// Which hard purges are made a second time.
    again: Option<Arc<Again>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) background: Background,
    pub(crate) default_ttl: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) identities: Vec<IdentityType>,
    /// The request fields that name the user, where fields do.
    pub(crate) identity_fields: Vec<HeaderName>,
    /// Who is asking.
    pub(crate) user: Option<Arc<dyn Identify>>,
    pub(crate) secret: Secret,
    pub(crate) flights: Arc<Flights>,
    pub(crate) remembered: Arc<Remembered>,
    pub(crate) guesses: Arc<Guesses>,
    heads: Arc<Heads>,
    /// Pages and values whose handler or loader has just failed: no refresh is tried again at once.
    pub(crate) unwell: Arc<Remembered>,
    pub(crate) budget: Budget,
    pub(crate) counters: Arc<Counters>,
    pub(crate) name: CacheName,
    pub(crate) status: StatusField,
}

impl Cache {
    /// Starts a cache on `store`.
    pub fn builder(store: impl Store) -> CacheBuilder {
        CacheBuilder::new(Arc::new(store))
    }

    /// The cache that a layer outside has handed on, if one has. In axum, [`Cache`] is an extractor.
    pub fn of(extensions: &http::Extensions) -> Option<&Self> {
        Provided::of(extensions).map(Provided::default)
    }

    /// The cache that a layer outside has handed on by this name. In axum, see `extract::Caches`.
    ///
    /// # Errors
    ///
    /// When none is, which names the name.
    pub fn named<'a>(
        name: &str,
        extensions: &'a http::Extensions,
    ) -> Result<&'a Self, UnknownCache> {
        match Provided::of(extensions) {
            Some(provided) => provided.named(name),
            None => Err(UnknownCache::without_layer(name)),
        }
    }

    /// A layer that caches pages for `ttl`, unless a response says otherwise (RFC 9111 §4.2.1).
    ///
    /// ```
    /// # use larder::{Cache, NullStore};
    /// use larder::{Ttl, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let menu = cache.page(minutes(30));
    /// let archive = cache.page(Ttl::Forever);
    /// ```
    pub fn page(&self, ttl: impl Into<Ttl>) -> CacheLayer {
        CacheLayer::new(self.clone(), ttl.into())
    }

    /// A layer that caches as a gateway does, in front of an origin of its own or of others: all of RFC 9111 for a shared cache.
    ///
    /// Lifetimes come from responses alone, and are guessed from `Last-Modified` where there is none; the directives of requests count;
    /// what must be validated is stored and validated; parts are stored; the fields of RFC 9213 and `No-Vary-Search` are honoured;
    /// and what is stale answers while the origin cannot be reached. Each of these can be set alone, here as on a
    /// [`page`](Self::page). Put [`InvalidationLayer`](crate::InvalidationLayer) round it.
    ///
    /// ```
    /// use axum::{Router, routing::any};
    /// use larder::{Cache, InvalidationLayer, MIB, MemoryStore};
    ///
    /// # async fn proxy() {}
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let app: Router = Router::new()
    ///     .fallback(any(proxy))
    ///     .layer(cache.gateway())
    ///     .layer(InvalidationLayer::new(&cache));
    /// # drop(app);
    /// # Ok::<(), larder::BuildError>(())
    /// ```
    pub fn gateway(&self) -> CacheLayer {
        CacheLayer::gateway(self.clone())
    }

    /// What this cache has done since it was built, altogether and for each route.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let mut stats = shared.counters.read();
        stats.cache = shared.name.as_str().to_owned();
        if let Poll::Ready(Ok(facts)) = shared.store.facts_now() {
            stats.store = facts;
        }
        stats
    }

    /// The same with what the store says of itself, where it has to be asked.
    ///
    /// # Errors
    ///
    /// When the store is unwell, or takes longer than the store timeout. [`stats`](Self::stats) has the rest all the same.
    pub async fn stats_with_store(&self) -> Result<Stats, StoreError> {
        let facts = self.shared.facts().await?;
        let mut stats = self.stats();
        stats.store = facts;
        Ok(stats)
    }

    /// The store, for scans and notices.
    pub fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// The tasks that outlive their requests. Wait for them, or stop them, when the server shuts down.
    pub fn background(&self) -> &Background {
        &self.shared.background
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.shared.store.about())
            .field("stats", &self.shared.counters)
            .finish_non_exhaustive()
    }
}

/// Calls of the store: without waiting where it can answer at once, else within the time that a page may lose to it.
impl Shared {
    pub(crate) fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        match self.store.get_now(key, now) {
            Poll::Ready(Ok(found)) if is_frozen(&found) => {
                Poll::Ready(Ok(thawed(&self.heads, found)))
            }
            found => found,
        }
    }

    pub(crate) async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            match self.get_now(*key, now) {
                Poll::Ready(answer) => found.push(self.noted(answer)?),
                Poll::Pending => {
                    let found = self
                        .within(Operation::Read, self.store.get(keys, now))
                        .await?;
                    return Ok(found
                        .into_iter()
                        .map(|found| thawed(&self.heads, found))
                        .collect());
                }
            }
        }
        Ok(found)
    }

    /// Do other processes read and write the same store?
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.store.about().shared
    }

    pub(crate) async fn apply(&self, key: Key<'_>, op: Op, now: Now) -> Result<Done, StoreError> {
        match self.store.apply_now(key, &op, now) {
            Poll::Ready(answer) => self.noted(answer),
            Poll::Pending => {
                let ops = [(key, op)];
                let done = self
                    .within(Operation::Write, self.store.apply(&ops, now))
                    .await?;
                done.first()
                    .copied()
                    .ok_or_else(|| StoreError::new("write", "no answer for the change"))
            }
        }
    }

    /// All these changes in one round trip.
    pub(crate) async fn apply_all(
        &self,
        ops: &[(Key<'_>, Op)],
        now: Now,
    ) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::with_capacity(ops.len());
        for (key, op) in ops {
            match self.store.apply_now(*key, op, now) {
                Poll::Ready(answer) => done.push(self.noted(answer)?),
                Poll::Pending => {
                    let rest = &ops[done.len()..];
                    let applied = self.within(Operation::Write, self.store.apply(rest, now));
                    done.extend(applied.await?);
                    break;
                }
            }
        }
        if done.len() == ops.len() {
            return Ok(done);
        }
        Err(StoreError::new("write", "not every change was answered"))
    }

    pub(crate) async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        match self.store.admits_now(stamp, marks) {
            Poll::Ready(answer) => self.noted(answer),
            Poll::Pending => {
                self.within(Operation::Check, self.store.admits(stamp, marks))
                    .await
            }
        }
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let mut asking = pin!(self.store.facts());
        // A store in memory answers at once, and needs no runtime's timer.
        let at_once = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
        let answer = match at_once {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let asked = tokio::time::timeout(self.store_timeout, asking).await;
                asked.unwrap_or_else(|_| Err(self.late("describe")))
            }
        };
        self.noted(answer)
    }

    async fn within<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let since = self.clock.micros();
        let answer = match tokio::time::timeout(self.store_timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(self.late(operation.as_str())),
        };
        self.waited(operation, since);
        self.noted(answer)
    }

    /// The store could not do it within the store timeout.
    fn late(&self, action: &'static str) -> StoreError {
        let timeout = self.store_timeout;
        StoreError::new(
            action,
            format!("no answer within {timeout:?} (`store_timeout`)"),
        )
    }

    /// Notes how long the store was waited for.
    fn waited(&self, operation: Operation, since: u64) {
        let micros = self.clock.micros().saturating_sub(since);
        self.counters.latencies.record(operation, micros);
    }

    fn noted<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer {
            self.counters.store_error();
            crate::log::store_error(error);
        }
        answer
    }

    /// The marks that all records of this cache carry.
    pub(crate) fn space_marks(&self) -> [Mark; 2] {
        [self.namespace_mark, self.all_versions_mark]
    }

    pub(crate) fn key_mark(&self, key: &[u8]) -> Mark {
        Mark::of("key", &[&self.space, key])
    }

    pub(crate) fn identity_mark(&self, digest: IdentityDigest) -> Mark {
        Mark::of("identity", &[&self.space, &digest.0])
    }

    pub(crate) fn tag_mark(&self, tag: &str) -> Mark {
        Mark::of("tag", &[&self.space, tag.as_bytes()])
    }
}

/// Is the head that was found still as it came from elsewhere? Never that of a store in memory, whose hits are to pay for nothing.
fn is_frozen(found: &Found) -> bool {
    let record = found.record.as_deref();
    record.is_some_and(|record| matches!(record.head, Head::Wire(_)))
}

/// The same with the head of a page decoded, where the store is elsewhere. One that cannot be, since it is torn or of another version,
/// stays as it is: whoever reads it takes it for absent, and whoever replaces it needs its id.
fn thawed(heads: &Heads, mut found: Found) -> Found {
    if let Some(record) = &found.record
        && let Head::Wire(wire) = &record.head
        && let Some(head) = heads.decode(record.kind, wire)
    {
        found.record = found.record.map(|record| {
            let times = record.times;
            let own = Arc::try_unwrap(record);
            let own = own.unwrap_or_else(|record| record.with_times(times));
            Arc::new(own.with_head(Head::Live(head)))
        });
    }
    found
}
