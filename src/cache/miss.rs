//! A look-up and its fill, apart: for what no closure can make.

use std::future::IntoFuture;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cache;
use super::codec::{Encoded, decode};
use super::error::CacheError;
use super::get::Standing;
use super::lifetime::{end, times};
use super::set::{Answering, record_of};
use crate::monitor::Event;
use crate::store::{Done, KeyBuf, Mark, Op, Stamp, When};
use crate::ttl::Ttl;

/// What a [`Cache::lookup`] brings.
#[derive(Debug)]
pub enum Lookup<T> {
    /// The value.
    Hit(T),
    /// There is none, and this is the right to file one.
    Miss(Miss),
}

/// The right to file what was read after a miss.
#[derive(Debug)]
pub struct Miss {
    cache: Cache,
    name: String,
    key: KeyBuf,
    stamp: Stamp,
}

/// A fill on its way into the cache: await it. Made by [`Miss::fill`].
#[must_use = "nothing is written until this is awaited"]
pub struct Fill {
    miss: Miss,
    value: Result<Encoded, CacheError>,
    ttl: Ttl,
    tags: Vec<Mark>,
}

impl Cache {
    /// Looks `key` up; a miss can be filled, and that fill loses to every purge and delete that comes in between.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::cache::Lookup;
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let Lookup::Miss(miss) = cache.lookup::<String>("dish:5").await? else {
    ///     unreachable!("nothing was stored");
    /// };
    /// let read = "soup";
    ///
    /// // Somebody changes the dish meanwhile, and says so:
    /// cache.delete("dish:5").await?;
    ///
    /// assert!(!miss.fill(read, minutes(5)).tag("menu").await?);
    /// assert!(!cache.contains("dish:5").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn lookup<T: DeserializeOwned>(&self, key: &str) -> Result<Lookup<T>, CacheError> {
        let shared = &self.shared;
        let named = shared.value_key(key)?;
        let now = shared.clock.now();
        let found = shared.look_up(&named, now).await?;
        if let Standing::Fresh(record) = Standing::of(found.record, now) {
            shared.counters.value(Event::Hit);
            return Ok(Lookup::Hit(decode(&record, key)?));
        }
        shared.counters.value(Event::Miss);
        Ok(Lookup::Miss(Miss {
            cache: self.clone(),
            name: key.to_owned(),
            key: named,
            stamp: found.stamp,
        }))
    }
}

impl Miss {
    /// The key that was looked up.
    pub fn key(&self) -> &str {
        &self.name
    }

    /// Files `value` for `ttl`, and says whether it stands there now: not if a purge or a delete has come in between, nor if something
    /// younger is there already.
    ///
    /// # Errors
    ///
    /// As [`Cache::set`].
    pub fn fill<T: Serialize + ?Sized>(self, value: &T, ttl: impl Into<Ttl>) -> Fill {
        Fill {
            value: Encoded::of(value, self.cache.shared.codec, &self.name),
            miss: self,
            ttl: ttl.into(),
            tags: Vec::new(),
        }
    }
}

impl Fill {
    /// Tags the value, so that [`Cache::purge_tag`] frees it. Tags add up.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        self.tags
            .push(self.miss.cache.shared.tag_mark(tag.as_ref()));
        self
    }

    async fn run(self) -> Result<bool, CacheError> {
        let Miss {
            cache,
            name,
            key,
            stamp,
        } = self.miss;
        let shared = &cache.shared;
        let Encoded { kind, body } = self.value?;
        let now = shared.clock.now();
        let Some(end) = end(self.ttl, shared.default_ttl, now) else {
            return Ok(false);
        };
        let mut marks = shared.own_marks(&key).to_vec();
        marks.extend(self.tags);
        let record = record_of(kind, body, stamp, times(now, end, Duration::ZERO), marks);
        let op = Op::Put(record, When::Fenced);
        match shared.apply(key.as_key(), op, now).await? {
            Done::Stored => {
                shared.counters.value(Event::Set);
                Ok(true)
            }
            Done::TooLarge => Err(CacheError::TooLarge { key: name }),
            _ => Ok(false),
        }
    }
}

impl IntoFuture for Fill {
    type Output = Result<bool, CacheError>;
    type IntoFuture = Answering<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
