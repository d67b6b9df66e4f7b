//! `Accept` (RFC 9110 §12.5.1): which media types a request takes.

use http::HeaderMap;
use http::header::ACCEPT;

use super::list::{is_tchar, non_empty_members};
use super::quality::{Quality, weight_of};

/// The most media ranges of a field. A longer one cannot be read, so that reading it stays cheap.
const MOST_RANGES: usize = 64;

/// Which of these media types, such as `text/plain`, the request wants most, by its place: of those of one weight the first.
/// `None` if it takes none of them.
///
/// Without the field, and where it cannot be read, the request takes anything.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&[&str]]) -> Option<usize> {
    let Some(ranges) = ranges(headers) else {
        return (!offered.is_empty()).then_some(0);
    };
    let weigh = |names: &[&str]| names.iter().map(|name| weight(&ranges, name)).max();
    let mut best = None;
    for (place, names) in offered.iter().enumerate() {
        let quality = weigh(names).unwrap_or(Quality::NONE);
        if quality > best.map_or(Quality::NONE, |(quality, _)| quality) {
            best = Some((quality, place));
        }
    }
    best.map(|(_, place)| place)
}

struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    quality: Quality,
}

/// None where there is no field, or one that breaks the grammar. Ranges with parameters are left out: no type here has any.
fn ranges(headers: &HeaderMap) -> Option<Vec<Range<'_>>> {
    if !headers.contains_key(ACCEPT) {
        return None;
    }
    let lines = headers.get_all(ACCEPT).into_iter();
    let mut ranges = Vec::new();
    for member in lines.flat_map(|line| non_empty_members(line.as_bytes())) {
        if ranges.len() == MOST_RANGES {
            return None;
        }
        ranges.extend(range(member)?);
    }
    Some(ranges)
}

/// The outer option is the grammar's.
fn range(member: &[u8]) -> Option<Option<Range<'_>>> {
    let mut parts = parts(member);
    let name = parts.next()?;
    let slash = name.iter().position(|byte| *byte == b'/')?;
    let (kind, subtype) = (&name[..slash], &name[slash + 1..]);
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| is_tchar(*byte));
    if !is_token(kind) || !is_token(subtype) || (kind == b"*" && subtype != b"*") {
        return None;
    }

    let mut quality = Quality::MOST;
    let mut is_special = false;
    for part in parts.filter(|part| !part.is_empty()) {
        if part.len() > 1 && part[..2].eq_ignore_ascii_case(b"q=") {
            quality = weight_of(part)?;
        } else {
            is_special = true;
        }
    }
    let range = Range {
        kind,
        subtype,
        quality,
    };
    Some((!is_special).then_some(range))
}

/// The name of a range and its parameters: split at semicolons outside quotes.
fn parts(member: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    member
        .split(move |&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = !quoted,
                _ => return byte == b';' && !quoted,
            }
            false
        })
        .map(<[u8]>::trim_ascii)
}

/// That of the range that is the most specific for the type; of several of those the largest.
fn weight(ranges: &[Range<'_>], name: &str) -> Quality {
    let (kind, subtype) = name.split_once('/').unwrap_or((name, ""));
    let specificity = |range: &Range<'_>| {
        let is_kind = range.kind.eq_ignore_ascii_case(kind.as_bytes());
        let is_subtype = range.subtype.eq_ignore_ascii_case(subtype.as_bytes());
        match (range.kind, range.subtype) {
            (b"*", b"*") => Some(0),
            (_, b"*") if is_kind => Some(1),
            _ if is_kind && is_subtype => Some(2),
            _ => None,
        }
    };
    let matching = ranges
        .iter()
        .filter_map(|range| Some((specificity(range)?, range.quality)));
    matching.max().map_or(Quality::NONE, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    const OFFERED: [&[&str]; 2] = [&["application/a+json", "application/json"], &["text/plain"]];

    fn chosen(lines: &[&str]) -> Option<usize> {
        choose(&arbitrary::map(&ACCEPT, lines), &OFFERED)
    }

    #[test]
    fn the_most_specific_range_weighs_and_the_first_wins_a_tie() {
        assert_eq!(chosen(&["*/*"]), Some(0));
        assert_eq!(chosen(&["text/*;q=0.5, */*;q=0.4"]), Some(1));
        assert_eq!(chosen(&["text/plain;q=0.1", "*/*;q=0.2"]), Some(0));
        assert_eq!(chosen(&["TEXT/Plain, application/*;q=0.9"]), Some(1));
        assert_eq!(
            chosen(&["application/a+json;q=0, application/json;q=0.1"]),
            Some(0)
        );
        assert_eq!(chosen(&["text/html"]), None);
        assert_eq!(chosen(&["*/*;q=0"]), None);
        assert_eq!(chosen(&[""]), None);
    }

    #[test]
    fn ranges_with_parameters_are_of_other_types() {
        assert_eq!(
            chosen(&["text/plain;format=flowed, application/json;q=0.1"]),
            Some(0)
        );
        assert_eq!(
            chosen(&["text/plain ; q=0.5;x=\"a;q=1,\" , application/json;Q=0.1"]),
            Some(0)
        );
        assert_eq!(
            chosen(&["text/html,application/signed-exchange;v=b3;q=0.7,text/plain;q=0.2"]),
            Some(1)
        );
    }

    #[test]
    fn without_a_field_that_can_be_read_anything_will_do() {
        assert_eq!(chosen(&[]), Some(0));
        for line in [
            "text",
            "text/plain;q=2",
            "*/plain",
            "text/",
            "/plain",
            "a b/c",
        ] {
            assert_eq!(chosen(&[line]), Some(0), "{line}");
        }
        let many = vec!["text/plain"; 65].join(",");
        assert_eq!(chosen(&[&many]), Some(0));
        assert_eq!(chosen(&[&many[11..]]), Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(ACCEPT)) {
            prop_assert!(choose(&headers, &OFFERED).is_none_or(|place| place < 2));
        }
    }
}
