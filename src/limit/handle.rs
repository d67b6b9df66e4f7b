//! The handle on a limiter, which never fails a request.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use super::ask::Action;
use super::claim::{Claim, Claims, asks};
use super::decision::{Decision, Receipt};
use super::limiter::{Limiter, LimiterError};
use super::permit::{Permit, Refusal};
use super::quota::Quota;

/// The handle on a [`Limiter`]: layers are made from it, and code outside HTTP asks it. Clones share everything.
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    limiter: Arc<dyn Limiter>,
}

impl RateLimiter {
    /// Decides by `limiter`.
    pub fn new(limiter: impl Limiter) -> Self {
        Self {
            shared: Arc::new(Shared {
                limiter: Arc::new(limiter),
            }),
        }
    }

    /// Takes one unit of each of `quotas` under `key`, or nothing at all: for outgoing calls, jobs, and whatever is no request.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which tells how long to wait.
    pub async fn acquire(
        &self,
        key: impl AsRef<[u8]> + Send,
        quotas: &[Quota],
    ) -> Result<Permit, Refusal> {
        let name: Arc<[u8]> = key.as_ref().into();
        let group: Arc<str> = "".into();
        let claims = quotas.iter().map(|quota| Claim {
            group: group.clone(),
            name: name.clone(),
            quota: Arc::new(quota.clone()),
            cost: 1,
            receipt: Receipt::NONE,
        });
        let claims = claims.collect();
        match self.take_now(&claims) {
            Poll::Ready(decided) => self.made(claims, decided),
            Poll::Pending => {
                let decided = self.take(&claims).await;
                self.made(claims, decided)
            }
        }
    }

    /// What becomes of claims, where it can be told without waiting.
    pub(crate) fn take_now(&self, claims: &Claims) -> Poll<Result<Decision, LimiterError>> {
        self.shared
            .limiter
            .decide_now(Action::Acquire, &asks(claims))
    }

    /// What becomes of claims.
    pub(crate) async fn take(&self, claims: &Claims) -> Result<Decision, LimiterError> {
        self.act(Action::Acquire, claims).await
    }

    /// Does something else with claims.
    pub(crate) async fn act(
        &self,
        action: Action,
        claims: &Claims,
    ) -> Result<Decision, LimiterError> {
        self.shared.limiter.decide(action, &asks(claims)).await
    }

    /// A permit, or why there is none.
    pub(crate) fn made(
        &self,
        claims: Claims,
        decided: Result<Decision, LimiterError>,
    ) -> Result<Permit, Refusal> {
        match decided {
            Ok(decision) if decision.is_admitted() => {
                Ok(Permit::new(self.clone(), claims, decision))
            }
            Ok(decision) => Err(Refusal::Over(decision)),
            Err(error) => Err(Refusal::Error(error)),
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}
