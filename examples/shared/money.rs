//! Amounts of money: whole cents inside, decimals such as `9.99` outside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in cents. There is no floating point on the way from form to database to page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
pub(crate) struct Money(pub(crate) i64);

impl Money {
    /// Reads `9`, `9.9` or `9.99` exactly; the error says what is expected of `what`.
    pub(crate) fn parse(what: &str, text: &str, most: Self) -> Result<Self, String> {
        let malformed =
            || format!("the {what} must be a decimal number with at most two places, such as 9.99");
        let too_high = || format!("the {what} must not be above {most}");

        let (units, cents) = match text.split_once('.') {
            Some((units, cents)) => (units, cents),
            None => (text, "00"),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(units) || !digits(cents) || cents.len() > 2 {
            return Err(malformed());
        }
        // Only digits are left: what does not parse is too large.
        let units: i64 = units.parse().map_err(|_| too_high())?;
        let tens = if cents.len() == 1 { 10 } else { 1 };
        let cents = cents.parse::<i64>().map_err(|_| malformed())? * tens;
        units
            .checked_mul(100)
            .and_then(|units| units.checked_add(cents))
            .map(Self)
            .filter(|total| *total <= most)
            .ok_or_else(too_high)
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

    const MOST: Money = Money(999_999);

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
            assert_eq!(
                Money::parse("price", text, MOST),
                Ok(Money(cents)),
                "{text}"
            );
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
            assert!(Money::parse("price", text, MOST).is_err(), "{text:?}");
        }
    }
}
