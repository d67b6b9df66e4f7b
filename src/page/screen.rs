//! May this request use the cache? One pass over its head.

use http::{HeaderValue, Method};

use super::request::RequestHead;
use crate::header::RequestDirectives;
use crate::identity::IdentityType;
use crate::monitor::Bypass;

/// What the pass has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// Is only the head asked for?
    pub(super) head_only: bool,
    /// `Authorization`, `Cookie` or a registered identity.
    pub(super) credentials: bool,
    /// `Cache-Control: no-store`.
    pub(super) no_store: bool,
    /// Fields that steer handlers behind proxies, to be keyed.
    pub(super) forwarding: bool,
    /// The one `Host`.
    pub(super) host: Option<&'a HeaderValue>,
}

/// Fields that commonly steer output, and so are keyed where they are not trusted (SEC-POI-02).
pub(super) const FORWARDING: [&str; 13] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

pub(super) fn screen<'a>(
    head: &RequestHead<'a>,
    has_content: bool,
    identities: &[IdentityType],
) -> Result<Seen<'a>, Bypass> {
    let head_only = match *head.method {
        Method::GET => false,
        Method::HEAD => true,
        _ => return Err(Bypass::Method),
    };
    if has_content {
        return Err(Bypass::Content);
    }
    let mut seen = Seen {
        head_only,
        credentials: false,
        no_store: false,
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
            5 if name == "range" => return Err(Bypass::Range),
            6 if name == "cookie" => seen.credentials = true,
            6 if name == "x-host" => seen.forwarding = true,
            7 if name == "upgrade" => return Err(Bypass::Upgrade),
            8 if name == "if-match" => return Err(Bypass::Precondition),
            13 if name == "authorization" => seen.credentials = true,
            13 if name == "cache-control" => directives = true,
            14 if name == "content-length" && value != "0" => return Err(Bypass::Content),
            17 if name == "transfer-encoding" => return Err(Bypass::Content),
            19 if name == "if-unmodified-since" => return Err(Bypass::Precondition),
            9.. if !seen.forwarding && (name.starts_with("x-") || name == "forwarded") => {
                seen.forwarding = FORWARDING.contains(&name);
            }
            _ => {}
        }
    }
    // Only now, since the directive is rare and parsing is not free. Without `If-Match`, RFC 9111 §5.2.1.5 is the only one honoured here.
    if directives {
        seen.no_store = RequestDirectives::parse(head.headers).no_store;
    }
    seen.credentials |= identities
        .iter()
        .any(|identity| identity.is_present(head.extensions));
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
            false,
            &[IdentityType::of::<u8>()],
        )
        .map(|seen| (seen.credentials, seen.no_store, seen.forwarding))
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
            ("range", "bytes=0-1", Bypass::Range),
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
        let seen = screen(&RequestHead::of(&request), false, &identities).unwrap();
        assert!(seen.credentials);
    }
}
