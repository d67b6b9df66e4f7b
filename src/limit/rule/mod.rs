//! The arithmetic of quotas: pure functions of a state, a moment and a cost (SPEC 4.4).
//!
//! Times are integer microseconds, and everything is exact: nothing drifts, nothing overflows.

mod fixed;
mod gcra;
mod in_flight;
mod log;
mod sliding_counter;

#[cfg(test)]
mod arrivals;
#[cfg(test)]
mod giving_tests;
#[cfg(test)]
mod guarantee_tests;
#[cfg(test)]
mod standing_tests;

#[cfg(feature = "redis")]
pub(crate) use self::fixed::Alignment;
pub(crate) use self::fixed::{Fixed, Window};
pub(crate) use self::gcra::{Gcra, Owed};
pub(crate) use self::in_flight::InFlight;
pub(crate) use self::log::{Entries, Log};
pub(crate) use self::sliding_counter::{Counts, SlidingCounter};

use super::decision::{Receipt, Standing};

/// How a quota is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    Unlimited,
    Denied,
    Gcra(Gcra),
    Fixed(Fixed),
    Counter(SlidingCounter),
    Log(Log),
    InFlight(InFlight),
}

/// What was used under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is kept.
    None,
    /// The theoretical arrival time of GCRA, in parts of a microsecond: `1 / rate` each.
    Arrival(u128),
    Window(Window),
    Counts(Counts),
    Entries(Box<Entries>),
    InFlight(u64),
}

/// A moment, and the offset of the key in staggered windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) now: u64,
    pub(crate) offset: u64,
}

impl Rule {
    /// Is there anything to count?
    pub(crate) const fn is_counted(&self) -> bool {
        !matches!(self, Self::Unlimited | Self::Denied)
    }

    /// The state of a key that was never used.
    pub(crate) fn fresh(&self) -> State {
        match self {
            Self::Unlimited | Self::Denied => State::None,
            Self::Gcra(_) => State::Arrival(0),
            Self::Fixed(_) => State::Window(Window::default()),
            Self::Counter(_) => State::Counts(Counts::default()),
            Self::Log(_) => State::Entries(Box::default()),
            Self::InFlight(_) => State::InFlight(0),
        }
    }

    /// How the quota stands, if `cost` were asked for. Changes nothing.
    pub(crate) fn look(&self, state: &State, at: At, cost: u64) -> Standing {
        match (self, state) {
            (Self::Denied, _) => Standing {
                admitted: cost == 0,
                ..Standing::DENIED
            },
            (Self::Gcra(rule), State::Arrival(tat)) => rule.look(*tat, at.now, cost),
            (Self::Fixed(rule), State::Window(window)) => rule.look(*window, at, cost),
            (Self::Counter(rule), State::Counts(counts)) => rule.look(*counts, at.now, cost),
            (Self::Log(rule), State::Entries(entries)) => rule.look(entries, at.now, cost),
            (Self::InFlight(rule), State::InFlight(count)) => rule.look(*count, cost),
            _ => Standing::UNLIMITED,
        }
    }

    /// Takes `cost` if it is admitted, and tells how the quota stands then.
    pub(crate) fn acquire(&self, state: &mut State, at: At, cost: u64) -> Standing {
        if let (Self::Gcra(rule), State::Arrival(tat)) = (self, &mut *state) {
            return rule.standing(rule.acquire(tat, at.now, cost));
        }
        let standing = self.look(state, at, cost);
        if !standing.admitted || cost == 0 {
            return standing;
        }
        let receipt = self.take(state, at, cost);
        Standing {
            receipt,
            ..self.look(state, at, 0)
        }
    }

    /// Takes `cost`, whether it is admitted or not: beyond the capacity up to as much again. What is cut so has no receipt, since to give it
    /// back would free what others have used.
    pub(crate) fn take(&self, state: &mut State, at: At, cost: u64) -> Receipt {
        if cost == 0 {
            return Receipt::NONE;
        }
        match (self, state) {
            (Self::Gcra(rule), State::Arrival(tat)) => rule.take(tat, at.now, cost),
            (Self::Fixed(rule), State::Window(window)) => rule.take(window, at, cost),
            (Self::Counter(rule), State::Counts(counts)) => rule.take(counts, at.now, cost),
            (Self::Log(rule), State::Entries(entries)) => rule.take(entries, at.now, cost),
            (Self::InFlight(_), State::InFlight(count)) => {
                *count = count.saturating_add(cost);
                Receipt::new(1)
            }
            _ => Receipt::NONE,
        }
    }

    /// Gives back what was taken with this receipt, as far as it still counts.
    pub(crate) fn give_back(&self, state: &mut State, at: At, cost: u64, receipt: Receipt) {
        if receipt == Receipt::NONE || cost == 0 {
            return;
        }
        match (self, state) {
            (Self::Gcra(rule), State::Arrival(tat)) => rule.give_back(tat, at.now, cost, receipt),
            (Self::Fixed(rule), State::Window(window)) => {
                rule.give_back(window, at, cost, receipt);
            }
            (Self::Counter(rule), State::Counts(counts)) => {
                rule.give_back(counts, at.now, cost, receipt);
            }
            (Self::Log(rule), State::Entries(entries)) => {
                rule.give_back(entries, cost, receipt);
            }
            (Self::InFlight(_), State::InFlight(count)) => *count = count.saturating_sub(cost),
            _ => {}
        }
    }

    /// The moment from which the state decides as a fresh one does; `u64::MAX` where no time makes it so.
    pub(crate) fn fresh_at(&self, state: &State) -> u64 {
        match (self, state) {
            (Self::Gcra(rule), State::Arrival(tat)) => rule.fresh_at(*tat),
            (Self::Fixed(rule), State::Window(window)) => rule.fresh_at(*window),
            (Self::Counter(rule), State::Counts(counts)) => rule.fresh_at(*counts),
            (Self::Log(rule), State::Entries(entries)) => rule.fresh_at(entries),
            (Self::InFlight(_), State::InFlight(count)) if *count > 0 => u64::MAX,
            _ => 0,
        }
    }

    /// The most that can be used at once.
    pub(crate) const fn capacity(&self) -> u64 {
        match self {
            Self::Unlimited => u64::MAX,
            Self::Denied => 0,
            Self::Gcra(rule) => rule.burst,
            Self::Fixed(rule) => rule.amount,
            Self::Counter(rule) => rule.amount,
            Self::Log(rule) => rule.amount,
            Self::InFlight(rule) => rule.most,
        }
    }
}

/// `a / b`: in 64 bits where that is enough, which is nearly always, and much faster.
#[inline]
fn divided(a: u128, b: u64) -> u128 {
    match u64::try_from(a) {
        Ok(a) => u128::from(a / b),
        Err(_) => a / u128::from(b),
    }
}

/// `a / b`, rounded up.
#[inline]
fn divided_up(a: u128, b: u64) -> u128 {
    divided(a + u128::from(b - 1), b)
}

/// What fits into 64 bits, by the bounds of quotas.
fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
