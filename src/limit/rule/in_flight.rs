//! How many at a time.

use super::super::decision::{Receipt, Standing, Wait};

/// At most `most` at all times (RL-CC-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    pub(crate) most: u64,
}

impl InFlight {
    pub(super) fn look(&self, count: u64, cost: u64) -> Standing {
        let remaining = self.most.saturating_sub(count);
        let admitted = cost <= remaining || cost == 0;
        Standing {
            admitted,
            remaining,
            wait: match admitted {
                true => Wait::NONE,
                false if cost > self.most => Wait::Never,
                false => Wait::Unknown,
            },
            next: 0,
            full: 0,
            receipt: Receipt::NONE,
        }
    }
}
