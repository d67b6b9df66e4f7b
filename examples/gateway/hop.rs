//! The fields of one connection, which do not go on to the next one (RFC 9110 §7.6.1).

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    // For a proxy that a client has chosen; who asks a gateway takes it for the origin.
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
];

/// Takes a request's fields of the last hop away, and says that it came through here.
pub(crate) fn prepare_request(headers: &mut HeaderMap, version: Version) {
    let trailers = lists(headers, &TE, "trailers");
    strip(headers);
    if trailers {
        // It is about this hop again: trailers of the origin are passed on.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // RFC 9110 §7.6.3: the version is that of the request that came in.
    let received = match version {
        Version::HTTP_10 => "1.0 larder",
        _ => "1.1 larder",
    };
    headers.append(VIA, HeaderValue::from_static(received));
}

/// Takes away what a request's `Connection` names, before the cache selects by it: the origin does not see it either.
pub(crate) fn strip_named(headers: &mut HeaderMap) {
    for name in named(headers) {
        // Whether the client takes trailers is told to the origin anew.
        if name != TE {
            headers.remove(name);
        }
    }
    headers.remove(CONNECTION);
}

/// Takes a response's fields of the last hop away.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in named(headers).iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // They frame and address the message itself; no message goes without them because of a list.
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
        .collect()
}

/// Is `member` in the list of a field, with or without parameters?
fn lists(headers: &HeaderMap, field: &HeaderName, member: &str) -> bool {
    let mut members = headers
        .get_all(field)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|each| each.split(';').next());
    members.any(|each| each.trim().eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> HeaderMap {
        let parsed = fields.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        });
        let mut map = HeaderMap::new();
        for (name, value) in parsed {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn what_is_about_the_connection_is_taken_away() {
        let mut headers = fields(&[
            ("connection", "X-One ,, close"),
            ("connection", "x-two, \"bad\""),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "gzip"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, fields(&[("x-three", "3")]));
    }

    #[test]
    fn no_list_takes_host_or_length_away() {
        let mut headers = fields(&[
            ("connection", "host, content-length"),
            ("host", "a"),
            ("content-length", "1"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, fields(&[("host", "a"), ("content-length", "1")]));
    }

    #[test]
    fn only_trailers_are_asked_for() {
        let mut headers = fields(&[("te", "gzip;q=0.5, Trailers"), ("connection", "TE")]);
        prepare_request(&mut headers, Version::HTTP_11);
        let expected = [
            ("te", "trailers"),
            ("connection", "te"),
            ("via", "1.1 larder"),
        ];
        assert_eq!(headers, fields(&expected));
    }

    #[test]
    fn via_is_added_to_those_that_stand_there() {
        let mut headers = fields(&[("via", "1.1 edge")]);
        prepare_request(&mut headers, Version::HTTP_10);
        assert_eq!(
            headers,
            fields(&[("via", "1.1 edge"), ("via", "1.0 larder")])
        );
    }
}
