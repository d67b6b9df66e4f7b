//! Options of a [`Cache`], refused before serving where they make no sense.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::again::Again;
use super::flight::ValueFlights;
use super::stamp::Latest;
use super::version::Versions;
use super::{Cache, Codec, Shared};
use crate::background::Background;
use crate::clock::{Clock, SystemClock};
use crate::header::CacheName;
use crate::identity::{Identify, IdentityType, Secret, usual_types};
use crate::monitor::Counters;
use crate::page::{Budget, Flights, Remembered, StatusField};
use crate::request::RequestHead;
use crate::store::{Mark, Store};
use crate::ttl::{MIB, Ttl, minutes};

/// The layout of keys; part of every key, so that a later layout never reads this one's entries.
const KEY_FORMAT: u8 = 1;

/// Options of a [`Cache`]; made by [`Cache::builder`].
#[must_use]
pub struct CacheBuilder {
    store: Arc<dyn Store>,
    namespace: String,
    version: u32,
    default_ttl: Duration,
    codec: Codec,
    store_timeout: Duration,
    purge_again_after: Option<Duration>,
    recording_budget: usize,
    remember_refusals: Duration,
    refresh_backoff: Duration,
    identities: Vec<IdentityType>,
    identity_fields: Vec<HeaderName>,
    user: Option<Arc<dyn Identify>>,
    secret: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    background: Background,
    name: String,
    status: StatusField,
}

/// Options of a cache that make no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The namespace is empty.
    #[error("the namespace is empty: name the application, as in .namespace(\"shop\")")]
    EmptyNamespace,
    /// The default lifetime is zero.
    #[error("a default lifetime of zero stores nothing: set .default_ttl() above zero")]
    ZeroDefaultTtl,
    /// The store may not answer at all.
    #[error("a store timeout of zero fails every call: set .store_timeout() above zero")]
    ZeroStoreTimeout,
    /// Nothing may be recorded.
    #[error(
        "a recording budget of 0 bytes stores nothing: set .recording_budget() to at least one body limit, or use NullStore"
    )]
    ZeroRecordingBudget,
    /// The secret can be guessed.
    #[error("a secret of {0} bytes can be guessed: give .secret() at least 16 random bytes")]
    ShortSecret(usize),
    /// The cache's name cannot be written in `Cache-Status`.
    #[error("the name {name:?} cannot stand in Cache-Status: use printable ASCII in .name()")]
    Name {
        /// The name.
        name: String,
    },
}

impl CacheBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            namespace: "larder".to_owned(),
            version: 1,
            default_ttl: minutes(5),
            codec: Codec::default(),
            store_timeout: Duration::from_millis(250),
            purge_again_after: None,
            recording_budget: 64 * MIB,
            remember_refusals: Duration::from_secs(10),
            refresh_backoff: Duration::from_secs(5),
            identities: usual_types(),
            identity_fields: Vec::new(),
            user: None,
            secret: None,
            clock: Arc::new(SystemClock::new()),
            background: Background::new(256),
            name: "larder".to_owned(),
            status: StatusField::On,
        }
    }

    /// Keeps this cache's entries apart from those of others in the same store. Default: `larder`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The version of what the application stores: raise it when a page's content changes its meaning, and two deploys live side by side.
    /// Default: 1.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// What [`Ttl::Default`] means. Default: 5 minutes.
    pub fn default_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.default_ttl = ttl.into().resolve(minutes(5));
        self
    }

    /// How values are written. Default: [`Codec::MessagePack`]. What was written by another is still read.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How long one call of a store may take that cannot answer at once, before the page is made without it. Default: 250 ms.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Makes each hard purge a second time, in the background, this long after the first. Default: never.
    ///
    /// For handlers that read from replicas of a database: a page that is made right after a purge may still be made of what the replica has
    /// not learnt yet, and would be kept. Set it to more than the replicas lag, and such a page lives no longer than that.
    ///
    /// At most 1,024 purges wait; past that, one of everything takes their place. Those that wait when the process ends are not made.
    pub fn purge_again_after(mut self, span: Duration) -> Self {
        self.purge_again_after = Some(span);
        self
    }

    /// The most bytes that all bodies being recorded may take together; past it, bodies stream by unrecorded. Default: 64 MiB.
    pub fn recording_budget(mut self, bytes: usize) -> Self {
        self.recording_budget = bytes;
        self
    }

    /// How long an address is remembered as one whose responses may not be stored, so that requests for it do not queue. Default: 10 s;
    /// zero forgets at once.
    pub fn remember_refusals(mut self, span: Duration) -> Self {
        self.remember_refusals = span;
        self
    }

    /// How long no page is refreshed in the background whose handler has failed. Default: 5 s.
    pub fn refresh_backoff(mut self, span: Duration) -> Self {
        self.refresh_backoff = span;
        self
    }

    /// Registers a request extension that says who is asking, as the application's own authentication sets it.
    ///
    /// A request that carries it fills a shared page only if the response says `public` or `s-maxage`; on a
    /// [`shared`](crate::CacheLayer::shared) route it is taken away before the handler. It must be there when the page layer is asked: what an
    /// extractor or a layer within adds is not seen, and calls [`Trace::read_identity`](crate::Trace::read_identity) instead.
    ///
    /// With the feature `tonic-tls`, the certificate that a client has shown to tonic's server is registered from the start.
    pub fn identity<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.identities.push(IdentityType::of::<T>());
        self
    }

    /// Who is asking: whoever is told so is known to every page layer of this cache. A page for everyone that was asked for by somebody is stored
    /// only if the response says that it is for all, and one that [varies](crate::CacheLayer::vary_on_identity) on something else is not
    /// stored for it.
    ///
    /// It is also for pages that [vary on the user](crate::CacheLayer::vary_on_user) and for the extractor of an
    /// [`Identity`](crate::Identity). Default: nobody can tell.
    ///
    /// ```
    /// use larder::{Cache, NullStore, identity, minutes};
    ///
    /// let cache = Cache::builder(NullStore).user(identity::cookie("session")).build()?;
    /// let page = cache.page(minutes(15)).vary_on_user()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn user(mut self, by: impl Identify) -> Self {
        self.identities.extend(by.types());
        self.identity_fields.extend(by.fields());
        self.user = Some(Arc::new(by));
        self
    }

    /// The secret under which identities are written into keys, so that a store's keys do not tell who the users are. At least 16 bytes,
    /// the same for all nodes that share a store. Default: a random one per cache, which a store of one process needs no more than.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(secret.as_ref().to_vec());
        self
    }

    /// Where the time comes from. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where tasks that outlive their requests run. Default: at most 256 of them.
    pub fn background(mut self, background: Background) -> Self {
        self.background = background;
        self
    }

    /// The cache's name in `Cache-Status` (RFC 9211 §2). Default: `larder`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Writes no `Cache-Status`. By default every answer carries it, without `key` and `detail`.
    pub fn without_cache_status(mut self) -> Self {
        self.status = StatusField::Off;
        self
    }

    /// Writes `Cache-Status` for the requests that `admits` picks, with `key` and with `detail` that says why nothing was stored
    /// (RFC 9211 §2.8, §2.9).
    ///
    /// The key is `host/path?query` as it was keyed, in at most 200 bytes of printable ASCII. Its other parts stand behind it as a short digest
    /// (` ~1f2e3d4c`), and whose page it is as the beginning of another, which only who knows the cache's secret can make (` @9a8b7c6d`).
    /// Query strings can hold secrets, and reasons tell how the site is built: admit those who may know both (RFC 9211 §6), by something that
    /// a stranger cannot send.
    ///
    /// ```
    /// use larder::{Cache, NullStore};
    ///
    /// # let token = "long and random";
    /// let cache = Cache::builder(NullStore)
    ///     .cache_status_if(move |request| {
    ///         // Set by the proxy in front, which takes it away from all others.
    ///         request.headers.get("x-operator").is_some_and(|value| value == token)
    ///     })
    ///     .build()?;
    /// # Ok::<(), larder::BuildError>(())
    /// ```
    pub fn cache_status_if(
        mut self,
        admits: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.status = StatusField::If(Arc::new(admits));
        self
    }

    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// When an option makes no sense; the error says which, and what to set instead.
    pub fn build(self) -> Result<Cache, BuildError> {
        if self.namespace.is_empty() {
            return Err(BuildError::EmptyNamespace);
        }
        if self.default_ttl.is_zero() {
            return Err(BuildError::ZeroDefaultTtl);
        }
        if self.store_timeout.is_zero() {
            return Err(BuildError::ZeroStoreTimeout);
        }
        if self.recording_budget == 0 {
            return Err(BuildError::ZeroRecordingBudget);
        }
        let secret = match &self.secret {
            None => Secret::random(),
            Some(secret) if secret.len() < 16 => return Err(BuildError::ShortSecret(secret.len())),
            Some(secret) => Secret::shared(secret),
        };
        let name = CacheName::new(&self.name).map_err(|_| BuildError::Name {
            name: self.name.clone(),
        })?;
        let again = self
            .purge_again_after
            .map(|span| Arc::new(Again::after(span)));
        let all_versions_mark = Mark::of("all versions", &[self.namespace.as_bytes()]);
        let namespace = self.namespace.as_str().into();
        let versions = Versions::new(self.store, self.namespace);
        let place = versions.place(self.version);
        Ok(Cache {
            shared: Arc::new(Shared {
                store: place.store,
                namespace_mark: place.mark,
                space: place.space,
                all_versions_mark,
                namespace,
                again,
                versions: Arc::new(versions),
                version: self.version,
                codec: self.codec,
                latest: Latest::default(),
                value_flights: Arc::new(ValueFlights::default()),
                clock: self.clock,
                background: self.background,
                default_ttl: self.default_ttl,
                store_timeout: self.store_timeout,
                identities: self.identities,
                identity_fields: self.identity_fields,
                user: self.user,
                secret,
                flights: Arc::new(Flights::default()),
                remembered: Arc::new(Remembered::new(self.remember_refusals)),
                guesses: Arc::default(),
                heads: Arc::default(),
                unwell: Arc::new(Remembered::new(self.refresh_backoff)),
                budget: Budget::new(self.recording_budget),
                counters: Arc::new(Counters::default()),
                name,
                status: self.status,
            }),
        })
    }
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("namespace", &self.namespace)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What every key of a namespace and version starts with, and the mark that all its records carry.
pub(super) fn space_of(namespace: &str, version: u32) -> (Box<[u8]>, Mark) {
    let space = space(namespace, version);
    let mark = Mark::of("namespace", &[&space]);
    (space, mark)
}

/// The bytes that every key of a namespace and version starts with; those of another never are their beginning, since the length comes first.
pub(super) fn space(namespace: &str, version: u32) -> Box<[u8]> {
    let mut space = vec![KEY_FORMAT];
    space.extend_from_slice(&(namespace.len() as u64).to_be_bytes()[4..]);
    space.extend_from_slice(namespace.as_bytes());
    space.extend_from_slice(&version.to_be_bytes());
    space.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NullStore;

    #[test]
    fn nonsense_is_refused_with_what_to_change() {
        let errors = [
            Cache::builder(NullStore).namespace("").build(),
            Cache::builder(NullStore)
                .default_ttl(Duration::ZERO)
                .build(),
            Cache::builder(NullStore)
                .store_timeout(Duration::ZERO)
                .build(),
            Cache::builder(NullStore).recording_budget(0).build(),
            Cache::builder(NullStore).name("caf\u{e9}").build(),
            Cache::builder(NullStore).secret("short").build(),
        ]
        .map(|built| built.unwrap_err().to_string());
        let remedies = [
            ".namespace(",
            ".default_ttl(",
            ".store_timeout(",
            ".recording_budget(",
            ".name(",
            ".secret(",
        ];
        for (error, remedy) in errors.iter().zip(remedies) {
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn no_space_begins_another() {
        let spaces = [
            space("a", 1),
            space("ab", 1),
            space("a", 256),
            space("", 1),
            space("a\0\0\0\u{1}", 1),
        ];
        for (i, one) in spaces.iter().enumerate() {
            for (j, other) in spaces.iter().enumerate() {
                assert_eq!(one.starts_with(other), i == j);
            }
        }
    }
}
