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

/// What a key holds of a call: all of it, which for small messages is cheaper than a digest, or else a zero and a digest. The whole begins
/// with the length of [`FORM`], which is none.
pub(super) struct CallKey(SmallVec<[u8; MOST]>);

impl CallKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
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
        return CallKey(fields);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fields).update(message);
    fields.clear();
    fields.push(0);
    fields.extend_from_slice(hasher.finalize().as_bytes());
    CallKey(fields)
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
    use std::collections::BTreeSet;

    use http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn digest(headers: &HeaderMap, keyed: &[HeaderName], message: &[u8]) -> Vec<u8> {
        key_of(headers, keyed, None, message).as_bytes().to_vec()
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn tenant() -> [HeaderName; 1] {
        [HeaderName::from_static("x-tenant")]
    }

    #[test]
    fn each_component_makes_another_key() {
        let plain = ("content-type", "application/grpc");
        let calls: &[&[(&str, &str)]] = &[
            &[plain],
            &[("content-type", "application/grpc+proto")],
            &[plain, ("grpc-encoding", "gzip")],
            &[plain, ("grpc-encoding", "gzip"), ("grpc-encoding", "zstd")],
            &[
                plain,
                ("grpc-encoding", "gzip"),
                ("grpc-encoding", "identity"),
            ],
            &[plain, ("grpc-accept-encoding", "gzip")],
            &[plain, ("grpc-accept-encoding", "gzip,zstd")],
            &[plain, ("x-tenant", "a")],
            &[plain, ("x-tenant", "")],
            &[plain, ("x-tenant", "a"), ("x-tenant", "b")],
            &[plain, ("x-tenant", "a,b")],
        ];
        let digests: BTreeSet<_> = calls
            .iter()
            .flat_map(|call| {
                [&b"one"[..], b"two", b""].map(|it| digest(&headers(call), &tenant(), it))
            })
            .collect();
        assert_eq!(digests.len(), 3 * calls.len());
    }

    #[test]
    fn the_accepted_codings_are_a_set_and_to_name_no_coding_is_to_name_identity() {
        let of = |fields: &[(&'static str, &'static str)]| digest(&headers(fields), &[], b"m");
        assert_eq!(
            of(&[("grpc-accept-encoding", "gzip, identity,ZSTD")]),
            of(&[
                ("grpc-accept-encoding", "zstd"),
                ("grpc-accept-encoding", " gzip,,gzip")
            ])
        );
        assert_eq!(of(&[("grpc-accept-encoding", "identity")]), of(&[]));
        assert_eq!(of(&[("grpc-encoding", "identity")]), of(&[]));
    }

    #[test]
    fn what_is_not_named_is_not_in_the_key() {
        let of =
            |fields: &[(&'static str, &'static str)]| digest(&headers(fields), &tenant(), b"m");
        for name in ["grpc-timeout", "te", "user-agent", "traceparent", "x-other"] {
            assert_eq!(of(&[(name, "1")]), of(&[]), "{name}");
        }
    }

    #[test]
    fn which_name_a_value_stands_under_makes_another_key() {
        let both = headers(&[("x-tenant", "5"), ("x-region", "5")]);
        let region = [HeaderName::from_static("x-region")];
        assert_ne!(digest(&both, &tenant(), b"m"), digest(&both, &region, b"m"));
        assert_ne!(digest(&both, &tenant(), b"m"), digest(&both, &[], b"m"));
    }

    #[test]
    fn a_flag_of_one_needs_one_coding() {
        for (fields, has) in [
            (&[][..], false),
            (&[("grpc-encoding", "identity")], false),
            (&[("grpc-encoding", "gzip")], true),
            (
                &[("grpc-encoding", "gzip"), ("grpc-encoding", "zstd")],
                false,
            ),
        ] {
            assert_eq!(has_coding(&headers(fields)), has, "{fields:?}");
        }
    }

    #[test]
    fn calls_that_differ_have_other_keys_whatever_their_length() {
        let tenant = |value| headers(&[("x-tenant", value)]);
        let upstream = |name| Some(Authority::from_static(name));
        for filler in [0, 100, 250, 5_000] {
            let message = |end: &[u8]| [&vec![7; filler][..], end].concat();
            let key = |headers: HeaderMap, upstream: Option<Authority>, end: &[u8]| {
                let key = key_of(
                    &headers,
                    &super::tests::tenant(),
                    upstream.as_ref(),
                    &message(end),
                );
                let key = key.as_bytes().to_vec();
                // Neither kind can be taken for the other.
                assert_eq!(key[0] == 0, filler >= 250, "{filler}");
                assert!(key.len() <= MOST && (filler < 250 || key.len() == 33));
                key
            };
            let keys = [
                key(tenant("a"), None, b""),
                key(tenant("a"), None, b"a"),
                key(tenant("a"), None, b"b"),
                key(tenant("a"), upstream("a"), b"a"),
                key(tenant("a"), upstream("b"), b"a"),
                key(tenant("b"), None, b"a"),
            ];
            let distinct: BTreeSet<_> = keys.iter().collect();
            assert_eq!(distinct.len(), keys.len(), "{filler}");
        }
    }

    proptest! {
        #[test]
        fn no_two_calls_share_a_key(
            calls in vec((vec("[ab,]{0,2}", 0..3), vec("[ab]{0,2}", 0..3), vec(0_u8..3, 0..4)), 2),
        ) {
            let parts = |(tenants, accepted, message): &(Vec<String>, Vec<String>, Vec<u8>)| {
                let mut headers = HeaderMap::new();
                for tenant in tenants {
                    headers.append("x-tenant", tenant.parse().unwrap());
                }
                for coding in accepted {
                    headers.append(GRPC_ACCEPT_ENCODING, coding.parse().unwrap());
                }
                let accepted: BTreeSet<String> =
                    accepted.iter().filter(|coding| !coding.is_empty()).cloned().collect();
                (digest(&headers, &tenant(), message), (tenants.clone(), accepted, message.clone()))
            };
            let (one, other) = (parts(&calls[0]), parts(&calls[1]));
            prop_assert_eq!(one.0 == other.0, one.1 == other.1);
        }
    }
}
