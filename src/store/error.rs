//! What a store reports when it is unwell.

use std::error::Error;

type BoxError = Box<dyn Error + Send + Sync>;

/// The store could not answer. It never means "no such record".
#[derive(Debug, thiserror::Error)]
#[error("the cache store could not {action}")]
pub struct StoreError {
    action: &'static str,
    #[source]
    source: BoxError,
}

impl StoreError {
    /// The store could not do `action` ("read", "write"), because of `source`.
    pub fn new(action: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            action,
            source: source.into(),
        }
    }
}

/// A purge that did not reach every reader of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// The store did not take the purge. On this node it counts all the same: nothing of a store elsewhere is answered here until it has
    /// been delivered, which the store tries again and again. Other nodes may still answer with what was to go until then.
    #[error("the purge did not reach the cache store")]
    Undelivered(#[source] StoreError),
    /// What was to be purged is not an address of a page: say `/path`, `//host/path` or a whole http URL.
    #[error("{0:?} is not the address of a page: say \"/path\" or \"http://host/path\"")]
    Address(String),
    /// What was to be purged is not of an origin: say `https://host` or `host:port`.
    #[error("{0:?} is not an origin: say \"https://host\" or \"host:port\"")]
    Origin(String),
}
