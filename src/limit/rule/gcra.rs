//! GCRA: one number says when everything that was admitted would have been worked off.

use super::super::decision::{Receipt, Standing, Wait};
use super::{divided, divided_up, narrow};

/// One unit each `period / rate`, and `burst` at once.
///
/// In any closed interval of length W at most `burst + ⌊W / T⌋` are admitted, T being `period / rate` (RL-GC-01). With a burst of the whole
/// amount that is up to `2 amount - 1` in a half-open window; with a rate of `amount - burst + 1` it is the amount in any window (RL-GC-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gcra {
    pub(crate) rate: u64,
    /// In microseconds.
    pub(crate) period: u64,
    pub(crate) burst: u64,
}

impl Gcra {
    /// Times are multiplied by the rate, so that the time of one unit is the period, exactly.
    fn capacity(&self) -> u128 {
        u128::from(self.burst) * u128::from(self.period)
    }

    fn time(&self, now: u64) -> u128 {
        u128::from(now) * u128::from(self.rate)
    }

    /// What is not worked off yet. More than twice the capacity cannot be owed: then the clock has stepped back.
    fn owed(&self, tat: u128, now: u64) -> u128 {
        tat.saturating_sub(self.time(now)).min(2 * self.capacity())
    }

    pub(super) fn look(&self, tat: u128, now: u64, cost: u64) -> Standing {
        let (capacity, owed) = (self.capacity(), self.owed(tat, now));
        let until = |owed: u128, capacity: u128| {
            narrow(divided_up(owed.saturating_sub(capacity), self.rate))
        };
        let remaining = narrow(divided(capacity.saturating_sub(owed), self.period));
        let with_cost = owed + u128::from(cost) * u128::from(self.period);
        let admitted = cost == 0 || with_cost <= capacity;
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.burst => Wait::Never,
                false => Wait::Micros(until(with_cost, capacity)),
            },
            next: match remaining < self.burst {
                true => {
                    let one_more = u128::from(remaining + 1) * u128::from(self.period);
                    until(owed + one_more, capacity)
                }
                false => 0,
            },
            full: until(owed, 0),
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, tat: &mut u128, now: u64, cost: u64) -> Receipt {
        let owed = self.owed(*tat, now) + u128::from(cost) * u128::from(self.period);
        *tat = self.time(now) + owed.min(2 * self.capacity());
        Receipt::new(narrow(divided(*tat, self.rate)))
    }

    /// What was taken is worked off from one cost before the receipt until the receipt; only what of that is yet to come is given back: what
    /// was admitted since then stands behind it, and keeps its place.
    pub(super) fn give_back(&self, tat: &mut u128, now: u64, cost: u64, receipt: Receipt) {
        let until = self.time(receipt.value());
        let to_come = until.saturating_sub(self.time(now));
        let back = to_come.min(u128::from(cost) * u128::from(self.period));
        *tat = tat.saturating_sub(back);
    }

    pub(super) fn fresh_at(&self, tat: u128) -> u64 {
        narrow(divided_up(tat, self.rate))
    }
}
