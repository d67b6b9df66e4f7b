//! Several parts of a body as `multipart/byteranges` (RFC 9110 §14.6, RFC 2046 §5.1).

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::partial::slice;
use crate::header::content_range::ContentRange;

/// How many boundaries are tried. That a body has one of 32 hexadecimal digits in it by accident does not happen even once.
const ATTEMPTS: u64 = 4;

/// A body of several parts, each a slice of the whole body.
#[derive(Debug)]
pub(super) struct Multipart {
    pub(super) content_type: HeaderValue,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) length: u64,
}

impl Multipart {
    /// Puts the parts together in the order given. `kind` is the `Content-Type` of the whole.
    ///
    /// `None` if a part has one boundary after the other in it, which someone must have arranged.
    pub(super) fn of(
        body: &Bytes,
        ranges: &[Range<u64>],
        kind: Option<&HeaderValue>,
    ) -> Option<Self> {
        let complete = body.len() as u64;
        let parts: Vec<_> = ranges.iter().map(|range| slice(body, range)).collect();
        let boundary = boundary(body, &parts)?;

        let mut chunks = VecDeque::with_capacity(2 * parts.len() + 1);
        for (range, part) in ranges.iter().zip(parts) {
            let place = ContentRange::of(range, complete)?;
            chunks.push_back(heading(&boundary, kind, place, chunks.is_empty()));
            chunks.push_back(part);
        }
        chunks.push_back(Bytes::from(format!("\r\n--{boundary}--\r\n")));

        Some(Self {
            // Without quotes, which some clients do not understand (RFC 9110 §15.3.7.2 shows it so).
            content_type: HeaderValue::try_from(format!(
                "multipart/byteranges; boundary={boundary}"
            ))
            .ok()?,
            length: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            chunks,
        })
    }
}

/// What stands before a part: the boundary, and what and where the part is.
fn heading(boundary: &str, kind: Option<&HeaderValue>, place: ContentRange, first: bool) -> Bytes {
    let mut text = Vec::new();
    // The line break belongs to the boundary and ends the part before.
    if !first {
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"--");
    text.extend_from_slice(boundary.as_bytes());
    text.extend_from_slice(b"\r\n");
    let place = place.to_value();
    let fields = [(CONTENT_TYPE, kind), (CONTENT_RANGE, Some(&place))];
    for (name, value) in fields {
        let Some(value) = value else { continue };
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    Bytes::from(text)
}

/// A boundary that is in none of the parts. Taken from the body, so that the same request gets the same bytes.
fn boundary(body: &Bytes, parts: &[Bytes]) -> Option<String> {
    (0..ATTEMPTS)
        .map(|attempt| candidate(body, attempt))
        .find(|boundary| !parts.iter().any(|part| contains(part, boundary)))
}

fn candidate(body: &[u8], attempt: u64) -> String {
    format!("{:032x}", xxh3_128_with_seed(body, attempt))
}

/// Linear in the text, as the boundary's length is fixed.
fn contains(text: &[u8], boundary: &str) -> bool {
    text.windows(boundary.len())
        .any(|window| window == boundary.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(multipart: &Multipart) -> String {
        let bytes: Vec<u8> = multipart.chunks.iter().flatten().copied().collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_parts_stand_between_boundaries_with_their_place() {
        let body = Bytes::from_static(b"0123456789");
        let kind = HeaderValue::from_static("text/plain");
        let multipart = Multipart::of(&body, &[8..10, 0..3], Some(&kind)).unwrap();
        let content_type = multipart.content_type.to_str().unwrap();
        let boundary = content_type
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        assert!(boundary.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let expected = format!(
            "--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-9/10\r\n\r\n89\r\n\
             --{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-2/10\r\n\r\n012\r\n\
             --{boundary}--\r\n"
        );
        assert_eq!(text(&multipart), expected);
        assert_eq!(multipart.length, expected.len() as u64);
    }

    #[test]
    fn a_whole_without_a_type_has_parts_without_one() {
        let body = Bytes::from_static(b"0123456789");
        let multipart = Multipart::of(&body, &[0..1, 2..3], None).unwrap();
        assert!(!text(&multipart).contains("content-type"));
    }

    #[test]
    fn the_same_parts_are_the_same_bytes() {
        let body = Bytes::from_static(b"0123456789");
        let once = Multipart::of(&body, &[0..1, 2..3], None).unwrap();
        let again = Multipart::of(&body, &[0..1, 2..3], None).unwrap();
        assert_eq!(text(&once), text(&again));
    }

    #[test]
    fn a_boundary_that_stands_in_a_part_is_not_taken() {
        let body = Bytes::from_static(b"0123456789");
        let first = candidate(&body, 0);
        let hostile = [Bytes::from(format!("x{first}x"))];
        assert_eq!(boundary(&body, &hostile), Some(candidate(&body, 1)));

        let all: String = (0..ATTEMPTS)
            .map(|attempt| candidate(&body, attempt))
            .collect();
        assert_eq!(boundary(&body, &[Bytes::from(all)]), None);
    }
}
