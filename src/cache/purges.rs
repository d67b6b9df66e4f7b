//! Purges that win every race, and how they reach the store.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;

use super::builder::space_of;
use super::pages::PathRule;
use super::{Cache, Shared};
use crate::background::Task;
use crate::identity::Identity;
use crate::monitor::Operation;
use crate::page::PageKey;
use crate::store::{Mark, Purge, PurgeError, Stamp, Store, StoreError};

/// The longest that a purge may take which looks at every entry.
const LONGEST_SEARCH: Duration = Duration::from_secs(60);

/// What a purge that reached every reader of the store has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    stamp: Stamp,
    removed: u64,
}

impl Purged {
    /// The fence's clock after the purge: no answer is older.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many entries were removed there and then. What a tag, a page or the whole cache is purged by is outlawed without being looked
    /// for, and not counted.
    pub const fn removed(&self) -> u64 {
        self.removed
    }
}

impl Cache {
    /// Frees everything that carries `tag`.
    ///
    /// Call it after the data has changed (after the commit).
    ///
    /// # What a purge promises
    ///
    /// Once it has returned `Ok`, no request that starts later is answered with what was read before it: neither from the store, on any node
    /// that reads it, nor by a fill, a flight or a validation that was under way. So do all purges of a [`Cache`], but those that are
    /// [`soft`](Self::soft) or [later](Self::purge_later).
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tag(&self, tag: &str) -> Result<Purged, PurgeError> {
        self.purge_tags([tag]).await
    }

    /// Frees everything that carries one of `tags`, in one step. See [`purge_tag`](Self::purge_tag).
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_tags<T: AsRef<str>>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Purged, PurgeError> {
        self.purge(Purge::Marks(self.shared.tag_marks(tags))).await
    }

    /// Frees a page with all its variants and queries.
    ///
    /// `address` is a path as clients send it (`/menu/soups`: on every host), or an address with host (`//shop.example/menu`,
    /// `https://shop.example/menu`: there alone). With a query, only that query is freed: `/menu?page=2`, without
    /// what the layer's [`QueryRule`](crate::QueryRule) drops and in its order. Schemes are not told apart.
    ///
    /// # Errors
    ///
    /// When `address` is none, or the store did not take the purge.
    pub async fn purge_page(&self, address: &str) -> Result<Purged, PurgeError> {
        let mark = self.shared.page_mark(address)?;
        self.purge(Purge::Marks(vec![mark])).await
    }

    /// Frees one key: the page of one address and query, with all its variants. Keys come from [`CacheLayer::key`](crate::CacheLayer::key).
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_key(&self, key: &PageKey) -> Result<Purged, PurgeError> {
        // By its mark, not by its key: the variants stand under keys of their own.
        self.purge(Purge::Marks(vec![self.shared.key_mark(key.as_bytes())]))
            .await
    }

    /// Frees the pages whose paths start with a prefix, with all their variants and queries.
    ///
    /// `prefix` is the beginning of a path (`/menu/`: on every host), or has the host before it (`//shop.example/menu/`,
    /// `https://shop.example/menu/`: there alone). It is compared with paths as clients send them, byte by byte: `/menu` finds `/menu`,
    /// `/menu/soups` and `/menus`.
    ///
    /// It looks at every entry of the store, and may take up to a minute; all fills that are under way are refused. What a
    /// [tag](Self::purge_tag) can name is freed at once, whatever the number of entries.
    ///
    /// ```
    /// # use larder::{Cache, MIB, MemoryStore};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
    /// let purged = cache.purge_page_prefix("/menu/").await?;
    /// println!("{} entries freed", purged.removed());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When `prefix` does not begin a path, or the store did not take the purge.
    pub async fn purge_page_prefix(&self, prefix: &str) -> Result<Purged, PurgeError> {
        self.purge(self.shared.matching_pages(prefix, PathRule::prefix)?)
            .await
    }

    /// Frees the pages whose paths match a [glob](crate::store::glob), with all their variants and queries.
    ///
    /// `glob` is one for the whole path as clients send it (`/menu/*`, `*.html`: on every host), or has the host before it
    /// (`//shop.example/menu/*`). `*` is any bytes, slashes too. No glob takes longer than its length times that of the paths, so it may come
    /// from people. See [`purge_page_prefix`](Self::purge_page_prefix) for what it costs.
    ///
    /// ```
    /// # use larder::{Cache, MIB, MemoryStore};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
    /// cache.purge_pages_matching("/menu/*/print").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no path can match `glob`, or the store did not take the purge.
    pub async fn purge_pages_matching(&self, glob: &str) -> Result<Purged, PurgeError> {
        self.purge(self.shared.matching_pages(glob, PathRule::glob)?)
            .await
    }

    /// Frees all pages that are kept for this identity, as the [`Identify`](crate::Identify) of their layers tells it: when a user
    /// signs out, or is removed.
    ///
    /// ```
    /// use http::Request;
    /// use larder::{Cache, Identify, NullStore, RequestHead, identity};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_session = identity::cookie("session");
    /// let cache = Cache::builder(NullStore).user(by_session.clone()).build()?;
    ///
    /// // In the handler that signs out:
    /// let request = Request::post("/sign-out").header("cookie", "session=abc").body(())?;
    /// cache.purge_identity(&by_session.identify(&RequestHead::of(&request))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where it is an extension that says who is asking, one is made up for whoever is meant:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use http::Request;
    /// use larder::{Cache, Identify, NullStore, RequestHead, identity};
    ///
    /// #[derive(Clone)]
    /// struct CurrentUser {
    ///     id: u64,
    /// }
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_user = Arc::new(identity::extension("user", |user: &CurrentUser| user.id.to_be_bytes()));
    /// let cache = Cache::builder(NullStore).user(by_user.clone()).build()?;
    ///
    /// // Where user 7 is removed:
    /// let request = Request::builder().extension(CurrentUser { id: 7 }).body(())?;
    /// cache.purge_identity(&by_user.identify(&RequestHead::of(&request))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn purge_identity(&self, identity: &Identity) -> Result<Purged, PurgeError> {
        let digest = self.shared.secret.digest(identity);
        let mark = self.shared.identity_mark(digest);
        self.purge(Purge::Marks(vec![mark])).await
    }

    /// Frees everything of this cache's namespace and version, and nothing else in the store.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn clear(&self) -> Result<Purged, PurgeError> {
        self.purge(Purge::Marks(vec![self.shared.namespace_mark]))
            .await
    }

    /// Frees everything of another version of this cache's namespace: what an older deploy has left.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn clear_version(&self, version: u32) -> Result<Purged, PurgeError> {
        let (_, mark) = space_of(&self.shared.namespace, version);
        self.purge(Purge::Marks(vec![mark])).await
    }

    /// Frees everything of this cache's namespace, whatever its version.
    ///
    /// # Errors
    ///
    /// When the store did not take the purge.
    pub async fn clear_namespace(&self) -> Result<Purged, PurgeError> {
        self.purge(Purge::Marks(vec![self.shared.all_versions_mark]))
            .await
    }

    /// Purges without being waited for: at once where the store can, else in the [background](Self::background).
    ///
    /// Whether and when it is delivered nobody is told, so it makes no promise. A failure is counted
    /// ([`Stats`](crate::monitor::Stats)) and logged.
    ///
    /// ```
    /// # use larder::{Cache, NullStore};
    /// # let cache = Cache::builder(NullStore).build()?;
    /// cache.purge_later(|cache| async move { cache.purge_tag("menu").await });
    /// # Ok::<(), larder::BuildError>(())
    /// ```
    pub fn purge_later<F>(&self, purge: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Result<Purged, PurgeError>> + Send + 'static,
    {
        let purging = purge(self.clone());
        self.finish(Box::pin(async move {
            if let Err(error) = purging.await {
                crate::log::purge_error(&error);
            }
        }));
    }
}

/// How purges reach the store.
impl Cache {
    /// Makes a purge, and once more later where that is asked for.
    pub(crate) async fn purge(&self, purge: Purge) -> Result<Purged, PurgeError> {
        let once = Once { cache: self, purge };
        self.purge_in(&*self.shared.store, &once.purge).await
    }

    /// Makes a purge of what `store` holds, which is this cache's or that of another of its versions.
    pub(super) async fn purge_in(
        &self,
        store: &dyn Store,
        purge: &Purge,
    ) -> Result<Purged, PurgeError> {
        let shared = &self.shared;
        let longest = match purge {
            // It looks at every entry.
            Purge::Matching(_) => shared.store_timeout.max(LONGEST_SEARCH),
            _ => shared.store_timeout,
        };
        let now = shared.clock.now();
        let struck = self.purging(longest, store.purge(purge, now)).await?;
        shared.latest.note(struck.stamp);
        Ok(Purged {
            stamp: struck.stamp,
            removed: struck.removed,
        })
    }

    /// Frees what carries one of `marks` for a fill that has made that due; see [`Store::supersede`].
    pub(crate) async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
    ) -> Result<Option<Stamp>, PurgeError> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let _once = Once {
            cache: self,
            purge: Purge::Marks(marks.to_vec()),
        };
        let superseding = shared.store.supersede(marks, fill, carried, now);
        self.purging(shared.store_timeout, superseding).await
    }

    /// Brings work to its end that nobody waits for.
    fn finish(&self, mut work: Task) {
        let mut cx = Context::from_waker(Waker::noop());
        if work.as_mut().poll(&mut cx).is_pending() && !self.shared.background.spawn_owed(work) {
            self.not_delivered("no runtime is at hand, or the background is shut down");
        }
    }

    pub(super) fn not_delivered(&self, why: &'static str) {
        self.shared.counters.store_error();
        crate::log::purge_error(&PurgeError::Undelivered(StoreError::new("purge", why)));
    }

    async fn purging<T>(
        &self,
        longest: Duration,
        purging: impl Future<Output = Result<T, PurgeError>>,
    ) -> Result<T, PurgeError> {
        let shared = &self.shared;
        let mut purging = pin!(purging);
        let since = shared.clock.micros();
        // A store in memory has done it at once, and needs no runtime's timer.
        let at_once = poll_fn(|cx| Poll::Ready(purging.as_mut().poll(cx))).await;
        let is_waited_for = at_once.is_pending();
        let purged = match at_once {
            Poll::Ready(purged) => purged,
            // Without a runtime there is no timer either, and this must not panic where a dropped request purges.
            Poll::Pending if Handle::try_current().is_err() => purging.await,
            Poll::Pending => tokio::time::timeout(longest, purging)
                .await
                .unwrap_or_else(|late| {
                    Err(PurgeError::Undelivered(StoreError::new("purge", late)))
                }),
        };
        if is_waited_for {
            shared.waited(Operation::Purge, since);
        }
        if let Err(PurgeError::Undelivered(_)) = &purged {
            shared.counters.store_error();
        }
        purged
    }
}

/// A purge that is made once by now. It is made again also where it was not delivered, or nobody waits for it any more: whatever becomes of
/// it, what changed has changed.
struct Once<'a> {
    cache: &'a Cache,
    purge: Purge,
}

impl Drop for Once<'_> {
    fn drop(&mut self) {
        let purge = std::mem::replace(&mut self.purge, Purge::Marks(Vec::new()));
        if !matches!(purge, Purge::Soft(..)) {
            self.cache.purge_again(purge);
        }
    }
}

impl Shared {
    pub(super) fn tag_marks<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) -> Vec<Mark> {
        tags.into_iter()
            .map(|tag| self.tag_mark(tag.as_ref()))
            .collect()
    }

    pub(super) fn page_mark(&self, address: &str) -> Result<Mark, PurgeError> {
        self.address_mark(address)
            .ok_or_else(|| PurgeError::Address(address.to_owned()))
    }
}
