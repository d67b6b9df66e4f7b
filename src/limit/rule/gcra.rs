//! GCRA: one number says when everything that was admitted would have been worked off.

use super::super::decision::{Receipt, Standing, Wait};
use super::{divided, divided_up, narrow};

/// What came of a call, before it is told how the quota stands.
#[derive(Clone, Copy)]
pub(crate) struct Owed {
    /// What is not worked off yet.
    owed: u128,
    cost: u64,
    receipt: Receipt,
}

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
        self.work(self.burst)
    }

    fn work(&self, cost: u64) -> u128 {
        u128::from(cost) * u128::from(self.period)
    }

    fn time(&self, span: u64) -> u128 {
        u128::from(span) * u128::from(self.rate)
    }

    /// What is not worked off yet. More than twice the capacity cannot be owed: a state that says so is of a clock that has stepped back by
    /// more than a refill, and holds nobody.
    #[inline]
    fn owed(&self, tat: u128, now: u64) -> u128 {
        let owed = tat.saturating_sub(self.time(now));
        match owed <= 2 * self.capacity() {
            true => owed,
            false => 0,
        }
    }

    /// What the answers tell. It needs no state, so it is not reckoned under a lock.
    #[inline(always)]
    pub(crate) fn standing(&self, of: Owed) -> Standing {
        let Owed {
            owed,
            cost,
            receipt,
        } = of;
        let capacity = self.capacity();
        let until = |owed: u128, capacity: u128| {
            narrow(divided_up(owed.saturating_sub(capacity), self.rate))
        };
        let remaining = narrow(divided(capacity.saturating_sub(owed), self.period));
        let admitted = cost <= remaining || cost == 0;
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.burst => Wait::Never,
                false => Wait::Micros(until(owed + self.work(cost), capacity)),
            },
            next: match remaining < self.burst {
                true => until(owed + self.work(remaining + 1), capacity),
                false => 0,
            },
            full: until(owed, 0),
            receipt,
        }
    }

    pub(super) fn look(&self, tat: u128, now: u64, cost: u64) -> Standing {
        self.standing(Owed {
            owed: self.owed(tat, now),
            cost,
            receipt: Receipt::NONE,
        })
    }

    /// Takes `cost` if it is admitted.
    #[inline]
    pub(crate) fn acquire(&self, tat: &mut u128, now: u64, cost: u64) -> Owed {
        let owed = self.owed(*tat, now);
        let with_cost = owed + self.work(cost);
        if cost == 0 || with_cost > self.capacity() {
            return Owed {
                owed,
                cost,
                receipt: Receipt::NONE,
            };
        }
        *tat = self.time(now) + with_cost;
        Owed {
            owed: with_cost,
            cost: 0,
            receipt: Receipt::new(now),
        }
    }

    pub(super) fn take(&self, tat: &mut u128, now: u64, cost: u64) -> Receipt {
        let most = 2 * self.capacity();
        let owed = self.owed(*tat, now) + self.work(cost);
        *tat = self.time(now) + owed.min(most);
        match owed <= most {
            true => Receipt::new(now),
            false => Receipt::NONE,
        }
    }

    /// However much was owed when it was taken, and whatever else was given back since: without it, that much less would be owed, but for what
    /// may have been worked off in the meantime.
    pub(super) fn give_back(&self, tat: &mut u128, now: u64, cost: u64, receipt: Receipt) {
        let passed = now.saturating_sub(receipt.value());
        let back = self.work(cost).saturating_sub(self.time(passed));
        *tat = tat.saturating_sub(back);
    }

    pub(super) fn fresh_at(&self, tat: u128) -> u64 {
        narrow(divided_up(tat, self.rate))
    }
}
