//! Adding a directive to a message that may have some.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};

use super::ResponseDirectives;
use crate::header::replace;

/// Adds a directive to `Cache-Control`, leaving one line in which all that stood there still stands, byte for byte.
///
/// The directive comes last, except behind a malformed field: an open quote would swallow it, so there it comes first.
pub(crate) fn append(headers: &mut HeaderMap, directive: HeaderValue) {
    let mut parts: Vec<HeaderValue> = headers
        .get_all(CACHE_CONTROL)
        .into_iter()
        .filter(|line| !line.as_bytes().trim_ascii().is_empty())
        .cloned()
        .collect();
    if ResponseDirectives::parse(headers).malformed {
        parts.insert(0, directive);
    } else {
        parts.push(directive);
    }

    let line = parts
        .iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(b", ".as_slice());
    let Ok(line) = HeaderValue::from_bytes(&line) else {
        return; // Parts of field values joined by a comma and a space are a field value.
    };
    replace(headers, &CACHE_CONTROL, line);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn appended(lines: &[&str]) -> HeaderMap {
        let mut headers = arbitrary::map(&CACHE_CONTROL, lines);
        append(&mut headers, HeaderValue::from_static("no-store"));
        headers
    }

    #[test]
    fn what_stands_is_kept_on_one_line() {
        let one = |line| arbitrary::map(&CACHE_CONTROL, [line]);
        assert_eq!(appended(&[]), one("no-store"));
        assert_eq!(appended(&["", " "]), one("no-store"));
        assert_eq!(appended(&["Max-Age = 60"]), one("Max-Age = 60, no-store"));
        assert_eq!(appended(&["a", "b, c"]), one("a, b, c, no-store"));
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_directive() {
        let headers = appended(&["max-age=60, x=\"a"]);
        assert_eq!(headers[CACHE_CONTROL], "no-store, max-age=60, x=\"a");
        assert!(ResponseDirectives::parse(&headers).no_store);
    }

    #[test]
    fn a_full_map_does_not_panic() {
        let mut headers = HeaderMap::new();
        let mut n = 0;
        while headers
            .try_insert(
                http::HeaderName::try_from(format!("x-{n}")).unwrap(),
                HeaderValue::from_static(""),
            )
            .is_ok()
        {
            n += 1;
        }
        append(&mut headers, HeaderValue::from_static("no-store"));
    }

    proptest! {
        #[test]
        fn the_directive_is_always_found(mut headers in arbitrary::lines(CACHE_CONTROL)) {
            append(&mut headers, HeaderValue::from_static("no-store"));
            prop_assert!(ResponseDirectives::parse(&headers).no_store);
            prop_assert_eq!(headers.get_all(CACHE_CONTROL).iter().count(), 1);
        }
    }
}
