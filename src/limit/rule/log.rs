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

/// When how much was taken, oldest first, and the sum of it: no more entries than the amount, each of its own moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    taken: VecDeque<(u64, u64)>,
    sum: u64,
}

/// What still counts: entries `first..end`.
struct Counted {
    first: usize,
    end: usize,
    sum: u64,
}

impl Log {
    /// A clock that steps back forgets nothing, but what lies more than a window ahead was of another clock.
    fn counted(&self, entries: &Entries, now: u64) -> Counted {
        let taken = &entries.taken;
        let mut counted = Counted {
            first: 0,
            end: taken.len(),
            sum: entries.sum,
        };
        let is_over = |moment: u64| moment.saturating_add(self.window) <= now;
        let is_ahead = |moment: u64| moment > now.saturating_add(self.window);
        for (moment, cost) in taken {
            if !is_over(*moment) {
                break;
            }
            counted.first += 1;
            counted.sum -= cost;
        }
        for (moment, cost) in taken.iter().skip(counted.first).rev() {
            if !is_ahead(*moment) {
                break;
            }
            counted.end -= 1;
            counted.sum -= cost;
        }
        counted
    }

    fn leaves_in(&self, moment: u64, now: u64) -> u64 {
        moment.saturating_add(self.window).saturating_sub(now)
    }

    /// How long until `cost` would be admitted, which is no more than the amount: until enough of the oldest no longer count.
    fn wait(&self, entries: &Entries, counted: &Counted, now: u64, cost: u64) -> u64 {
        let surplus = (counted.sum + cost).saturating_sub(self.amount);
        let mut gone = 0;
        for (moment, taken) in entries.taken.range(counted.first..counted.end) {
            if gone >= surplus {
                break;
            }
            gone += taken;
            if gone >= surplus {
                return self.leaves_in(*moment, now);
            }
        }
        0
    }

    pub(super) fn look(&self, entries: &Entries, now: u64, cost: u64) -> Standing {
        let counted = self.counted(entries, now);
        let remaining = self.amount.saturating_sub(counted.sum);
        let admitted = cost <= remaining || cost == 0;
        let newest = entries.taken.range(counted.first..counted.end).next_back();
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.amount => Wait::Never,
                false => Wait::Micros(self.wait(entries, &counted, now, cost)),
            },
            next: match remaining < self.amount {
                true => self.wait(entries, &counted, now, remaining + 1),
                false => 0,
            },
            full: newest.map_or(0, |(moment, _)| self.leaves_in(*moment, now)),
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, entries: &mut Entries, now: u64, cost: u64) -> Receipt {
        let counted = self.counted(entries, now);
        entries.taken.truncate(counted.end);
        entries.taken.drain(..counted.first);
        let counts = cost.min((2 * self.amount).saturating_sub(counted.sum));
        entries.sum = counted.sum + counts;
        if counts == 0 {
            return Receipt::NONE;
        }
        let is_full = entries.taken.len() as u64 >= self.amount;
        let moment = match entries.taken.back_mut() {
            // The log stays in order and short: what is owed beyond its length makes the newest count longer.
            Some((moment, taken)) if *moment >= now || is_full => {
                *moment = now.max(*moment);
                *taken += counts;
                *moment
            }
            _ => {
                entries.taken.push_back((now, counts));
                now
            }
        };
        match counts == cost {
            true => Receipt::new(moment),
            false => Receipt::NONE,
        }
    }

    pub(super) fn give_back(&self, entries: &mut Entries, cost: u64, receipt: Receipt) {
        let place = entries
            .taken
            .binary_search_by_key(&receipt.value(), |(moment, _)| *moment);
        let Ok(place) = place else { return };
        let taken = &mut entries.taken[place].1;
        let back = cost.min(*taken);
        *taken -= back;
        entries.sum -= back;
        if *taken == 0 {
            entries.taken.remove(place);
        }
    }

    pub(super) fn fresh_at(&self, entries: &Entries) -> u64 {
        let newest = entries.taken.back();
        newest.map_or(0, |(moment, _)| moment.saturating_add(self.window))
    }
}

#[cfg(test)]
impl Entries {
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }
}
