//! From the head of a request to what it claims of the quotas, and whose they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smallvec::SmallVec;

use super::everyone::is_everyone;
use super::limit::{Amount, Entry, Limit};
use crate::between::Unattended;
use crate::identity::{Identify, Identity};
use crate::limit::claim::{Claim, Claims};
use crate::limit::decision::Receipt;
use crate::limit::quota::{Quota, Unit};
use crate::request::RequestHead;

/// Begins every name, so that names can be written in another way one day.
const VERSION: u8 = 1;

/// What becomes of a request that does not say whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// All such requests share one bucket, and no field tells how it stands.
    #[default]
    Share,
    /// It is refused, with a 403, and a gRPC call with `UNAUTHENTICATED`.
    Refuse,
    /// The quota does not apply to it. Whoever can leave out what identifies is not limited at all.
    Exempt,
}

/// Whose a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of one client; this one may know how it stands.
    Client,
    /// Of all, by intent.
    Everyone,
    /// Of those that do not say who they are.
    Nobody,
    /// Of those of whom it cannot be told.
    Unclear,
    /// Of requests that a cache within sends by itself.
    System,
}

/// By what a quota is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The cost of the request.
    Cost,
    /// One place, until the answer is over.
    Place,
    /// The bytes of the answer.
    Bytes,
}

/// What is known of a claim beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// Which quota of the limit it is.
    pub(super) entry: usize,
    pub(super) whose: Whose,
    pub(super) measure: Measure,
}

/// What a request claims, quota by quota.
#[derive(Clone, Debug, Default)]
pub(super) struct Claimed {
    pub(super) claims: Claims,
    pub(super) about: SmallVec<[About; 2]>,
    /// What everything costs that is charged by cost.
    pub(super) cost: u64,
}

/// Nobody may ask without saying who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anonymous;

/// Whose a quota is, and by which name it is counted.
type Named = (Whose, Arc<[u8]>);

impl Limit {
    /// What a request claims.
    pub(super) fn claim(&self, head: &RequestHead<'_>) -> Result<Claimed, Anonymous> {
        let mut claimed = Claimed {
            cost: self.cost.as_ref().map_or(1, |cost| cost(head)),
            ..Claimed::default()
        };
        let is_unattended = head.extensions.get::<Unattended>().is_some();
        for (place, entry) in self.entries.iter().enumerate() {
            let Some(quota) = entry.quota(head) else {
                continue;
            };
            let (whose, name) = match is_unattended {
                true => (Whose::System, entry.key(Whose::System, None)),
                false => match self.name_of(entry, head)? {
                    Some(named) => named,
                    None => continue,
                },
            };
            let measure = match () {
                () if quota.is_in_flight() => Measure::Place,
                () if self.settle.bytes && quota.counts() == Unit::ContentBytes => Measure::Bytes,
                () => Measure::Cost,
            };
            claimed.claims.push(Claim {
                group: self.name.clone(),
                name,
                quota,
                cost: match measure {
                    Measure::Cost => claimed.cost,
                    Measure::Place | Measure::Bytes => 1,
                },
                receipt: Receipt::NONE,
            });
            claimed.about.push(About {
                entry: place,
                whose,
                measure,
            });
        }
        Ok(claimed)
    }

    /// The claims, which are asked for once; they stay only where policies are made of them.
    pub(super) fn claims_of(&self, claimed: &mut Claimed) -> Claims {
        match self.policies.len() < self.entries.len() {
            true => claimed.claims.clone(),
            false => std::mem::take(&mut claimed.claims),
        }
    }

    /// Whose a quota is for this request, and by which name. None where it does not apply.
    fn name_of(&self, entry: &Entry, head: &RequestHead<'_>) -> Result<Option<Named>, Anonymous> {
        let by = &entry.by;
        // It is the application's code; whom it panics about cannot be told.
        let identity = catch_unwind(AssertUnwindSafe(|| by.identify(head)))
            .unwrap_or_else(|_| Identity::unclear(by.name()));
        let whose = match () {
            // Never exempt: it would be enough to say who one is twice.
            () if identity.is_unclear() => Whose::Unclear,
            () if is_everyone(&identity) => Whose::Everyone,
            () if identity.is_known() => Whose::Client,
            () => match self.missing {
                Missing::Share => Whose::Nobody,
                Missing::Refuse => return Err(Anonymous),
                Missing::Exempt => return Ok(None),
            },
        };
        Ok(Some((whose, entry.key(whose, Some(&identity)))))
    }
}

impl Entry {
    /// The quota for this request, if there is one.
    fn quota(&self, head: &RequestHead<'_>) -> Option<Arc<Quota>> {
        match &self.amount {
            Amount::Fixed(quota) => Some(quota.clone()),
            Amount::Computed(quota) => quota(head).map(Arc::new),
        }
    }

    /// The name of a bucket: by what it is told apart, whose it is, and the identity with the lengths of its parts.
    fn key(&self, whose: Whose, identity: Option<&Identity>) -> Arc<[u8]> {
        let mut name: SmallVec<[u8; 128]> = SmallVec::new();
        name.push(VERSION);
        name.extend_from_slice(&self.by_digest);
        name.push(match whose {
            Whose::Client | Whose::Everyone => 0,
            Whose::Nobody => 1,
            Whose::Unclear => 2,
            Whose::System => 3,
        });
        if let (Whose::Client | Whose::Everyone, Some(identity)) = (whose, identity) {
            identity.encode_into(&mut name);
        }
        Arc::from(&name[..])
    }
}

/// What stands for the meaning of `by` in names: the same on all nodes.
pub(super) fn digest(by: &dyn Identify) -> [u8; 8] {
    xxhash_rust::xxh3::xxh3_64(by.name().as_bytes()).to_be_bytes()
}

impl Whose {
    /// May the client know how the quota stands? What others use of it is not its business.
    pub(super) fn is_told(self) -> bool {
        self == Self::Client
    }
}
