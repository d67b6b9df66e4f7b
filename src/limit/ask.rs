//! What a limiter is asked.

use std::fmt;

use super::decision::Receipt;
use super::quota::Quota;

/// What is to be done with the quotas of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes the cost of each ask, or, where any of them is refused, nothing at all.
    Acquire,
    /// Tells what `Acquire` would say, and changes nothing.
    Peek,
    /// Takes the cost of each ask though it be over: a debt, of at most one more burst.
    Charge,
    /// Gives back what an `Acquire` or `Charge` with that receipt took, as far as it still counts. Never more.
    GiveBack,
    /// Forgets what was used.
    Reset,
}

/// Whose quota it is: a group that shares counters, and a name within it. No two pairs are taken for one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey<'a> {
    group: &'a str,
    name: &'a [u8],
}

impl<'a> LimitKey<'a> {
    /// The key of `name` in `group`.
    pub const fn new(group: &'a str, name: &'a [u8]) -> Self {
        Self { group, name }
    }

    /// The group.
    pub const fn group(&self) -> &'a str {
        self.group
    }

    /// The name within it, of any bytes and any length.
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }
}

impl fmt::Debug for LimitKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whose it is must not stand in a log.
        f.debug_struct("LimitKey")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// One quota of a call.
///
/// Asks of one call that have the same key and the same arithmetic count together.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose quota it is.
    pub key: LimitKey<'a>,
    /// The quota. The same key under another amount, window, burst or algorithm counts anew.
    pub quota: &'a Quota,
    /// How much is asked for; 0 is always admitted, and counts nothing.
    pub cost: u64,
    /// What an earlier decision told, for [`Action::GiveBack`].
    pub receipt: Receipt,
}

impl<'a> Ask<'a> {
    /// One unit of `quota`.
    pub const fn new(key: LimitKey<'a>, quota: &'a Quota) -> Self {
        Self {
            key,
            quota,
            cost: 1,
            receipt: Receipt::NONE,
        }
    }

    /// The same at this cost.
    #[must_use]
    pub const fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// The same for what an earlier decision took.
    #[must_use]
    pub const fn receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = receipt;
        self
    }
}
