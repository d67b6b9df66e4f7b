//! `Content-Length` (RFC 9110 §8.6).

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::list::members;

/// The length that a message claims for its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContentLength {
    #[default]
    Absent,
    /// No number, or several that differ: the message is not to be trusted and must not be forwarded as it is.
    Invalid,
    Bytes(u64),
}

impl ContentLength {
    /// Reads all lines, with equal repeats folded into one as §8.6 allows.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut lengths = headers
            .get_all(CONTENT_LENGTH)
            .into_iter()
            .flat_map(|line| members(line.as_bytes()))
            .map(bytes);

        match lengths.next() {
            None => Self::Absent,
            Some(Some(first)) if lengths.all(|length| length == Some(first)) => Self::Bytes(first),
            Some(_) => Self::Invalid,
        }
    }
}

/// Reads `1*DIGIT`. The digits are checked first, as `u64` would take a sign too.
fn bytes(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn length(lines: &[&str]) -> ContentLength {
        ContentLength::parse(&arbitrary::map(&CONTENT_LENGTH, lines))
    }

    #[test]
    fn equal_repeats_are_one_length() {
        assert_eq!(length(&[]), ContentLength::Absent);
        assert_eq!(length(&["0"]), ContentLength::Bytes(0));
        assert_eq!(length(&[" 5 "]), ContentLength::Bytes(5));
        assert_eq!(length(&["5", "5"]), ContentLength::Bytes(5));
        assert_eq!(length(&["5, 5", "5"]), ContentLength::Bytes(5));
        assert_eq!(
            length(&["18446744073709551615"]),
            ContentLength::Bytes(u64::MAX)
        );
    }

    #[test]
    fn anything_else_is_invalid() {
        for line in [
            "",
            "5, 6",
            "5,",
            ",5",
            "-1",
            "+1",
            "1.5",
            "5 5",
            "0x5",
            "five",
            "\"5\"",
            "18446744073709551616",
        ] {
            assert_eq!(length(&[line]), ContentLength::Invalid, "{line:?}");
        }
        assert_eq!(length(&["5", "6"]), ContentLength::Invalid);
        assert_eq!(length(&["5", ""]), ContentLength::Invalid);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CONTENT_LENGTH)) {
            prop_assert_eq!(ContentLength::parse(&headers) == ContentLength::Absent, headers.is_empty());
        }
    }
}
