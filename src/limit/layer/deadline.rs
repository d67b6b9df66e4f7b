//! How long a client waits for its answer, as far as it says so.

use std::time::Duration;

use super::limit::Limit;
use crate::call::grpc_timeout;
use crate::request::RequestHead;

impl Limit {
    /// How long its client waits for a request: the least of what the application tells and what `grpc-timeout` says.
    pub(super) fn time_left(&self, head: &RequestHead<'_>) -> Option<Duration> {
        let told = self.deadline.as_ref().and_then(|left| left(head));
        [told, grpc_timeout(head.headers)]
            .into_iter()
            .flatten()
            .min()
    }
}
