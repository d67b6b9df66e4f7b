//! Many values in one round trip.

use std::collections::{HashMap, HashSet};
use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cache;
use super::codec::{Encoded, decode};
use super::error::{CacheError, LoadError};
use super::get::Standing;
use super::lifetime::{end, times};
use super::set::{Answering, TRIES, record_of};
use crate::clock::Now;
use crate::monitor::Event;
use crate::store::{Done, Key, KeyBuf, Mark, Op, Record, Stamp, StoreError, When};
use crate::ttl::Ttl;

/// Values on their way into the cache: await it. Made by [`Cache::set_many`].
#[must_use = "nothing is written until this is awaited"]
pub struct SetMany<'a> {
    cache: &'a Cache,
    values: Result<Vec<(String, Encoded)>, CacheError>,
    ttl: Ttl,
    tags: Vec<Mark>,
}

/// Values that are looked up, of which those that are missing are loaded in one call: await it. Made by [`Cache::get_many_or_load`].
#[must_use = "nothing is looked up until this is awaited"]
pub struct GetManyOrLoad<'a, F> {
    cache: &'a Cache,
    names: Vec<String>,
    loader: F,
    ttl: Ttl,
    absent: Option<Ttl>,
    tags: Vec<Mark>,
}

impl Cache {
    /// The values under all of `keys` in one round trip: those that there are, stored `None`s among them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let failed = cache.set_many([("a", 1), ("b", 2)], minutes(5)).await?;
    /// assert!(failed.is_empty());
    /// let found = cache.get_many::<u32>(["a", "b", "c"]).await?;
    /// assert_eq!((found.len(), found["b"]), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<HashMap<String, T>, CacheError> {
        let names = distinct(keys);
        let (found, _) = self.find_many(&names).await?;
        Ok(found)
    }

    /// Files all these values for `ttl` in one round trip, as [`set`](Self::set) does, and answers the keys of those that the store did not
    /// take, since they are too large or others were first each time.
    ///
    /// # Errors
    ///
    /// [`CacheError::Encode`], [`CacheError::EmptyKey`] and [`CacheError::LongKey`], before anything is stored; and [`CacheError::Store`]
    /// when the store is unwell: then it is not known what it has stored.
    pub fn set_many<K: AsRef<str>, T: Serialize>(
        &self,
        values: impl IntoIterator<Item = (K, T)>,
        ttl: impl Into<Ttl>,
    ) -> SetMany<'_> {
        let encoded = values.into_iter().map(|(key, value)| {
            let key = key.as_ref();
            let value = Encoded::of(&value, self.shared.codec, key)?;
            Ok((key.to_owned(), value))
        });
        SetMany {
            cache: self,
            values: encoded.collect(),
            ttl: ttl.into(),
            tags: Vec::new(),
        }
    }

    /// The values under all of `keys`; those that are missing are made by one call of `loader`, which is given their keys, and filed for
    /// `ttl`.
    ///
    /// What the loader does not bring is not there, and is asked for again the next time, unless
    /// [`absent_for`](GetManyOrLoad::absent_for) says otherwise. Fills lose to purges and deletes that come in between. Where the store is down,
    /// the loader makes all of them. Calls that overlap do not wait for each other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::convert::Infallible;
    /// use larder::{Cache, MIB, MemoryStore, hours, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let dishes = cache
    ///     .get_many_or_load(["dish:1", "dish:2"], hours(1), async |missing: Vec<String>| {
    ///         assert_eq!(missing, ["dish:1", "dish:2"]);
    ///         Ok::<_, Infallible>([("dish:1".to_owned(), "soup".to_owned())])
    ///     })
    ///     .absent_for(minutes(1))
    ///     .tag("menu")
    ///     .await?;
    /// assert_eq!((dishes.len(), dishes["dish:1"].as_str()), (1, "soup"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Load`] when the loader fails, and [`LoadError::Cache`] as [`get`](Self::get).
    pub fn get_many_or_load<F, Fut, Values, T, E>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
        ttl: impl Into<Ttl>,
        loader: F,
    ) -> GetManyOrLoad<'_, F>
    where
        F: FnOnce(Vec<String>) -> Fut + Send,
        Fut: Future<Output = Result<Values, E>> + Send,
        Values: IntoIterator<Item = (String, T)>,
        T: Serialize + DeserializeOwned + Send,
    {
        GetManyOrLoad {
            cache: self,
            names: distinct(keys),
            loader,
            ttl: ttl.into(),
            absent: None,
            tags: Vec::new(),
        }
    }

    /// What there is of these, and the others with the stamps for their fills, less those that are known not to be there.
    async fn find_many<T: DeserializeOwned>(
        &self,
        names: &[String],
    ) -> Result<(HashMap<String, T>, Vec<Unfound>), CacheError> {
        let shared = &self.shared;
        let keys = names.iter().map(|name| shared.value_key(name));
        let keys: Vec<KeyBuf> = keys.collect::<Result<_, _>>()?;
        let (mut values, mut missing) = (HashMap::new(), Vec::new());
        if keys.is_empty() {
            return Ok((values, missing));
        }
        let now = shared.clock.now();
        let found = shared.look_up_all(&keys, now).await?;
        for ((name, key), found) in names.iter().zip(keys).zip(found) {
            match Standing::of(found.record, now) {
                Standing::Fresh(record) => {
                    shared.counters.value(Event::Hit);
                    values.insert(name.clone(), decode(&record, name)?);
                }
                Standing::Absent(_) => shared.counters.value(Event::Hit),
                Standing::Stale(_) | Standing::Nothing => {
                    shared.counters.value(Event::Miss);
                    missing.push(Unfound {
                        name: name.clone(),
                        key,
                        stamp: found.stamp,
                    });
                }
            }
        }
        Ok((values, missing))
    }
}

struct Unfound {
    name: String,
    key: KeyBuf,
    stamp: Stamp,
}

impl SetMany<'_> {
    /// Tags all these values, so that [`Cache::purge_tag`] frees them. Tags add up.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        self.tags.push(self.cache.shared.tag_mark(tag.as_ref()));
        self
    }

    async fn run(self) -> Result<Vec<String>, CacheError> {
        let shared = &self.cache.shared;
        let values = self.values?.into_iter().map(|(name, value)| {
            let key = shared.value_key(&name)?;
            Ok((name, key, value))
        });
        let mut waiting: Vec<_> = values.collect::<Result<_, CacheError>>()?;
        let Some((_, first, _)) = waiting.first() else {
            return Ok(Vec::new());
        };
        let now = shared.clock.now();
        let Some(end) = end(self.ttl, shared.default_ttl, now) else {
            let names = waiting.iter().map(|(name, ..)| name);
            self.cache.delete_many(names).await?;
            return Ok(Vec::new());
        };
        let mut stamp = shared.stamp_for(first, now).await?;
        let mut failed = Vec::new();
        for _ in 0..TRIES {
            let ops: Vec<(Key<'_>, Op)> = waiting
                .iter()
                .map(|(_, key, value)| {
                    let mut marks = shared.own_marks(key).to_vec();
                    marks.extend_from_slice(&self.tags);
                    let times = times(now, end, Duration::ZERO);
                    let record = record_of(value.kind, value.body.clone(), stamp, times, marks);
                    (key.as_key(), Op::Put(record, When::Always))
                })
                .collect();
            let done = shared.apply_all(&ops, shared.clock.now()).await?;
            let mut outrun = Vec::new();
            for (one, done) in waiting.into_iter().zip(done) {
                match done {
                    Done::Stored => shared.counters.value(Event::Set),
                    Done::TooLarge => failed.push(one.0),
                    // A purge lies between the stamp and now.
                    _ => outrun.push(one),
                }
            }
            waiting = outrun;
            let Some((_, first, _)) = waiting.first() else {
                return Ok(failed);
            };
            stamp = shared.look_up(first, shared.clock.now()).await?.stamp;
        }
        failed.extend(waiting.into_iter().map(|(name, ..)| name));
        Ok(failed)
    }
}

impl<'a> IntoFuture for SetMany<'a> {
    type Output = Result<Vec<String>, CacheError>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F> GetManyOrLoad<'_, F> {
    /// Tags what is loaded, so that [`Cache::purge_tag`] frees it. Tags add up.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        self.tags.push(self.cache.shared.tag_mark(tag.as_ref()));
        self
    }

    /// Remembers for `ttl` that the loader has brought nothing for a key, so that it is not asked for it again. To all other methods
    /// there is no value then, but that a [scan](Cache::scan) shows the key, and deletes count it.
    pub fn absent_for(mut self, ttl: impl Into<Ttl>) -> Self {
        self.absent = Some(ttl.into());
        self
    }

    async fn run<Fut, Values, T, E>(self) -> Result<HashMap<String, T>, LoadError<E>>
    where
        F: FnOnce(Vec<String>) -> Fut + Send,
        Fut: Future<Output = Result<Values, E>> + Send,
        Values: IntoIterator<Item = (String, T)>,
        T: Serialize + DeserializeOwned + Send,
    {
        let found = self.cache.find_many::<T>(&self.names).await;
        let (mut values, missing) = match found {
            Ok((values, missing)) if missing.is_empty() => return Ok(values),
            Ok(found) => found,
            // Counted and logged; without the store, the loader makes all of them, and nothing is filed.
            Err(CacheError::Store(_)) => {
                let loaded = (self.loader)(self.names.clone()).await;
                let loaded = loaded.map_err(|error| LoadError::Load(Arc::new(error)))?;
                let asked: HashSet<&String> = self.names.iter().collect();
                let loaded = loaded.into_iter();
                return Ok(loaded.filter(|(name, _)| asked.contains(name)).collect());
            }
            Err(error) => return Err(error.into()),
        };
        let names = missing.iter().map(|one| one.name.clone()).collect();
        // Collected at once: what the loader brings need not be sendable.
        let loaded = (self.loader)(names).await;
        let loaded = loaded.map(|loaded| loaded.into_iter().collect::<HashMap<String, T>>());
        let mut loaded = loaded.map_err(|error| LoadError::Load(Arc::new(error)))?;
        let records = self
            .cache
            .records(&missing, &loaded, &self.tags, self.ttl, self.absent)?;
        self.cache.fill_many(records).await;
        for one in missing {
            if let Some(value) = loaded.remove(&one.name) {
                values.insert(one.name, value);
            }
        }
        Ok(values)
    }
}

impl Cache {
    fn records<T: Serialize>(
        &self,
        missing: &[Unfound],
        loaded: &HashMap<String, T>,
        tags: &[Mark],
        ttl: Ttl,
        absent: Option<Ttl>,
    ) -> Result<Vec<(KeyBuf, Arc<Record>)>, CacheError> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let until = |ttl: Ttl| end(ttl, shared.default_ttl, now);
        let (there, absent) = (until(ttl), absent.and_then(until));
        let mut records = Vec::with_capacity(missing.len());
        for one in missing {
            let value = loaded.get(&one.name);
            let value = value.map(|value| Encoded::of(value, shared.codec, &one.name));
            let (value, end): (Encoded, Option<Now>) = match value {
                Some(value) => (value?, there),
                None => (Encoded::absent(), absent),
            };
            let Some(end) = end else {
                continue;
            };
            let mut marks = shared.own_marks(&one.key).to_vec();
            marks.extend_from_slice(tags);
            let times = times(now, end, Duration::ZERO);
            let record = record_of(value.kind, value.body, one.stamp, times, marks);
            records.push((one.key.clone(), record));
        }
        Ok(records)
    }

    /// Files what was loaded; what the store does not take has been loaded all the same.
    async fn fill_many(&self, records: Vec<(KeyBuf, Arc<Record>)>) {
        let shared = &self.shared;
        let ops: Vec<(Key<'_>, Op)> = records
            .iter()
            .map(|(key, record)| (key.as_key(), Op::Put(record.clone(), When::Fenced)))
            .collect();
        let done: Result<_, StoreError> = shared.apply_all(&ops, shared.clock.now()).await;
        for done in done.unwrap_or_default() {
            if done == Done::Stored {
                shared.counters.value(Event::Set);
            }
        }
    }
}

impl<'a, F, Fut, Values, T, E> IntoFuture for GetManyOrLoad<'a, F>
where
    F: FnOnce(Vec<String>) -> Fut + Send + 'a,
    Fut: Future<Output = Result<Values, E>> + Send + 'a,
    Values: IntoIterator<Item = (String, T)> + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
    E: Send + Sync + 'a,
{
    type Output = Result<HashMap<String, T>, LoadError<E>>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Each key once, in their order.
fn distinct(keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut seen = HashSet::new();
    let keys = keys.into_iter().map(|key| key.as_ref().to_owned());
    keys.filter(|key| seen.insert(key.clone())).collect()
}
