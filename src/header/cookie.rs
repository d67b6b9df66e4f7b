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
    pairs(headers).filter_map(split)
}

/// What stands between the semicolons, of all lines.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
}

/// Name and value of a pair; `None` if it has no name.
pub(crate) fn split(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair[..at].trim_ascii(), bare(pair[at + 1..].trim_ascii())))
}

/// The value without the quotes round it.
fn bare(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// Adds the pair that [`split`] reads as this name and value: in quotes only where it would be read otherwise without.
pub(crate) fn write(line: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let is_itself = bare(value.trim_ascii()) == value;
    let quotes: &[u8] = if is_itself { b"" } else { b"\"" };
    for part in [name, b"=", quotes, value, quotes] {
        line.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn a_value_is_quoted_only_where_it_must_be() {
        for (value, pair) in [
            ("EUR", "c=EUR"),
            ("", "c="),
            ("\"", "c=\""),
            (" EUR", "c=\" EUR\""),
            ("\"EUR\"", "c=\"\"EUR\"\""),
        ] {
            let mut line = Vec::new();
            write(&mut line, b"c", value.as_bytes());
            assert_eq!(line, pair.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_again_as_it_was_written(pair in "c=[\" ab=]{0,8}") {
            let (name, value) = split(pair.trim_ascii().as_bytes()).unwrap();
            let mut line = Vec::new();
            write(&mut line, name, value);
            prop_assert_eq!(split(&line), Some((name, value)));
            prop_assert_eq!(line.trim_ascii(), &*line);
        }
    }
}
