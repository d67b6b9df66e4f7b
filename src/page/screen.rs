//! May this request use the cache? One pass over its head.

use http::{HeaderValue, Method};

use crate::header::RequestDirectives;
use crate::identity::IdentityType;
use crate::monitor::Bypass;
use crate::request::RequestHead;

/// What the pass has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// Is only the head asked for?
    pub(super) head_only: bool,
    /// `Authorization`, `Cookie` or a registered identity.
    pub(super) credentials: bool,
    /// `Authorization`, and nothing else of these (RFC 9111 §3.5).
    pub(super) authorization_alone: bool,
    /// `If-None-Match` or `If-Modified-Since`.
    pub(super) conditional: bool,
    /// `Range`, which counts for GET alone (RFC 9110 §14.2).
    pub(super) ranged: bool,
    /// What `Cache-Control` says.
    pub(super) said: RequestDirectives,
    /// Fields that steer handlers behind proxies, to be keyed.
    pub(super) forwarding: bool,
    /// The one `Host`.
    pub(super) host: Option<&'a HeaderValue>,
}

/// Fields that commonly steer output, and so are keyed where they are not trusted (SEC-POI-02).
pub(crate) const FORWARDING: [&str; 16] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];

/// What a request carries beside its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Absent,
    /// It has some, and no key holds it.
    Unkeyed,
    /// It is QUERY, and its key holds it.
    Keyed,
}

/// More lines than a request that means well has; a map has not always room for one more.
const MOST_FIELDS: usize = 4_096;

/// Does it name a field that a proxy within takes away, so that the handler does not see what the key holds (RFC 9110 §7.6.1)?
fn takes_away(connection: &HeaderValue) -> bool {
    const OWN: [&[u8]; 5] = [b"close", b"keep-alive", b"te", b"upgrade", b""];
    let mut members = connection.as_bytes().split(|byte| *byte == b',');
    members.any(|member| {
        let member = member.trim_ascii();
        !OWN.iter().any(|own| own.eq_ignore_ascii_case(member))
    })
}

pub(super) fn screen<'a>(
    head: &RequestHead<'a>,
    content: Content,
    identities: &[IdentityType],
) -> Result<Seen<'a>, Bypass> {
    let head_only = match *head.method {
        Method::GET => false,
        Method::HEAD => true,
        _ if content == Content::Keyed => false,
        _ => return Err(Bypass::Method),
    };
    if content == Content::Unkeyed {
        return Err(Bypass::Content);
    }
    if head.headers.len() > MOST_FIELDS {
        return Err(Bypass::Fields);
    }
    let keyed = content == Content::Keyed;
    let (mut authorization, mut other) = (false, false);
    let mut seen = Seen {
        head_only,
        credentials: false,
        authorization_alone: false,
        conditional: false,
        ranged: false,
        said: RequestDirectives::default(),
        forwarding: false,
        host: None,
    };
    let mut directives = false;
    for (name, value) in head.headers {
        let name = name.as_str();
        // By length and first letters: most fields of most requests fall through here.
        match name.len() {
            4 if name == "host" && seen.host.replace(value).is_some() => {
                return Err(Bypass::Authority);
            }
            5 if name == "range" => seen.ranged = *head.method == Method::GET,
            6 if name == "cookie" => other = true,
            6 if name == "x-host" => seen.forwarding = true,
            7 if name == "upgrade" => return Err(Bypass::Upgrade),
            8 if name == "if-match" => return Err(Bypass::Precondition),
            10 if name == "connection" && takes_away(value) => return Err(Bypass::Connection),
            13 if name == "authorization" => authorization = true,
            13 if name == "cache-control" => directives = true,
            13 if name == "if-none-match" => seen.conditional = true,
            14 if name == "content-length" && value != "0" && !keyed => {
                return Err(Bypass::Content);
            }
            17 if name == "if-modified-since" => seen.conditional = true,
            17 if name == "transfer-encoding" && !keyed => return Err(Bypass::Content),
            19 if name == "if-unmodified-since" => return Err(Bypass::Precondition),
            19 if name == "proxy-authorization" => other = true,
            9.. if !seen.forwarding && (name.starts_with("x-") || name == "forwarded") => {
                seen.forwarding = FORWARDING.contains(&name);
            }
            _ => {}
        }
    }
    // Only now, since the field is rare and parsing is not free.
    if directives {
        seen.said = RequestDirectives::parse(head.headers);
    }
    other |= identities
        .iter()
        .any(|identity| identity.is_present(head.extensions));
    seen.credentials = authorization || other;
    seen.authorization_alone = authorization && !other;
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn screened(method: &str, fields: &[(&str, &str)]) -> Result<(bool, bool, bool), Bypass> {
        let mut request = Request::builder().method(method).uri("/p");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        screen(
            &RequestHead::of(&request),
            Content::Absent,
            &[IdentityType::of::<u8>()],
        )
        .map(|seen| (seen.credentials, seen.said.no_store, seen.forwarding))
    }

    #[test]
    fn only_get_and_head_use_the_cache() {
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "BREW", "get",
        ] {
            assert_eq!(screened(method, &[]), Err(Bypass::Method), "{method}");
        }
        assert_eq!(screened("HEAD", &[]), Ok((false, false, false)));
    }

    #[test]
    fn what_is_for_the_origin_to_judge_passes_by() {
        let table = [
            ("if-match", "\"a\"", Bypass::Precondition),
            (
                "if-unmodified-since",
                "Sun, 06 Nov 1994 08:49:37 GMT",
                Bypass::Precondition,
            ),
            ("upgrade", "websocket", Bypass::Upgrade),
            ("content-length", "3", Bypass::Content),
            ("content-length", "00", Bypass::Content),
            ("transfer-encoding", "chunked", Bypass::Content),
        ];
        for (name, value, why) in table {
            assert_eq!(screened("GET", &[(name, value)]), Err(why), "{name}");
        }
        assert!(screened("GET", &[("content-length", "0")]).is_ok());
        assert_eq!(
            screened("GET", &[("host", "a"), ("host", "a")]),
            Err(Bypass::Authority)
        );
    }

    #[test]
    fn credentials_and_steering_fields_are_seen() {
        assert_eq!(screened("GET", &[("cookie", "")]), Ok((true, false, false)));
        assert_eq!(
            screened("GET", &[("authorization", "x")]),
            Ok((true, false, false))
        );
        assert_eq!(
            screened("GET", &[("cache-control", "No-Store")]),
            Ok((false, true, false))
        );
        for name in FORWARDING {
            assert_eq!(
                screened("GET", &[(name, "x")]),
                Ok((false, false, true)),
                "{name}"
            );
        }
        assert_eq!(
            screened("GET", &[("x-forwarded-host", "a"), ("x-request-id", "b")]),
            Ok((false, false, true))
        );
        assert_eq!(
            screened("GET", &[("x-forwarded-for", "a"), ("accept", "b")]),
            Ok((false, false, false))
        );
    }

    #[test]
    fn a_registered_identity_is_a_credential() {
        let mut request = Request::new(());
        request.extensions_mut().insert(7_u8);
        let identities = [IdentityType::of::<u8>()];
        let seen = screen(&RequestHead::of(&request), Content::Absent, &identities).unwrap();
        assert!(seen.credentials);
    }
}
