//! What of a call belongs to its key, beside what belongs to every page's: scheme, authority, path, and who is asking (SPEC GRPC-07).

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// Says what is written here, and how what is stored under it is. Whoever changes either never reads what was stored before.
const FORM: &[u8] = b"larder call 2";

/// The most that a key holds of a call as it is. Of more it holds a digest.
const MOST: usize = 256;

pub(super) const GRPC_ENCODING: &str = "grpc-encoding";
/// The coding that is none.
pub(super) const IDENTITY: &str = "identity";
pub(super) const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// What a key holds of a call.
pub(super) enum CallKey {
    /// All of it: for small messages that is cheaper than a digest.
    Whole(SmallVec<[u8; MOST]>),
    /// As long as no whole one can be.
    Digest([u8; DIGEST]),
}

/// The length of a digest with what tells it from a whole key, which begins with the length of [`FORM`].
const DIGEST: usize = 33;

impl CallKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Digest(bytes) => bytes,
        }
    }
}

/// The message, byte for byte, how it is to be read, which answers can be, what is called, and the metadata that are keyed.
///
/// Protobuf bytes are not canonical: equal messages in other bytes are other calls. Metadata are keyed as sent, `-bin` ones too.
pub(super) fn key_of(
    headers: &HeaderMap,
    keyed: &[HeaderName],
    upstream: Option<&Authority>,
    message: &[u8],
) -> CallKey {
    let mut fields = SmallVec::<[u8; MOST]>::new();
    part(&mut fields, FORM);
    part(
        &mut fields,
        upstream.map_or("", Authority::as_str).as_bytes(),
    );
    let mut lines = |name: &str| {
        let lines = headers.get_all(name);
        part(&mut fields, name.as_bytes());
        length(&mut fields, lines.iter().count());
        for line in lines {
            part(&mut fields, line.as_bytes());
        }
    };
    lines(CONTENT_TYPE.as_str());
    if !is_plain(headers) {
        lines(GRPC_ENCODING);
    }
    for name in keyed {
        lines(name.as_str());
    }
    part(&mut fields, b"");
    let accepted = accepted(headers);
    length(&mut fields, accepted.len());
    for coding in &accepted {
        part(&mut fields, coding);
    }
    length(&mut fields, message.len());
    if fields.len() + message.len() <= MOST {
        fields.extend_from_slice(message);
        return CallKey::Whole(fields);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fields).update(message);
    let mut digest = [0; DIGEST];
    digest[1..].copy_from_slice(hasher.finalize().as_bytes());
    CallKey::Digest(digest)
}

fn part(key: &mut SmallVec<[u8; MOST]>, bytes: &[u8]) {
    length(key, bytes.len());
    key.extend_from_slice(bytes);
}

/// Seven bits at a time, the lowest first; the last byte is the one below 128.
fn length(key: &mut SmallVec<[u8; MOST]>, mut length: usize) {
    while length >= 0x80 {
        key.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    key.push(length as u8);
}

/// Is no coding named? To say nothing is to say `identity`.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(GRPC_ENCODING).iter();
    lines.next().is_none_or(|coding| coding == IDENTITY) && lines.next().is_none()
}

/// Does a flag of 1 say how its message is to be read: is a coding named that is one?
pub(super) fn has_coding(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(GRPC_ENCODING).iter();
    matches!((lines.next(), lines.next()), (Some(coding), None) if coding != IDENTITY)
}

/// The message codings that a client takes, as a set (GRPC-08).
fn accepted(headers: &HeaderMap) -> SmallVec<[Cow<'_, [u8]>; 4]> {
    let mut codings: SmallVec<[Cow<'_, [u8]>; 4]> = headers
        .get_all(GRPC_ACCEPT_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|coding| match coding.trim_ascii() {
            coding if coding.iter().any(u8::is_ascii_uppercase) => {
                Cow::Owned(coding.to_ascii_lowercase())
            }
            coding => Cow::Borrowed(coding),
        })
        .filter(|coding| !coding.is_empty() && **coding != *IDENTITY.as_bytes())
        .collect();
    codings.sort_unstable();
    codings.dedup();
    codings
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn key(
        fields: &[(&'static str, &'static str)],
        upstream: Option<&'static str>,
        message: &[u8],
    ) -> Vec<u8> {
        let keyed = [HeaderName::from_static("x-tenant")];
        let upstream = upstream.map(Authority::from_static);
        let key = key_of(&headers(fields), &keyed, upstream.as_ref(), message);
        key.as_bytes().to_vec()
    }

    #[test]
    fn calls_that_differ_in_what_counts_have_other_keys_whatever_their_length() {
        for filler in [0, 100, 250, 5_000] {
            let message = |end: &[u8]| [&vec![7; filler][..], end].concat();
            let keys = [
                key(&[], None, &message(b"")),
                key(&[], None, &message(b"a")),
                key(&[], None, &message(b"b")),
                key(&[], Some("a"), &message(b"a")),
                key(&[], Some("b"), &message(b"a")),
                key(&[("content-type", "a")], None, &message(b"a")),
                key(&[("grpc-encoding", "a")], None, &message(b"a")),
                key(&[("grpc-accept-encoding", "a")], None, &message(b"a")),
                key(&[("grpc-accept-encoding", "a,b")], None, &message(b"a")),
                key(&[("x-tenant", "")], None, &message(b"a")),
                key(&[("x-tenant", "a")], None, &message(b"a")),
                key(&[("x-tenant", "a"), ("x-tenant", "")], None, &message(b"a")),
            ];
            for (place, one) in keys.iter().enumerate() {
                assert!(!keys[place + 1..].contains(one), "{filler}: {place}");
                assert!(one.len() <= MOST);
                assert_eq!(
                    one[0] == 0 && one.len() == DIGEST,
                    filler >= 250,
                    "{filler}: {place}"
                );
            }
        }
    }

    #[test]
    fn codings_that_are_taken_are_a_set() {
        let key = |value| key(&[("grpc-accept-encoding", value)], None, b"a");
        assert_eq!(key("gzip,zstd"), key(" ZSTD , identity,gzip,, gzip"));
        assert_eq!(key("identity"), super::tests::key(&[], None, b"a"));
        assert_ne!(key("gzip"), key("zstd"));
    }

    #[test]
    fn what_does_not_count_is_not_in_the_key() {
        let fields = [("user-agent", "a"), ("grpc-timeout", "1S"), ("te", "x")];
        assert_eq!(key(&fields, None, b"a"), key(&[], None, b"a"));
    }
}
