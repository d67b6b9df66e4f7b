//! Taking values away. Each of these outruns the fills that are under way.

use super::Cache;
use super::error::CacheError;
use crate::store::{Matching, Purge, glob};

impl Cache {
    /// Removes the value under `key`, and says whether there was one. Fills of it that are under way are refused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    ///
    /// let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
    /// cache.set("dish:1", "soup", minutes(5)).await?;
    /// assert!(cache.delete("dish:1").await?);
    /// assert!(!cache.delete("dish:1").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CacheError::Purge`] when the store did not take it: the value may still be answered.
    pub async fn delete(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.delete_many([key]).await? > 0)
    }

    /// Removes the values under all of `keys` in one round trip, and says how many there were.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_many<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64, CacheError> {
        let shared = &self.shared;
        let keys = keys.into_iter().map(|key| {
            let key = shared.value_key(key.as_ref())?;
            let mark = shared.mark_of(&key);
            Ok((key, mark))
        });
        let keys: Vec<_> = keys.collect::<Result<_, CacheError>>()?;
        if keys.is_empty() {
            return Ok(0);
        }
        Ok(self.purge(Purge::Keys(keys)).await?.removed())
    }

    /// Removes all values whose keys start with `prefix`, and says how many there were. Fills of this cache that are under way are refused.
    ///
    /// It looks for them, in time that grows with what is stored: where they can be known beforehand, a [tag](crate::cache::Put::tag) is
    /// better. Pages are left alone.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64, CacheError> {
        let within = self.shared.value_prefix(prefix.as_bytes());
        let matching = Purge::Matching(Matching::prefix(within));
        Ok(self.purge(matching).await?.removed())
    }

    /// Removes all values whose keys match `pattern`, as [`delete_prefix`](Self::delete_prefix) does: see [`glob`].
    ///
    /// ```no_run
    /// # async fn run(cache: larder::Cache) -> Result<(), larder::CacheError> {
    /// let removed = cache.delete_matching("dish:*:de").await?;
    /// # let _ = removed;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_matching(&self, pattern: &str) -> Result<u64, CacheError> {
        let pattern = pattern.as_bytes();
        let within = self.shared.value_prefix(literal(pattern));
        let begin = self.shared.space.len() + 1;
        let wanted: Box<[u8]> = pattern.into();
        let is_found = move |key: &[u8]| {
            let name = key.get(begin..);
            name.is_some_and(|name| glob::matches(&wanted, name))
        };
        let matching = Matching::by(within, is_found).narrowed_by(pattern);
        Ok(self.purge(Purge::Matching(matching)).await?.removed())
    }
}

/// What all names start with that match: fewer have to be looked at.
fn literal(pattern: &[u8]) -> &[u8] {
    let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let end = pattern.iter().position(special).unwrap_or(pattern.len());
    &pattern[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_with_what_is_plain() {
        for (pattern, plain) in [
            ("dish:*", "dish:"),
            ("a?b", "a"),
            ("a[bc]", "a"),
            ("a\\*b", "a"),
            ("*", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(literal(pattern.as_bytes()), plain.as_bytes(), "{pattern}");
        }
    }
}
