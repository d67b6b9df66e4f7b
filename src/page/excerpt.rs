//! The fields of answers that are less than the stored response: 304, a part of it, and 416.
//!
//! 304 and parts are told by what they leave out. The fields of a page that are not about its representation are without
//! number (`CDN-Cache-Control`, `No-Vary-Search`, CORS, what the application thinks up), and a client that is not sent one
//! of them again may take it for gone. Those that describe the representation are few and known.

use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, CONTENT_TYPE, DATE, ETAG,
    LAST_MODIFIED, SET_COOKIE, TRAILER, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::stored::{CACHE_STATUS, X_CACHE};
use crate::header::content_range::ContentRange;

/// What begins like the metadata of a representation and is none, or is asked for in answers without one.
static NOT_METADATA: [HeaderName; 3] = [
    CONTENT_LOCATION,
    CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_REPORT_ONLY,
];

/// What a 304 leaves out besides. A cookie is never for everyone who has the page.
static NOT_IN_304: [HeaderName; 4] = [
    ACCEPT_RANGES,
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
    SET_COOKIE,
];

/// What is about the message that carried the whole: no part has its length, and none has its trailers.
static FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, CONTENT_RANGE, TRAILER, TRANSFER_ENCODING];

/// Digests of the content, which in a part is another.
static CONTENT_DIGESTS: [HeaderName; 2] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// What a 416 keeps, beside CORS.
static IN_416: [HeaderName; 5] = [DATE, AGE, VARY, CACHE_STATUS, X_CACHE];

/// Does the client know the representation already, so that its metadata need not be sent again (§15.3.7)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// It sent `If-Range`.
    Knows,
    New,
}

/// The fields of a 304, from those of the whole answer (RFC 9110 §15.4.5).
pub(super) fn not_modified(headers: &HeaderMap) -> HeaderMap {
    filtered(headers, |name| {
        !is_metadata(headers, name) && !FRAMING.contains(name) && !NOT_IN_304.contains(name)
    })
}

/// The fields of a 206 with one part, from those of the whole answer (RFC 9110 §15.3.7).
pub(super) fn one_part(headers: &HeaderMap, part: ContentRange, client: Client) -> HeaderMap {
    let mut headers = part_headers(headers, client);
    headers.insert(CONTENT_RANGE, part.to_value());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.length()));
    headers
}

/// The fields of a 206 with several parts: what each of them is, it says itself (§15.3.7.2).
pub(super) fn many_parts(
    headers: &HeaderMap,
    content_type: HeaderValue,
    length: u64,
    client: Client,
) -> HeaderMap {
    let mut headers = part_headers(headers, client);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

/// The fields of a 416 (§15.5.17).
///
/// It is no answer about the page but about the request. So here the fields that stay are counted: what tells how it came
/// about, what it was selected by, and what lets a script see it. Above all it must not inherit a lifetime, with which a
/// cache outside would keep it.
pub(super) fn unsatisfiable(headers: &HeaderMap, complete: u64) -> HeaderMap {
    let mut headers = filtered(headers, |name| {
        IN_416.contains(name) || name.as_str().starts_with("access-control-")
    });
    headers.insert(CONTENT_RANGE, ContentRange::unsatisfied(complete));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    headers
}

/// What all parts have in common. `Repr-Digest` and `Digest` stay, even for a client that has them: they are about the
/// whole, and what a client puts together of parts is checked by them (RFC 9530 §3). Those of the content are not its own.
fn part_headers(headers: &HeaderMap, client: Client) -> HeaderMap {
    filtered(headers, |name| {
        let known = client == Client::Knows
            && is_metadata(headers, name)
            // A layer outside that codes bodies looks for it, and would code the coded bytes of the part once more.
            && name != CONTENT_ENCODING;
        !known && !FRAMING.contains(name) && !CONTENT_DIGESTS.contains(name)
    })
}

/// Is the field only about the representation, and not asked for in answers without it?
fn is_metadata(headers: &HeaderMap, name: &HeaderName) -> bool {
    // The date is the validator of a page that has no other.
    (name == LAST_MODIFIED && headers.contains_key(ETAG))
        || (name.as_str().starts_with("content-") && !NOT_METADATA.contains(name))
}

fn filtered(headers: &HeaderMap, kept: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    // A map asked for more room than one can have panics; no answer that is meant has as many fields.
    let mut filtered = HeaderMap::with_capacity(headers.keys_len().min(100) + 2);
    for (name, value) in headers.iter().filter(|(name, _)| kept(name)) {
        filtered.append(name.clone(), value.clone());
    }
    filtered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hit that says all there is to say.
    fn whole() -> HeaderMap {
        map(&[
            ("accept-ranges", "bytes"),
            ("access-control-allow-origin", "*"),
            ("age", "5"),
            ("cache-control", "public"),
            ("cache-control", "max-age=60"),
            ("cache-status", "larder; hit; ttl=55"),
            ("cdn-cache-control", "max-age=600"),
            ("content-digest", "sha-256=:AAAA:"),
            ("content-disposition", "inline"),
            ("content-encoding", "gzip"),
            ("content-language", "en"),
            ("content-length", "10"),
            ("content-location", "/p.en"),
            ("content-md5", "AAAA"),
            ("content-security-policy", "default-src 'self'"),
            ("content-type", "text/plain"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("etag", "\"a\""),
            ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"),
            ("no-vary-search", "params"),
            ("repr-digest", "sha-256=:AAAA:"),
            ("set-cookie", "a=b"),
            ("trailer", "x-t"),
            ("transfer-encoding", "chunked"),
            ("vary", "accept-language"),
            ("x-cache", "HIT"),
            ("x-own", "1"),
            ("x-own", "2"),
        ])
    }

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    /// What is missing, and what is another than in the whole.
    fn changes(headers: &HeaderMap) -> (Vec<String>, Vec<String>) {
        let whole = whole();
        let mut missing = Vec::new();
        let mut other = Vec::new();
        for name in whole.keys() {
            if !headers.contains_key(name) {
                missing.push(name.to_string());
            } else if !headers.get_all(name).iter().eq(whole.get_all(name)) {
                other.push(name.to_string());
            }
        }
        let new = headers.keys().filter(|name| !whole.contains_key(*name));
        other.extend(new.map(HeaderName::to_string));
        (missing, other)
    }

    fn part() -> ContentRange {
        ContentRange::of(&(2..5), 10).unwrap()
    }

    #[test]
    fn a_304_leaves_out_the_metadata_of_the_representation_and_nothing_else() {
        let (missing, other) = changes(&not_modified(&whole()));
        assert_eq!(
            missing,
            [
                "accept-ranges",
                "content-digest",
                "content-disposition",
                "content-encoding",
                "content-language",
                "content-length",
                "content-md5",
                "content-type",
                "last-modified",
                "repr-digest",
                "set-cookie",
                "trailer",
                "transfer-encoding",
            ]
        );
        assert!(other.is_empty(), "{other:?}");
    }

    #[test]
    fn as_many_fields_as_a_map_has_room_for_do_not_panic() {
        let names = (0..20_000).map(|n| HeaderName::try_from(format!("x-{n}")).unwrap());
        let headers: HeaderMap = names
            .map(|name| (name, HeaderValue::from_static("")))
            .collect();
        assert_eq!(not_modified(&headers).len(), 20_000);
        assert_eq!(one_part(&headers, part(), Client::New).len(), 20_002);
    }

    #[test]
    fn without_a_tag_the_date_is_the_validator() {
        let mut whole = whole();
        whole.remove(ETAG);
        assert!(not_modified(&whole).contains_key(LAST_MODIFIED));
        for client in [Client::Knows, Client::New] {
            assert!(one_part(&whole, part(), client).contains_key(LAST_MODIFIED));
        }
    }

    #[test]
    fn a_part_says_all_that_the_whole_says_but_what_is_not_true_of_it() {
        let headers = one_part(&whole(), part(), Client::New);
        let (missing, other) = changes(&headers);
        assert_eq!(
            missing,
            [
                "content-digest",
                "content-md5",
                "trailer",
                "transfer-encoding"
            ]
        );
        assert_eq!(other, ["content-length", "content-range"]);
        assert_eq!(headers[CONTENT_RANGE], "bytes 2-4/10");
        assert_eq!(headers[CONTENT_LENGTH], "3");
    }

    #[test]
    fn a_client_with_if_range_is_not_told_again_what_the_representation_is() {
        let (missing, other) = changes(&one_part(&whole(), part(), Client::Knows));
        assert_eq!(
            missing,
            [
                "content-digest",
                "content-disposition",
                "content-language",
                "content-md5",
                "content-type",
                "last-modified",
                "trailer",
                "transfer-encoding",
            ]
        );
        assert_eq!(other, ["content-length", "content-range"]);
    }

    #[test]
    fn several_parts_have_no_content_range_between_them() {
        let mut whole = whole();
        // Whatever the handler has thought of it.
        whole.insert(CONTENT_RANGE, HeaderValue::from_static("bytes 0-9/10"));
        let kind = HeaderValue::from_static("multipart/byteranges; boundary=x");
        for client in [Client::Knows, Client::New] {
            let headers = many_parts(&whole, kind.clone(), 99, client);
            assert!(!headers.contains_key(CONTENT_RANGE));
            assert_eq!(headers[CONTENT_LENGTH], "99");
            assert_eq!(headers[CONTENT_TYPE], kind);
        }
    }

    #[test]
    fn a_416_says_the_length_and_no_lifetime() {
        let headers = unsatisfiable(&whole(), 10);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "access-control-allow-origin",
                "age",
                "cache-status",
                "content-length",
                "content-range",
                "date",
                "vary",
                "x-cache",
            ]
        );
        assert_eq!(headers[CONTENT_RANGE], "bytes */10");
        assert_eq!(headers[CONTENT_LENGTH], "0");
    }
}
