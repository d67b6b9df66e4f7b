//! Purges that make stale, and let go on answering what may while it is refreshed.

use super::{Cache, Purged};
use crate::page::PageKey;
use crate::store::{Mark, Purge, PurgeError};

/// Soft purges of a cache; made by [`Cache::soft`].
#[derive(Clone, Copy, Debug)]
pub struct SoftPurges<'a> {
    cache: &'a Cache,
}

impl Cache {
    /// Purges that only make stale.
    ///
    /// What they strike is stale from now on, but still there: it is validated or made anew when it is asked for next, and as long as its stale
    /// windows allow, which count from now, it answers meanwhile, or where the handler fails. What may not be used stale is refreshed
    /// first. So a whole site can be renewed without every page being made at once.
    ///
    /// They make no promise: answers from before may be seen for as long as the windows are. Where that would be wrong, use
    /// [`purge_tag`](Self::purge_tag) and its like.
    ///
    /// ```
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let menu = cache.page(minutes(30)).tag("menu").stale_while_revalidate(minutes(1));
    ///
    /// cache.soft().purge_tag("menu").await?;
    /// # drop(menu);
    /// # Ok(())
    /// # }
    /// ```
    pub fn soft(&self) -> SoftPurges<'_> {
        SoftPurges { cache: self }
    }
}

impl SoftPurges<'_> {
    /// Makes everything stale that carries `tag`.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tag(&self, tag: &str) -> Result<Purged, PurgeError> {
        self.purge_tags([tag]).await
    }

    /// Makes everything stale that carries one of `tags`, in one step.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tags<T: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Purged, PurgeError> {
        self.purge(self.cache.shared.tag_marks(tags)).await
    }

    /// Makes a page stale with all its variants and queries. See [`Cache::purge_page`] for what `address` may be.
    ///
    /// # Errors
    ///
    /// When `address` is none, or the store did not take the purge.
    pub async fn purge_page(&self, address: &str) -> Result<Purged, PurgeError> {
        self.purge(vec![self.cache.shared.page_mark(address)?])
            .await
    }

    /// Makes one key stale: the page of one address and query, with all its variants.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_key(&self, key: &PageKey) -> Result<Purged, PurgeError> {
        let mark = self.cache.shared.key_mark(key.as_bytes());
        self.purge(vec![mark]).await
    }

    /// Makes everything of this cache's namespace and version stale.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn clear(&self) -> Result<Purged, PurgeError> {
        self.purge(vec![self.cache.shared.namespace_mark]).await
    }

    async fn purge(&self, marks: Vec<Mark>) -> Result<Purged, PurgeError> {
        let now = self.cache.shared.clock.now();
        self.cache.purge(Purge::Soft(marks, now)).await
    }
}
