//! `Content-Range`: which bytes of a representation a part is (RFC 9110 §14.4).

use std::ops::Range;

use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue};

use super::range::{is_bytes, number};

/// `bytes first-last/complete`, with `first` ≤ `last` < `complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    /// Inclusive.
    pub(crate) last: u64,
    /// The length of the whole; `None` where the sender did not know it.
    pub(crate) complete: Option<u64>,
}

impl ContentRange {
    /// Reads the one line there is. `None` also for `bytes */length`, which is no part of anything.
    pub(crate) fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(CONTENT_RANGE).into_iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (unit, range) = split(line.as_bytes().trim_ascii(), b' ')?;
        let (positions, complete) = split(range, b'/')?;
        let (first, last) = split(positions, b'-')?;
        let (first, last) = (exact(first)?, exact(last)?);
        let complete = match complete {
            b"*" => None,
            digits => Some(exact(digits)?),
        };
        let valid =
            is_bytes(unit) && first <= last && complete.is_none_or(|complete| last < complete);
        valid.then_some(Self {
            first,
            last,
            complete,
        })
    }

    /// The part `range` of a representation of this length; `None` for an empty range, which has no last byte.
    pub(crate) fn of(range: &Range<u64>, complete: u64) -> Option<Self> {
        (!range.is_empty() && range.end <= complete).then_some(Self {
            first: range.start,
            last: range.end.saturating_sub(1),
            complete: Some(complete),
        })
    }

    /// How many bytes the part has.
    pub(crate) fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    pub(crate) fn to_value(self) -> HeaderValue {
        let Self {
            first,
            last,
            complete,
        } = self;
        value(match complete {
            Some(complete) => format!("bytes {first}-{last}/{complete}"),
            None => format!("bytes {first}-{last}/*"),
        })
    }

    /// What a 416 says: no part, but the length to ask within.
    pub(crate) fn unsatisfied(complete: u64) -> HeaderValue {
        value(format!("bytes */{complete}"))
    }
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = text.iter().position(|&byte| byte == at)?;
    Some((text.get(..index)?, text.get(index + 1..)?))
}

/// A number that has not become another by being too large.
fn exact(text: &[u8]) -> Option<u64> {
    number(text).filter(|&number| number < u64::MAX)
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("letters, digits and marks are a field value")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn parsed(line: &str) -> Option<(u64, u64, Option<u64>)> {
        ContentRange::parse(&arbitrary::map(&CONTENT_RANGE, [line]))
            .map(|range| (range.first, range.last, range.complete))
    }

    #[test]
    fn a_part_says_its_first_and_last_byte_and_the_length() {
        assert_eq!(parsed("bytes 0-0/1"), Some((0, 0, Some(1))));
        assert_eq!(parsed("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(parsed(" Bytes 5-9/* "), Some((5, 9, None)));
    }

    #[test]
    fn anything_else_is_no_part() {
        for line in [
            "",
            "bytes",
            "bytes */10",
            "bytes 0-1",
            "bytes 0-1/",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes 0-/10",
            "bytes -1/10",
            "bytes=0-1/10",
            "bytes  0-1/10",
            "bytes 0 - 1/10",
            "bytes +0-1/10",
            "bytes 0-1/10, bytes 2-3/10",
            "items 0-1/10",
            "bytes 0-1/18446744073709551616",
            "bytes 0-18446744073709551616/*",
        ] {
            assert_eq!(parsed(line), None, "{line:?}");
        }
        let twice = arbitrary::map(&CONTENT_RANGE, ["bytes 0-1/2", "bytes 0-1/2"]);
        assert_eq!(ContentRange::parse(&twice), None);
        assert_eq!(ContentRange::parse(&HeaderMap::new()), None);
    }

    #[test]
    fn an_empty_or_outer_range_is_no_part() {
        assert_eq!(ContentRange::of(&(0..0), 10), None);
        assert_eq!(ContentRange::of(&(0..11), 10), None);
        assert_eq!(ContentRange::unsatisfied(10), "bytes */10");
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CONTENT_RANGE)) {
            let _ = ContentRange::parse(&headers);
        }

        #[test]
        fn what_is_written_is_read(first in 0..u64::MAX / 4, more in 0..u64::MAX / 4, rest in 0..u64::MAX / 4) {
            let range = first..first + more + 1;
            let part = ContentRange::of(&range, range.end + rest).unwrap();
                prop_assert_eq!(part.length(), more + 1);
            for part in [part, ContentRange { complete: None, ..part }] {
                let headers = arbitrary::map(&CONTENT_RANGE, [part.to_value()]);
                prop_assert_eq!(ContentRange::parse(&headers), Some(part));
            }
        }
    }
}
