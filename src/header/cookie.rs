//! `Cookie` of requests, read one by one (RFC 6265 §4.2.1, §5.4).

use http::HeaderMap;
use http::header::COOKIE;

/// What a request says of one cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie<'a> {
    Absent,
    /// Its value, without the quotes round it.
    Value(&'a [u8]),
    /// Sent more than once, with different values: whichever the handler takes.
    Ambiguous,
}

/// The cookie of this name. Names are compared byte by byte.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Cookie<'a> {
    let mut found = Cookie::Absent;
    for (other, value) in cookies(headers) {
        if other != name.as_bytes() {
            continue;
        }
        match found {
            Cookie::Absent => found = Cookie::Value(value),
            Cookie::Value(first) if first == value => {}
            _ => return Cookie::Ambiguous,
        }
    }
    found
}

/// All cookies of a request, as pairs of name and value.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let value = pair[at + 1..].trim_ascii();
            let bare = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            Some((pair[..at].trim_ascii(), bare.unwrap_or(value)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let one = headers(&["a=1; session=x=y; b=\"2\"; session2=z", "c = 3 ;broken"]);
        assert_eq!(cookie(&one, "session"), Cookie::Value(b"x=y"));
        assert_eq!(cookie(&one, "b"), Cookie::Value(b"2"));
        assert_eq!(cookie(&one, "c"), Cookie::Value(b"3"));
        assert_eq!(cookie(&one, "Session"), Cookie::Absent);
        assert_eq!(cookie(&one, "broken"), Cookie::Absent);
        assert_eq!(cookie(&headers(&["e="]), "e"), Cookie::Value(b""));
    }

    #[test]
    fn two_values_of_one_name_are_ambiguous() {
        assert_eq!(cookie(&headers(&["s=1; s=2"]), "s"), Cookie::Ambiguous);
        assert_eq!(cookie(&headers(&["s=1", "s=2"]), "s"), Cookie::Ambiguous);
        assert_eq!(cookie(&headers(&["s=1; s=1"]), "s"), Cookie::Value(b"1"));
    }
}
