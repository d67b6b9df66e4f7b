//! The shared store: records in Redis, behind a fence that every node sees.

mod breaker;
mod connections;
mod entry;
mod failure;
mod options;
#[cfg(test)]
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../../../tests/redis/process.rs"]
mod process;
mod script;
mod server;
mod slot;
mod tls;

use std::sync::Arc;

use self::connections::Connections;
use self::options::Config;
pub use self::options::{RedisStoreBuilder, RedisStoreError};

/// A store in Redis.
#[derive(Clone, Debug)]
pub struct RedisStore {
    connections: Arc<Connections>,
}

impl RedisStore {
    fn new(config: &Config) -> Self {
        Self {
            connections: Arc::new(Connections::new(config)),
        }
    }
}
