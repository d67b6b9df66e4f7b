//! Options of a [`RedisStore`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{self, AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo};
use deadpool_redis::{Hook, Manager, Pool, Runtime};

use super::RedisStore;
use super::bounds::Bounds;
use super::breaker::Limits;
use super::failure::Secrets;
use super::tls;

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
    pub(crate) fn option(option: &'static str, problem: impl Into<String>) -> Self {
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
pub(crate) struct Config {
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
    /// ```
    /// use larder::store::redis::RedisStore;
    ///
    /// # async fn start() -> Result<(), larder::store::redis::RedisStoreError> {
    /// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The URL cannot be used. Nothing that the server does is an error here.
    pub async fn connect(url: impl Into<String>) -> Result<Self, RedisStoreError> {
        let store = Self::builder(url).build()?;
        store.try_server().await;
        Ok(store)
    }

    /// A builder for a store on the server at `url`.
    ///
    /// | URL | server |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/database]` | over TCP; port 6379 and database 0 unless it says otherwise |
    /// | `rediss://…` | the same over TLS, with feature `redis-tls` |
    /// | `unix:///path?db=0&user=…&pass=…`, `redis+unix://…` | over a unix socket |
    ///
    /// User and password stand in it with `%`-encoding, or in [`user`](RedisStoreBuilder::user) and
    /// [`password`](RedisStoreBuilder::password) as they are. No error, log or `Debug` shows them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::store::redis::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://cache.internal/3")
    ///     .password("correct horse")
    ///     .answer_timeout(Duration::from_millis(100))
    ///     .build()?;
    /// # drop(store);
    /// # Ok::<(), larder::store::redis::RedisStoreError>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Origin::Url(url.into()))
    }

    /// A builder for a store on the connections of a pool that the application has.
    ///
    /// Each call takes one of its connections and gives it back, so that the limits of the pool hold. That costs one or two more round trips
    /// for each call than the store's own connections do. A connection has to be there within the
    /// [acquire timeout](RedisStoreBuilder::acquire_timeout), the time to make one included.
    ///
    /// ```
    /// use deadpool_redis::{Config, Runtime};
    /// use larder::store::redis::RedisStore;
    ///
    /// let pool = Config::from_url("redis://127.0.0.1").create_pool(Some(Runtime::Tokio1))?;
    /// let store = RedisStore::from_pool(pool).build()?;
    /// # drop(store);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_pool(pool: Pool) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Origin::Pool(pool))
    }

    async fn try_server(&self) {
        if let Err(error) = self.part.server.connections.send(&redis::cmd("PING")).await {
            log::redis_is_away(&error);
        }
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

    /// The user (ACL) to log in as. Default: what the URL says, else the server's default user.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password, as it is. Default: what the URL says, else none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The certificates, in PEM, of the authorities that the server's certificate must come from, instead of the public ones. For `rediss://`.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self
    }

    /// The name of the connections in the server's `CLIENT LIST`. Default: `larder`.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// How many connections all calls share, each with many calls under way. Default: 2; a second one lets small answers pass a large one.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// A connection for each call, of at most `size`, instead of shared ones: for proxies in front of the server that do not bear many
    /// commands under way. It costs one more round trip for each call. Default: off.
    pub const fn pooled(mut self, size: usize) -> Self {
        self.pooled = Some(size);
        self
    }

    /// The longest that a call waits for a connection. Default: 200 ms.
    ///
    /// A call takes no longer than this and the [answer timeout](Self::answer_timeout) together.
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.acquire = timeout;
        self
    }

    /// The longest that a connection takes to be made, login included. Default: 1 s.
    ///
    /// No call waits so long: what took longer than the [acquire timeout](Self::acquire_timeout) is there for later calls.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// The longest that a call waits for its answer. Default: 200 ms.
    pub const fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.answer = timeout;
        self
    }

    /// After how many failures in a row the server is left alone, so that calls fail at once. Default: 5.
    ///
    /// Connections that fail, answers that are late, and pools without a free connection are failures; errors that the server answers are not,
    /// but for those by which it says that it cannot serve (`READONLY`, `LOADING`, `NOAUTH` and their like).
    pub const fn breaker_failures(mut self, failures: u32) -> Self {
        self.breaker.failures = failures;
        self
    }

    /// For how long the server is left alone, before one call tries it again: `first`, and after each try that fails twice as long, up to
    /// `longest`. Default: 1 s and 30 s.
    pub const fn breaker_pause(mut self, first: Duration, longest: Duration) -> Self {
        self.breaker.pause = first;
        self.breaker.longest = longest;
        self
    }

    /// The store. No connection is made before the first call.
    ///
    /// # Errors
    ///
    /// The option that cannot be used, and what to set.
    pub fn build(self) -> Result<RedisStore, RedisStoreError> {
        Ok(RedisStore::new(&self.config()?))
    }

    /// The store, after one attempt to connect, as [`RedisStore::connect`] makes it.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub async fn connect(self) -> Result<RedisStore, RedisStoreError> {
        let store = self.build()?;
        store.try_server().await;
        Ok(store)
    }

    pub(crate) fn config(&self) -> Result<Config, RedisStoreError> {
        self.check()?;
        let config = Config {
            timeouts: self.timeouts,
            breaker: self.breaker,
            ..match &self.origin {
                Origin::Pool(pool) => self.on_pool(pool)?,
                Origin::Url(url) => self.on_server(url)?,
            }
        };
        Ok(config)
    }

    fn check(&self) -> Result<(), RedisStoreError> {
        self.bounds.check()?;
        let refuse = |option, problem: &str| Err(RedisStoreError::option(option, problem));
        for (option, timeout) in [
            ("acquire_timeout", self.timeouts.acquire),
            ("connect_timeout", self.timeouts.connect),
            ("answer_timeout", self.timeouts.answer),
        ] {
            if timeout.is_zero() || timeout > LONGEST {
                return refuse(option, "set more than 0 s, and at most one hour");
            }
        }
        let Limits {
            failures,
            pause,
            longest,
        } = self.breaker;
        if failures == 0 {
            return refuse("breaker_failures", "set 1 or more");
        }
        if pause.is_zero() || pause > longest || longest > LONGEST {
            let problem = "set a first pause above 0 s, and a longest one that is no shorter, and at most one hour";
            return refuse("breaker_pause", problem);
        }
        if self.pooled.is_some() && self.connections.is_some() {
            return refuse("pooled", "set this or `connections`, not both");
        }
        for (option, size) in [("connections", self.connections), ("pooled", self.pooled)] {
            if size.is_some_and(|size| !(1..=1024).contains(&size)) {
                return refuse(option, "set 1 to 1,024");
            }
        }
        if let Some(name) = &self.client_name
            && (name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic()))
        {
            return refuse("client_name", "set printable ASCII without blanks");
        }
        Ok(())
    }

    fn on_pool(&self, pool: &Pool) -> Result<Config, RedisStoreError> {
        let of_server = [
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("ca_certificate", self.ca_certificate.is_some()),
            ("client_name", self.client_name.is_some()),
            ("connections", self.connections.is_some()),
            ("pooled", self.pooled.is_some()),
        ];
        if let Some((option, _)) = of_server.iter().find(|(_, set)| *set) {
            let problem = "set this on the pool: its connections are used as they are";
            return Err(RedisStoreError::option(option, problem));
        }
        Ok(Config {
            pool: pool.clone(),
            own: false,
            sharing: Sharing::Pooled,
            address: "a connection of the pool".into(),
            timeouts: self.timeouts,
            secrets: Secrets::default(),
            breaker: self.breaker,
            bounds: self.bounds,
        })
    }

    fn on_server(&self, url: &str) -> Result<Config, RedisStoreError> {
        let mut info = read(url)?;
        if let Some(pem) = &self.ca_certificate {
            info = tls::trust(info, pem)?;
        }
        // Small answers are not to wait for each other (Nagle's algorithm).
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let mut login = info.redis_settings().clone();
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        let secrets = secrets(url, &login);
        let info = info.set_tcp_settings(tcp).set_redis_settings(login);
        let address = info.addr().to_string().into();
        let (sharing, size) = match (self.pooled, self.connections.unwrap_or(2)) {
            (Some(size), _) => (Sharing::Pooled, size),
            (None, shared) => (Sharing::Shared(shared), shared),
        };
        Ok(Config {
            pool: self.pool(info, size, &secrets)?,
            own: true,
            sharing,
            address,
            timeouts: self.timeouts,
            secrets,
            breaker: self.breaker,
            bounds: self.bounds,
        })
    }

    fn pool(
        &self,
        info: ConnectionInfo,
        size: usize,
        secrets: &Secrets,
    ) -> Result<Pool, RedisStoreError> {
        // Answers are timed by the callers, who know how much of their time is left.
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeouts.connect))
            .set_response_timeout(None);
        let refuse = |error: &dyn fmt::Display| {
            RedisStoreError::Url(secrets.hide(&error.to_string()).to_string())
        };
        let manager = Manager::new_with_config(info, connection).map_err(|error| refuse(&error))?;
        let name = self.client_name.clone().unwrap_or_else(|| "larder".into());
        let mut set_name = redis::cmd("CLIENT");
        set_name.arg("SETNAME").arg(name);
        let set_name = Arc::new(set_name);
        Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |connection, _| {
                let set_name = set_name.clone();
                Box::pin(async move {
                    // A name is a convenience: a server that refuses it is used all the same.
                    drop(connection.send_packed_command(&set_name).await);
                    Ok(())
                })
            }))
            .build()
            .map_err(|error| refuse(&error))
    }
}

/// Longer timeouts and pauses are mistyped numbers.
const LONGEST: Duration = Duration::from_secs(3600);

/// How to reach the server at `url`. Errors quote nothing of it.
fn read(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    let refuse = |problem: &str| Err(RedisStoreError::Url(problem.into()));
    let Some(parsed) = redis::parse_redis_url(url) else {
        return refuse("it is no URL of a Redis server");
    };
    if matches!(parsed.scheme(), "rediss" | "valkeys") {
        if parsed.fragment().is_some() {
            return refuse(
                "certificates are always verified: use .ca_certificate() for a private authority, and no #fragment",
            );
        }
        tls::supported()?;
    }
    let database = match parsed.scheme().contains("unix") {
        true => parsed
            .query_pairs()
            .find_map(|(name, value)| (name == "db").then(|| value.into_owned())),
        false => Some(parsed.path().trim_matches('/').to_owned()),
    };
    if let Some(database) = database
        && !database.is_empty()
        && database.parse::<u32>().is_err()
    {
        return refuse("its database is no number");
    }
    match parsed.into_connection_info() {
        Ok(info) => Ok(info),
        Err(error) => refuse(match error.to_string() {
            text if text.contains("wildcard") => "its host stands for any address",
            text if text.contains("hostname") => "it has no host",
            text if text.contains("UTF-8") => "its user or password is not UTF-8",
            text if text.contains("protocol") => "its protocol is neither resp2 nor resp3",
            text if text.contains("path") => "it has no path",
            _ => "it is no URL of a Redis server",
        }),
    }
}

/// What no text may show: user and password, as they are and as the URL has them.
fn secrets(url: &str, login: &redis::RedisConnectionInfo) -> Secrets {
    let mut secrets: Vec<_> = [login.username(), login.password()]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    if let Some(url) = redis::parse_redis_url(url) {
        secrets.push(url.username().to_owned());
        secrets.extend(url.password().map(str::to_owned));
    }
    Secrets::new(secrets)
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match &self.origin {
            Origin::Pool(_) => None,
            Origin::Url(url) => read(url).ok().map(|info| info.addr().to_string()),
        };
        f.debug_struct("RedisStoreBuilder")
            .field("address", &address)
            .field("connections", &self.connections)
            .field("pooled", &self.pooled)
            .field("timeouts", &self.timeouts)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
