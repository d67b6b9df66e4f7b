//! `Expires` (RFC 9111 §5.3).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::EXPIRES;

use super::date;

/// When a response says that it goes stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expires {
    #[default]
    Absent,
    /// No date, notably `0`: the response has already expired.
    Invalid,
    At(SystemTime),
}

impl Expires {
    /// Reads all lines. Lines that name different times are [`Invalid`](Self::Invalid): §4.2.1 leaves the choice between
    /// the first one and stale, and stale cannot be wrong.
    pub(crate) fn parse(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut times = headers
            .get_all(EXPIRES)
            .into_iter()
            .map(|line| date::parse(line, now));

        match times.next() {
            None => Self::Absent,
            Some(Some(first)) if times.all(|time| time == Some(first)) => Self::At(first),
            Some(_) => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    const FIXED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const ASCTIME: &str = "Sun Nov  6 08:49:37 1994";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn expires(lines: &[&str]) -> Expires {
        Expires::parse(&arbitrary::map(&EXPIRES, lines), UNIX_EPOCH)
    }

    #[test]
    fn a_date_is_a_time() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(expires(&[]), Expires::Absent);
        assert_eq!(expires(&[FIXED]), Expires::At(time));
        assert_eq!(expires(&[FIXED, ASCTIME]), Expires::At(time));
    }

    #[test]
    fn anything_else_is_invalid() {
        for line in ["0", "-1", "", "1994-11-06T08:49:37Z", "784111777", "never"] {
            assert_eq!(expires(&[line]), Expires::Invalid, "{line:?}");
        }
    }

    #[test]
    fn lines_that_disagree_are_invalid() {
        assert_eq!(expires(&[FIXED, LATER]), Expires::Invalid);
        assert_eq!(expires(&[FIXED, "0"]), Expires::Invalid);
        assert_eq!(expires(&["0", FIXED]), Expires::Invalid);
        assert_eq!(expires(&["0", "0"]), Expires::Invalid);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(EXPIRES)) {
            prop_assert_eq!(Expires::parse(&headers, UNIX_EPOCH) == Expires::Absent, headers.is_empty());
        }
    }
}
