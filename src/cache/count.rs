//! Counting.

use std::sync::Arc;
use std::time::Duration;

use super::Cache;
use super::codec::Encoded;
use super::error::CacheError;
use super::get::Standing;
use super::lifetime::{end, times};
use super::set::{TRIES, record_of};
use crate::monitor::Event;
use crate::store::{Done, KeyBuf, Op, Record, When};
use crate::ttl::Ttl;

impl Cache {
    /// Adds `by` to the number under `key` in one step, and answers what it is then. Its lifetime stays as it was.
    ///
    /// Integers that were [set](Self::set) and fit an `i64` can be counted, whatever their type. A number that is kept beyond its
    /// lifetime, for [stale answers](crate::cache::GetOrSet::stale_for), is counted as well.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, CacheError, NullStore};
    ///
    /// let cache = Cache::builder(NullStore).build()?;
    /// let error = cache.incr("visits", 1).await.unwrap_err();
    /// assert!(matches!(error, CacheError::Missing { key } if key == "visits"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::Missing`], [`CacheError::NotANumber`] and [`CacheError::Overflow`], which leave everything as it was; and when the
    /// store is unwell: then it is not known whether it has counted.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        let named = self.shared.value_key(key)?;
        match self.count(&named, by, None).await? {
            Counted::Now(number) => Ok(number),
            Counted::Not(Done::NotANumber) if self.absence(&named).await?.is_some() => {
                Err(uncounted(Done::Nothing, key))
            }
            Counted::Not(done) => Err(uncounted(done, key)),
        }
    }

    /// Takes `by` from the number under `key`, as [`incr`](Self::incr) adds it. Numbers may go below zero.
    ///
    /// # Errors
    ///
    /// As [`incr`](Self::incr).
    pub async fn decr(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        match by.checked_neg() {
            Some(by) => self.incr(key, by).await,
            None => Err(uncounted(Done::Overflow, key)),
        }
    }

    /// Adds `by` to the number under `key`, or files `by` there for `ttl` where there is no value, in one step. The lifetime of a number
    /// that is there stays as it was.
    ///
    /// ```
    /// # async fn handler(cache: larder::Cache, user: u64) -> Result<bool, larder::CacheError> {
    /// use larder::minutes;
    ///
    /// let tries = cache.incr_or_create(&format!("tries:{user}"), 1, minutes(15)).await?;
    /// Ok(tries <= 5)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`incr`](Self::incr), without [`CacheError::Missing`].
    pub async fn incr_or_create(
        &self,
        key: &str,
        by: i64,
        ttl: impl Into<Ttl>,
    ) -> Result<i64, CacheError> {
        let shared = &self.shared;
        let named = shared.value_key(key)?;
        let now = shared.clock.now();
        let Some(end) = end(ttl.into(), shared.default_ttl, now) else {
            // What is over at once is not filed.
            return match self.incr(key, by).await {
                Err(CacheError::Missing { .. }) => Ok(by),
                counted => counted,
            };
        };
        let times = times(now, end, Duration::ZERO);
        let mut stamp = shared.stamp_for(&named, now).await?;
        for _ in 0..TRIES {
            let Encoded { kind, body } = Encoded::number(by);
            let marks = shared.own_marks(&named);
            let first = record_of(kind, body, stamp, times, marks);
            match self.count(&named, by, Some(first.clone())).await? {
                Counted::Now(number) => return Ok(number),
                Counted::Not(Done::Stored) => return Ok(by),
                // A purge lies between the stamp and now.
                Counted::Not(Done::Outlawed) => {}
                Counted::Not(Done::NotANumber) => {
                    let Some(absence) = self.absence(&named).await? else {
                        return Err(uncounted(Done::NotANumber, key));
                    };
                    let op = Op::Put(first, When::Same(absence.id));
                    let done = shared.apply(named.as_key(), op, shared.clock.now()).await?;
                    if done == Done::Stored {
                        shared.counters.value(Event::Set);
                        return Ok(by);
                    }
                }
                Counted::Not(done) => return Err(uncounted(done, key)),
            }
            stamp = shared.look_up(&named, shared.clock.now()).await?.stamp;
        }
        Err(CacheError::Contended {
            key: key.to_owned(),
        })
    }

    /// The word that nothing is there, if that is what cannot be counted.
    async fn absence(&self, key: &KeyBuf) -> Result<Option<Arc<Record>>, CacheError> {
        let now = self.shared.clock.now();
        let found = self.shared.look_up(key, now).await?;
        Ok(match Standing::of(found.record, now) {
            Standing::Absent(record) => Some(record),
            _ => None,
        })
    }

    async fn count(
        &self,
        key: &KeyBuf,
        by: i64,
        create: Option<Arc<Record>>,
    ) -> Result<Counted, CacheError> {
        let shared = &self.shared;
        let op = Op::Count { by, create };
        let done = shared.apply(key.as_key(), op, shared.clock.now()).await?;
        Ok(match done {
            Done::Counted(number) => {
                shared.counters.value(Event::Set);
                Counted::Now(number)
            }
            other => Counted::Not(other),
        })
    }
}

enum Counted {
    Now(i64),
    Not(Done),
}

fn uncounted(done: Done, key: &str) -> CacheError {
    let key = key.to_owned();
    match done {
        Done::NotANumber => CacheError::NotANumber { key },
        Done::Overflow => CacheError::Overflow { key },
        Done::TooLarge => CacheError::TooLarge { key },
        _ => CacheError::Missing { key },
    }
}
