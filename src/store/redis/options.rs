//! Options of a [`RedisStore`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{self, AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo};
use deadpool_redis::{Manager, Pool, Runtime};

use super::RedisStore;
use super::bounds::Bounds;
use super::breaker::Limits;
use super::failure::Secrets;
use crate::log;

/// What [`RedisStoreBuilder::build`] refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The URL cannot be used.
    #[error(
        "option `url`: {0}; say redis://[user:password@]host[:port][/database], rediss:// for TLS, or unix:///path?db=0&user=…&pass=…, with %-encoding where the user or password needs it"
    )]
    Url(String),
    /// TLS was asked for, and this build has none.
    #[error("option `url`: rediss:// needs the feature `redis-tls` of larder")]
    TlsFeature,
    /// An option has a value that cannot be used.
    #[error("option `{option}`: {problem}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it, and what to set.
        problem: String,
    },
}

impl RedisStoreError {
    pub(super) fn option(option: &'static str, problem: impl Into<String>) -> Self {
        Self::Option {
            option,
            problem: problem.into(),
        }
    }
}

/// The options of a [`RedisStore`]; see [`RedisStore::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct RedisStoreBuilder {
    origin: Origin,
    user: Option<String>,
    password: Option<String>,
    ca_certificate: Option<Vec<u8>>,
    client_name: Option<String>,
    connections: Option<usize>,
    pooled: Option<usize>,
    timeouts: Timeouts,
    breaker: Limits,
    pub(super) bounds: Bounds,
}

/// Where the connections come from.
#[derive(Clone)]
enum Origin {
    Url(String),
    Pool(Pool),
}

/// The longest that each step of a call takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) acquire: Duration,
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

/// How calls share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// So many connections, each with many calls under way.
    Shared(usize),
    /// A connection of the pool for each call.
    Pooled,
}

/// Everything that was decided by options.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) pool: Pool,
    /// Whether the pool is the store's own, and not the application's.
    pub(super) own: bool,
    pub(super) sharing: Sharing,
    /// For messages: host and port, or path; nothing else of the URL.
    pub(super) address: Arc<str>,
    pub(super) timeouts: Timeouts,
    pub(super) secrets: Secrets,
    pub(super) breaker: Limits,
    pub(super) bounds: Bounds,
}

impl RedisStore {
    /// The store on the server at `url`, with the defaults of [`builder`](Self::builder).
    ///
    /// One attempt to connect is made, and its failure only logged: a node starts while its server is away, and uses it when it is there.
    ///
    /// # Errors
    ///
    /// The URL cannot be used. Nothing that the server does is an error here.
    pub async fn connect(url: impl Into<String>) -> Result<Self, RedisStoreError> {
        let store = Self::builder(url).build()?;
        if let Err(error) = store
            .part
            .server
            .connections
            .send(&redis::cmd("PING"))
            .await
        {
            log::redis_is_away(&error);
        }
        Ok(store)
    }

    /// A builder for a store on the server at `url`.
    ///
    /// `redis://[user:password@]host[:port][/database]`; `rediss://…` for TLS, with feature `redis-tls`; `unix:///path?db=0&user=…&pass=…`
    /// for a unix socket.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Origin::Url(url.into()))
    }

    /// A builder for a store on the connections of an existing pool.
    ///
    /// Each call takes one of its connections and gives it back, so that the limits of the pool hold. That costs one or two more round trips
    /// for each call than the store's own connections do.
    pub fn from_pool(pool: Pool) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Origin::Pool(pool))
    }
}

impl RedisStoreBuilder {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            user: None,
            password: None,
            ca_certificate: None,
            client_name: None,
            connections: None,
            pooled: None,
            bounds: Bounds::default(),
            timeouts: Timeouts {
                acquire: Duration::from_millis(200),
                connect: Duration::from_secs(1),
                answer: Duration::from_millis(200),
            },
            breaker: Limits {
                failures: 5,
                pause: Duration::from_secs(1),
                longest: Duration::from_secs(30),
            },
        }
    }

    /// The store. No connection is made before the first call.
    ///
    /// # Errors
    ///
    /// The option that cannot be used, and what to set.
    pub fn build(self) -> Result<RedisStore, RedisStoreError> {
        Ok(RedisStore::new(&self.config()?))
    }

    fn config(&self) -> Result<Config, RedisStoreError> {
        self.check()?;
        let (pool, own, address, secrets) = match &self.origin {
            Origin::Pool(pool) => (pool.clone(), false, "the pool".into(), Secrets::default()),
            Origin::Url(url) => {
                let info = connection_info(url)?;
                let address = info.addr().to_string().into();
                let secrets = secrets(url, &info);
                (self.pool(info)?, true, address, secrets)
            }
        };
        let sharing = match (&self.origin, self.pooled) {
            (Origin::Url(_), None) => Sharing::Shared(self.connections.unwrap_or(2)),
            _ => Sharing::Pooled,
        };
        Ok(Config {
            pool,
            own,
            sharing,
            address,
            timeouts: self.timeouts,
            secrets,
            breaker: self.breaker,
            bounds: self.bounds,
        })
    }

    fn check(&self) -> Result<(), RedisStoreError> {
        self.bounds.check()?;
        Ok(())
    }

    fn pool(&self, info: ConnectionInfo) -> Result<Pool, RedisStoreError> {
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeouts.connect))
            .set_response_timeout(None);
        let size = self.pooled.or(self.connections).unwrap_or(2);
        let url = |error: redis::RedisError| RedisStoreError::Url(error.category().into());
        let manager = Manager::new_with_config(info, connection).map_err(url)?;
        Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| RedisStoreError::option("pooled", "no runtime"))
    }
}

/// How to reach the server at `url`.
fn connection_info(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    let info = url
        .into_connection_info()
        .map_err(|error| RedisStoreError::Url(error.category().into()))?;
    // Small answers are not to wait for each other (Nagle's algorithm).
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

/// What of `url` no text may show.
fn secrets(url: &str, info: &ConnectionInfo) -> Secrets {
    let _ = url;
    let settings = info.redis_settings();
    let known = [settings.username(), settings.password()];
    Secrets::new(known.into_iter().flatten().map(str::to_owned))
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").finish_non_exhaustive()
    }
}
