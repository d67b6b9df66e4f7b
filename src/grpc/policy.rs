//! How the answers of one method are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tonic::Code;

use crate::identity::Identify;
use crate::ttl::{MIB, Ttl, seconds};

/// How the answers of one unary method are kept, and for whom. A lifetime alone is one, too.
///
/// ```
/// use larder::grpc::CallPolicy;
/// use larder::{Cache, NullStore, minutes, seconds};
/// use tonic::Code;
///
/// # let cache = Cache::builder(NullStore).build()?;
/// let layer = cache
///     .grpc()
///     .method("/catalog.Catalog/ListCategory", minutes(5))
///     .method(
///         "/catalog.Catalog/GetItem",
///         CallPolicy::new(minutes(5)).tag("items").code(Code::NotFound, seconds(10)).stale_if_error(minutes(1)),
///     )
///     .build()?;
/// # drop(layer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CallPolicy {
    pub(super) ttl: Ttl,
    pub(super) tags: Vec<String>,
    pub(super) whose: Whose,
    pub(super) keyed: Vec<HeaderName>,
    pub(super) inert: Vec<HeaderName>,
    pub(super) lenient: bool,
    pub(super) codes: Vec<(Code, Duration)>,
    pub(super) while_revalidate: Duration,
    pub(super) if_error: Duration,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) fill_timeout: Duration,
    pub(super) max_request: usize,
    pub(super) max_message: usize,
}

/// Who may see an answer.
#[derive(Clone, Default)]
pub(super) enum Whose {
    /// Everyone who sends no credentials.
    #[default]
    Everyone,
    /// Everyone; the handler does not see who asks.
    Shared,
    User,
    Identity(Arc<dyn Identify>),
}

impl CallPolicy {
    /// Keeps answers for `ttl`, or for what their handler says by a [`PageControl`](crate::PageControl) in the extensions of its response; and no
    /// longer than `cache-control` in their metadata says.
    pub fn new(ttl: impl Into<Ttl>) -> Self {
        Self {
            ttl: ttl.into(),
            tags: Vec::new(),
            whose: Whose::Everyone,
            keyed: Vec::new(),
            inert: Vec::new(),
            lenient: false,
            codes: Vec::new(),
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            soft_timeout: None,
            fill_timeout: seconds(30),
            max_request: 64 * 1_024,
            max_message: MIB,
        }
    }

    /// Gives every answer this tag; [`Cache::purge_tag`](crate::Cache::purge_tag) frees them all. Tags add up, and with those of the handler
    /// ([`CacheTags`](crate::CacheTags) in the extensions of its response).
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Declares that answers are the same for everyone, and makes sure of it: the handler sees neither `authorization`, `cookie` nor
    /// what else says who is asking. Default: calls with credentials pass the cache by.
    ///
    /// ```
    /// use larder::grpc::CallPolicy;
    /// use larder::{Cache, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build()?;
    /// let policy = CallPolicy::new(minutes(5)).shared();
    /// # assert!(cache.grpc().method("/catalog.Catalog/GetItem", policy).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.whose = Whose::Shared;
        self
    }

    /// Keeps answers for each user apart, as [`CacheBuilder::user`](crate::cache::CacheBuilder::user) tells them.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::grpc::CallPolicy;
    /// use larder::{Cache, NullStore, identity, minutes};
    ///
    /// let cache = Cache::builder(NullStore)
    ///     .user(identity::header(HeaderName::from_static("x-user")))
    ///     .build()?;
    /// let policy = CallPolicy::new(minutes(5)).vary_on_user();
    /// # assert!(cache.grpc().method("/catalog.Catalog/GetItem", policy).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn vary_on_user(mut self) -> Self {
        self.whose = Whose::User;
        self
    }

    /// Keeps answers for each identity apart, as `by` tells them.
    #[must_use]
    pub fn vary_on_identity(mut self, by: impl Identify) -> Self {
        self.whose = Whose::Identity(Arc::new(by));
        self
    }

    /// Makes these metadata a part of the key, as sent.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::grpc::CallPolicy;
    /// # use larder::{Cache, NullStore};
    /// use larder::minutes;
    ///
    /// # let cache = Cache::builder(NullStore).build()?;
    /// let policy = CallPolicy::new(minutes(5))
    ///     .vary_on_metadata(HeaderName::from_static("x-tenant"))
    ///     .inert_metadata(HeaderName::from_static("x-session"));
    /// # assert!(cache.grpc().method("/catalog.Catalog/GetItem", policy).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn vary_on_metadata(mut self, name: HeaderName) -> Self {
        self.keyed.push(name);
        self
    }

    /// Declares that answers do not depend on these metadata, which the handler sees all the same. Default: a call with metadata that are
    /// neither keyed nor inert passes the cache by.
    #[must_use]
    pub fn inert_metadata(mut self, name: HeaderName) -> Self {
        self.inert.push(name);
        self
    }

    /// Declares that answers depend on no metadata but those that are keyed.
    #[must_use]
    pub fn ignore_other_metadata(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Keeps answers with this code, which is an error, for `ttl` at most, and at least a second. Default: only OK is kept.
    #[must_use]
    pub fn code(mut self, code: Code, ttl: Duration) -> Self {
        self.codes.push((code, ttl));
        self
    }

    /// Lets a stale answer be given for so long while it is refreshed in the background. Default: not at all.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.while_revalidate = window;
        self
    }

    /// Lets a stale answer be given for so long where the handler fails: `UNAVAILABLE`, `INTERNAL`, `UNKNOWN`, `DATA_LOSS`,
    /// `DEADLINE_EXCEEDED`, an answer that breaks off, HTTP 500, 502, 503 or 504, no answer at all, or none before the client's deadline. Default:
    /// not at all.
    ///
    /// ```
    /// use larder::grpc::CallPolicy;
    /// # use larder::{Cache, NullStore};
    /// use larder::{hours, minutes, seconds};
    ///
    /// # let cache = Cache::builder(NullStore).build()?;
    /// let policy = CallPolicy::new(minutes(5))
    ///     .stale_while_revalidate(minutes(1))
    ///     .stale_if_error(hours(1))
    ///     .soft_timeout(seconds(2))
    ///     .fill_timeout(seconds(10));
    /// # assert!(cache.grpc().method("/catalog.Catalog/GetItem", policy).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.if_error = window;
        self
    }

    /// Gives a stale answer, where [`stale_if_error`](Self::stale_if_error) lets it, if the handler takes longer than this. The handler goes on in the
    /// background. Default: the call waits.
    #[must_use]
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// How long a handler has that is asked for all who wait: its `grpc-timeout`, in place of that of the client who came first. Then the call
    /// is dropped, and ends with `DEADLINE_EXCEEDED`. Default: 30 seconds.
    #[must_use]
    pub fn fill_timeout(mut self, timeout: Duration) -> Self {
        self.fill_timeout = timeout;
        self
    }

    /// The largest request that is keyed, in bytes with its prefix; larger ones pass the cache by. Default: 64 KiB.
    #[must_use]
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// The largest message that is kept, in bytes with its prefix; larger ones pass. Default: 1 MiB, or half the store's largest entry.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }
}

impl<T: Into<Ttl>> From<T> for CallPolicy {
    fn from(ttl: T) -> Self {
        Self::new(ttl)
    }
}

impl fmt::Debug for CallPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPolicy")
            .field("ttl", &self.ttl)
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
