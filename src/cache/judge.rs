//! What a stale value may be used for.

use std::time::Duration;

use crate::clock::Now;
use crate::store::Times;

/// For how long beyond its lifetime a value may stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Windows {
    /// While it is refreshed.
    pub(super) revalidate: Duration,
    /// Where its loader fails, or is slow.
    pub(super) error: Duration,
}

impl Windows {
    /// How long a value is kept beyond its lifetime.
    pub(super) fn longest(self) -> Duration {
        self.revalidate.max(self.error)
    }
}

/// May a value with these times still be used at `now`, with this window beyond its lifetime?
pub(super) fn is_within(times: Times, window: Duration, now: Now) -> bool {
    now < times.fresh_until + window && now < times.keep_until
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl::seconds;

    #[test]
    fn a_window_counts_from_the_end_of_the_lifetime_and_ends_with_the_record() {
        let at = |s: u64| Now::from_millis(s * 1_000);
        let times = Times {
            born: at(0),
            fresh_until: at(10),
            keep_until: at(20),
        };
        for (now, window, expected) in [
            (9, 0, true),
            (10, 0, false),
            (14, 5, true),
            (15, 5, false),
            (19, 60, true),
            (20, 60, false),
        ] {
            assert_eq!(
                is_within(times, seconds(window), at(now)),
                expected,
                "{now}"
            );
        }
    }
}
