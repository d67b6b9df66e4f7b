//! Locks that only their owner can release.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::codec::Encoded;
use super::error::CacheError;
use super::key::Role;
use super::lifetime::later;
use super::set::{TRIES, plain};
use super::{Cache, Shared};
use crate::clock::Now;
use crate::store::{Done, If, KeyBuf, Op, RecordId, StoreError, When};

/// How long a waiting caller pauses between two tries: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A lock that may be taken. Made by [`Cache::lock`].
#[must_use = "a lock is not held until it is taken"]
pub struct Lock<'a> {
    cache: &'a Cache,
    name: &'a str,
    ttl: Duration,
}

/// A lock that is held, until it is released, dropped, or its time is over.
#[must_use = "dropped, the lock is released"]
pub struct LockGuard {
    cache: Cache,
    key: KeyBuf,
    id: RecordId,
    is_held: bool,
}

impl Cache {
    /// A lock by the name of `name`, held for at most `ttl` (at least a millisecond): among all who share the store.
    ///
    /// It keeps work from being done twice; it does not make a store of a database. A lock ends by itself when its time is over, when the
    /// store evicts it, and when the whole cache is [cleared](Self::clear), and its owner is told only when it asks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, seconds};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let guard = cache.lock("nightly", seconds(60)).try_acquire().await?;
    /// let guard = guard.expect("nobody else has it");
    /// assert!(cache.lock("nightly", seconds(60)).try_acquire().await?.is_none());
    /// // … the work …
    /// assert!(guard.release().await?, "it was held to the end");
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock<'a>(&'a self, name: &'a str, ttl: Duration) -> Lock<'a> {
        Lock {
            cache: self,
            name,
            ttl: ttl.max(Duration::from_millis(1)),
        }
    }
}

impl Lock<'_> {
    /// Takes the lock, if nobody holds it.
    ///
    /// # Errors
    ///
    /// [`CacheError::NotKept`] on a store that keeps nothing, where a lock would keep nobody out; [`CacheError::EmptyKey`],
    /// [`CacheError::LongKey`], and [`CacheError::Store`] when the store is unwell.
    pub async fn try_acquire(self) -> Result<Option<LockGuard>, CacheError> {
        self.take().await
    }

    /// Takes the lock, and waits for it for at most `bound`.
    ///
    /// Those who wait try again every now and then, at most 100 ms apart, in no order.
    ///
    /// # Errors
    ///
    /// [`CacheError::Locked`] when others have held it all the time, else as [`try_acquire`](Self::try_acquire).
    pub async fn acquire(self, bound: Duration) -> Result<LockGuard, CacheError> {
        let until = later(Instant::now(), bound);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(guard) = self.take().await? {
                return Ok(guard);
            }
            let now = Instant::now();
            if now >= until {
                return Err(CacheError::Locked {
                    name: self.name.to_owned(),
                });
            }
            sleep_until((now + pause).min(until)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn take(&self) -> Result<Option<LockGuard>, CacheError> {
        let shared = &self.cache.shared;
        // A store that takes everything and keeps nothing would give the lock to everyone.
        if !shared.store.about().keeps {
            return Err(CacheError::NotKept);
        }
        let key = shared.key_of(Role::Lock, self.name)?;
        let mut stamp = shared.stamp_for(&key, shared.clock.now()).await?;
        for _ in 0..TRIES {
            let now = shared.clock.now();
            let marks = shared.own_marks(&key);
            let record = plain(Encoded::absent(), stamp, now, now + self.ttl, marks);
            let id = record.id;
            let op = Op::Put(record, When::Absent);
            match shared.apply(key.as_key(), op, now).await? {
                Done::Stored => {
                    let guard = LockGuard {
                        cache: self.cache.clone(),
                        key,
                        id,
                        is_held: true,
                    };
                    return Ok(Some(guard));
                }
                Done::Refused => return Ok(None),
                Done::TooLarge => {
                    return Err(CacheError::TooLarge {
                        key: self.name.to_owned(),
                    });
                }
                // A purge lies between the stamp and now.
                _ => stamp = shared.look_up(&key, now).await?.stamp,
            }
        }
        Err(CacheError::Contended {
            key: self.name.to_owned(),
        })
    }
}

impl LockGuard {
    /// Holds the lock for `ttl` from now on, and says whether it was still held.
    ///
    /// # Errors
    ///
    /// When the store is unwell: then it is not known.
    pub async fn extend(&self, ttl: Duration) -> Result<bool, CacheError> {
        let shared = &self.cache.shared;
        let now = shared.clock.now();
        let end = now + ttl.max(Duration::from_millis(1));
        let op = Op::Life {
            fresh_until: end,
            keep_until: end,
            of: If::Same(self.id),
        };
        let done = shared.apply(self.key.as_key(), op, now).await?;
        Ok(done == Done::Stored)
    }

    /// Releases the lock, and says whether it was held until now: if not, its time was over, and another may have had it since.
    ///
    /// # Errors
    ///
    /// When the store is unwell: then it is held until its time is over.
    pub async fn release(mut self) -> Result<bool, CacheError> {
        self.is_held = false;
        Ok(release(&self.cache.shared, &self.key, self.id).await?)
    }
}

async fn release(shared: &Shared, key: &KeyBuf, id: RecordId) -> Result<bool, StoreError> {
    let now: Now = shared.clock.now();
    // One that is over is no more held, though the store may not have taken it away.
    let found = shared.look_up(key, now).await?;
    let is_mine = found.record.is_some_and(|record| record.id == id);
    if !is_mine {
        return Ok(false);
    }
    let op = Op::Remove(If::Same(id));
    Ok(shared.apply(key.as_key(), op, now).await? == Done::Removed)
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let (shared, key, id) = (self.cache.shared.clone(), self.key.clone(), self.id);
        // Past the limit too: it is short, and others wait. Without a runtime, the lock ends with its time.
        self.cache
            .shared
            .background
            .spawn_owed(Box::pin(async move {
                // Counted and logged where it was made.
                let _ = release(&shared, &key, id).await;
            }));
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").finish_non_exhaustive()
    }
}
