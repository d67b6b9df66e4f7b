//! The sliding window counter: the count of this window, and the share of the last one that the sliding window still covers.

use super::super::decision::{Receipt, Standing, Wait};
use super::{divided, narrow};

/// At most `amount` in each aligned window, and fewer than twice that in any: up to `2 amount - 1` (RL-SC-01). It takes what was used in the
/// last window to be spread evenly over it, so it is approximate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SlidingCounter {
    pub(crate) amount: u64,
    /// In microseconds.
    pub(crate) window: u64,
}

/// The counts of an aligned window and of the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) begins: u64,
    pub(crate) used: u64,
    pub(crate) before: u64,
}

impl SlidingCounter {
    /// The counts at this moment, and how far into the window it is. A clock that steps back stays at the window's beginning, but for one that
    /// steps back by more than a window.
    fn current(&self, counts: Counts, now: u64) -> (Counts, u64) {
        let begins = now - now % self.window;
        let last = counts.begins.saturating_add(self.window);
        let counts = if counts.begins == begins
            || (counts.begins > now && counts.begins - now <= self.window)
        {
            counts
        } else if last == begins {
            Counts {
                begins,
                used: 0,
                before: counts.used,
            }
        } else {
            Counts {
                begins,
                used: 0,
                before: 0,
            }
        };
        (counts, now.saturating_sub(counts.begins))
    }

    fn product(&self, count: u64, by: u64) -> u128 {
        u128::from(count) * u128::from(by)
    }

    fn wait(&self, counts: Counts, into: u64, cost: u64) -> Wait {
        let Counts { used, before, .. } = counts;
        if cost > self.amount {
            return Wait::Never;
        }
        let window = self.window;
        let room = |free: u64, count: u64| match count {
            0 => 0,
            _ => window.saturating_sub(narrow(divided(self.product(free, window), count))),
        };
        let micros = if used.saturating_add(cost) <= self.amount {
            room(self.amount - used - cost, before).saturating_sub(into)
        } else {
            (window - into.min(window)) + room(self.amount - cost, used)
        };
        Wait::Micros(micros)
    }

    pub(super) fn look(&self, counts: Counts, now: u64, cost: u64) -> Standing {
        let (counts, into) = self.current(counts, now);
        let limit = self.product(self.amount, self.window);
        let covered = self.product(counts.before, self.window - into.min(self.window));
        let used = self.product(counts.used, self.window) + covered;
        let remaining = narrow(divided(limit.saturating_sub(used), self.window));
        let admitted = cost == 0 || cost <= remaining;
        let micros = |wait| match wait {
            Wait::Micros(micros) => micros,
            Wait::Unknown | Wait::Never => 0,
        };
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false => self.wait(counts, into, cost),
            },
            next: match remaining < self.amount {
                true => micros(self.wait(counts, into, remaining + 1)),
                false => 0,
            },
            full: match remaining < self.amount {
                true => micros(self.wait(counts, into, self.amount)),
                false => 0,
            },
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, counts: &mut Counts, now: u64, cost: u64) -> Receipt {
        (*counts, _) = self.current(*counts, now);
        counts.used = counts.used.saturating_add(cost).min(2 * self.amount);
        Receipt::new(counts.begins)
    }

    /// From the window in which it was taken, this one or the last.
    pub(super) fn give_back(&self, counts: &mut Counts, now: u64, cost: u64, receipt: Receipt) {
        (*counts, _) = self.current(*counts, now);
        if receipt.value() == counts.begins {
            counts.used = counts.used.saturating_sub(cost);
        } else if receipt.value().saturating_add(self.window) == counts.begins {
            counts.before = counts.before.saturating_sub(cost);
        }
    }

    pub(super) fn fresh_at(&self, counts: Counts) -> u64 {
        match (counts.used, counts.before) {
            (0, 0) => 0,
            (0, _) => counts.begins.saturating_add(self.window),
            _ => counts.begins.saturating_add(2 * self.window),
        }
    }
}
