//! What scripts are sent over: connections to one server, or to a cluster.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use deadpool_redis::redis::{self, Value};

use super::super::limiter::LimiterError;
use crate::store::StoreError;
use crate::store::redis::{Connections, Failure, Script};

/// Where scripts are run.
#[async_trait]
pub(super) trait Link: Debug + Send + Sync {
    /// Can one script reach all keys?
    fn reaches_all(&self) -> bool;

    /// Runs a script where its keys lie.
    async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError>;

    /// Makes a connection, if there is none.
    async fn try_server(&self) -> Result<(), StoreError>;
}

#[async_trait]
impl Link for Connections {
    fn reaches_all(&self) -> bool {
        true
    }

    async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        self.run(script, keys, arguments).await
    }

    async fn try_server(&self) -> Result<(), StoreError> {
        self.send(&redis::cmd("PING")).await.map(drop)
    }
}

/// What is wrong, without what it would mean to a cache.
pub(super) fn unavailable(error: StoreError) -> LimiterError {
    let failure = error
        .source()
        .and_then(|cause| cause.downcast_ref::<Failure>());
    LimiterError::Unavailable(match failure {
        Some(failure) => Box::new(failure.clone()),
        None => Box::new(error),
    })
}
