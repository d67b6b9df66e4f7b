//! `Age` (RFC 9111 §5.1).

use http::HeaderMap;
use http::header::AGE;

use super::seconds::delta_seconds;

/// What `Age` says of a response that comes from another cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Age {
    #[default]
    Absent,
    /// The age is unknown, so the response counts as stale.
    Invalid,
    Seconds(u64),
}

impl Age {
    /// Reads the first member of what may be a list and ignores what is no number, as §5.1 suggests to caches in general.
    pub(crate) fn first(headers: &HeaderMap) -> Self {
        let first = headers
            .get(AGE)
            .and_then(|line| line.as_bytes().split(|byte| *byte == b',').next());
        first
            .and_then(|member| delta_seconds(member.trim_ascii()))
            .map_or(Self::Absent, Self::Seconds)
    }

    /// Reads the first line only: §5.1 has the others discarded, while a list inside the first one is invalid.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        match headers.get(AGE) {
            None => Self::Absent,
            Some(line) => {
                delta_seconds(line.as_bytes().trim_ascii()).map_or(Self::Invalid, Self::Seconds)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;
    use crate::header::seconds::MAX_SECONDS;

    #[test]
    fn the_first_member_counts_and_what_is_no_number_does_not() {
        let first = |lines: &[&str]| Age::first(&arbitrary::map(&AGE, lines));
        for lines in [["7200, 0"].as_slice(), &["7200", "0"], &[" 7200 ,x"]] {
            assert_eq!(first(lines), Age::Seconds(7200), "{lines:?}");
        }
        for lines in [
            [].as_slice(),
            &[""],
            &["-1"],
            &["7200.0"],
            &["x, 5"],
            &[", 5"],
        ] {
            assert_eq!(first(lines), Age::Absent, "{lines:?}");
        }
        assert_eq!(first(&["99999999999999999999"]), Age::Seconds(MAX_SECONDS));
    }

    fn age(lines: &[&str]) -> Age {
        Age::parse(&arbitrary::map(&AGE, lines))
    }

    #[test]
    fn the_first_line_wins() {
        assert_eq!(age(&[]), Age::Absent);
        assert_eq!(age(&["10"]), Age::Seconds(10));
        assert_eq!(age(&["10", "999"]), Age::Seconds(10));
        assert_eq!(age(&["x", "10"]), Age::Invalid);
    }

    #[test]
    fn lists_signs_and_words_are_invalid() {
        for line in ["5, 6", "5,", "-1", "x", "", "1.5"] {
            assert_eq!(age(&[line]), Age::Invalid, "{line:?}");
        }
    }

    #[test]
    fn a_huge_age_is_clamped() {
        assert_eq!(age(&["99999999999999999999"]), Age::Seconds(MAX_SECONDS));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(AGE)) {
            prop_assert_eq!(Age::parse(&headers) == Age::Absent, headers.is_empty());
        }
    }
}
