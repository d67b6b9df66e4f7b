//! Adding this cache's member to those of the caches before it.

use http::header::CACHE_STATUS;
use http::{HeaderMap, HeaderValue};
use sfv::Parser;
use sfv::visitor::Ignored;

/// Adds a member as the last line, since the list runs from the origin to the client (RFC 9211 §2).
///
/// What stands is kept as it is if it is a List. If not, no recipient could read the field whatever was added to it
/// (RFC 9651 §4.2 has it ignored as a whole), so it is replaced.
pub(crate) fn append(headers: &mut HeaderMap, member: HeaderValue) {
    // A map that has no room for one more line is too large to be sent, and `append` and `insert` would panic.
    if is_list(headers) {
        let _ = headers.try_append(CACHE_STATUS, member);
    } else {
        headers.remove(CACHE_STATUS);
        let _ = headers.try_insert(CACHE_STATUS, member);
    }
}

/// Whether the lines, joined as a recipient joins them, are a List with at least one member.
///
/// A single empty line is a List too, but with a member behind it no longer.
fn is_list(headers: &HeaderMap) -> bool {
    let lines: Vec<&[u8]> = headers
        .get_all(CACHE_STATUS)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = lines.join(b", ".as_slice());

    !joined.trim_ascii().is_empty()
        && Parser::new(&joined)
            .parse_list_with_visitor(&mut Ignored)
            .is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn appended(lines: &[&str]) -> Vec<String> {
        let mut headers = arbitrary::map(&CACHE_STATUS, lines);
        append(&mut headers, HeaderValue::from_static("ours;hit"));
        headers
            .get_all(CACHE_STATUS)
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn our_member_comes_last_and_the_others_stay_as_they_are() {
        assert_eq!(appended(&[]), ["ours;hit"]);
        assert_eq!(appended(&["A; hit"]), ["A; hit", "ours;hit"]);
        assert_eq!(
            appended(&["A; hit ,\tB;fwd=miss", "\"C, c\";ttl=1"]),
            ["A; hit ,\tB;fwd=miss", "\"C, c\";ttl=1", "ours;hit"]
        );
    }

    #[test]
    fn what_is_no_list_is_replaced() {
        for line in ["", " ", "A hit", "\"A", "A,", "A; Hit=", "Caf\u{e9}", "=?"] {
            assert_eq!(appended(&[line]), ["ours;hit"], "{line:?}");
        }
        assert_eq!(appended(&["A; hit", ""]), ["ours;hit"]);
    }

    proptest! {
        #[test]
        fn the_field_is_a_list_ending_in_our_member(mut headers in arbitrary::lines(CACHE_STATUS)) {
            append(&mut headers, HeaderValue::from_static("ours;hit"));
            prop_assert!(is_list(&headers));
            prop_assert_eq!(headers.get_all(CACHE_STATUS).iter().next_back().unwrap(), "ours;hit");
        }
    }
}
