//! The validators of a page, on their way into its answer.

use std::convert::Infallible;
use std::time::SystemTime;

use axum_core::response::{IntoResponseParts, ResponseParts};
use http::header::{ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

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
            add(headers, ETAG, etag.into());
        }
        if let Some(modified) = self.last_modified {
            add(headers, LAST_MODIFIED, modified);
        }
    }
}

/// A map that has no room for one more is too large to be sent.
fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        let _ = headers.try_insert(name, value);
    }
}

impl IntoResponseParts for Validators {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.set(parts.headers_mut());
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_has_no_room_goes_without() {
        let mut headers = HeaderMap::new();
        let one = HeaderValue::from_static("1");
        for number in 0.. {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            if headers.try_insert(name, one.clone()).is_err() {
                break;
            }
        }
        let full = headers.len();
        Validators::new(Some(ETag::of("a")), Some(SystemTime::UNIX_EPOCH)).set(&mut headers);
        assert_eq!(headers.len(), full);
    }
}
