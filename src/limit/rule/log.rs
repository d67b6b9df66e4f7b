//! The sliding log: the moment of each admission.

use std::collections::VecDeque;

use super::super::decision::{Receipt, Standing, Wait};

/// At most `amount` in every window of that length; what was admitted exactly one window ago no longer counts (RL-SL-01). What is refused is not
/// logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    pub(crate) amount: u64,
    /// In microseconds.
    pub(crate) window: u64,
}

/// When how much was taken, oldest first; one entry for each moment, so no more than the amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) taken: VecDeque<(u64, u64)>,
}

impl Log {
    /// What still counts at this moment. A clock that steps back forgets nothing, but what lies more than a window ahead was of another clock.
    fn counted<'a>(&self, entries: &'a Entries, now: u64) -> impl Iterator<Item = (u64, u64)> + 'a {
        let window = self.window;
        let counts = move |moment: u64| {
            moment.saturating_add(window) > now && moment <= now.saturating_add(window)
        };
        let taken = entries.taken.iter().copied();
        taken.filter(move |(moment, _)| counts(*moment))
    }

    fn wait(&self, entries: &Entries, now: u64, sum: u64, cost: u64) -> Wait {
        if cost > self.amount {
            return Wait::Never;
        }
        let surplus = (sum + cost).saturating_sub(self.amount);
        let mut gone = 0;
        for (moment, taken) in self.counted(entries, now) {
            if gone >= surplus {
                break;
            }
            gone += taken;
            if gone >= surplus {
                return Wait::Micros((moment + self.window).saturating_sub(now));
            }
        }
        Wait::NONE
    }

    pub(super) fn look(&self, entries: &Entries, now: u64, cost: u64) -> Standing {
        let sum: u64 = self.counted(entries, now).map(|(_, taken)| taken).sum();
        let remaining = self.amount.saturating_sub(sum);
        let admitted = cost <= remaining || cost == 0;
        let newest = self.counted(entries, now).last();
        let micros = |wait| match wait {
            Wait::Micros(micros) => micros,
            Wait::Unknown | Wait::Never => 0,
        };
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false => self.wait(entries, now, sum, cost),
            },
            next: match remaining < self.amount {
                true => micros(self.wait(entries, now, sum, remaining + 1)),
                false => 0,
            },
            full: newest.map_or(0, |(moment, _)| (moment + self.window).saturating_sub(now)),
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, entries: &mut Entries, now: u64, cost: u64) -> Receipt {
        let counted: VecDeque<_> = self.counted(entries, now).collect();
        entries.taken = counted;
        let sum: u64 = entries.taken.iter().map(|(_, taken)| taken).sum();
        let cost = cost.min((2 * self.amount).saturating_sub(sum));
        match entries.taken.back_mut() {
            // The log stays in order and short: what is owed beyond the amount counts as long as the newest.
            Some((moment, taken)) if *moment >= now || sum >= self.amount => {
                *moment = now.max(*moment);
                *taken += cost;
                Receipt::new(*moment)
            }
            _ => {
                entries.taken.push_back((now, cost));
                Receipt::new(now)
            }
        }
    }

    pub(super) fn give_back(&self, entries: &mut Entries, now: u64, cost: u64, receipt: Receipt) {
        let _ = now;
        let mut taken = entries.taken.iter_mut();
        if let Some((_, taken)) = taken.find(|(moment, _)| *moment == receipt.value()) {
            *taken = taken.saturating_sub(cost);
        }
        entries.taken.retain(|(_, taken)| *taken > 0);
    }

    pub(super) fn fresh_at(&self, entries: &Entries) -> u64 {
        let newest = entries.taken.back();
        newest.map_or(0, |(moment, _)| moment.saturating_add(self.window))
    }
}
