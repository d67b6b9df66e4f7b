//! Prices: whole cents inside, decimals such as `9.99` outside.

use std::fmt;

/// An amount in cents. There is no floating point on the way from form to database to page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Money(pub(crate) i64);

/// No dish costs more than 9999.99.
const MAX_CENTS: i64 = 999_999;

impl Money {
    /// Reads `9`, `9.9` or `9.99` exactly; the error says what is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "the price must be a decimal number with at most two places, such as 9.99";
        const TOO_HIGH: &str = "the price must not be above 9999.99";

        let (units, cents) = match text.split_once('.') {
            Some((units, cents)) => (units, cents),
            None => (text, "00"),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(units) || !digits(cents) || cents.len() > 2 {
            return Err(EXPECTED);
        }
        // Only digits are left: what does not parse is too large.
        let units: i64 = units.parse().map_err(|_| TOO_HIGH)?;
        let tens = if cents.len() == 1 { 10 } else { 1 };
        let cents = cents.parse::<i64>().map_err(|_| EXPECTED)? * tens;
        units
            .checked_mul(100)
            .and_then(|units| units.checked_add(cents))
            .filter(|total| *total <= MAX_CENTS)
            .map(Self)
            .ok_or(TOO_HIGH)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_exactly() {
        for (text, cents, shown) in [
            ("9.99", 999, "9.99"),
            ("9.9", 990, "9.90"),
            ("9", 900, "9.00"),
            ("0", 0, "0.00"),
            ("0.29", 29, "0.29"),
            ("0000000000000000000000001", 100, "1.00"),
            ("9999.99", 999_999, "9999.99"),
        ] {
            assert_eq!(Money::parse(text), Ok(Money(cents)), "{text}");
            assert_eq!(Money(cents).to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in [
            "",
            ".",
            "9.",
            ".99",
            "-1",
            "+1",
            "1e3",
            "9,99",
            "9.999",
            " 9",
            "٣",
            "0x1",
            "NaN",
            "1.-1",
            "1.2.3",
            "10000",
            "9223372036854775807",
            "99999999999999999999999999",
        ] {
            assert!(Money::parse(text).is_err(), "{text:?}");
        }
    }
}
