//! Quotas as text: `100/m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Kind, Quota, QuotaError};

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let refuse = |problem| QuotaError::Text {
            text: text.to_owned(),
            problem,
        };
        let (amount, window) = text
            .split_once('/')
            .ok_or_else(|| refuse("it has no slash"))?;
        let amount = number(amount).ok_or_else(|| refuse("the amount is no number"))?;
        let digits = window.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = window.split_at(digits);
        let count = match count {
            "" => 1,
            count => number(count).ok_or_else(|| refuse("the window is no number"))?,
        };
        let seconds: u64 = match unit {
            "" if digits > 0 => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            _ => return Err(refuse("its unit is none of s, m, h, d")),
        };
        let seconds = count.saturating_mul(seconds);
        Self::new(amount, Duration::from_secs(seconds))
    }
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

impl TryFrom<&str> for Quota {
    type Error = QuotaError;

    fn try_from(text: &str) -> Result<Self, QuotaError> {
        text.parse()
    }
}

/// As it can be written, but for windows that are no whole seconds.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Unlimited => f.write_str("unlimited"),
            Kind::Denied => f.write_str("nothing"),
            Kind::InFlight(most) => write!(f, "{most} in flight"),
            Kind::Rate { amount, window, .. } => {
                let seconds = window / 1_000_000;
                match (window % 1_000_000, seconds) {
                    (0, 86_400) => write!(f, "{amount}/d"),
                    (0, 3_600) => write!(f, "{amount}/h"),
                    (0, 60) => write!(f, "{amount}/m"),
                    (0, 1) => write!(f, "{amount}/s"),
                    (0, seconds) => write!(f, "{amount}/{seconds}s"),
                    // What no text can say.
                    _ => write!(f, "{amount}/{:?}", Duration::from_micros(window)),
                }
            }
        }
    }
}
