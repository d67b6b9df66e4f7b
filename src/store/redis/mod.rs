//! The shared store: records in Redis, behind a fence that every node sees.

mod bounds;
mod breaker;
mod change;
mod connections;
mod entry;
mod facts;
mod failure;
mod fence;
mod layout;
mod mirror;
mod options;
mod queue;
mod reply;
mod scan;
mod script;
mod server;
mod slot;
mod store;
mod tls;

#[cfg(test)]
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../../../tests/redis/process.rs"]
pub(crate) mod process;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use self::connections::Connections;
use self::options::Config;
use self::store::{Part, Server};
use super::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Space, Stamp,
    Store, StoreError, StoreFacts, Struck,
};
use crate::clock::Now;

pub use self::options::{RedisStoreBuilder, RedisStoreError};

/// A store in Redis.
#[derive(Clone)]
pub struct RedisStore {
    part: Part,
}

impl RedisStore {
    fn new(config: &Config) -> Self {
        let connections = Arc::new(Connections::new(config));
        let server = Server::new(connections, config.bounds);
        Self {
            // No cache can have a namespace without a name.
            part: server.part("", 0),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("connections", &self.part.server.connections)
            .finish_non_exhaustive()
    }
}

/// Without a cache, records are kept apart from those of every cache. A cache asks for its own [part](Store::within).
#[async_trait]
impl Store for RedisStore {
    fn about(&self) -> About {
        self.part.about()
    }

    fn within(&self, space: &Space<'_>) -> Option<Arc<dyn Store>> {
        self.part.within(space)
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        self.part.get(keys, now).await
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        self.part.apply(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.part.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        self.part.purge(purge, now).await
    }

    async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Result<Option<Stamp>, PurgeError> {
        self.part.supersede(marks, fill, carried, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.part.scan(prefix, budget)
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.part.facts().await
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.part.watch()
    }
}
