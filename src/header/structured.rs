//! Fields that are Dictionaries or Lists (RFC 9651 §3.1, §3.2).

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{Dictionary, List, Parser};

/// Reads all lines of a Dictionary. `None` is one that cannot be read, or that has no member: both count as absent.
///
/// Lines are joined before they are read (RFC 9651 §4.2), so a line without members between others is an empty member, which
/// the grammar does not have. Of a repeated key the last member stands.
pub(crate) fn dictionary(headers: &HeaderMap, field: &HeaderName) -> Option<Dictionary> {
    Parser::new(&joined(headers, field))
        .parse::<Dictionary>()
        .ok()
        .filter(|members| !members.is_empty())
}

/// Reads all lines of a List, as [`dictionary`] does those of a Dictionary.
pub(crate) fn list(headers: &HeaderMap, field: &HeaderName) -> Option<List> {
    Parser::new(&joined(headers, field))
        .parse::<List>()
        .ok()
        .filter(|members| !members.is_empty())
}

fn joined(headers: &HeaderMap, field: &HeaderName) -> Vec<u8> {
    let lines: Vec<&[u8]> = headers
        .get_all(field)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    lines.join(b", ".as_slice())
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn keys(lines: &[&str]) -> Option<Vec<String>> {
        dictionary(&arbitrary::map(&CACHE_CONTROL, lines), &CACHE_CONTROL)
            .map(|members| members.into_keys().map(String::from).collect())
    }

    #[test]
    fn all_lines_are_one_dictionary() {
        assert_eq!(
            keys(&["a, b=1", "c=(1 2);x"]),
            Some(vec!["a".into(), "b".into(), "c".into()])
        );
    }

    #[test]
    fn without_a_member_it_is_absent() {
        assert_eq!(keys(&[]), None);
        assert_eq!(keys(&[""]), None);
        assert_eq!(keys(&["  "]), None);
    }

    #[test]
    fn what_breaks_the_grammar_anywhere_is_absent() {
        for lines in [
            &["a,"][..],
            &["a", ""],
            &["", "a"],
            &["A"],
            &["a b"],
            &["a=\"b"],
            &["a=\u{e9}"],
            &["a=1234567890123456"],
        ] {
            assert_eq!(keys(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn many_members_are_read_in_linear_time() {
        let members = vec!["a=1"; 100_000].join(",");
        assert_eq!(keys(&[&members]), Some(vec!["a".into()]));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CACHE_CONTROL)) {
            prop_assert!(dictionary(&headers, &CACHE_CONTROL).is_none_or(|members| !members.is_empty()));
        }
    }
}
