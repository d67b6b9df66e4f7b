//! Reading the field (§5.1).

use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry};

use super::urlencoded::decode;
use super::{Counts, NO_VARY_SEARCH, Names, NoVarySearch, Order};
use crate::header::structured::dictionary;

/// The most names in the field. A response that names more gets the default config.
const MOST_NAMES: usize = 64;

/// The most bytes of all names together, decoded.
const MOST_BYTES: usize = 4_096;

impl NoVarySearch {
    /// Reads all lines of a response's field.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        dictionary(headers, &NO_VARY_SEARCH)
            .and_then(|members| config(&members))
            .unwrap_or_default()
    }
}

/// `None` is a field that contradicts itself, has a value of the wrong type, or is too long.
fn config(members: &Dictionary) -> Option<NoVarySearch> {
    let order = match members.get("key-order") {
        Some(member) if boolean(member)? => Order::Ignored,
        _ => Order::Counts,
    };
    let counts = match (members.get("params"), members.get("except")) {
        (Some(_), Some(_)) => return None,
        (_, Some(except)) => Counts::Only(names(except)?),
        (Some(params), _) => Counts::AllBut(names(params)?),
        (None, None) => Counts::AllBut(Names::default()),
    };
    Some(NoVarySearch { counts, order })
}

fn boolean(member: &ListEntry) -> Option<bool> {
    match member {
        ListEntry::Item(item) => item.bare_item.as_boolean(),
        ListEntry::InnerList(_) => None,
    }
}

fn names(member: &ListEntry) -> Option<Names> {
    let ListEntry::InnerList(list) = member else {
        return None;
    };
    if list.items.len() > MOST_NAMES {
        return None;
    }

    let mut room = MOST_BYTES;
    list.items
        .iter()
        .map(|item| {
            let BareItem::String(text) = &item.bare_item else {
                return None;
            };
            let name = decode(text.as_str());
            room = room.checked_sub(name.len())?;
            Some(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn lines(lines: &[&str]) -> NoVarySearch {
        NoVarySearch::parse(&arbitrary::map(&NO_VARY_SEARCH, lines))
    }

    fn parse(line: &str) -> NoVarySearch {
        lines(&[line])
    }

    fn names(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_member_is_read() {
        let table = [
            ("key-order", Counts::AllBut(names(&[])), Order::Ignored),
            ("key-order=?1", Counts::AllBut(names(&[])), Order::Ignored),
            (
                "params=(\"b\" \"a\" \"b\")",
                Counts::AllBut(names(&["a", "b"])),
                Order::Counts,
            ),
            (
                "except=(\"a\"), key-order",
                Counts::Only(names(&["a"])),
                Order::Ignored,
            ),
            ("except=()", Counts::Only(names(&[])), Order::Counts),
            (
                "key-order=?0, params=(\"a\")",
                Counts::AllBut(names(&["a"])),
                Order::Counts,
            ),
            (
                "key-order, params=()",
                Counts::AllBut(names(&[])),
                Order::Ignored,
            ),
            (
                "params=1, params=(\"a\")",
                Counts::AllBut(names(&["a"])),
                Order::Counts,
            ),
        ];
        for (line, counts, order) in table {
            assert_eq!(parse(line), NoVarySearch { counts, order }, "{line}");
        }
        assert_eq!(
            lines(&["key-order", "except=(\"a\")"]),
            parse("key-order, except=(\"a\")")
        );
    }

    #[test]
    fn unknown_keys_and_parameters_are_ignored() {
        let expected = parse("params=(\"a\")");
        assert!(!expected.is_default());
        for line in [
            "params=(\"a\"), x=1",
            "x=(1 y), params=(\"a\";b=1);c, y",
            "key-order=?0;x, params=(\"a\")",
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_absent_unreadable_or_contradictory_is_the_default() {
        for line in [
            "",
            "garbage!",
            "Params=(\"a\")",
            "params=(\"a\"),",
            "params=(\"a\"",
            "params=(\"\u{e9}\")",
            "key-order=1",
            "key-order=\"1\"",
            "key-order=()",
            "key-order=1, params=(\"a\")",
            "params",
            "params=?1",
            "params=?0",
            "params=\"a\"",
            "params=(a)",
            "params=(\"a\" b)",
            "params=(\"a\" 1)",
            "except",
            "except=\"a\"",
            "except=(a)",
            "params=(\"a\"), except=(\"b\")",
            "params=(), except=()",
            "params=?0, except=(\"a\")",
            "key-order, params",
            "params=()",
            "key-order=?0",
            "x",
        ] {
            assert!(parse(line).is_default(), "{line}");
        }
        assert!(lines(&[]).is_default());
    }

    #[test]
    fn names_are_decoded() {
        let counts = |line| parse(line).counts;
        assert_eq!(
            counts("params=(\"%C3%A9+%E6%B0%97\")"),
            Counts::AllBut(names(&["é 気"]))
        );
        assert_eq!(
            counts("params=(\"%EF%BB%BFa\")"),
            Counts::AllBut(names(&["\u{feff}a"]))
        );
        assert_eq!(
            counts("except=(\"%ff\" \"%\")"),
            Counts::Only(names(&["%", "\u{fffd}"]))
        );
    }

    #[test]
    fn too_many_or_too_long_names_are_the_default() {
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("\"n{n}\"")).collect();
            parse(&format!("params=({})", names.join(" ")))
        };
        let long = |length: usize| parse(&format!("except=(\"{}\")", "a".repeat(length)));
        assert!(!many(MOST_NAMES).is_default());
        assert!(many(MOST_NAMES + 1).is_default());
        assert!(!long(MOST_BYTES).is_default());
        assert!(long(MOST_BYTES + 1).is_default());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(NO_VARY_SEARCH)) {
            let _ = NoVarySearch::parse(&headers);
        }

        #[test]
        fn almost_right_fields_never_panic(
            parts in prop::collection::vec(
                prop::sample::select(["key-order", "params", "except", "=", "(", ")", "\"a\"", "\"%C3\"", " ", ", ", "?1", "?0",
                    ";x", "1"].as_slice()),
                0..12,
            ),
        ) {
            let _ = parse(&parts.concat());
        }
    }
}
