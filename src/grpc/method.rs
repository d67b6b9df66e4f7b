//! What is known of one method whose answers are kept.

use std::time::Duration;

use http::uri::Authority;
use tonic::Code;

use super::screen::Known;
use crate::page::{Budget, CacheLayer, Share};

/// See the module.
pub(super) struct CallMethod {
    /// The page cache with this method's policy.
    pub(super) page: CacheLayer,
    pub(super) known: Known,
    /// The lifetimes of answers that are errors.
    pub(super) codes: Vec<(Code, Duration)>,
    /// In bytes, with the prefix.
    pub(super) max_request: usize,
    pub(super) max_message: usize,
    /// How long a handler has that is asked for everyone.
    pub(super) fill_timeout: Duration,
    /// What is called, where the layer stands under a client.
    pub(super) upstream: Option<Authority>,
    /// The cache's own lifetime, where a handler asks for that.
    pub(super) default_ttl: Duration,
    /// What all that is being recorded takes its room from.
    pub(super) budget: Budget,
    /// Is `Cache-Status` told?
    pub(super) tells: bool,
}

impl CallMethod {
    /// Room for an answer that is being read.
    pub(super) fn share(&self) -> Share {
        self.budget.share()
    }
}
