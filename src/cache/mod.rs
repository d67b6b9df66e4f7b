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
mod builder;
mod codec;
pub(crate) mod contract;
mod count;
mod delete;
mod error;
mod flight;
mod get;
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
mod provided;
mod scan;
mod set;
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
use tokio::runtime::Handle;

use crate::background::Background;
use crate::clock::{Clock, Now};
use crate::header::CacheName;
use crate::identity::{Identify, Identity, IdentityDigest, IdentityType, Secret};
use crate::monitor::{Counters, Operation, Stats};
use crate::page::{Budget, CacheLayer, Flights, PageKey, Remembered, StatusField};
use crate::store::{
    Done, Found, Key, Mark, Op, Purge, PurgeError, Stamp, Store, StoreError, StoreFacts,
};
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
pub use self::scan::{Scan, ScanStream, ScannedValue};
pub use self::set::Put;
pub use self::tags::CacheTags;

pub(crate) use self::address::{Addressed, page_marks};

use self::flight::ValueFlights;
use self::stamp::Latest;
use self::version::Versions;

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
    pub(crate) namespace_mark: Mark,
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
    /// Pages and values whose handler or loader has just failed: no refresh is tried again at once.
    pub(crate) unwell: Arc<Remembered>,
    pub(crate) budget: Budget,
    pub(crate) counters: Arc<Counters>,
    pub(crate) name: CacheName,
    pub(crate) status: StatusField,
}

/// What a purge that reached every reader of the store has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    stamp: Stamp,
    removed: u64,
}

impl Purged {
    /// The fence's clock after the purge: no answer is older.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many entries were removed there and then. What a tag, a page or the whole cache is purged by is outlawed without being looked
    /// for, and not counted.
    pub const fn removed(&self) -> u64 {
        self.removed
    }
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

    /// Frees everything that carries `tag`.
    ///
    /// Call it after the data has changed (after the commit). Once it has returned `Ok`, no request that starts later is answered with what
    /// was read before: neither from the store, nor by a fill that was under way.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tag(&self, tag: &str) -> Result<Purged, PurgeError> {
        self.purge_tags([tag]).await
    }

    /// Frees everything that carries one of `tags`, in one step. See [`purge_tag`](Self::purge_tag).
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tags<T: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Purged, PurgeError> {
        let marks = tags
            .into_iter()
            .map(|tag| self.shared.tag_mark(tag.as_ref()))
            .collect();
        self.purge(Purge::Marks(marks)).await
    }

    /// Frees a page with all its variants and queries.
    ///
    /// `address` is a path as clients send it (`/menu/soups`: on every host), or an address with host (`//shop.example/menu`,
    /// `https://shop.example/menu`: there alone). With a query, only that query is freed: `/menu?page=2`, without
    /// what the layer's [`QueryRule`](crate::QueryRule) drops and in its order. Schemes are not told apart.
    ///
    /// # Errors
    ///
    /// When `address` is none, or the store did not take the purge.
    pub async fn purge_page(&self, address: &str) -> Result<Purged, PurgeError> {
        let mark = self
            .shared
            .address_mark(address)
            .ok_or_else(|| PurgeError::Address(address.to_owned()))?;
        self.purge(Purge::Marks(vec![mark])).await
    }

    /// Frees one key: the page of one address and query, with all its variants. Keys come from [`CacheLayer::key`].
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_key(&self, key: &PageKey) -> Result<Purged, PurgeError> {
        // By its mark, not by its key: the variants stand under keys of their own.
        self.purge(Purge::Marks(vec![self.shared.key_mark(key.as_bytes())]))
            .await
    }

    /// Frees all pages that are kept for this identity, as the [`Identify`] of their layers tells it: when a user
    /// signs out, or is removed.
    ///
    /// ```
    /// use http::Request;
    /// use larder::{Cache, Identify, NullStore, RequestHead, identity};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_session = identity::cookie("session");
    /// let cache = Cache::builder(NullStore).user(by_session.clone()).build()?;
    ///
    /// // In the handler that signs out:
    /// let request = Request::post("/sign-out").header("cookie", "session=abc").body(())?;
    /// cache.purge_identity(&by_session.identify(&RequestHead::of(&request))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where it is an extension that says who is asking, one is made up for whoever is meant:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use http::Request;
    /// use larder::{Cache, Identify, NullStore, RequestHead, identity};
    ///
    /// #[derive(Clone)]
    /// struct CurrentUser {
    ///     id: u64,
    /// }
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_user = Arc::new(identity::extension("user", |user: &CurrentUser| user.id.to_be_bytes()));
    /// let cache = Cache::builder(NullStore).user(by_user.clone()).build()?;
    ///
    /// // Where user 7 is removed:
    /// let request = Request::builder().extension(CurrentUser { id: 7 }).body(())?;
    /// cache.purge_identity(&by_user.identify(&RequestHead::of(&request))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_identity(&self, identity: &Identity) -> Result<Purged, PurgeError> {
        let mark = self
            .shared
            .identity_mark(self.shared.secret.digest(identity));
        self.purge(Purge::Marks(vec![mark])).await
    }

    /// Frees everything of this cache's namespace and version, and nothing else in the store.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn clear(&self) -> Result<Purged, PurgeError> {
        self.purge(Purge::Marks(vec![self.shared.namespace_mark]))
            .await
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

    pub(crate) async fn purge(&self, purge: Purge) -> Result<Purged, PurgeError> {
        let now = self.shared.clock.now();
        let struck = self.purging(self.shared.store.purge(&purge, now)).await?;
        self.shared.latest.note(struck.stamp);
        Ok(Purged {
            stamp: struck.stamp,
            removed: struck.removed,
        })
    }

    /// Frees what carries one of `marks` for a fill that has made that due; see [`Store::supersede`].
    pub(crate) async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
    ) -> Result<Option<Stamp>, PurgeError> {
        let shared = &self.shared;
        let now = shared.clock.now();
        self.purging(shared.store.supersede(marks, fill, carried, now))
            .await
    }

    async fn purging<T>(
        &self,
        purging: impl Future<Output = Result<T, PurgeError>>,
    ) -> Result<T, PurgeError> {
        let shared = &self.shared;
        let mut purging = pin!(purging);
        let since = shared.clock.micros();
        // A store in memory has done it at once, and needs no runtime's timer.
        let at_once = poll_fn(|cx| Poll::Ready(purging.as_mut().poll(cx))).await;
        let is_waited_for = at_once.is_pending();
        let purged = match at_once {
            Poll::Ready(purged) => purged,
            // Without a runtime there is no timer either, and this must not panic where a dropped request purges.
            Poll::Pending if Handle::try_current().is_err() => purging.await,
            Poll::Pending => tokio::time::timeout(shared.store_timeout, purging)
                .await
                .unwrap_or_else(|late| {
                    Err(PurgeError::Undelivered(StoreError::new("purge", late)))
                }),
        };
        if is_waited_for {
            shared.waited(Operation::Purge, since);
        }
        if let Err(PurgeError::Undelivered(_)) = &purged {
            shared.counters.store_error();
        }
        purged
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
        self.store.get_now(key, now)
    }

    pub(crate) async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            match self.store.get_now(*key, now) {
                Poll::Ready(answer) => found.push(self.noted(answer)?),
                Poll::Pending => {
                    return self
                        .within(Operation::Read, self.store.get(keys, now))
                        .await;
                }
            }
        }
        Ok(found)
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
        match self.store.facts_now() {
            Poll::Ready(answer) => self.noted(answer),
            Poll::Pending => {
                let asked = tokio::time::timeout(self.store_timeout, self.store.facts()).await;
                self.noted(asked.unwrap_or_else(|late| Err(StoreError::new("describe", late))))
            }
        }
    }

    async fn within<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let since = self.clock.micros();
        let answer = match tokio::time::timeout(self.store_timeout, call).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StoreError::new(operation.as_str(), elapsed)),
        };
        self.waited(operation, since);
        self.noted(answer)
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
