//! Asks that are kept: for what is charged or given back later.

use std::sync::Arc;

use smallvec::SmallVec;

use super::ask::{Ask, LimitKey};
use super::decision::Receipt;
use super::quota::Quota;

/// An [`Ask`] of its own.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) group: Arc<str>,
    pub(crate) name: Arc<[u8]>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) cost: u64,
    pub(crate) receipt: Receipt,
}

/// The claims of one call.
pub(crate) type Claims = SmallVec<[Claim; 2]>;

impl Claim {
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask {
            key: LimitKey::new(&self.group, &self.name),
            quota: &self.quota,
            cost: self.cost,
            receipt: self.receipt,
        }
    }

    /// The same, kept.
    pub(crate) fn of(ask: &Ask<'_>) -> Self {
        Self {
            group: ask.key.group().into(),
            name: ask.key.name().into(),
            quota: Arc::new(ask.quota.clone()),
            cost: ask.cost,
            receipt: ask.receipt,
        }
    }

    /// Is it a place in flight, which is held until somebody is done?
    pub(crate) fn is_held(&self) -> bool {
        self.quota.is_in_flight()
    }
}

/// The asks of these claims.
pub(crate) fn asks(claims: &[Claim]) -> SmallVec<[Ask<'_>; 2]> {
    claims.iter().map(Claim::ask).collect()
}
