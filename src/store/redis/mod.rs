//! The shared store: records in Redis, behind a fence that every node sees.
//!
//! ```text
//! read    settle what is owed ─► MGET entries + fence ─► has the fence moved? read the marks since ─► judge by the mirror
//! change  one script: is it admitted? does its condition hold? write
//! purge   one script: move the fence, mark what is struck
//! ```
//!
//! A hit is one `MGET`, of the entry and of 32 bytes of the fence. Each node mirrors the marks of its namespace and judges entries by itself
//! while the fence stands still; when it has moved, one shared read brings what is new before anything is answered. So a purge that has
//! returned `Ok` is seen by every read that starts later, on every node.
//!
//! # What it needs of the server
//!
//! * Redis 6.2 or later, or Valkey, with one primary; nothing is read from replicas.
//! * No `maxmemory-policy` that evicts keys without a lifetime (`allkeys-…`): it may evict the fence, which costs all hits, though no truth.
//!   `volatile-ttl` or `volatile-lru` are good choices. Purges are taken also by a server that is full.
//! * Nodes whose clocks agree to within a second or so: lifetimes are counted by the node's clock, and expired entries removed by the
//!   server's. Fences do not depend on clocks.
//! * Trust: whoever can write to the database can write pages. Keep it to the application, with a password, and TLS where the network is not
//!   yours.
//!
//! # What is lost and what is not
//!
//! * A server that restarts empty, or is flushed, or loses part of the fence, has a new fence: nothing that was stored before is answered.
//! * A fence that is seen to have gone back (a backup, a failover that lost writes) is made anew, which purges everything.
//! * A failover can lose a purge that was acknowledged, as replication is asynchronous. When another server answers, each node repeats its
//!   purges of the last ten minutes before it reads there. A node asks once a second whether its connections still lead to a primary: for that
//!   long it may read from one that was demoted.
//! * A purge that does not arrive is an [error](PurgeError::Undelivered), and is owed: its node answers nothing from the server until it has
//!   been delivered, which is tried again by each read and by a task of its own. What is owed when a process ends is lost: purge again, or
//!   wait for [`undelivered`](StoreFacts::undelivered) to be zero before it ends.
//!
//! # What it takes on each node
//!
//! The mirror has some 100 bytes for each mark that the server keeps (at most 100,000 of each kind, see
//! [`marks`](RedisStoreBuilder::marks)); a cache keeps up to 4 MiB of decoded heads and 4 MiB of indexes of variants, so that a page that is
//! asked for again is decoded once and takes one round trip.
//!
//! # How its keys are called
//!
//! `namespace:version:name` for values, `namespace:version:#digest` for pages, whose full keys stand in the entries and are compared on every
//! read; `namespace:#fence` and others beside it are the fence. Caches with different namespaces share a database without seeing or purging
//! one another.

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
use std::task::Poll;

use async_trait::async_trait;

pub(crate) use self::connections::Connections;
pub(crate) use self::failure::Failure;
use self::options::Config;
use self::store::{Part, Server};
use super::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Space, Stamp,
    Store, StoreError, StoreFacts, Struck,
};
use crate::clock::Now;

#[cfg(fuzzing)]
pub(crate) use self::entry::sealed;
#[cfg(any(test, fuzzing))]
pub(crate) use self::entry::{Compression, decode, encode};
pub use self::options::{RedisStoreBuilder, RedisStoreError};
pub(crate) use self::script::Script;

/// Keeps records in Redis, for all nodes that share it.
///
/// ```no_run
/// use larder::{Cache, RedisStore, minutes};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("redis://:password@cache.internal:6379/0").await?;
/// let cache = Cache::builder(store).namespace("shop").version(3).build()?;
/// let menu = cache.page(minutes(30)).tag("menu");
/// // On every node at once, after the menu has changed in the database:
/// cache.purge_tag("menu").await?;
/// # drop(menu);
/// # Ok(())
/// # }
/// ```
///
/// See the [module](self) for what it promises, and [`builder`](Self::builder) for its options. Clones share everything.
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

    /// What it sends everything over.
    pub(crate) fn connections(&self) -> Arc<Connections> {
        self.part.server.connections.clone()
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

    fn facts_now(&self) -> Poll<Result<StoreFacts, StoreError>> {
        self.part.facts_now()
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.part.facts().await
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.part.watch()
    }
}
