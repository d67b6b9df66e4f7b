//! Looking values up.

use std::sync::Arc;
use std::task::Poll;

use serde::de::DeserializeOwned;

use super::codec::{Held, decode, held};
use super::error::CacheError;
use super::lifetime::Lifetime;
use super::{Cache, Shared};
use crate::clock::Now;
use crate::monitor::Event;
use crate::store::{Found, Key, KeyBuf, Record, Stamp, StoreError};

/// What stands under a key.
pub(super) enum Standing {
    /// A value that may be answered.
    Fresh(Arc<Record>),
    /// A value that is over, and kept for when its loader is slow or fails.
    Stale(Arc<Record>),
    /// The word that nothing is there.
    Absent(Arc<Record>),
    Nothing,
}

impl Standing {
    pub(super) fn of(record: Option<Arc<Record>>, now: Now) -> Self {
        let Some(record) = record else {
            return Self::Nothing;
        };
        let is_fresh = now < record.times.fresh_until;
        match held(&record) {
            Held::Value if is_fresh => Self::Fresh(record),
            Held::Value => Self::Stale(record),
            Held::Absent if is_fresh => Self::Absent(record),
            Held::Absent | Held::Foreign => Self::Nothing,
        }
    }

    pub(super) fn fresh(self) -> Option<Arc<Record>> {
        match self {
            Self::Fresh(record) => Some(record),
            _ => None,
        }
    }
}

/// Values: small things of the application's own, under keys that it chooses.
impl Cache {
    /// The value under `key`, if there is one. A stored `None` or `()` is a value: ask for an `Option`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, CacheError, MIB, MemoryStore, minutes};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// struct Dish {
    ///     name: String,
    ///     cents: u32,
    /// }
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let soup = Dish { name: "soup".to_owned(), cents: 650 };
    /// cache.set("dish:1", &soup, minutes(5)).await?;
    /// assert_eq!(cache.get("dish:1").await?, Some(soup));
    /// assert_eq!(cache.get::<Dish>("dish:2").await?, None);
    ///
    /// cache.set("dish:3", &None::<Dish>, minutes(5)).await?;
    /// assert_eq!(cache.get::<Option<Dish>>("dish:3").await?, Some(None));
    ///
    /// let error = cache.get::<u32>("dish:1").await.unwrap_err();
    /// assert!(matches!(error, CacheError::WrongType { key, .. } if key == "dish:1"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::WrongType`] when there is a value and it is no `T`, [`CacheError::EmptyKey`] and [`CacheError::LongKey`], and
    /// [`CacheError::Store`] when the store is unwell.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        let shared = &self.shared;
        let found = self.fresh(key).await?;
        shared.counters.value(match found {
            Some(_) => Event::Hit,
            None => Event::Miss,
        });
        found.map(|record| decode(&record, key)).transpose()
    }

    /// Is there a value under `key`, of whatever type?
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), without [`CacheError::WrongType`].
    pub async fn contains(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.fresh(key).await?.is_some())
    }

    /// What is left of the lifetime of the value under `key`; `None` if there is no value.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, Lifetime, MIB, MemoryStore, Ttl};
    ///
    /// let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
    /// cache.set("motd", "hello", Ttl::Forever).await?;
    /// assert_eq!(cache.ttl("motd").await?, Some(Lifetime::Forever));
    /// assert_eq!(cache.ttl("other").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`contains`](Self::contains).
    pub async fn ttl(&self, key: &str) -> Result<Option<Lifetime>, CacheError> {
        let found = self.fresh(key).await?;
        let now = self.shared.clock.now();
        Ok(found.and_then(|record| Lifetime::until(record.times.fresh_until, now)))
    }

    pub(super) async fn fresh(&self, key: &str) -> Result<Option<Arc<Record>>, CacheError> {
        let shared = &self.shared;
        let key = shared.value_key(key)?;
        let now = shared.clock.now();
        let found = shared.look_up(&key, now).await?;
        Ok(Standing::of(found.record, now).fresh())
    }
}

impl Shared {
    pub(super) async fn look_up(&self, key: &KeyBuf, now: Now) -> Result<Found, StoreError> {
        let found = self.get(&[key.as_key()], now).await?;
        let found = found.into_iter().next();
        let found = found.ok_or_else(|| StoreError::new("read", "no answer for the key"))?;
        self.see(&found);
        Ok(found)
    }

    pub(super) async fn look_up_all(
        &self,
        keys: &[KeyBuf],
        now: Now,
    ) -> Result<Vec<Found>, StoreError> {
        let keys: Vec<Key<'_>> = keys.iter().map(KeyBuf::as_key).collect();
        let found = self.get(&keys, now).await?;
        if found.len() != keys.len() {
            return Err(StoreError::new("read", "not every key was answered"));
        }
        found.iter().for_each(|found| self.see(found));
        Ok(found)
    }

    fn see(&self, found: &Found) {
        self.latest.note(found.stamp);
        if let Some(record) = &found.record
            && held(record) == Held::Foreign
        {
            self.counters.foreign();
        }
    }

    /// A stamp for a write that begins now: not younger than the fence is, and at no cost but the first time.
    pub(super) async fn stamp_for(&self, key: &KeyBuf, now: Now) -> Result<Stamp, StoreError> {
        if let Poll::Ready(Ok(found)) = self.get_now(key.as_key(), now) {
            return Ok(found.stamp);
        }
        match self.latest.get() {
            Some(stamp) => Ok(stamp),
            None => Ok(self.look_up(key, now).await?.stamp),
        }
    }
}
