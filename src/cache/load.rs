//! `get_or_set`: the value that is there, or the one that a loader makes, which is run once for a crowd.
//!
//! ```text
//! look up ─┬─ fresh ────────────────► answer
//!          ├─ stale, in its window ─► answer, and load in the background
//!          └─ else ─► lead a flight ─► load ─► file behind the fence ─► answer
//!                 └─► follow it ─────► does the fence still admit it? ─► answer
//! ```

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::Cache;
use super::codec::{Encoded, decode};
use super::error::{CacheError, LoadError};
use super::flight::{self, Flight, Join, Lead, Phase, ValueFlights};
use super::get::Standing;
use super::judge::{Windows, is_within};
use super::lifetime;
use super::loader::{Known, Load, Loaded, Loader, Plain, Trying, TryingKnown};
use super::set::{Answering, record_of};
use crate::background::Task;
use crate::clock::Now;
use crate::monitor::Event;
use crate::store::{Done, KeyBuf, Mark, Op, Record, Stamp, When};
use crate::ttl::Ttl;

/// The longest that anyone waits for the load of another, without a hard timeout of its own.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How many flights in a row that a purge has outlawed are followed.
const ROUNDS: u8 = 2;

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
    /// [`CacheError::WrongType`] when what is there is of another type, [`CacheError::Encode`] when the value cannot be written,
    /// [`CacheError::TimedOut`], [`CacheError::EmptyKey`] and [`CacheError::LongKey`].
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

    async fn run(self) -> Outcome<L> {
        let ask = &self.ask;
        let shared = &ask.cache.shared;
        let key = shared.value_key(ask.name)?;
        let since = Instant::now();
        let mut outlawed = 0;
        loop {
            let now = shared.clock.now();
            let ended = shared.value_flights.ended();
            // Without the store there is no stamp, so nobody can tell who may share what is loaded. It has been counted and logged.
            let Ok(found) = shared.look_up(&key, now).await else {
                return self.load_alone(key, None, None).await;
            };
            let refresh = ask.options.refresh;
            let standing = match Standing::of(found.record, now) {
                Standing::Fresh(record) if !refresh => return Ok(ask.hit(&record)?),
                Standing::Fresh(record) | Standing::Stale(record) => Some(record),
                Standing::Absent(_) | Standing::Nothing => None,
            };
            if refresh || outlawed >= ROUNDS {
                return self.load_alone(key, Some(found.stamp), standing).await;
            }
            if let Some(record) = &standing
                && let Some(detach) = self.detach
                && is_within(record.times, ask.options.windows.revalidate, now)
                && let Ok(value) = decode(record, ask.name)
            {
                shared.counters.value(Event::Hit);
                self.refresh_behind(key, found.stamp, detach, now);
                return Ok(value);
            }
            match ValueFlights::join(&shared.value_flights, &key, found.stamp) {
                Join::Lead(lead) => {
                    // A flight that has ended since the look-up may have stored the value.
                    if shared.value_flights.ended() != ended
                        && let Ok(again) = shared.look_up(&key, now).await
                        && let Some(record) = Standing::of(again.record, now).fresh()
                    {
                        drop(lead);
                        return Ok(ask.hit(&record)?);
                    }
                    return self
                        .load(key, Some(found.stamp), standing, Some(lead))
                        .await;
                }
                Join::Follow(flight, phase) => {
                    if flight.stamp != found.stamp && !ask.is_admitted(&flight, &key).await {
                        shared.value_flights.retire(&key, &flight);
                        continue;
                    }
                    match ask
                        .follow::<L>(&key, &flight, phase, standing.as_ref(), since)
                        .await
                    {
                        Followed::Answer(answer) => return answer,
                        Followed::Outlawed => outlawed += 1,
                        Followed::Again => {}
                        Followed::TooLong => {
                            return self.load_alone(key, Some(found.stamp), standing).await;
                        }
                    }
                }
            }
        }
    }

    /// Loads outside of any flight.
    async fn load_alone(
        self,
        key: KeyBuf,
        stamp: Option<Stamp>,
        standing: Option<Arc<Record>>,
    ) -> Outcome<L> {
        self.load(key, stamp, standing, None).await
    }

    async fn load(
        self,
        key: KeyBuf,
        stamp: Option<Stamp>,
        standing: Option<Arc<Record>>,
        lead: Option<Lead>,
    ) -> Outcome<L> {
        let Self {
            ask:
                Ask {
                    cache,
                    name,
                    options,
                },
            loader,
            detach,
        } = self;
        let shared = &cache.shared;
        let (soft, window) = (options.soft, options.windows.error);
        let job = Job {
            cache: cache.clone(),
            name: name.to_owned(),
            key,
            stamp,
            loader,
            options,
            lead,
        };
        let stand_in = |record: &Arc<Record>| {
            let value = decode(record, name).ok();
            value.inspect(|_| shared.counters.value(Event::Hit))
        };
        let loaded = match (soft, detach, &standing) {
            (Some(soft), Some(detach), Some(standing)) => {
                let (tell, told) = oneshot::channel();
                // Refused for want of room, it is dropped, and that is heard.
                shared.background.spawn(detach(job, tell));
                match timeout(soft, told).await {
                    Ok(Ok(loaded)) => loaded,
                    Ok(Err(_)) | Err(_) => match stand_in(standing) {
                        Some(value) => return Ok(value),
                        None => Err(slow(name)),
                    },
                }
            }
            _ => job.run().await,
        };
        let failed = match loaded {
            Ok(value) => {
                shared.counters.value(Event::Miss);
                return Ok(value);
            }
            Err(failed) => failed,
        };
        let now = shared.clock.now();
        // Who refreshes what is fresh asks for the news, unless told otherwise.
        let usable =
            standing.filter(|record| !window.is_zero() && is_within(record.times, window, now));
        if is_of_the_loader(&failed)
            && let Some(value) = usable.as_ref().and_then(stand_in)
        {
            return Ok(value);
        }
        shared.counters.value(Event::Miss);
        Err(failed)
    }

    /// Loads behind the back of a caller that has its answer, unless somebody does already, or has just failed.
    fn refresh_behind(self, key: KeyBuf, stamp: Stamp, detach: Detach<L>, now: Now) {
        let shared = &self.ask.cache.shared;
        if shared.unwell.holds(key.as_key().as_bytes(), false, now) {
            return;
        }
        let Join::Lead(lead) = ValueFlights::join(&shared.value_flights, &key, stamp) else {
            return;
        };
        let job = Job {
            cache: self.ask.cache.clone(),
            name: self.ask.name.to_owned(),
            key,
            stamp: Some(stamp),
            loader: self.loader,
            options: self.ask.options,
            lead: Some(lead),
        };
        let (tell, _) = oneshot::channel();
        shared.background.spawn(detach(job, tell));
    }
}

impl Ask<'_> {
    fn hit<T: DeserializeOwned>(&self, record: &Record) -> Result<T, CacheError> {
        self.cache.shared.counters.value(Event::Hit);
        decode(record, self.name)
    }

    /// Can what this flight brings be given to somebody who comes now, as far as can be known before it is there?
    async fn is_admitted(&self, flight: &Flight, key: &KeyBuf) -> bool {
        let shared = &self.cache.shared;
        let mut marks = shared.own_marks(key).to_vec();
        marks.extend_from_slice(&self.options.tags);
        shared.admits(flight.stamp, &marks).await.unwrap_or(false)
    }

    async fn follow<L: Load>(
        &self,
        key: &KeyBuf,
        flight: &Arc<Flight>,
        phase: watch::Receiver<Phase>,
        standing: Option<&Arc<Record>>,
        since: Instant,
    ) -> Followed<L> {
        let shared = &self.cache.shared;
        let options = &self.options;
        let soft = options.soft.filter(|_| standing.is_some());
        let hard = options.hard.unwrap_or(LONGEST_WAIT);
        let patience = soft.map_or(hard, |soft| soft.min(hard));
        let Ok(ended) = timeout_at(since + patience, flight::end(phase)).await else {
            let is_soft = soft.is_some_and(|soft| soft < hard);
            return match self.stand_in(standing, is_soft) {
                Some(value) => Followed::Answer(Ok(value)),
                None if options.hard.is_some() => Followed::Answer(Err(slow(self.name))),
                None => Followed::TooLong,
            };
        };
        match ended {
            Phase::Landed(record) => {
                // Read after the end of the flight: a purge that has returned before is seen.
                let admitted = shared.admits(record.stamp, &record.marks).await;
                if admitted.unwrap_or(false) {
                    return Followed::Answer(self.hit(&record).map_err(LoadError::from));
                }
                shared.value_flights.retire(key, flight);
                Followed::Outlawed
            }
            Phase::Failed(error) => {
                if let Some(value) = self.stand_in(standing, false) {
                    return Followed::Answer(Ok(value));
                }
                match error.downcast::<L::Error>() {
                    Ok(error) => {
                        shared.counters.value(Event::Miss);
                        Followed::Answer(Err(LoadError::Load(error)))
                    }
                    // Another loader of the same key, whose errors are of another type.
                    Err(_) => Followed::Again,
                }
            }
            Phase::Slow => match self.stand_in(standing, false) {
                Some(value) => Followed::Answer(Ok(value)),
                // The patience of another: this caller may have more.
                None => Followed::Again,
            },
            Phase::Open | Phase::Abandoned => Followed::Again,
        }
    }

    /// What stands there, if it may be used in place of a load that fails or, if `is_soft`, is slow.
    fn stand_in<T: DeserializeOwned>(
        &self,
        standing: Option<&Arc<Record>>,
        is_soft: bool,
    ) -> Option<T> {
        let shared = &self.cache.shared;
        let windows = self.options.windows;
        let window = if is_soft {
            windows.longest()
        } else {
            windows.error
        };
        let now = shared.clock.now();
        let usable = standing.filter(|record| is_within(record.times, window, now))?;
        let value = decode(usable, self.name).ok()?;
        shared.counters.value(Event::Hit);
        Some(value)
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

/// What came of waiting for another.
enum Followed<L: Load> {
    Answer(Outcome<L>),
    /// A purge has outlawed it.
    Outlawed,
    Again,
    TooLong,
}

fn slow<E>(name: &str) -> LoadError<E> {
    LoadError::Cache(CacheError::TimedOut {
        key: name.to_owned(),
    })
}

fn is_of_the_loader<E>(error: &LoadError<E>) -> bool {
    matches!(
        error,
        LoadError::Load(_) | LoadError::Cache(CacheError::TimedOut { .. })
    )
}

fn detach<L: Load + 'static>(job: Job<L>, tell: oneshot::Sender<Outcome<L>>) -> Task {
    Box::pin(async move {
        // Who asked may have its answer already.
        let _ = tell.send(job.run().await);
    })
}

/// A load, with all it needs.
struct Job<L: Load> {
    cache: Cache,
    name: String,
    key: KeyBuf,
    /// Taken before anything is read; `None` where nothing can be stored.
    stamp: Option<Stamp>,
    loader: L,
    options: Options,
    lead: Option<Lead>,
}

impl<L: Load> Job<L> {
    async fn run(self) -> Outcome<L> {
        let Self {
            cache,
            name,
            key,
            stamp,
            loader,
            options,
            lead,
        } = self;
        let shared = &cache.shared;
        let flight = key.as_key().as_bytes();
        let loading = loader.load();
        let loaded = match options.hard {
            None => loading.await,
            Some(hard) => match timeout(hard, loading).await {
                Ok(loaded) => loaded,
                Err(_) => {
                    shared.unwell.note(flight, false, shared.clock.now());
                    if let Some(lead) = lead {
                        lead.end(Phase::Slow);
                    }
                    return Err(slow(&name));
                }
            },
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                shared.unwell.note(flight, false, shared.clock.now());
                let error = Arc::new(error);
                if let Some(lead) = lead {
                    lead.end(Phase::Failed(error.clone()));
                }
                return Err(LoadError::Load(error));
            }
        };
        shared.unwell.forget(flight, false);
        let encoded = Encoded::of(&loaded.value, shared.codec, &name)?;
        let Some(stamp) = stamp else {
            return Ok(loaded.value);
        };
        let mut marks = shared.own_marks(&key).to_vec();
        marks.extend_from_slice(&options.tags);
        marks.extend(loaded.tags.iter().map(|tag| shared.tag_mark(tag)));
        let now = shared.clock.now();
        let end = lifetime::end(loaded.ttl.unwrap_or(options.ttl), shared.default_ttl, now);
        let times = lifetime::times(now, end.unwrap_or(now), options.windows.longest());
        let record = record_of(encoded.kind, encoded.body, stamp, times, marks);
        if end.is_some() {
            let when = if options.refresh {
                When::Always
            } else {
                When::Fenced
            };
            let op = Op::Put(record.clone(), when);
            // What the store does not take is answered all the same; where it is unwell, that was counted and logged.
            if let Ok(Done::Stored) = shared.apply(key.as_key(), op, now).await {
                shared.counters.value(Event::Set);
            }
        }
        if let Some(lead) = lead {
            lead.end(Phase::Landed(record));
        }
        Ok(loaded.value)
    }
}
