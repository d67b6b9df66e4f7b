//! What of a call belongs to its key, beside what belongs to every page's: scheme, authority, path, and who is asking (SPEC GRPC-07).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

/// Says what is digested, and how what is stored under it is written. Whoever changes either never reads what was stored before.
const FORM: &[u8] = b"larder call 2";

pub(super) const GRPC_ENCODING: &str = "grpc-encoding";
/// The coding that is none.
pub(super) const IDENTITY: &str = "identity";
pub(super) const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// A digest of the message, byte for byte, of how it is to be read, of which answers can be, and of the metadata that are keyed.
///
/// Protobuf bytes are not canonical: equal messages in other bytes are other calls. Metadata are keyed as sent, `-bin` ones too.
pub(super) fn digest(headers: &HeaderMap, keyed: &[HeaderName], message: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(FORM);
    let mut lines = |name: &str| {
        let lines = headers.get_all(name);
        part(name.as_bytes());
        part(&(lines.iter().count() as u64).to_be_bytes());
        for line in lines {
            part(line.as_bytes());
        }
    };
    lines(CONTENT_TYPE.as_str());
    if !is_plain(headers) {
        lines(GRPC_ENCODING);
    }
    for name in keyed {
        lines(name.as_str());
    }
    part(b"");
    let accepted = accepted(headers);
    part(&(accepted.len() as u64).to_be_bytes());
    for coding in accepted {
        part(coding.as_bytes());
    }
    part(message);
    *hasher.finalize().as_bytes()
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
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let mut codings: Vec<String> = headers
        .get_all(GRPC_ACCEPT_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|coding| String::from_utf8_lossy(coding.trim_ascii()).to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != IDENTITY)
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
