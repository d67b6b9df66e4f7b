//! Fields that are meant for one connection and must not outlive it (RFC 9110 §7.6.1, RFC 9111 §3.1).

use http::header::{
    CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::non_empty_members;

static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    // Not hop-by-hop, but about one proxy: RFC 9111 §3.1 keeps them out of the store.
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
];

/// Removes `Connection`, every field it names, and the fields that are as short-lived without being named.
///
/// `Trailer` stays: it speaks of the message, whose trailers are kept with it.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let connection: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for option in connection
        .iter()
        .flat_map(|line| non_empty_members(line.as_bytes()))
    {
        // An option that is no field name names no field. As `&str` it is looked up without an allocation.
        if let Ok(name) = std::str::from_utf8(option) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether a list field has this token among its members, in any letter case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| non_empty_members(line.as_bytes()))
        .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, TRAILER};
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|&(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn connection_and_all_it_names_are_removed() {
        let mut headers = map(&[
            ("connection", "X-A, close,, \"x\" ,x b"),
            ("connection", "x-c"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "kept"),
            ("x-c", "3"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-b", "kept")]));
    }

    #[test]
    fn connection_naming_itself_hides_nothing() {
        let mut headers = map(&[("connection", "connection, x-a"), ("x-a", "1")]);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn short_lived_fields_are_removed_unnamed() {
        let mut headers: HeaderMap = HOP_BY_HOP
            .iter()
            .map(|name| (name.clone(), HeaderValue::from_static("x")))
            .collect();
        headers.insert(TRAILER, HeaderValue::from_static("x-t"));
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("trailer", "x-t")]));
    }

    #[test]
    fn a_million_options_are_read_in_linear_time() {
        let options: String = (0..200_000).map(|n| format!("x-{n},,")).collect();
        let mut headers = arbitrary::map(&CONNECTION, [options]);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn tokens_are_found_as_whole_members_in_any_case() {
        let headers = map(&[
            ("connection", "keep-alive, Upgrade"),
            ("connection", "x"),
            ("cache-control", "a=\"x, no-store\""),
        ]);
        assert!(has_token(&headers, &CONNECTION, "upgrade"));
        assert!(has_token(&headers, &CONNECTION, "X"));
        assert!(!has_token(&headers, &CONNECTION, "keep"));
        assert!(!has_token(&headers, &CONNECTION, ""));
        assert!(!has_token(&headers, &UPGRADE, "upgrade"));
        assert!(!has_token(&headers, &CACHE_CONTROL, "no-store"));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(mut headers in arbitrary::lines(CONNECTION)) {
            let _ = has_token(&headers, &CONNECTION, "close");
            strip_hop_by_hop(&mut headers);
            prop_assert!(headers.is_empty());
        }
    }
}
