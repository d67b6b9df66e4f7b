//! What a request has taken, while it is answered.

use std::sync::{Arc, Weak};

use http::Extensions;
use smallvec::SmallVec;

use super::answer::Answer;
use super::claimed::{Claimed, Measure};
use super::limit::Limit;
use super::refused::Account;
use crate::limit::ask::Action;
use crate::limit::claim::{Claim, Claims};
use crate::limit::decision::Decision;
use crate::limit::permit::Permit;
use crate::limit::refusal::Refusal;

/// What a request has taken of one limit. The place that it holds is free when the last of these is gone: the future's, the body's and
/// those of handlers that extract it.
#[derive(Debug)]
pub(crate) struct Taken {
    limit: Arc<Limit>,
    claimed: Claimed,
    held: Held,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is nearly always the larger one"
)]
enum Held {
    Admitted(Permit),
    /// It would have been refused, were this no dry run; nothing was taken.
    Over(Refusal),
}

/// In the extensions of a request: the limits that it has passed, from the outermost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(pub(crate) SmallVec<[SeenLimit; 1]>);

/// A limit that a request has passed, as the extractor reads it.
#[cfg_attr(not(feature = "axum"), allow(dead_code))]
#[derive(Clone, Debug)]
pub(crate) struct SeenLimit {
    pub(crate) limit: Arc<Limit>,
    /// Weak, so that no copy of a request's extensions holds a place in flight.
    pub(crate) taken: Weak<Taken>,
}

/// Holds what is taken until a body is over, and counts its bytes.
#[derive(Debug)]
pub(super) struct Meter {
    taken: Arc<Taken>,
    bytes: u64,
}

impl Taken {
    pub(super) fn admitted(limit: Arc<Limit>, claimed: Claimed, permit: Permit) -> Self {
        Self {
            limit,
            claimed,
            held: Held::Admitted(permit),
        }
    }

    pub(super) fn over(limit: Arc<Limit>, claimed: Claimed, refusal: Refusal) -> Self {
        Self {
            limit,
            claimed,
            held: Held::Over(refusal),
        }
    }

    /// Would it have been refused, were this no dry run?
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.held, Held::Over(_))
    }

    /// How the quotas stood last.
    pub(crate) fn decision(&self) -> Decision {
        match &self.held {
            Held::Admitted(permit) => permit.decision(),
            Held::Over(refusal) => {
                let decision = refusal.decision().cloned();
                decision.unwrap_or_else(|| Decision::new([]))
            }
        }
    }

    /// The name of each policy, and how much of it is left.
    #[cfg(feature = "axum")]
    pub(crate) fn remaining(&self) -> Vec<(&str, u64)> {
        let decision = self.decision();
        let standings = decision.standings().iter().zip(&self.claimed.about);
        standings
            .map(|(standing, about)| (self.limit.policy_name(about.entry), standing.remaining))
            .collect()
    }

    pub(super) fn account<'a>(&'a self, decision: &'a Decision) -> Account<'a> {
        Account {
            limit: &self.limit,
            claimed: &self.claimed,
            decision,
            is_dry: self.is_over(),
        }
    }

    /// Uses so many more, though it be over.
    #[cfg(feature = "axum")]
    pub(crate) async fn charge(&self, more: u64) {
        if let Held::Admitted(permit) = &self.held {
            let charged = permit.charge_some(more, |place| self.is_by_cost(place));
            log_failed(charged.await);
        }
    }

    /// Makes what was used `cost` in all.
    pub(crate) async fn settle(&self, cost: u64) {
        if let Held::Admitted(permit) = &self.held {
            let settled = permit.settle_some(cost, |place| self.is_by_cost(place));
            log_failed(settled.await);
        }
    }

    /// What the request costs, as the head of its answer tells.
    pub(super) fn cost_by(&self, answer: &Answer<'_>) -> Option<u64> {
        self.limit.settle.cost(answer)
    }

    fn is_by_cost(&self, place: usize) -> bool {
        self.measures().nth(place) == Some(Measure::Cost)
    }

    fn measures(&self) -> impl Iterator<Item = Measure> {
        self.claimed.about.iter().map(|about| about.measure)
    }

    /// Does anything change when the answer is over?
    pub(super) fn ends_with_the_body(&self) -> bool {
        !self.is_over() && self.measures().any(|measure| measure != Measure::Cost)
    }

    /// Charges the bytes that were sent; one was taken in advance.
    fn settle_bytes(&self, bytes: u64) {
        let Held::Admitted(permit) = &self.held else {
            return;
        };
        let (action, cost) = match bytes.checked_sub(1) {
            Some(0) => return,
            Some(more) => (Action::Charge, more),
            None => (Action::GiveBack, 1),
        };
        let claims = permit.claims().iter().zip(self.measures());
        let claims: Claims = claims
            .filter(|(_, measure)| *measure == Measure::Bytes)
            .map(|(claim, _)| Claim {
                cost,
                ..claim.clone()
            })
            .collect();
        if claims.is_empty() {
            return;
        }
        let limiter = self.limit.limiter.clone();
        if limiter.act_now(action, &claims).is_pending() {
            // The answer is over: nobody waits for it.
            let background = limiter.background().clone();
            background.spawn_owed(Box::pin(async move {
                log_failed(limiter.act(action, &claims).await);
            }));
        }
    }
}

/// What could not be charged or given back is counted and logged where it failed; no request fails of it.
fn log_failed<T, E>(result: Result<T, E>) {
    drop(result);
}

impl Seen {
    /// Adds a limit to those that the request has passed.
    pub(super) fn add(extensions: &mut Extensions, limit: &Arc<Limit>, taken: Weak<Taken>) {
        let seen: &mut Self = extensions.get_or_insert_default();
        seen.0.push(SeenLimit {
            limit: limit.clone(),
            taken,
        });
    }
}

impl Meter {
    pub(super) const fn new(taken: Arc<Taken>) -> Self {
        Self { taken, bytes: 0 }
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

/// Runs when the body has ended, failed, or is dropped: what was sent is charged, also to whoever went away.
impl Drop for Meter {
    fn drop(&mut self) {
        self.taken.settle_bytes(self.bytes);
    }
}
