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
    /// The counts at this moment. A clock that steps back stays at the window's beginning, but for one that steps back by more than a window.
    fn current(&self, counts: Counts, now: u64) -> Counts {
        let begins = now - now % self.window;
        let is_ahead = counts.begins > now && counts.begins - now <= self.window;
        if counts.begins == begins || is_ahead {
            return counts;
        }
        let is_next = counts.begins.checked_add(self.window) == Some(begins);
        Counts {
            begins,
            used: 0,
            before: if is_next { counts.used } else { 0 },
        }
    }

    /// How long until `cost` would be admitted, which is no more than the amount: until so little of the window before is covered, or of this
    /// one when it is the window before.
    fn wait(&self, counts: Counts, now: u64, cost: u64) -> u64 {
        let Counts { used, before, .. } = counts;
        let window = self.window;
        let into = now.saturating_sub(counts.begins);
        let ahead = counts.begins.saturating_sub(now);
        let room = |free: u64, count: u64| match count {
            0 => 0,
            _ => window.saturating_sub(narrow(divided(product(free, window), count))),
        };
        let wait = if used.saturating_add(cost) <= self.amount {
            room(self.amount - used - cost, before).saturating_sub(into)
        } else {
            window - into.min(window) + room(self.amount - cost, used)
        };
        wait.saturating_add(ahead)
    }

    pub(super) fn look(&self, counts: Counts, now: u64, cost: u64) -> Standing {
        let counts = self.current(counts, now);
        let into = now.saturating_sub(counts.begins);
        let limit = product(self.amount, self.window);
        let covered = product(counts.before, self.window - into.min(self.window));
        let used = product(counts.used, self.window) + covered;
        let remaining = narrow(divided(limit.saturating_sub(used), self.window));
        let admitted = cost <= remaining || cost == 0;
        let is_used = remaining < self.amount;
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.amount => Wait::Never,
                false => Wait::Micros(self.wait(counts, now, cost)),
            },
            next: match is_used {
                true => self.wait(counts, now, remaining + 1),
                false => 0,
            },
            full: match is_used {
                true => self.wait(counts, now, self.amount),
                false => 0,
            },
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, counts: &mut Counts, now: u64, cost: u64) -> Receipt {
        *counts = self.current(*counts, now);
        let counted = cost.min((2 * self.amount).saturating_sub(counts.used));
        counts.used += counted;
        match counted == cost {
            true => Receipt::new(counts.begins),
            false => Receipt::NONE,
        }
    }

    /// From the window in which it was taken, this one or the last.
    pub(super) fn give_back(&self, counts: &mut Counts, now: u64, cost: u64, receipt: Receipt) {
        *counts = self.current(*counts, now);
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

fn product(count: u64, span: u64) -> u128 {
    u128::from(count) * u128::from(span)
}
