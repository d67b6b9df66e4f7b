//! The validators of a page, on their way into its answer.

use std::convert::Infallible;
use std::time::SystemTime;

use axum_core::response::{IntoResponseParts, ResponseParts};
use http::header::{ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use crate::ETag;
use crate::header::date;

/// The `ETag` and `Last-Modified` that conditions were checked against, for the answer that they let through.
///
/// As a part of a response it sets them where the answer is to GET or HEAD, and not over what is there already. To other methods it sets
/// nothing: what they change has new ones (RFC 9110 §9.3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    etag: Option<ETag>,
    last_modified: Option<HeaderValue>,
}

impl Validators {
    /// `modified` is already in the past, and may have no date.
    pub(super) fn new(etag: Option<ETag>, modified: Option<SystemTime>) -> Self {
        Self {
            etag,
            last_modified: modified.and_then(date::format),
        }
    }

    /// Sets what is not set.
    pub(super) fn set(self, headers: &mut HeaderMap) {
        if let Some(etag) = self.etag {
            headers.entry(ETAG).or_insert(etag.into());
        }
        if let Some(modified) = self.last_modified {
            headers.entry(LAST_MODIFIED).or_insert(modified);
        }
    }
}

impl IntoResponseParts for Validators {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.set(parts.headers_mut());
        Ok(parts)
    }
}
