//! What scripts are sent over: connections to one server, or to a cluster.

use std::error::Error;
use std::sync::Arc;

use deadpool_redis::redis::{self, Value};

use super::super::limiter::LimiterError;
use crate::store::StoreError;
use crate::store::redis::{Connections, Failure, Script};

#[derive(Clone, Debug)]
pub(super) enum Link {
    One(Arc<Connections>),
}

impl Link {
    /// Do all keys lie on one server, so that one script can reach them?
    pub(super) const fn is_one(&self) -> bool {
        match self {
            Self::One(_) => true,
        }
    }

    pub(super) async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, LimiterError> {
        match self {
            Self::One(connections) => {
                let answer = connections.run(script, keys, arguments).await;
                answer.map_err(unavailable)
            }
        }
    }

    pub(super) async fn ping(&self) -> Result<Value, StoreError> {
        match self {
            Self::One(connections) => connections.send(&redis::cmd("PING")).await,
        }
    }
}

/// What is wrong, without what it would mean to a cache.
fn unavailable(error: StoreError) -> LimiterError {
    let failure = error
        .source()
        .and_then(|cause| cause.downcast_ref::<Failure>());
    LimiterError::Unavailable(match failure {
        Some(failure) => Box::new(failure.clone()),
        None => Box::new(error),
    })
}
