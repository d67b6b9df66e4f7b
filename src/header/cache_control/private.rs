//! Keeping an answer out of the caches that serve many.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ResponseDirectives, Scope};
use crate::header::list::non_empty_members;

/// What has a meaning for caches that serve many, or contradicts `private`.
const SHARING: [&[u8]; 4] = [b"public", b"private", b"s-maxage", b"proxy-revalidate"];

/// Says `private`, unless the answer is meant for fewer still. What would let a cache share it all the same goes: `public`, `s-maxage`, and the
/// fields that speak to some caches in place of `Cache-Control` (RFC 9213 §2.2).
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    let targeted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_targeted(name))
        .cloned()
        .collect();
    for name in targeted {
        headers.remove(name);
    }
    let directives = ResponseDirectives::parse(headers);
    let stores_nowhere = directives.no_store && !directives.must_understand;
    if stores_nowhere && !directives.malformed {
        return;
    }
    let mut members: Vec<&[u8]> = Vec::new();
    if !directives.malformed {
        let lines = headers.get_all(CACHE_CONTROL).iter();
        let said = lines.flat_map(|line| non_empty_members(line.as_bytes()));
        members.extend(said.filter(|member| !is_of_sharing(member)));
        if directives.private == Scope::All && members_with_private(headers) == members.len() + 1 {
            return;
        }
    } else {
        // What cannot be read may be read by another as anything.
        members.push(b"no-store");
    }
    members.insert(0, b"private");
    let line = members.join(b", ".as_slice());
    headers.remove(CACHE_CONTROL);
    if let Ok(line) = HeaderValue::from_bytes(&line) {
        // A map that has no room for one more field is too large to be sent.
        let _ = headers.try_insert(CACHE_CONTROL, line);
    }
}

/// Does a field speak to some caches in place of `Cache-Control`?
pub(crate) fn is_targeted(name: &HeaderName) -> bool {
    const OWN: [&str; 3] = ["surrogate-control", "x-accel-expires", "edge-control"];
    name.as_str().ends_with("-cache-control") || OWN.contains(&name.as_str())
}

fn members_with_private(headers: &HeaderMap) -> usize {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    lines
        .flat_map(|line| non_empty_members(line.as_bytes()))
        .count()
}

fn is_of_sharing(member: &[u8]) -> bool {
    let end = member
        .iter()
        .position(|byte| *byte == b'=' || byte.is_ascii_whitespace());
    let name = &member[..end.unwrap_or(member.len())];
    SHARING.iter().any(|of| of.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::{Lifetime, arbitrary};

    fn kept(lines: &[&str]) -> String {
        let mut headers = arbitrary::map(&CACHE_CONTROL, lines);
        keep_private(&mut headers);
        let lines: Vec<_> = headers
            .get_all(CACHE_CONTROL)
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect();
        lines.join(" | ")
    }

    #[test]
    fn an_answer_leaves_as_private_unless_it_is_stricter() {
        let table: [(&[&str], &str); 9] = [
            (&[], "private"),
            (&["max-age=60"], "private, max-age=60"),
            (&["public, max-age=60"], "private, max-age=60"),
            (&["Public", "S-MaxAge = 9, no-cache"], "private, no-cache"),
            (&["private=\"x-a, x-b\", max-age=1"], "private, max-age=1"),
            (&["max-age=5, private"], "max-age=5, private"),
            (&["private, public"], "private"),
            (&["no-store"], "no-store"),
            (
                &["must-understand, no-store"],
                "private, must-understand, no-store",
            ),
        ];
        for (lines, expected) in table {
            assert_eq!(kept(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_stored_anywhere() {
        assert_eq!(kept(&["public, x=\"a"]), "private, no-store");
    }

    #[test]
    fn no_targeted_field_is_left() {
        let mut headers = HeaderMap::new();
        for name in [
            "cdn-cache-control",
            "surrogate-control",
            "larder-cache-control",
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("max-age=60"),
            );
        }
        keep_private(&mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[CACHE_CONTROL], "private");
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_shares(mut headers in arbitrary::lines(CACHE_CONTROL)) {
            keep_private(&mut headers);
            let directives = ResponseDirectives::parse(&headers);
            prop_assert!(!directives.malformed);
            prop_assert!(directives.private == Scope::All || directives.no_store);
            let shares = directives.public || directives.s_maxage != Lifetime::Absent;
            prop_assert!(!shares || (directives.no_store && !directives.must_understand));
            let once = headers.clone();
            keep_private(&mut headers);
            prop_assert_eq!(once, headers);
        }
    }
}
