//! What a request has cost after all, as its answer tells.

use std::sync::Arc;

use super::answer::Answer;

pub(super) type Counts = Arc<dyn Fn(&Answer<'_>) -> bool + Send + Sync>;
pub(super) type CostOf = Arc<dyn Fn(&Answer<'_>) -> u64 + Send + Sync>;

/// How the cost depends on the answer.
#[derive(Clone, Default)]
pub(super) struct Settle {
    pub(super) counts: Option<Counts>,
    pub(super) cost: Option<CostOf>,
    pub(super) hit_cost: Option<u64>,
    pub(super) bytes: bool,
}

impl Settle {
    /// Does the head of an answer change the cost?
    pub(super) const fn heeds_heads(&self) -> bool {
        self.counts.is_some() || self.cost.is_some() || self.hit_cost.is_some()
    }

    /// What the request costs, where that may be another than what was taken before.
    pub(super) fn cost(&self, answer: &Answer<'_>) -> Option<u64> {
        if self.counts.as_ref().is_some_and(|counts| !counts(answer)) {
            return Some(0);
        }
        if self.hit_cost.is_some() && answer.is_hit() {
            return self.hit_cost;
        }
        self.cost.as_ref().map(|cost| cost(answer))
    }
}
