//! The fields and words in which counts and times of a request are told: pure formatting.

use std::fmt::{self, Write};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::reason::Reason;

pub(super) const X_CACHE_HITS: HeaderName = HeaderName::from_static("x-cache-hits");
pub(super) const X_CACHE_MISSES: HeaderName = HeaderName::from_static("x-cache-misses");
pub(super) const X_CACHE_HIT_RATE: HeaderName = HeaderName::from_static("x-cache-hit-rate");
pub(super) const X_RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The most bytes of a method or a path that are told.
const LONGEST: usize = 200;

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Hits among hits and misses: `75.0%`, or `0.0%` where there were none of either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HitRate {
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl HitRate {
    /// Rounded half up.
    fn per_mille(self) -> u128 {
        let hits = u128::from(self.hits);
        let all = hits + u128::from(self.misses);
        (hits * 2_000 + all).checked_div(2 * all).unwrap_or(0)
    }
}

impl fmt::Display for HitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.per_mille();
        write!(f, "{}.{}%", share / 10, share % 10)
    }
}

/// A span in seconds, rounded to three decimals: `0.123s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = (self.0.as_nanos() + 500_000) / 1_000_000;
        write!(f, "{}.{:03}s", millis / 1_000, millis % 1_000)
    }
}

/// A span in milliseconds, rounded to one decimal, as `dur` of `Server-Timing` gives it: `12.3`.
#[derive(Clone, Copy, Debug)]
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.as_nanos() + 50_000) / 100_000;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// The metrics of `Server-Timing`: `cache;desc=hit, total;dur=12.3`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// What the cache did, if it was asked.
    pub(super) cache: Option<&'static str>,
    pub(super) total: Duration,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(word) = self.cache {
            write!(f, "cache;desc={word}, ")?;
        }
        write!(f, "total;dur={}", Milliseconds(self.total))
    }
}

/// What the cache did for a request, in a word: what became of its page, or else of the values that it asked for.
pub(super) const fn cache_word(
    reason: Option<Reason>,
    hits: u64,
    misses: u64,
) -> Option<&'static str> {
    match reason {
        Some(Reason::Hit) => Some("hit"),
        Some(Reason::StaleHit(_) | Reason::StaleOnError(_)) => Some("stale"),
        Some(Reason::Validated(_)) => Some("validated"),
        Some(Reason::Collapsed(_)) => Some("collapsed"),
        Some(
            Reason::Stored(_)
            | Reason::StoredAlone(_)
            | Reason::Refused(..)
            | Reason::RefusedAlone(..),
        ) => Some("miss"),
        Some(Reason::Bypassed(_)) => Some("bypass"),
        Some(Reason::Unanswered(_)) => Some("error"),
        // A plain hit of a page says nothing, for its speed.
        None => match (hits, misses) {
            (0, 0) => None,
            (_, 0) => Some("hit"),
            (0, _) => Some("miss"),
            _ => Some("mixed"),
        },
    }
}

/// Writes a field in place of what is there. A map that has no room for one more is too large to be sent.
pub(super) fn replace(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        let _ = headers.try_insert(name, value);
    }
}

/// Writes a field after what is there.
pub(super) fn append(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        let _ = headers.try_append(name, value);
    }
}

/// A count as a field's value. Those of most requests have one digit, and allocate nothing.
pub(super) fn count(count: u64) -> HeaderValue {
    let digit = usize::try_from(count).ok().and_then(|i| DIGITS.get(i));
    digit.map_or_else(|| count.into(), |digit| HeaderValue::from_static(digit))
}

/// A rate as a field's value: that of a page alone allocates nothing.
pub(super) fn rate(rate: HitRate) -> Option<HeaderValue> {
    match rate.per_mille() {
        0 => Some(HeaderValue::from_static("0.0%")),
        1_000 => Some(HeaderValue::from_static("100.0%")),
        _ => value(rate),
    }
}

/// A text as a field's value, with one allocation; `None` for what no field holds.
pub(super) fn value(text: impl fmt::Display) -> Option<HeaderValue> {
    let mut line = Line::default();
    write!(line, "{text}").ok()?;
    HeaderValue::from_bytes(&line.bytes[..line.length]).ok()
}

/// Room for the longest value that is written here.
struct Line {
    bytes: [u8; 96],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; 96],
            length: 0,
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// What a client sent, as a log may show it: visible ASCII, everything else escaped, and not more than a line's worth.
pub(super) fn printable(text: &str) -> String {
    let mut told = String::with_capacity(text.len().min(LONGEST + 16));
    for c in text.chars() {
        if told.len() >= LONGEST {
            told.push_str("...");
            break;
        }
        match c {
            '\\' => told.push_str("\\\\"),
            c if c.is_ascii_graphic() => told.push(c),
            c => told.extend(c.escape_unicode()),
        }
    }
    told
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
