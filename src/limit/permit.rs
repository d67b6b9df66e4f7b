//! What was admitted, or refused.

use super::ask::Action;
use super::claim::Claims;
use super::decision::{Decision, Wait};
use super::handle::RateLimiter;
use super::limiter::LimiterError;

/// What was taken: places in flight are held until it is dropped; everything else stays used unless it is given back.
#[derive(Debug)]
pub struct Permit {
    limiter: RateLimiter,
    claims: Claims,
    decision: Decision,
}

/// Nothing was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A quota is used up.
    #[error("the quota is used up")]
    Over(Decision),
    /// Nothing could be decided.
    #[error(transparent)]
    Error(#[from] LimiterError),
}

impl Refusal {
    /// How long until it would be admitted, if nobody else asks.
    pub fn wait(&self) -> Wait {
        match self {
            Self::Over(decision) => decision.wait(),
            Self::Error(_) => Wait::Unknown,
        }
    }
}

impl Permit {
    pub(crate) fn new(limiter: RateLimiter, mut claims: Claims, decision: Decision) -> Self {
        for (claim, standing) in claims.iter_mut().zip(decision.standings()) {
            claim.receipt = standing.receipt;
        }
        Self {
            limiter,
            claims,
            decision,
        }
    }

    /// How the quotas stood.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Uses so many more of each quota, though it be over.
    ///
    /// # Errors
    ///
    /// The limiter could not be asked.
    pub async fn charge(&self, more: u64) -> Result<Decision, LimiterError> {
        let mut claims = self.claims.clone();
        for claim in &mut claims {
            claim.cost = more;
        }
        self.limiter.act(Action::Charge, &claims).await
    }

    /// Gives back what it took, as far as that still counts.
    ///
    /// # Errors
    ///
    /// The limiter could not be asked.
    pub async fn give_back(mut self) -> Result<Decision, LimiterError> {
        let claims = std::mem::take(&mut self.claims);
        self.limiter.act(Action::GiveBack, &claims).await
    }
}
