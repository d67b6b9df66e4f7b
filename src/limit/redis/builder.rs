//! Options of a [`RedisLimiter`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::Pool;

use super::RedisLimiter;
use super::link::Link;
use super::names::Names;
use crate::limit::Leased;
use crate::store::redis::{Connections, RedisStore, RedisStoreBuilder, RedisStoreError};

/// How long a call waits for a connection.
const ACQUIRE: Duration = Duration::from_millis(500);
/// How long a call waits for its answer.
const ANSWER: Duration = Duration::from_secs(1);

/// The options of a [`RedisLimiter`]; see [`RedisLimiter::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct RedisLimiterBuilder {
    origin: Origin,
    namespace: String,
    spread: bool,
    lease: Duration,
}

enum Origin {
    Own(Box<RedisStoreBuilder>),
    Shared(Arc<Connections>),
    #[cfg(feature = "redis-cluster")]
    Cluster(deadpool_redis::cluster::Pool, Box<RedisStoreBuilder>),
}

impl Origin {
    fn map(self, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> Self {
        match self {
            Self::Own(server) => Self::Own(Box::new(options(*server))),
            Self::Shared(connections) => Self::Shared(connections),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(pool, server) => Self::Cluster(pool, Box::new(options(*server))),
        }
    }

    fn link(self) -> Result<Arc<dyn Link>, RedisStoreError> {
        Ok(match self {
            Self::Own(server) => Arc::new(Connections::new(&server.config()?)),
            Self::Shared(connections) => connections,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(pool, server) => Arc::new(server.cluster(pool)?),
        })
    }
}

impl RedisLimiter {
    /// The limiter on the server at `url`, with the defaults of [`builder`](Self::builder).
    ///
    /// One attempt to connect is made, and its failure only logged: a node starts while its server is away.
    ///
    /// ```
    /// use larder::limit::{RateLimiter, RedisLimiter};
    ///
    /// # async fn start() -> Result<(), larder::store::redis::RedisStoreError> {
    /// let limiter = RateLimiter::new(RedisLimiter::connect("redis://127.0.0.1:6379/0").await?);
    /// # drop(limiter);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The URL cannot be used. Nothing that the server does is an error here.
    pub async fn connect(url: impl Into<String>) -> Result<Self, RedisStoreError> {
        Self::builder(url).connect().await
    }

    /// A builder for a limiter on the server at `url`, which is written as for
    /// [`RedisStore::builder`](RedisStore::builder).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::limit::RedisLimiter;
    ///
    /// let limiter = RedisLimiter::builder("redis://cache.internal/3")
    ///     .server(|server| server.password("correct horse").answer_timeout(Duration::from_millis(100)))
    ///     .namespace("shop")
    ///     .build()?;
    /// # drop(limiter);
    /// # Ok::<(), larder::store::redis::RedisStoreError>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisLimiterBuilder {
        RedisLimiterBuilder::own(RedisStore::builder(url))
    }

    /// A builder for a limiter on the connections of a pool that the application has; each call takes one of them.
    pub fn from_pool(pool: Pool) -> RedisLimiterBuilder {
        RedisLimiterBuilder::own(RedisStore::from_pool(pool))
    }

    /// A builder for a limiter on the connections of a store: they share them, their timeouts, and their view of the server's health.
    ///
    /// ```
    /// use larder::RedisStore;
    /// use larder::limit::RedisLimiter;
    ///
    /// let store = RedisStore::builder("redis://cache.internal").build()?;
    /// let limiter = RedisLimiter::on(&store).namespace("shop").build()?;
    /// # drop(limiter);
    /// # Ok::<(), larder::store::redis::RedisStoreError>(())
    /// ```
    pub fn on(store: &RedisStore) -> RedisLimiterBuilder {
        RedisLimiterBuilder::new(Origin::Shared(store.connections()))
    }

    /// A builder for a limiter on a cluster, over a connection of a pool that the application has, which all calls share.
    ///
    /// Quotas of one group lie on one node of the cluster, and are decided about in one step, as on one server. An acquire of quotas of several
    /// groups is decided about group by group, as [`spread`](RedisLimiterBuilder::spread) says of names.
    ///
    /// ```no_run
    /// use deadpool_redis::Runtime;
    /// use deadpool_redis::cluster::Config;
    /// use larder::limit::RedisLimiter;
    ///
    /// let nodes = vec!["redis://10.0.0.1:6379".to_owned(), "redis://10.0.0.2:6379".to_owned()];
    /// let pool = Config::from_urls(nodes).create_pool(Some(Runtime::Tokio1))?;
    /// let limiter = RedisLimiter::from_cluster(pool).namespace("shop").build()?;
    /// # drop(limiter);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "redis-cluster")]
    pub fn from_cluster(pool: deadpool_redis::cluster::Pool) -> RedisLimiterBuilder {
        let timing = Box::new(RedisStore::builder(""));
        RedisLimiterBuilder::new(Origin::Cluster(pool, timing))
    }
}

/// Leased mode.
impl RedisLimiter {
    /// Borrows small batches from the server and spends them on this node, so that most decisions cost no round trip; see [`Leased`] for how far
    /// that may go over in a short interval, and for its options.
    ///
    /// ```
    /// use larder::limit::{RateLimiter, RedisLimiter};
    ///
    /// # async fn start() -> Result<(), larder::store::redis::RedisStoreError> {
    /// let limiter = RedisLimiter::connect("redis://127.0.0.1:6379/0").await?;
    /// let limiter = RateLimiter::new(limiter.leased());
    /// # drop(limiter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leased(self) -> Leased {
        Leased::new(self)
    }
}

/// No lease of a place is longer; the scripts know it, too.
const LONGEST_LEASE: Duration = Duration::from_secs(600);

impl RedisLimiterBuilder {
    fn own(server: RedisStoreBuilder) -> Self {
        Self::new(Origin::Own(Box::new(server)))
    }

    fn new(origin: Origin) -> Self {
        // Limits are to hold again soon after the server is back.
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        Self {
            origin: origin.map(|server| {
                // A page that is late is made again; a count that is late is an estimate, which may admit too many.
                let server = server.acquire_timeout(ACQUIRE).answer_timeout(ANSWER);
                server.breaker_pause(first, longest)
            }),
            namespace: "larder".to_owned(),
            spread: false,
            lease: Duration::from_secs(30),
        }
    }

    /// Sets how the server is reached: user, password, timeouts, and the other options of connections that a [`RedisStore`] has. Nothing where
    /// the limiter is [on](RedisLimiter::on) the connections of a store.
    ///
    /// Defaults: those of the store, but that a call waits for 500 ms for a connection and 1 s for its answer, and that a server that fails is
    /// left alone for 100 ms first, and for 1 s at most. An answer that is later than that is an outage: what each quota then does is up to
    /// its [`Outage`](crate::limit::Outage).
    pub fn server(mut self, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> Self {
        self.origin = self.origin.map(options);
        self
    }

    /// What the names of its keys begin with, so that several applications share a database. Default: `larder`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Spreads the keys of a group over a cluster, instead of keeping each group on one node. Default: off.
    ///
    /// Then an acquire of quotas of several names reserves on each node, and gives back what it has reserved where another refuses: for as
    /// long as that takes, others may be refused what is free in the end. Never is more admitted than the quotas allow.
    pub const fn spread(mut self) -> Self {
        self.spread = true;
        self
    }

    /// For how long a place in flight is kept for a node that is not heard of. Default: 30 s.
    ///
    /// Nodes renew what they hold three times as often.
    pub const fn place_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// The limiter. No connection is made before the first call.
    ///
    /// # Errors
    ///
    /// The option that cannot be used, and what to set.
    pub fn build(self) -> Result<RedisLimiter, RedisStoreError> {
        let refuse = |option, problem: &str| Err(RedisStoreError::option(option, problem));
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"{}".contains(&byte);
        if !(1..=64).contains(&self.namespace.len()) || !self.namespace.bytes().all(plain) {
            let problem = "set 1 to 64 printable ASCII characters, without blanks and braces";
            return refuse("namespace", problem);
        }
        if !(Duration::from_millis(100)..=LONGEST_LEASE).contains(&self.lease) {
            return refuse("place_lease", "set 100 ms to 10 minutes");
        }
        let link = self.origin.link()?;
        let names = Names::new(self.namespace, self.spread);
        Ok(RedisLimiter::new(link, names, self.lease))
    }

    /// The limiter, after one attempt to connect, as [`RedisLimiter::connect`] makes it.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub async fn connect(self) -> Result<RedisLimiter, RedisStoreError> {
        let limiter = self.build()?;
        limiter.try_server().await;
        Ok(limiter)
    }
}

impl fmt::Debug for RedisLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiterBuilder")
            .field("namespace", &self.namespace)
            .field("spread", &self.spread)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
