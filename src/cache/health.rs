//! Is the store well?

use std::time::Duration;

use super::Cache;
use super::codec::Encoded;
use super::error::CacheError;
use super::key::Role;
use super::set::{TRIES, plain};
use crate::store::{Done, If, Op, When};
use crate::ttl::seconds;

/// How long what a check writes is kept, where it does not get to take it away.
const KEPT: Duration = seconds(10);

/// What a [health check](Cache::health) has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How long writing, reading and removing took together.
    pub latency: Duration,
}

impl Cache {
    /// Writes something, reads it back and removes it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, NullStore, seconds};
    ///
    /// let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
    /// assert!(cache.health().await?.latency < seconds(1));
    ///
    /// let error = Cache::builder(NullStore).build()?.health().await.unwrap_err();
    /// assert_eq!(error.to_string(), "the store does not keep what it is given");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] when the store is unwell, or takes longer than the store timeout for one step, and [`CacheError::NotKept`] when
    /// it does not give back what it has taken.
    pub async fn health(&self) -> Result<Health, CacheError> {
        let shared = &self.shared;
        let since = shared.clock.elapsed();
        // Under a key of its own: two that check at once do not meet.
        let name = format!(
            "{:032x}",
            u128::from(crate::store::random()) << 64 | u128::from(crate::store::random())
        );
        let key = shared.key_of(Role::Health, &name)?;
        for _ in 0..TRIES {
            let now = shared.clock.now();
            let stamp = shared.look_up(&key, now).await?.stamp;
            let marks = shared.own_marks(&key);
            let record = plain(Encoded::number(1), stamp, now, now + KEPT, marks);
            let id = record.id;
            match shared
                .apply(key.as_key(), Op::Put(record, When::Always), now)
                .await?
            {
                Done::Stored => {}
                // A purge came in between.
                Done::Outlawed => continue,
                _ => return Err(CacheError::NotKept),
            }
            let found = shared.look_up(&key, shared.clock.now()).await?;
            let removal = Op::Remove(If::Same(id));
            match found.record {
                Some(record) if record.id == id => {
                    shared.apply(key.as_key(), removal, now).await?;
                    return Ok(Health {
                        latency: shared.clock.elapsed().saturating_sub(since),
                    });
                }
                // Cleared in between.
                _ if found.stamp != stamp => {}
                _ => return Err(CacheError::NotKept),
            }
        }
        Err(CacheError::NotKept)
    }
}
