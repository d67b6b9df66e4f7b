//! A finished call as it is kept: metadata, trailers and message, in the body of a stored page.
//!
//! To the page cache it is opaque, so that no rule for fields of HTTP touches what is metadata here.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::body::GrpcBody;

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Initial metadata; for a call that ended without a message also its status (Trailers-Only).
    pub(super) metadata: HeaderMap,
    /// None for Trailers-Only.
    pub(super) trailers: Option<HeaderMap>,
    /// The message with its prefix.
    pub(super) message: Bytes,
}

/// What describes one exchange, and would be false of another (SPEC GRPC-26).
const OF_ONE_CALL: [&str; 21] = [
    "authentication-info",
    "clear-site-data",
    "content-length",
    "date",
    "grpc-retry-pushback-ms",
    "grpc-server-stats-bin",
    "grpc-trace-bin",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "server-timing",
    "set-cookie",
    "traceparent",
    "traceresponse",
    "tracestate",
    "x-envoy-upstream-service-time",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
    "x-response-time",
];

/// The fields that another call may see.
pub(super) fn without_own(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if OF_ONE_CALL.binary_search(&name.as_str()).is_err() {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

impl Kept {
    /// As bytes: both blocks of fields, and the message.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.message.len() + 256);
        put_fields(&mut bytes, &self.metadata);
        match &self.trailers {
            None => bytes.put_u8(0),
            Some(trailers) => {
                bytes.put_u8(1);
                put_fields(&mut bytes, trailers);
            }
        }
        bytes.put_slice(&self.message);
        bytes.freeze()
    }

    /// The same back; None of what is none.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let mut read = Cursor { bytes, at: 0 };
        let metadata = read.fields()?;
        let trailers = match read.array()? {
            [0] => None,
            [1] => Some(read.fields()?),
            _ => return None,
        };
        Some(Self {
            metadata,
            trailers,
            message: bytes.slice(read.at..),
        })
    }

    /// The answer again.
    pub(super) fn into_response<B>(self) -> Response<GrpcBody<B>> {
        let mut response = Response::new(GrpcBody::whole(self.message, self.trailers));
        *response.headers_mut() = self.metadata;
        response
    }
}

/// Reads from the front, and copies no value.
struct Cursor<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.bytes[self.at..].first_chunk()?;
        self.at += N;
        Some(array)
    }

    fn part(&mut self) -> Option<Range<usize>> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        let end = self.at.checked_add(length)?;
        let part = self.at..end;
        (end <= self.bytes.len()).then(|| {
            self.at = end;
            part
        })
    }

    fn fields(&mut self) -> Option<HeaderMap> {
        let count = u32::from_be_bytes(self.array()?);
        let mut fields = HeaderMap::new();
        for _ in 0..count {
            let name = HeaderName::from_bytes(&self.bytes[self.part()?]).ok()?;
            let value = self.bytes.slice(self.part()?);
            fields
                .try_append(name, HeaderValue::from_maybe_shared(value).ok()?)
                .ok()?;
        }
        Some(fields)
    }
}

fn put_fields(bytes: &mut BytesMut, fields: &HeaderMap) {
    bytes.put_u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            bytes.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            bytes.put_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_what_is_of_one_call_is_sorted() {
        assert!(OF_ONE_CALL.is_sorted());
    }

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_is_taken_for_it() {
        let mut metadata = HeaderMap::new();
        metadata.append("content-type", HeaderValue::from_static("application/grpc"));
        metadata.append("a", HeaderValue::from_static("1"));
        metadata.append("a", HeaderValue::from_bytes(b"\xff").unwrap());
        let mut trailers = HeaderMap::new();
        trailers.append("grpc-status", HeaderValue::from_static("0"));
        for trailers in [None, Some(trailers)] {
            let kept = Kept {
                metadata: metadata.clone(),
                trailers,
                message: Bytes::from_static(b"\0\0\0\0\x02ab"),
            };
            let bytes = kept.encode();
            assert_eq!(Kept::decode(&bytes), Some(kept.clone()));
            let fields = bytes.len() - kept.message.len();
            for end in 0..fields {
                assert_eq!(Kept::decode(&bytes.slice(..end)), None, "{end}");
            }
        }
        assert_eq!(Kept::decode(&Bytes::from_static(&[255; 64])), None);
    }
}
