//! A finished call as it is kept: metadata, trailers and message, in the body of a stored page.
//!
//! To the page cache it is opaque, so that no rule for fields of HTTP touches what is metadata here.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::body::GrpcBody;
use super::frame::one_message;

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

/// The most field lines that are kept of both blocks together, and the most bytes of all of them.
pub(super) const MOST_FIELDS: usize = 512;
pub(super) const LARGEST_FIELDS: usize = 64 * 1_024;

/// What a field line takes beside its name and its value, and a kept call beside its fields and its message.
const PER_FIELD: usize = 8;
pub(super) const OVERHEAD: usize = 16;

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
    /// Are its fields few and small enough?
    pub(super) fn fits(&self) -> bool {
        let blocks = [Some(&self.metadata), self.trailers.as_ref()];
        let (mut lines, mut bytes) = (0, 0);
        for (name, value) in blocks.into_iter().flatten().flatten() {
            lines += 1;
            bytes += name.as_str().len() + value.len() + PER_FIELD;
        }
        lines <= MOST_FIELDS && bytes <= LARGEST_FIELDS
    }

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
    pub(super) fn decode(bytes: Bytes) -> Option<Self> {
        let mut reading = Reading::of(&bytes);
        let metadata = reading.fields(&bytes)?;
        let trailers = match reading.byte()? {
            0 => None,
            1 => Some(reading.fields(&bytes)?),
            _ => return None,
        };
        let message = bytes.slice(reading.at..);
        is_message_or_nothing(&message).then_some(Self {
            metadata,
            trailers,
            message,
        })
    }

    /// The answer again.
    pub(super) fn into_response<B>(self) -> Response<GrpcBody<B>> {
        let mut response = Response::new(GrpcBody::whole(self.message, self.trailers));
        *response.headers_mut() = self.metadata;
        response
    }

    /// Would these be [decoded](Self::decode)? Without making anything of them.
    pub(super) fn is_legible(bytes: &[u8]) -> bool {
        let mut reading = Reading::of(bytes);
        reading.pass_head().is_some() && is_message_or_nothing(&bytes[reading.at..])
    }
}

/// One whole message, or none: what came back shorter or longer is not what was kept.
fn is_message_or_nothing(content: &[u8]) -> bool {
    content.is_empty() || one_message(content).is_some()
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

/// How far a kept call has been read.
struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A block of fields, whose values are slices of `all`.
    fn fields(&mut self, all: &Bytes) -> Option<HeaderMap> {
        let count = self.count()?;
        let mut fields = HeaderMap::with_capacity(count);
        for _ in 0..count {
            let name = HeaderName::from_bytes(&self.bytes[self.part()?]).ok()?;
            let value = HeaderValue::from_maybe_shared(all.slice(self.part()?)).ok()?;
            fields.try_append(name, value).ok()?;
        }
        Some(fields)
    }

    /// Both blocks of fields, of which nothing is made.
    fn pass_head(&mut self) -> Option<()> {
        self.pass_fields()?;
        match self.byte()? {
            0 => Some(()),
            1 => self.pass_fields(),
            _ => None,
        }
    }

    /// A block of fields, of which nothing is made.
    fn pass_fields(&mut self) -> Option<()> {
        for _ in 0..self.count()? {
            let name = self.part()?;
            HeaderName::from_bytes(&self.bytes[name]).ok()?;
            let value = self.part()?;
            let is_text = |byte: &u8| matches!(byte, b'\t' | 32..=126 | 128..);
            self.bytes[value].iter().all(is_text).then_some(())?;
        }
        Some(())
    }

    fn count(&mut self) -> Option<usize> {
        Some(self.number()?).filter(|count| *count <= MOST_FIELDS)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<usize> {
        let number = self.bytes.get(self.at..)?.first_chunk::<4>()?;
        self.at += 4;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    }

    fn part(&mut self) -> Option<std::ops::Range<usize>> {
        let length = self.number()?;
        let part = self.at..self.at.checked_add(length)?;
        self.bytes.get(part.clone())?;
        self.at = part.end;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

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
            assert!(kept.fits() && Kept::is_legible(&bytes));
            assert_eq!(Kept::decode(bytes.clone()), Some(kept.clone()));
            let fields = bytes.len() - kept.message.len();
            // To the end of its fields it is a call without a message.
            for end in (0..bytes.len()).filter(|end| *end != fields) {
                assert_eq!(Kept::decode(bytes.slice(..end)), None, "{end}");
                assert!(!Kept::is_legible(&bytes[..end]), "{end}");
            }
        }
        assert_eq!(Kept::decode(Bytes::from_static(&[255; 64])), None);
    }

    #[test]
    fn more_fields_than_are_read_back_are_not_kept() {
        let with = |count: usize, value: &str| {
            let mut metadata = HeaderMap::new();
            for _ in 0..count {
                metadata.append("x-a", value.parse().unwrap());
            }
            Kept {
                metadata,
                trailers: None,
                message: Bytes::new(),
            }
        };
        let most = with(MOST_FIELDS, "1");
        assert!(most.fits() && Kept::is_legible(&most.encode()));
        let more = with(MOST_FIELDS + 1, "1");
        assert!(!more.fits() && !Kept::is_legible(&more.encode()));
        let value = "x".repeat(LARGEST_FIELDS - PER_FIELD - "x-a".len());
        let largest = with(1, &value);
        assert!(largest.fits() && !with(1, &format!("{value}x")).fits());
        assert!(largest.encode().len() <= LARGEST_FIELDS + OVERHEAD);
    }

    proptest! {
        #[test]
        fn what_is_legible_is_decoded_and_nothing_else(
            names in vec("[a-zA-Z \u{80}-]{0,3}", 0..4),
            values in vec(vec(any::<u8>(), 0..4), 4),
            how in 0_u8..3,
            message in vec(0_u8..3, 0..8),
            flip in any::<(proptest::sample::Index, u8)>(),
        ) {
            let mut bytes = BytesMut::new();
            let put = |bytes: &mut BytesMut| {
                bytes.put_u32(names.len() as u32);
                for (name, value) in names.iter().zip(&values) {
                    for part in [name.as_bytes(), value] {
                        bytes.put_u32(part.len() as u32);
                        bytes.put_slice(part);
                    }
                }
            };
            put(&mut bytes);
            bytes.put_u8(how);
            if how == 1 {
                put(&mut bytes);
            }
            bytes.put_slice(&message);
            let legible = Kept::is_legible(&bytes);
            prop_assert_eq!(Kept::decode(bytes.clone().freeze()).is_some(), legible);
            let at = flip.0.index(bytes.len());
            bytes[at] ^= flip.1;
            let legible = Kept::is_legible(&bytes);
            prop_assert_eq!(Kept::decode(bytes.freeze()).is_some(), legible);
        }
    }
}
