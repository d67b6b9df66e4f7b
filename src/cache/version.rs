//! One cache at several versions of what is stored in it.

use std::sync::{Arc, Mutex, PoisonError};

use super::builder::space;
use super::error::CacheError;
use super::get::Standing;
use super::set::{TRIES, record_of};
use super::stamp::Latest;
use super::{Cache, Shared};
use crate::store::{Done, If, Mark, Op, Space, Store, When};

/// How many versions keep their part of the store at hand.
const MOST: usize = 16;

/// The parts of a store that the versions of one namespace have.
pub(super) struct Versions {
    store: Arc<dyn Store>,
    namespace: String,
    parts: Mutex<Vec<(u32, Arc<dyn Store>)>>,
}

/// Where one version stands.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    pub(super) space: Box<[u8]>,
    pub(super) mark: Mark,
}

impl Versions {
    pub(super) fn new(store: Arc<dyn Store>, namespace: String) -> Self {
        Self {
            store,
            namespace,
            parts: Mutex::default(),
        }
    }

    pub(super) fn place(&self, version: u32) -> Place {
        let space = space(&self.namespace, version);
        let mark = Mark::of("namespace", &[&space]);
        let within = Space::new(&self.namespace, version, &space, mark);
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let at_hand = parts.iter().find(|(other, _)| *other == version);
        let store = match at_hand {
            Some((_, store)) => store.clone(),
            None => {
                let part = self.store.within(&within);
                let part = part.unwrap_or_else(|| self.store.clone());
                if parts.len() >= MOST {
                    parts.remove(0);
                }
                parts.push((version, part.clone()));
                part
            }
        };
        drop(parts);
        Place { store, space, mark }
    }
}

impl Cache {
    /// The same cache at another version of what is stored in it: other entries, and the same options, flights and statistics.
    ///
    /// Purges and [`clear`](Self::clear) reach the entries of their own version alone.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(MIB)).version(1).build()?;
    /// cache.set("motd", "hello", minutes(5)).await?;
    /// cache.at_version(2).set("motd", "good day", minutes(5)).await?;
    /// assert_eq!(cache.get::<String>("motd").await?.as_deref(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn at_version(&self, version: u32) -> Self {
        if version == self.shared.version {
            return self.clone();
        }
        let place = self.shared.versions.place(version);
        Self {
            shared: Arc::new(Shared {
                store: place.store,
                space: place.space,
                namespace_mark: place.mark,
                version,
                latest: Latest::default(),
                ..(*self.shared).clone()
            }),
        }
    }

    /// The version that this handle reads and writes.
    pub fn version(&self) -> u32 {
        self.shared.version
    }

    /// Moves a value to the next version, with what is left of its lifetime, and answers that version's number.
    ///
    /// Tags stay behind: a purge of a tag at the new version does not reach it, one at the old version does.
    ///
    /// # Errors
    ///
    /// [`CacheError::Missing`] when there is no value, [`CacheError::Overflow`] after the last version, and when the store is unwell.
    pub async fn incr_version(&self, key: &str) -> Result<u32, CacheError> {
        let missing = || CacheError::Missing {
            key: key.to_owned(),
        };
        let version = self.shared.version.checked_add(1);
        let version = version.ok_or_else(|| CacheError::Overflow {
            key: key.to_owned(),
        })?;
        let (here, there) = (&self.shared, self.at_version(version).shared);
        let (from, to) = (here.value_key(key)?, there.value_key(key)?);
        for _ in 0..TRIES {
            let now = here.clock.now();
            let found = here.look_up(&from, now).await?;
            let Standing::Fresh(old) = Standing::of(found.record, now) else {
                return Err(missing());
            };
            // What is as old as it was is not made younger: it keeps its stamp, and the marks that may still strike it.
            let own = here.own_marks(&from);
            let kept = old.marks.iter().filter(|mark| !own.contains(mark)).copied();
            let marks: Vec<Mark> = there.own_marks(&to).into_iter().chain(kept).collect();
            let record = record_of(old.kind, old.body.clone(), old.stamp, old.times, marks);
            match there
                .apply(to.as_key(), Op::Put(record, When::Always), now)
                .await?
            {
                Done::Stored => {}
                Done::TooLarge => {
                    return Err(CacheError::TooLarge {
                        key: key.to_owned(),
                    });
                }
                // It was purged in between: look again.
                _ => continue,
            }
            let removal = Op::Remove(If::Same(old.id));
            here.apply(from.as_key(), removal, now).await?;
            return Ok(version);
        }
        Err(CacheError::Contended {
            key: key.to_owned(),
        })
    }
}
