//! An answer, as far as its cost may depend on it.

use std::fmt;

use http::{Extensions, HeaderMap, Response, StatusCode};

use super::calls::status_of;
use crate::monitor::Reason;

/// What the inner service has answered, before its body is sent.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Answer<'a> {
    pub(super) fn of<B>(response: &'a Response<B>) -> Self {
        Self {
            status: status_of(response),
            headers: response.headers(),
            extensions: response.extensions(),
        }
    }

    /// The status.
    ///
    /// A gRPC call (feature `tonic`) that was answered with an error and no message (Trailers-Only, as tonic answers what a handler returns as `Err`)
    /// has the one that `google/rpc/code.proto` has for its code: `UNAUTHENTICATED` is 401, `NOT_FOUND` 404, `INTERNAL` 500. One that was answered with
    /// a message, or whose stream has begun, is a 200, since its code comes in trailers, later than this is asked.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields.
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What layers within have put beside it.
    pub const fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Did a page cache within this layer answer from what it had stored, without asking the handler?
    pub fn is_hit(&self) -> bool {
        let reason = self.extensions.get::<Reason>();
        matches!(reason, Some(Reason::Hit | Reason::StaleHit(_)))
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
