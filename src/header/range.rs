//! `Range`: which bytes of a representation are asked for (RFC 9110 §14.1, §14.2).

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

use super::list::non_empty_members;

/// More parts than a viewer asks for at once are an attempt to make the answer dear (§17.15).
const MAX_PARTS: usize = 8;

/// One range of bytes as it is asked for, before the length is known. Positions are inclusive and as large as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeSpec {
    /// `5-`
    From(u64),
    /// `5-9`, the first not after the last.
    FromTo(u64, u64),
    /// `-5`: the last so many.
    Suffix(u64),
}

impl RangeSpec {
    /// The range of a request that asks for exactly one.
    pub(crate) fn single(headers: &HeaderMap) -> Option<Self> {
        match specs(headers)?.as_slice() {
            [spec] => Some(*spec),
            _ => None,
        }
    }

    /// Reads `first-`, `first-last` or `-length`.
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (text.get(..dash)?, text.get(dash + 1..)?);
        match (first, last) {
            ([], last) => number(last).map(Self::Suffix),
            (first, []) => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The bytes it means in a representation of this length, which are never none; `None` if it has no such bytes.
    pub(crate) fn within(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..length,
            Self::FromTo(first, last) => first..last.saturating_add(1).min(length),
            Self::Suffix(suffix) => length.saturating_sub(suffix)..length,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// What `Range` comes to for a representation whose length is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// There is no `Range`, or none that is followed: the answer is the whole.
    Ignored,
    /// There are no such bytes: the answer is 416.
    Unsatisfiable,
    /// These, at least one and in the order of the request. None is empty, and no two overlap.
    Satisfiable(Vec<Range<u64>>),
}

impl Ranges {
    pub(crate) fn parse(headers: &HeaderMap, length: u64) -> Self {
        let Some(specs) = specs(headers) else {
            return Self::Ignored;
        };
        let ranges: Vec<_> = specs
            .iter()
            .filter_map(|spec| spec.within(length))
            .collect();
        if ranges.is_empty() {
            // The last bytes of nothing are satisfiable (§14.1.2), but `Content-Range` cannot say so; the whole can.
            let suffix = |spec: &RangeSpec| matches!(spec, RangeSpec::Suffix(1..));
            return match specs.iter().any(suffix) {
                true => Self::Ignored,
                false => Self::Unsatisfiable,
            };
        }
        // Overlaps would send bytes twice, and so more than there are.
        if overlap(&ranges) {
            return Self::Ignored;
        }
        Self::Satisfiable(ranges)
    }
}

/// The ranges asked for, at least one; `None` for what is ignored as a whole: another unit, one invalid range, too many.
fn specs(headers: &HeaderMap) -> Option<Vec<RangeSpec>> {
    let mut lines = headers.get_all(RANGE).into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let line = line.as_bytes();
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let (unit, set) = (line.get(..equals)?, line.get(equals + 1..)?);
    if !is_bytes(unit) {
        return None;
    }
    let mut specs = Vec::new();
    for member in non_empty_members(set) {
        if specs.len() >= MAX_PARTS {
            return None;
        }
        specs.push(RangeSpec::parse(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn overlap(ranges: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = ranges.iter().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    sorted
        .windows(2)
        .any(|pair| matches!(pair, [one, next] if one.end > next.start))
}

/// Whether the range unit is that of bytes, in any letter case (§14.1).
pub(super) fn is_bytes(unit: &[u8]) -> bool {
    unit.eq_ignore_ascii_case(b"bytes")
}

/// Reads `1*DIGIT`. What is too large becomes the largest number, which is behind the end of every representation.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte
            .is_ascii_digit()
            .then(|| u64::from(byte.wrapping_sub(b'0')))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    /// For a representation of ten bytes.
    fn ranges(line: &str) -> Ranges {
        Ranges::parse(&arbitrary::map(&RANGE, [line]), 10)
    }

    fn one(range: Range<u64>) -> Ranges {
        Ranges::Satisfiable(vec![range])
    }

    fn spec(line: &str) -> Option<RangeSpec> {
        RangeSpec::single(&arbitrary::map(&RANGE, [line]))
    }

    #[test]
    fn positions_are_inclusive_and_end_with_the_representation() {
        for (line, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=0-9", 0..10),
            ("bytes=2-5", 2..6),
            ("bytes=9-", 9..10),
            ("bytes=9-9", 9..10),
            ("bytes=5-10", 5..10),
            ("bytes=5-99999999999999999999", 5..10),
            ("bytes=5-18446744073709551615", 5..10),
            ("bytes=0002-0005", 2..6),
            ("bytes=-1", 9..10),
            ("bytes=-10", 0..10),
            ("bytes=-11", 0..10),
            ("bytes=-99999999999999999999", 0..10),
            ("BYTES=0-1", 0..2),
            ("bytes= , 0-1\t,, ", 0..2),
        ] {
            assert_eq!(ranges(line), one(range), "{line}");
        }
    }

    #[test]
    fn what_is_no_set_of_byte_ranges_is_ignored() {
        for line in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5-2",
            "bytes=5",
            "bytes=5-2, 0-1",
            "bytes=0-1, x",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0 - 1",
            "bytes=0x1-2",
            "bytes=1.5-2",
            "bytes=\"0-1\"",
            "bytes:0-1",
            "bytes =0-1",
            " items=0-1",
            "items=0-1",
            "=0-1",
        ] {
            assert_eq!(ranges(line), Ranges::Ignored, "{line:?}");
        }
        assert_eq!(Ranges::parse(&HeaderMap::new(), 10), Ranges::Ignored);
        let twice = arbitrary::map(&RANGE, ["bytes=0-1", "bytes=0-1"]);
        assert_eq!(Ranges::parse(&twice, 10), Ranges::Ignored);
    }

    #[test]
    fn valid_ranges_without_any_byte_are_unsatisfiable() {
        for line in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=99999999999999999999-99999999999999999999",
            "bytes=10-, -0, 11-12",
        ] {
            assert_eq!(ranges(line), Ranges::Unsatisfiable, "{line}");
        }
    }

    #[test]
    fn unsatisfiable_ranges_among_others_are_left_out() {
        assert_eq!(ranges("bytes=10-, 2-3, -0"), one(2..4));
    }

    #[test]
    fn an_empty_representation_has_no_bytes_but_its_last_ones_are_all_of_it() {
        let ranges = |line| Ranges::parse(&arbitrary::map(&RANGE, [line]), 0);
        for line in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
            assert_eq!(ranges(line), Ranges::Unsatisfiable, "{line}");
        }
        for line in ["bytes=-1", "bytes=0-, -5"] {
            assert_eq!(ranges(line), Ranges::Ignored, "{line}");
        }
    }

    #[test]
    fn the_longest_representation_does_not_overflow() {
        let ranges = |line| Ranges::parse(&arbitrary::map(&RANGE, [line]), u64::MAX);
        assert_eq!(ranges("bytes=0-18446744073709551615"), one(0..u64::MAX));
        assert_eq!(ranges("bytes=-18446744073709551615"), one(0..u64::MAX));
        assert_eq!(ranges("bytes=18446744073709551615-"), Ranges::Unsatisfiable);
    }

    #[test]
    fn the_order_of_the_request_is_kept() {
        assert_eq!(
            ranges("bytes=-1, 4-5 ,0-0,6-7"),
            Ranges::Satisfiable(vec![9..10, 4..6, 0..1, 6..8])
        );
    }

    #[test]
    fn overlapping_ranges_are_ignored() {
        for line in [
            "bytes=0-5, 5-6",
            "bytes=5-6, 0-5",
            "bytes=0-0, 0-0",
            "bytes=0-, -1",
            "bytes=0-, 3-4",
        ] {
            assert_eq!(ranges(line), Ranges::Ignored, "{line}");
        }
    }

    #[test]
    fn more_parts_than_the_limit_are_ignored() {
        let parts = |count: usize| {
            let parts: Vec<_> = (0..count).map(|part| format!("{part}-{part}")).collect();
            Ranges::parse(
                &arbitrary::map(&RANGE, [format!("bytes={}", parts.join(","))]),
                1 << 20,
            )
        };
        assert!(matches!(parts(MAX_PARTS), Ranges::Satisfiable(ranges) if ranges.len() == 8));
        assert_eq!(parts(MAX_PARTS + 1), Ranges::Ignored);
        assert_eq!(parts(100_000), Ranges::Ignored);
        assert_eq!(
            ranges(&format!("bytes={}", "0-,".repeat(300_000))),
            Ranges::Ignored
        );
        assert_eq!(
            ranges(&format!("bytes={}0-0", ",".repeat(1_000_000))),
            one(0..1)
        );
    }

    #[test]
    fn a_single_range_is_read_without_a_length() {
        assert_eq!(spec("bytes=5-"), Some(RangeSpec::From(5)));
        assert_eq!(spec("bytes=5-9"), Some(RangeSpec::FromTo(5, 9)));
        assert_eq!(spec("bytes=-5"), Some(RangeSpec::Suffix(5)));
        assert_eq!(spec("bytes=-0"), Some(RangeSpec::Suffix(0)));
        assert_eq!(
            spec("bytes=5-99999999999999999999"),
            Some(RangeSpec::FromTo(5, u64::MAX))
        );
        for line in ["bytes=5-2", "bytes=0-1,2-3", "items=0-1", ""] {
            assert_eq!(spec(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(RANGE), length in any::<u64>()) {
            let _ = Ranges::parse(&headers, length);
            let _ = RangeSpec::single(&headers);
        }

        #[test]
        fn ranges_are_within_the_representation_and_apart(
            set in "(bytes=)[0-9]{0,3}-[0-9]{0,3}(,[0-9]{0,3}-[0-9]{0,3}){0,4}",
            length in 0_u64..1_000,
        ) {
            if let Ranges::Satisfiable(ranges) = Ranges::parse(&arbitrary::map(&RANGE, [set]), length) {
                prop_assert!(!ranges.is_empty() && ranges.len() <= MAX_PARTS);
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= length));
                let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                prop_assert!(total <= length);
            }
        }

        #[test]
        fn what_is_asked_for_is_what_is_found(first in 0_u64..1_000, more in 0_u64..1_000, length in 0_u64..1_500) {
            let last = first + more;
            let headers = arbitrary::map(&RANGE, [format!("bytes={first}-{last}")]);
            let expected = match first < length {
                true => one(first..(last + 1).min(length)),
                false => Ranges::Unsatisfiable,
            };
            prop_assert_eq!(Ranges::parse(&headers, length), expected);
        }
    }
}
