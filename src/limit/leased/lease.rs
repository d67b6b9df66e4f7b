//! What a node has borrowed under one key: a pure state, with the time passed in.

use super::super::decision::{Receipt, Standing, Wait};
use super::super::rule::{Fixed, Rule};

/// Marks receipts of what was spent from a lease.
const LEASED: u64 = 1 << 63;

/// A batch that was borrowed, and what is known of the quota.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease {
    /// Which batch it is: what was spent of another does not come back into this one.
    serial: u64,
    tokens: u64,
    spent: u64,
    /// In local microseconds: from then on nothing of it is spent.
    expires: u64,
    borrowed_at: u64,
    /// The limiter's, for what is not spent.
    receipt: Receipt,
    /// How much was borrowed last.
    batch: u64,
    /// How the quota stood when the limiter answered last.
    seen: Option<(Standing, u64)>,
    /// What was refused last, and until when it is.
    refused: Option<(u64, u64)>,
    /// How often borrowing has failed.
    pub(super) failures: u64,
    /// Somebody is about to borrow.
    pub(super) is_borrowing: bool,
    /// What is asked for meanwhile.
    pub(super) awaited: u64,
}

/// What can be told without the limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// It is there.
    Spend,
    /// It is refused for so many microseconds.
    Refuse(u64),
    /// The limiter must be asked.
    Borrow,
}

/// How much may be borrowed, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) most: u64,
    /// In microseconds.
    pub(super) hold: u64,
}

impl Terms {
    /// No more than a tenth of what can be used at once.
    fn most(&self, rule: &Rule) -> u64 {
        (rule.capacity() / 10).min(self.most).max(1)
    }
}

impl Lease {
    pub(super) fn look(&self, now: u64, cost: u64) -> Local {
        if now < self.expires && self.seen.is_some() && cost <= self.tokens {
            return Local::Spend;
        }
        match self.refused {
            // Of another cost the wait would be another.
            Some((refused, until)) if cost == refused && now < until => Local::Refuse(until - now),
            _ => Local::Borrow,
        }
    }

    /// Takes what [`look`](Self::look) has found.
    pub(super) fn spend(&mut self, cost: u64) {
        self.tokens = self.tokens.saturating_sub(cost);
        self.spent = self.spent.saturating_add(cost);
    }

    /// Undoes [`spend`](Self::spend) of a batch, if that is still the one.
    pub(super) fn come_back(&mut self, receipt: Receipt, cost: u64) -> bool {
        let is_of_this = receipt == self.marked() && cost <= self.spent;
        if is_of_this {
            self.spent -= cost;
            self.tokens = self.tokens.saturating_add(cost);
        }
        is_of_this
    }

    /// The receipt of what is spent of this batch.
    pub(super) fn marked(&self) -> Receipt {
        Receipt::new(LEASED | self.serial)
    }

    /// The receipt of so much; nothing has none.
    pub(super) fn receipt(&self, cost: u64) -> Receipt {
        match cost {
            0 => Receipt::NONE,
            _ => self.marked(),
        }
    }

    pub(super) fn is_marked(receipt: Receipt) -> bool {
        receipt.value() & LEASED != 0
    }

    /// What can be spent of it while it is held.
    pub(super) fn tokens(&self, now: u64) -> u64 {
        if now < self.expires { self.tokens } else { 0 }
    }

    /// How the quota stands for this node, as far as it knows.
    pub(super) fn standing(&self, now: u64) -> Option<Standing> {
        let (seen, at) = self.seen?;
        let elapsed = now.saturating_sub(at);
        let left = |micros: u64| match micros {
            0 => 0,
            micros => micros.saturating_sub(elapsed).max(1),
        };
        Some(Standing {
            admitted: true,
            remaining: seen.remaining.saturating_add(self.tokens(now)),
            wait: Wait::NONE,
            next: left(seen.next),
            full: left(seen.full),
            receipt: Receipt::NONE,
        })
    }

    /// What can no longer be spent, or is too little for `cost`: to be given back with this receipt.
    pub(super) fn unspent(&mut self) -> Option<(u64, Receipt)> {
        self.expires = 0;
        match std::mem::take(&mut self.tokens) {
            0 => None,
            tokens => {
                // It was not all needed: half is enough.
                self.batch /= 2;
                Some((tokens, self.receipt))
            }
        }
    }

    /// How much to borrow for `cost` and those that wait: one call's worth for a cold key, twice as much as last time while the key is hot, and no
    /// more than half of what was left.
    pub(super) fn want(&self, now: u64, cost: u64, rule: &Rule, terms: Terms) -> u64 {
        if cost == 0 {
            return 0;
        }
        let is_hot = self.batch > 0 && now.saturating_sub(self.borrowed_at) <= terms.hold;
        let batch = if is_hot { 2 * self.batch } else { 0 };
        let batch = batch.max(cost.saturating_add(self.awaited));
        let left = self.seen.map_or(0, |(seen, _)| seen.remaining / 2);
        let batch = batch.min(terms.most(rule)).min(left).max(cost);
        // Costs that are alike leave nothing over.
        batch - batch % cost
    }

    /// The limiter has lent a batch, of which `cost` is spent at once. `sent` is the time before it was asked.
    pub(super) fn lent(
        &mut self,
        serial: u64,
        sent: u64,
        (batch, cost): (u64, u64),
        seen: Standing,
        rule: &Rule,
        terms: Terms,
    ) {
        // A window's tokens are of that window; it ends no sooner than this.
        let hold = match rule {
            Rule::Fixed(Fixed { .. }) => terms.hold.min(seen.full),
            _ => terms.hold,
        };
        self.serial = serial;
        self.tokens = batch.saturating_sub(cost);
        self.spent = cost;
        self.expires = sent.saturating_add(hold);
        self.borrowed_at = sent;
        self.receipt = seen.receipt;
        self.batch = batch;
        self.refused = None;
    }

    /// The limiter has told how the quota stands.
    pub(super) fn saw(&mut self, at: u64, seen: Standing) {
        self.seen = Some((seen, at));
    }

    /// The limiter has refused `cost`. `answered` is the time after that: counted from before, a wait would end sooner here than there.
    pub(super) fn refused(&mut self, answered: u64, cost: u64, seen: Standing) {
        self.batch = 0;
        self.saw(answered, seen);
        if let Wait::Micros(wait) = seen.wait {
            self.refused = Some((cost, answered.saturating_add(wait)));
        }
    }

    /// Something was given back elsewhere.
    pub(super) fn ask_again(&mut self) {
        self.refused = None;
    }

    /// Can it be forgotten without a loss?
    pub(super) fn is_idle(&self, now: u64) -> bool {
        let is_refusing = self.refused.is_some_and(|(_, until)| now < until);
        !self.is_borrowing && !is_refusing && (self.tokens == 0 || now >= self.expires)
    }
}
