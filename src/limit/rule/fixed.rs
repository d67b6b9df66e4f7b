//! Fixed windows: a count that begins anew with each window.

use super::super::decision::{Receipt, Standing, Wait};
use super::At;

/// At most `amount` in each window; up to twice that in a window of the same length that lies across two of them (RL-FW-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fixed {
    pub(crate) amount: u64,
    /// In microseconds.
    pub(crate) window: u64,
    pub(crate) alignment: Alignment,
}

/// Where windows begin (RL-FW-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Alignment {
    Epoch,
    Staggered,
    FirstRequest,
}

/// The last window in which anything was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) begins: u64,
    pub(crate) used: u64,
}

impl Fixed {
    pub(crate) const fn aligned(amount: u64, window: u64) -> Self {
        Self {
            amount,
            window,
            alignment: Alignment::Epoch,
        }
    }

    pub(crate) const fn staggered(amount: u64, window: u64) -> Self {
        Self {
            amount,
            window,
            alignment: Alignment::Staggered,
        }
    }

    pub(crate) const fn from_first(amount: u64, window: u64) -> Self {
        Self {
            amount,
            window,
            alignment: Alignment::FirstRequest,
        }
    }

    /// The window at this moment. A clock that steps back does not end it; but no window lies further ahead than one.
    fn current(&self, window: Window, at: At) -> Window {
        let ends = window.begins.saturating_add(self.window);
        let is_ahead = window.begins > at.now.saturating_add(self.window);
        if window.used > 0 && at.now < ends && !is_ahead {
            return window;
        }
        let begins = match self.alignment {
            Alignment::FirstRequest => at.now,
            Alignment::Epoch => at.now - at.now % self.window,
            Alignment::Staggered => {
                let offset = at.offset % self.window;
                let into = (at.now % self.window + self.window - offset) % self.window;
                at.now.saturating_sub(into)
            }
        };
        Window { begins, used: 0 }
    }

    pub(super) fn look(&self, window: Window, at: At, cost: u64) -> Standing {
        let Window { begins, used } = self.current(window, at);
        let left = begins.saturating_add(self.window).saturating_sub(at.now);
        let remaining = self.amount.saturating_sub(used);
        let admitted = cost <= remaining || cost == 0;
        let at_capacity = remaining == self.amount;
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.amount => Wait::Never,
                false => Wait::Micros(left),
            },
            next: if at_capacity { 0 } else { left },
            full: if at_capacity { 0 } else { left },
            receipt: Receipt::NONE,
        }
    }

    pub(super) fn take(&self, window: &mut Window, at: At, cost: u64) -> Receipt {
        *window = self.current(*window, at);
        let counts = cost.min((2 * self.amount).saturating_sub(window.used));
        window.used += counts;
        match counts == cost {
            true => Receipt::new(window.begins),
            false => Receipt::NONE,
        }
    }

    /// Only within the window in which it was taken.
    pub(super) fn give_back(&self, window: &mut Window, at: At, cost: u64, receipt: Receipt) {
        *window = self.current(*window, at);
        if window.begins == receipt.value() {
            window.used = window.used.saturating_sub(cost);
        }
    }

    pub(super) fn fresh_at(&self, window: Window) -> u64 {
        match window.used {
            0 => 0,
            _ => window.begins.saturating_add(self.window),
        }
    }
}
