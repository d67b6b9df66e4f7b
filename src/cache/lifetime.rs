//! From lifetimes to the two horizons of a record, and back.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Now;
use crate::store::Times;
use crate::ttl::{LONGEST, Ttl};

/// What is left of a value's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// This long, to the millisecond.
    For(Duration),
    /// Until purged or evicted.
    Forever,
}

impl Lifetime {
    /// What is left at `now` of what ends at `end`; `None` if nothing is.
    pub(super) fn until(end: Now, now: Now) -> Option<Self> {
        match end {
            Now::NEVER => Some(Self::Forever),
            end if now < end => Some(Self::For(end.since(now))),
            _ => None,
        }
    }
}

/// When something ends that is kept for `ttl` from `now` on; `None` for what is over at once.
pub(super) fn end(ttl: Ttl, default: Duration, now: Now) -> Option<Now> {
    let span = ttl.resolve(default);
    if span.is_zero() {
        return None;
    }
    if span >= LONGEST {
        return Some(Now::NEVER);
    }
    Some(now + span.max(Duration::from_millis(1)))
}

/// The moment so long after `from`; one far away for what no clock can tell.
pub(super) fn later(from: Instant, span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    from.checked_add(span).unwrap_or_else(|| from + FAR)
}

/// Fresh until `end`, and kept for `stale` beyond that.
pub(super) fn times(now: Now, end: Now, stale: Duration) -> Times {
    Times {
        born: now,
        fresh_until: end,
        keep_until: end + stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl::{days, seconds};

    #[test]
    fn lifetimes_are_kept_to_the_millisecond() {
        let now = Now::from_millis(1_000);
        let default = seconds(5);
        let ends = |ttl: Ttl| end(ttl, default, now).map(Now::as_millis);
        assert_eq!(ends(Ttl::Default), Some(6_000));
        assert_eq!(ends(Duration::from_millis(400).into()), Some(1_400));
        assert_eq!(ends(Duration::from_micros(10).into()), Some(1_001));
        assert_eq!(ends(Duration::ZERO.into()), None);
        assert_eq!(ends(days(400).into()), Some(1_000 + 400 * 86_400_000));
        assert_eq!(ends(Ttl::Forever), Some(u64::MAX));
        assert_eq!(ends(Duration::MAX.into()), Some(u64::MAX));
        assert_eq!(
            ends(Ttl::until(std::time::UNIX_EPOCH, std::time::UNIX_EPOCH)),
            None
        );
        assert_eq!(
            end(Ttl::Default, LONGEST, now),
            Some(Now::NEVER),
            "a default may be for ever"
        );
    }

    #[test]
    fn what_is_left_tells_for_ever_from_nothing() {
        let now = Now::from_millis(1_000);
        assert_eq!(Lifetime::until(now, now), None);
        assert_eq!(
            Lifetime::until(now + Duration::from_millis(1), now),
            Some(Lifetime::For(Duration::from_millis(1)))
        );
        assert_eq!(Lifetime::until(Now::NEVER, now), Some(Lifetime::Forever));
        assert_eq!(times(now, Now::NEVER, seconds(1)).keep_until, Now::NEVER);
    }
}
