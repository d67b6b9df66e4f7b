//! How fields and problem documents spell it: every name that stands on the wire.
//!
//! Later versions of the draft may rename parameters, so nothing else writes them.

use std::fmt::Write;

use http::{HeaderName, HeaderValue};

use super::{Policy, Told};
use crate::limit::quota::Unit;

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(super) const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(super) const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The parameters of a member of `RateLimit` that tell what is left, and when there is more.
pub(super) const REMAINING: &str = "r";
pub(super) const NEXT: &str = "t";
/// The members of `RateLimit` in the seventh version.
pub(super) const DRAFT_7_REMAINING: &str = "remaining";

/// The problem types of the draft (§5).
pub(super) const QUOTA_EXCEEDED: &str =
    "https://iana.org/assignments/http-problem-types#quota-exceeded";
pub(super) const TEMPORARY_REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
/// The extension of both types that names the policies.
pub(super) const VIOLATED_POLICIES: &str = "violated-policies";

/// The largest Integer of a structured field (RFC 9651 §3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// What is left of a policy: more than its amount is never told, whatever a limiter says.
pub(super) fn remaining(told: &Told<'_>) -> u64 {
    integer(told.standing.remaining.min(told.policy.amount))
}

/// Seconds until there is more, rounded up. None where that cannot be told, or will never be.
pub(super) fn next(told: &Told<'_>) -> Option<u64> {
    next_micros(told).map(seconds_up)
}

/// The same in microseconds.
pub(super) fn next_micros(told: &Told<'_>) -> Option<u64> {
    let is_told = !told.policy.is_in_flight && told.policy.amount > 0;
    is_told.then_some(told.standing.next)
}

/// `"search";q=100;w=60`
pub(super) fn draft_11_policy(policy: &Policy) -> String {
    let mut member = string(&policy.name);
    parameter(&mut member, "q", integer(policy.amount));
    match policy.unit {
        _ if policy.is_in_flight => member.push_str(";qu=\"concurrent-requests\""),
        Unit::ContentBytes => member.push_str(";qu=\"content-bytes\""),
        // The default of the draft.
        Unit::Requests => {}
    }
    if let Some(window) = window(policy) {
        parameter(&mut member, "w", window);
    }
    member
}

/// `"search";r=42;t=1`
pub(super) fn draft_11_limit(told: &Told<'_>) -> String {
    let mut member = string(&told.policy.name);
    parameter(&mut member, REMAINING, remaining(told));
    if let Some(next) = next(told) {
        parameter(&mut member, NEXT, next);
    }
    if told.is_dry {
        member.push_str(";larder-dry-run");
    }
    member
}

/// `100;w=60`. None for what has no window, which this version requires.
pub(super) fn draft_7_policy(policy: &Policy) -> Option<String> {
    let mut member = integer(policy.amount).to_string();
    parameter(&mut member, "w", window(policy)?);
    Some(member)
}

/// `limit=100, remaining=42, reset=1`
pub(super) fn draft_7_limit(told: &Told<'_>, next: u64) -> String {
    let limit = integer(told.policy.amount);
    let remaining = remaining(told);
    format!("limit={limit}, {DRAFT_7_REMAINING}={remaining}, reset={next}")
}

/// The value of a field that was written here.
pub(super) fn value(text: &str) -> Option<HeaderValue> {
    // Names are printable ASCII, so that it always is one.
    HeaderValue::from_str(text).ok()
}

pub(super) fn integer(number: u64) -> u64 {
    number.min(LARGEST)
}

/// Whole seconds, rounded up, so that who keeps to them is not refused; none where that would more than double them.
fn window(policy: &Policy) -> Option<u64> {
    let micros = policy.window.filter(|micros| *micros >= 1_000_000)?;
    Some(seconds_up(micros))
}

fn seconds_up(micros: u64) -> u64 {
    integer(micros.div_ceil(1_000_000))
}

fn parameter(member: &mut String, key: &str, number: u64) {
    let _ = write!(member, ";{key}={number}");
}

/// A String (RFC 9651 §3.3.3). Other characters than it may hold are left out; names that have any were refused long before.
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            _ => {}
        }
    }
    quoted.push('"');
    quoted
}
