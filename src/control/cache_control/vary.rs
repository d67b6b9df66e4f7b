//! Adding names to a `Vary` that stands (RFC 9110 §12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

use crate::header::replace;

/// Adds the names that are missing, in one line: what is there keeps its order and its spelling, and `*` anywhere is all there is to say.
pub(super) fn patch(headers: &mut HeaderMap, names: &[impl AsRef<str>]) {
    let new = names
        .iter()
        .map(|name| name.as_ref().trim_ascii().as_bytes())
        .filter(|name| !name.is_empty());
    if new.clone().next().is_none() {
        return;
    }

    let mut members: Vec<&[u8]> = headers
        .get_all(VARY)
        .into_iter()
        // No name has a quote, so none hides a comma.
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect();
    for name in new {
        if !members.iter().any(|there| there.eq_ignore_ascii_case(name)) {
            members.push(name);
        }
    }
    if members.contains(&b"*".as_slice()) {
        members = vec![b"*"];
    }
    if let Ok(value) = HeaderValue::from_bytes(&members.join(b", ".as_slice())) {
        replace(headers, &VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;
    use crate::header::Vary;
    use crate::header::arbitrary;

    fn patched(lines: &[&str], names: &[&str]) -> Vec<String> {
        let mut headers = arbitrary::map(&VARY, lines);
        patch(&mut headers, names);
        headers
            .get_all(VARY)
            .into_iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn golden_vectors_hold() {
        for (there, names, after) in [
            ("X-A ,  X-B", &["x-b\t", "X-C"][..], "X-A, X-B, X-C"),
            (" * ", &["X-A"], "*"),
            ("X-A", &[" * "], "*"),
            ("", &["X-A"], "X-A"),
        ] {
            assert_eq!(patched(&[there], names), [after], "{there} + {names:?}");
        }
    }

    #[test]
    fn only_missing_names_are_added_and_order_and_spelling_stay() {
        for (lines, names, after) in [
            (&[][..], &["Cookie"][..], "Cookie"),
            (
                &["Accept-Encoding"],
                &["accept-encoding"],
                "Accept-Encoding",
            ),
            (
                &["Accept-Encoding"],
                &["Cookie", "COOKIE", "Accept-Encoding"],
                "Accept-Encoding, Cookie",
            ),
            (&["b", "", "a, ,b"], &["c"], "b, a, b, c"),
            (&["a", "b, *"], &["c"], "*"),
            (&["*", "*"], &["c"], "*"),
        ] {
            assert_eq!(patched(lines, names), [after], "{lines:?} + {names:?}");
        }
    }

    #[test]
    fn without_names_nothing_is_touched() {
        assert_eq!(patched(&["a,,b", " *"], &[]), ["a,,b", " *"]);
        assert_eq!(patched(&[], &[]), [""; 0]);
        assert_eq!(patched(&[], &["", " "]), [""; 0]);
    }

    #[test]
    fn a_list_of_thousands_is_patched() {
        let long = "x-a,\"".repeat(64 * 1024 / 5);
        let mut headers = arbitrary::map(&VARY, [&long, &long]);
        patch(&mut headers, &["cookie"]);
        assert_eq!(Vary::parse(&headers, 8), Vary::Any);
        let many = (0..5_000).map(|n| format!("x-{n}")).collect::<Vec<_>>();
        let mut headers = arbitrary::map(&VARY, &many);
        patch(&mut headers, &["cookie", "X-77"]);
        assert_eq!(headers.get_all(VARY).iter().count(), 1);
        assert!(headers[VARY].to_str().unwrap().ends_with("x-4999, cookie"));
    }

    proptest! {
        #[test]
        fn it_then_varies_on_all_that_was_there_and_all_that_was_added(mut headers in arbitrary::lines(VARY), star in any::<bool>()) {
            let names = if star { ["a", "*"] } else { ["a", "Cookie"] };
            let before = Vary::parse(&headers, 1_000);
            patch(&mut headers, &names);
            let added: HeaderMap = names
                .iter()
                .map(|name| (VARY, HeaderValue::from_static(name)))
                .collect();
            let expected = match (before, Vary::parse(&added, 8)) {
                (Vary::Any, _) | (_, Vary::Any) => Vary::Any,
                (Vary::None, added) => added,
                (Vary::Fields(mut fields), Vary::Fields(added)) => {
                    fields.extend(added);
                    fields.sort_by(|a: &HeaderName, b| a.as_str().cmp(b.as_str()));
                    fields.dedup();
                    Vary::Fields(fields)
                }
                other => unreachable!("{other:?}"),
            };
            prop_assert_eq!(Vary::parse(&headers, 1_000), expected);
        }

        #[test]
        fn patching_twice_is_patching_once(mut headers in arbitrary::lines(VARY)) {
            patch(&mut headers, &["a", "Cookie"]);
            let once = headers.clone();
            patch(&mut headers, &["a", "Cookie"]);
            prop_assert_eq!(headers, once);
        }
    }
}
