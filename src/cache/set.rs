//! Writing values.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::codec::Encoded;
use super::error::CacheError;
use super::get::Standing;
use super::lifetime::{end, times};
use super::{Cache, Shared};
use crate::clock::Now;
use crate::monitor::Event;
use crate::store::{Done, Head, KeyBuf, Kind, Mark, Op, Record, Stamp, Times, When};
use crate::ttl::Ttl;

/// How often a write is tried that others outrun.
pub(super) const TRIES: usize = 8;

pub(super) type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A value on its way into the cache: await it. Made by [`Cache::set`] and [`Cache::add`].
#[must_use = "nothing is written until this is awaited"]
pub struct Put<'a, Answer> {
    cache: &'a Cache,
    key: &'a str,
    value: Result<Encoded, CacheError>,
    ttl: Ttl,
    tags: Vec<Mark>,
    answer: PhantomData<fn() -> Answer>,
}

impl Cache {
    /// Files `value` under `key` for `ttl`, in place of what stands there.
    ///
    /// The last writer wins. A value that was read from the database before a purge, and is set after it, is stored: where that matters, use
    /// [`get_or_set`](Self::get_or_set) or [`lookup`](Self::lookup), whose fills a purge refuses. A lifetime of zero removes
    /// what stands there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, Ttl, hours};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// cache.set("rate:eur", &1.08, Ttl::Default).await?;
    /// cache.set("dish:5", "soup", hours(1)).tag("menu").await?;
    ///
    /// // Values and pages alike:
    /// cache.purge_tag("menu").await?;
    /// assert_eq!(cache.get::<String>("dish:5").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::Encode`], [`CacheError::TooLarge`], [`CacheError::EmptyKey`], [`CacheError::LongKey`], and
    /// [`CacheError::Store`] when the store is unwell.
    pub fn set<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> Put<'a, ()> {
        Put::new(self, key, value, ttl.into())
    }

    /// Files `value` under `key` for `ttl` if there is no value there, and says whether it has. Of many that add at once, one does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, days};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// assert!(cache.add("mailed:7", &true, days(1)).await?);
    /// assert!(!cache.add("mailed:7", &true, days(1)).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn add<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> Put<'a, bool> {
        Put::new(self, key, value, ttl.into())
    }
}

impl<'a, Answer> Put<'a, Answer> {
    fn new<T: Serialize + ?Sized>(cache: &'a Cache, key: &'a str, value: &T, ttl: Ttl) -> Self {
        Self {
            cache,
            key,
            value: Encoded::of(value, cache.shared.codec, key),
            ttl,
            tags: Vec::new(),
            answer: PhantomData,
        }
    }

    /// Tags the value, so that [`Cache::purge_tag`] frees it. Tags add up.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        self.tags.push(self.cache.shared.tag_mark(tag.as_ref()));
        self
    }

    async fn run(self, over: Over) -> Result<bool, CacheError> {
        let shared = &self.cache.shared;
        let key = shared.value_key(self.key)?;
        let value = self.value?;
        let now = shared.clock.now();
        let Some(end) = end(self.ttl, shared.default_ttl, now) else {
            return match over {
                Over::Anything => self.cache.delete(self.key).await.map(|_| true),
                Over::Nothing => Ok(!self.cache.contains(self.key).await?),
            };
        };
        let mut marks = shared.own_marks(&key).to_vec();
        marks.extend(self.tags);
        let write = Write {
            name: self.key,
            key: &key,
            value,
            times: times(now, end, Duration::ZERO),
            marks: marks.into(),
        };
        let is_written = shared.write(write, over).await?;
        if is_written {
            shared.counters.value(Event::Set);
        }
        Ok(is_written)
    }
}

impl<'a> IntoFuture for Put<'a, ()> {
    type Output = Result<(), CacheError>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.run(Over::Anything).await.map(|_| ()) })
    }
}

impl<'a> IntoFuture for Put<'a, bool> {
    type Output = Result<bool, CacheError>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run(Over::Nothing))
    }
}

/// What a write may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Anything,
    /// Only what no reader would be given.
    Nothing,
}

/// A write that is no fill.
pub(super) struct Write<'a> {
    pub(super) name: &'a str,
    pub(super) key: &'a KeyBuf,
    pub(super) value: Encoded,
    pub(super) times: Times,
    pub(super) marks: Arc<[Mark]>,
}

impl Shared {
    /// Writes; `false` if something stands there that may not be replaced.
    pub(super) async fn write(&self, write: Write<'_>, over: Over) -> Result<bool, CacheError> {
        let mut stamp = self.stamp_for(write.key, write.times.born).await?;
        let mut when = match over {
            Over::Anything => When::Always,
            Over::Nothing => When::Absent,
        };
        for _ in 0..TRIES {
            let record = write.record(stamp);
            let now = self.clock.now();
            let op = Op::Put(record, when);
            match self.apply(write.key.as_key(), op, now).await? {
                Done::Stored => return Ok(true),
                Done::TooLarge => {
                    return Err(CacheError::TooLarge {
                        key: write.name.to_owned(),
                    });
                }
                // A purge lies between the stamp and now, or what stands there may be past its time: look again.
                _ => {}
            }
            let found = self.look_up(write.key, now).await?;
            stamp = found.stamp;
            if over == Over::Anything {
                continue;
            }
            when = match Standing::of(found.record, now) {
                Standing::Fresh(_) => return Ok(false),
                Standing::Stale(record) | Standing::Absent(record) => When::Same(record.id),
                Standing::Nothing => When::Absent,
            };
        }
        Err(CacheError::Contended {
            key: write.name.to_owned(),
        })
    }
}

impl Write<'_> {
    fn record(&self, stamp: Stamp) -> Arc<Record> {
        let value = &self.value;
        record_of(
            value.kind,
            value.body.clone(),
            stamp,
            self.times,
            self.marks.clone(),
        )
    }
}

/// The record of a value: all of it is in its body.
pub(super) fn record_of(
    kind: Kind,
    body: Bytes,
    stamp: Stamp,
    times: Times,
    marks: impl Into<Arc<[Mark]>>,
) -> Arc<Record> {
    let head = Head::Wire(Bytes::new());
    Arc::new(Record::new(kind, stamp, times, marks, head, body))
}

/// A record that is kept until `end`.
pub(super) fn plain(
    value: Encoded,
    stamp: Stamp,
    now: Now,
    end: Now,
    marks: impl Into<Arc<[Mark]>>,
) -> Arc<Record> {
    let times = times(now, end, Duration::ZERO);
    record_of(value.kind, value.body, stamp, times, marks)
}
