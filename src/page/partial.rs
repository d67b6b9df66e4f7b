//! Parts of a complete stored body, for requests with `Range` (RFC 9110 §14.2, §15.3.7).

use std::collections::VecDeque;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, IF_RANGE, RANGE};
use http::{HeaderMap, Method};

use super::excerpt::{self, Client};
use super::multipart::Multipart;
use super::precondition::if_range_holds;
use crate::header::content_range::ContentRange;
use crate::header::range::Ranges;

/// How much of a stored 200 is sent. The bodies are slices of the stored one, not copies.
#[derive(Debug)]
pub(super) enum Part {
    /// The 200 as it is.
    Whole,
    /// 206 with these bytes.
    One { headers: HeaderMap, body: Bytes },
    /// 206 with several parts and what stands between them.
    Many {
        headers: HeaderMap,
        chunks: VecDeque<Bytes>,
        length: u64,
    },
    /// 416, without a body.
    Unsatisfiable { headers: HeaderMap },
}

impl Part {
    /// Decides for a request that its conditions have left with a 200, whose fields `headers` are (§13.2.2). Only the stored
    /// 200 has parts: other statuses are not asked about here. `now` only places years of two digits.
    pub(super) fn of(
        method: &Method,
        request: &HeaderMap,
        headers: &HeaderMap,
        body: &Bytes,
        now: SystemTime,
    ) -> Self {
        // §14.2 defines `Range` for GET alone.
        if method != Method::GET || !request.contains_key(RANGE) {
            return Self::Whole;
        }
        if !if_range_holds(request, headers, now) {
            return Self::Whole;
        }
        let client = match request.contains_key(IF_RANGE) {
            true => Client::Knows,
            false => Client::New,
        };
        let complete = body.len() as u64;
        match Ranges::parse(request, complete) {
            Ranges::Ignored => Self::Whole,
            Ranges::Unsatisfiable => Self::Unsatisfiable {
                headers: excerpt::unsatisfiable(headers, complete),
            },
            Ranges::Satisfiable(ranges) => match ranges.as_slice() {
                // §15.3.7.2: one range is never sent as a multipart, even if several were asked for.
                [range] => Self::one(headers, body, range, client),
                ranges => Self::many(headers, body, ranges, client),
            }
            .unwrap_or(Self::Whole),
        }
    }

    fn one(headers: &HeaderMap, body: &Bytes, range: &Range<u64>, client: Client) -> Option<Self> {
        let part = ContentRange::of(range, body.len() as u64)?;
        Some(Self::One {
            headers: excerpt::one_part(headers, part, client),
            body: slice(body, range),
        })
    }

    fn many(
        headers: &HeaderMap,
        body: &Bytes,
        ranges: &[Range<u64>],
        client: Client,
    ) -> Option<Self> {
        // `Content-Encoding` would be read as that of the multipart, which is not coded. A server may always send the whole.
        if headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let multipart = Multipart::of(body, ranges, headers.get(CONTENT_TYPE))?;
        let Multipart {
            content_type,
            chunks,
            length,
        } = multipart;
        Some(Self::Many {
            headers: excerpt::many_parts(headers, content_type, length, client),
            chunks,
            length,
        })
    }
}

/// The bytes of a range that lies within the body, and nothing of one that does not.
pub(super) fn slice(body: &Bytes, range: &Range<u64>) -> Bytes {
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    let end = position(range.end);
    body.slice(position(range.start).min(end)..end)
}

#[cfg(test)]
#[path = "partial_tests.rs"]
mod tests;
