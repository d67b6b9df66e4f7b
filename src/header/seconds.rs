//! `delta-seconds` (RFC 9111 §1.2.2).

/// What every number of seconds too large to be meant counts as: 2^31, about 68 years.
///
/// Clamping far below `u64::MAX` leaves room for the sums of §4.2.3, so that none of them can overflow.
pub(crate) const MAX_SECONDS: u64 = 1 << 31;

/// Reads `1*DIGIT` and nothing else: no sign, no fraction, no unit, no whitespace.
pub(crate) fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |seconds: u64, byte| {
        let digit = byte
            .is_ascii_digit()
            .then(|| u64::from(byte.wrapping_sub(b'0')))?;
        // Clamped at each digit, so the product stays far from `u64::MAX` however many digits come.
        Some((seconds * 10 + digit).min(MAX_SECONDS))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    #[test]
    fn only_digits_are_seconds() {
        assert_eq!(delta_seconds(b"0"), Some(0));
        assert_eq!(delta_seconds(b"60"), Some(60));
        assert_eq!(delta_seconds(b"0060"), Some(60));
        for text in [
            "", "-1", "+1", "1.5", "1s", "1 0", " 1", "1 ", "x", "0x1", "\u{661}",
        ] {
            assert_eq!(delta_seconds(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn overflow_is_clamped_and_never_wraps() {
        assert_eq!(delta_seconds(b"2147483647"), Some(MAX_SECONDS - 1));
        assert_eq!(delta_seconds(b"2147483648"), Some(MAX_SECONDS));
        for digits in [10, 19, 20, 21, 400] {
            let text = "9".repeat(digits);
            assert_eq!(delta_seconds(text.as_bytes()), Some(MAX_SECONDS));
        }
        assert_eq!(
            delta_seconds(format!("{}x", "9".repeat(400)).as_bytes()),
            None
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(text in arbitrary::bytes()) {
            prop_assert!(delta_seconds(&text).is_none_or(|seconds| seconds <= MAX_SECONDS));
        }

        #[test]
        fn numbers_in_range_are_kept(seconds in 0..=MAX_SECONDS) {
            prop_assert_eq!(delta_seconds(seconds.to_string().as_bytes()), Some(seconds));
        }
    }
}
