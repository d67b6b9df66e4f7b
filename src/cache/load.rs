//! `get_or_set`: the value that is there, or the one that a loader makes, which is run once for a crowd.
//!
//! ```text
//! look up ─┬─ fresh ────────────────► answer
//!          ├─ stale, in its window ─► answer, and load in the background
//!          └─ else ─► lead a flight ─► load ─► file behind the fence ─► answer
//!                 └─► follow it ─────► does the fence still admit it? ─► answer
//! ```

mod flow;
mod job;

use std::future::{Future, IntoFuture};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use self::job::{Job, detach};
use super::Cache;
use super::error::LoadError;
use super::judge::Windows;
use super::loader::{Known, Load, Loaded, Loader, Plain, Trying, TryingKnown};
use super::set::Answering;
use crate::background::Task;
use crate::store::Mark;
use crate::ttl::Ttl;

/// A value that is looked up, and loaded where it is missing: await it. Made by [`Cache::get_or_set`] and its kin.
#[must_use = "nothing is looked up until this is awaited"]
pub struct GetOrSet<'a, L: Load> {
    ask: Ask<'a>,
    loader: L,
    detach: Option<Detach<L>>,
}

/// What is asked for, and how.
struct Ask<'a> {
    cache: &'a Cache,
    name: &'a str,
    options: Options,
}

type Outcome<L> = Result<<L as Load>::Value, LoadError<<L as Load>::Error>>;

/// Makes a task of a load that may outlive its caller, and tells the caller of its end.
type Detach<L> = fn(Job<L>, oneshot::Sender<Outcome<L>>) -> Task;

struct Options {
    ttl: Ttl,
    tags: Vec<Mark>,
    windows: Windows,
    soft: Option<Duration>,
    hard: Option<Duration>,
    refresh: bool,
}

impl Cache {
    /// The value under `key`; where there is none, the one that `loader` makes, filed for `ttl`.
    ///
    /// Of many that ask at once, in this process, one loads and the others wait for it. The value is given to those who wait, and stored,
    /// only if no purge or delete has come in between: then those who wait load again. Where the caller that loads goes away, or panics, another
    /// takes its place. Where the store is down, the loader runs and its value is answered. A loader must not ask for its own key: it would
    /// wait for itself, for 30 s.
    ///
    /// Options, tags among them, stand between this and `.await`: see [`GetOrSet`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, hours};
    ///
    /// async fn count_orders() -> u64 {
    ///     41
    /// }
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let orders: u64 = cache
    ///     .get_or_set("orders:today", hours(1), async || count_orders().await)
    ///     .tag("orders")
    ///     .await?;
    /// assert_eq!(orders, 41);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::WrongType`](crate::CacheError::WrongType) when what is there is of another type, [`CacheError::Encode`](crate::CacheError::Encode) when the value cannot be written,
    /// [`CacheError::TimedOut`](crate::CacheError::TimedOut), [`CacheError::EmptyKey`](crate::CacheError::EmptyKey) and [`CacheError::LongKey`](crate::CacheError::LongKey).
    pub fn get_or_set<'a, F, Fut, V>(
        &'a self,
        key: &'a str,
        ttl: impl Into<Ttl>,
        loader: F,
    ) -> GetOrSet<'a, Loader<F, Plain>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = V> + Send,
        V: Serialize + DeserializeOwned + Send,
    {
        GetOrSet::new(self, key, ttl.into(), Loader::new(loader))
    }

    /// The same with a loader that can fail. Its error is shared by all that waited for it, and nothing is stored.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::cache::LoadError;
    /// use larder::{Cache, MIB, MemoryStore, hours, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let failed = cache
    ///     .get_or_try_set("rates", hours(1), async || Err::<f64, _>("the bank is closed"))
    ///     .stale_on_error(hours(24))
    ///     .hard_timeout(minutes(1))
    ///     .await;
    /// assert!(matches!(failed, Err(LoadError::Load(error)) if *error == "the bank is closed"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Load`] when the loader fails, and [`LoadError::Cache`] as [`get_or_set`](Self::get_or_set).
    pub fn get_or_try_set<'a, F, Fut, V, E>(
        &'a self,
        key: &'a str,
        ttl: impl Into<Ttl>,
        loader: F,
    ) -> GetOrSet<'a, Loader<F, Trying>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<V, E>> + Send,
        V: Serialize + DeserializeOwned + Send,
        E: Send + Sync + 'static,
    {
        GetOrSet::new(self, key, ttl.into(), Loader::new(loader))
    }

    /// The same with a loader that says itself how long its value lives.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::cache::Loaded;
    /// use larder::{Cache, Lifetime, MIB, MemoryStore, Ttl, hours};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let (day, today) = (11, 12);
    /// let total: u64 = cache
    ///     .get_or_load("orders:11", async move || {
    ///         let is_over = day < today;
    ///         Loaded::new(41).ttl(if is_over { Ttl::Forever } else { hours(1).into() })
    ///     })
    ///     .await?;
    /// assert_eq!((total, cache.ttl("orders:11").await?), (41, Some(Lifetime::Forever)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_or_set`](Self::get_or_set).
    pub fn get_or_load<'a, F, Fut, V>(
        &'a self,
        key: &'a str,
        loader: F,
    ) -> GetOrSet<'a, Loader<F, Known>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Loaded<V>> + Send,
        V: Serialize + DeserializeOwned + Send,
    {
        GetOrSet::new(self, key, Ttl::Default, Loader::new(loader))
    }

    /// The same with a loader that can fail too.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_set`](Self::get_or_try_set).
    pub fn get_or_try_load<'a, F, Fut, V, E>(
        &'a self,
        key: &'a str,
        loader: F,
    ) -> GetOrSet<'a, Loader<F, TryingKnown>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send,
        V: Serialize + DeserializeOwned + Send,
        E: Send + Sync + 'static,
    {
        GetOrSet::new(self, key, Ttl::Default, Loader::new(loader))
    }
}

/// Options. By default a value that is over is not used any more, and a loader takes as long as it takes.
impl<'a, L: Load> GetOrSet<'a, L> {
    fn new(cache: &'a Cache, name: &'a str, ttl: Ttl, loader: L) -> Self {
        let options = Options {
            ttl,
            tags: Vec::new(),
            windows: Windows::default(),
            soft: None,
            hard: None,
            refresh: false,
        };
        Self {
            ask: Ask {
                cache,
                name,
                options,
            },
            loader,
            detach: None,
        }
    }

    /// Tags the value, so that [`Cache::purge_tag`] frees it. Tags add up.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        let tag = self.ask.cache.shared.tag_mark(tag.as_ref());
        self.ask.options.tags.push(tag);
        self
    }

    /// Where the loader fails, or runs into a timeout, a value that is over by no more than this stands in. Values are kept so long beyond
    /// their lifetime.
    pub fn stale_on_error(mut self, window: Duration) -> Self {
        self.ask.options.windows.error = window;
        self
    }

    /// Stops a loader that takes longer than this, and waits no longer for that of another.
    pub fn hard_timeout(mut self, timeout: Duration) -> Self {
        self.ask.options.hard = Some(timeout);
        self
    }

    /// Loads whatever is there, and files it in its place: for what is known to have changed.
    pub fn refresh(mut self) -> Self {
        self.ask.options.refresh = true;
        self
    }
}

/// Options for which the loader may outlive its caller: it must own what it uses.
impl<L: Load + 'static> GetOrSet<'_, L> {
    /// A value that is over by no more than this answers at once, and is loaded anew in the [background](Cache::background). After a loader
    /// has failed there, it is not tried again for the [back-off](crate::cache::CacheBuilder::refresh_backoff).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use larder::{Cache, MIB, MemoryStore, hours, minutes};
    ///
    /// # struct Database;
    /// # impl Database { async fn menu(&self) -> Vec<String> { Vec::new() } }
    /// # let database = Arc::new(Database);
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let menu: Vec<String> = cache
    ///     .get_or_set("menu", minutes(5), async move || database.menu().await)
    ///     .stale_for(hours(1))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stale_for(mut self, window: Duration) -> Self {
        self.ask.options.windows.revalidate = window;
        self.detach = Some(detach::<L>);
        self
    }

    /// Where the loader takes longer than this, and there is a value that is over but [still](Self::stale_on_error)
    /// [kept](Self::stale_for), that one answers, and the loader goes on in the [background](Cache::background).
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.ask.options.soft = Some(timeout);
        self.detach = Some(detach::<L>);
        self
    }
}

impl<'a, L: Load + 'a> IntoFuture for GetOrSet<'a, L> {
    type Output = Result<L::Value, L::Failure>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.run().await.map_err(L::Failure::from) })
    }
}
