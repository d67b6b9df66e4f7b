//! What was admitted.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use smallvec::SmallVec;

use super::ask::Action;
use super::claim::{Claim, Claims};
use super::decision::{Decision, Standing};
use super::handle::RateLimiter;
use super::limiter::LimiterError;

/// What was taken: places in flight are held until it is dropped; everything else stays used unless it is given back.
///
/// It can be shared: what was taken is given back at most once, by whomever. Where the limiter cannot release a place without waiting, that goes on
/// in the [background](RateLimiter::background); without a runtime, or where the limiter is away, the place is free when its lease is over.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use larder::{MemoryLimiter, Quota, RateLimiter};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let quotas: [Quota; 1] = ["1000/h".parse()?];
/// // A call costs what it will, as far as one can tell before, and is settled by what came of it.
/// let permit = limiter.acquire("translator", &quotas).cost(300).await?;
/// permit.settle(120).await?;
/// assert_eq!(permit.remaining(), 880);
/// # Ok(())
/// # }
/// ```
pub struct Permit {
    limiter: RateLimiter,
    claims: Claims,
    /// Where it was admitted: here alone, or by the limiter.
    is_estimated: bool,
    account: Mutex<Account>,
}

/// What can still be given back, and how it stood last.
struct Account {
    /// For each claim: what of its cost is still taken.
    left: Costs,
    /// For each claim: what was charged since.
    charged: Costs,
    decision: Decision,
}

type Costs = SmallVec<[u64; 2]>;

impl Permit {
    pub(crate) fn new(limiter: RateLimiter, mut claims: Claims, decision: Decision) -> Self {
        for (claim, standing) in claims.iter_mut().zip(decision.standings()) {
            claim.receipt = standing.receipt;
        }
        let account = Account {
            left: claims.iter().map(|claim| claim.cost).collect(),
            charged: claims.iter().map(|_| 0).collect(),
            decision,
        };
        Self {
            limiter,
            claims,
            is_estimated: account.decision.is_estimated(),
            account: Mutex::new(account),
        }
    }

    /// Of a call that nothing limits.
    pub(crate) fn of_nothing(limiter: &RateLimiter, asks: usize) -> Self {
        let decision = Decision::new(std::iter::repeat_n(Standing::UNLIMITED, asks));
        Self::new(limiter.clone(), Claims::new(), decision)
    }

    /// How the quotas stood when they were last asked, in the order of the call.
    pub fn decision(&self) -> Decision {
        self.account().decision.clone()
    }

    /// What was claimed, with receipts.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// How much could be used at once, by the quota that has the least left.
    pub fn remaining(&self) -> u64 {
        let account = self.account();
        let standings = account.decision.standings().iter();
        standings
            .map(|standing| standing.remaining)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Was it admitted by this node alone?
    pub const fn is_estimated(&self) -> bool {
        self.is_estimated
    }

    /// Uses so many more of each quota, though it be over: a debt, of at most one more burst. Places in flight stay as they are.
    ///
    /// # Errors
    ///
    /// None but quotas that cannot be; while the limiter cannot be asked, each quota does what its [`Outage`](super::Outage) says.
    pub async fn charge(&self, more: u64) -> Result<Decision, LimiterError> {
        self.charge_some(more, |_| true).await
    }

    /// The same of those quotas that `which` picks by their place.
    pub(crate) async fn charge_some(
        &self,
        more: u64,
        which: impl Fn(usize) -> bool + Send,
    ) -> Result<Decision, LimiterError> {
        let claims = self.claims.iter().enumerate();
        let costs = claims.map(|(place, claim)| match which(place) && !claim.is_held() {
            true => more,
            false => 0,
        });
        let costs: Costs = costs.collect();
        for (charged, cost) in self.account().charged.iter_mut().zip(&costs) {
            *charged = charged.saturating_add(*cost);
        }
        self.charge_each(&costs).await
    }

    /// Makes what was used of each quota `cost` in all: charges what is missing, and gives back what is too much as far as it still counts. What was
    /// [charged](Self::charge) is not given back.
    ///
    /// # Errors
    ///
    /// As [`charge`](Self::charge).
    pub async fn settle(&self, cost: u64) -> Result<Decision, LimiterError> {
        self.settle_some(cost, |_| true).await
    }

    /// The same with those quotas that `which` picks by their place.
    pub(crate) async fn settle_some(
        &self,
        cost: u64,
        which: impl Fn(usize) -> bool + Send,
    ) -> Result<Decision, LimiterError> {
        let mut more = Costs::new();
        let mut back = Costs::new();
        {
            let mut account = self.account();
            let account = &mut *account;
            let taken = account.left.iter_mut().zip(&mut account.charged);
            for (place, (claim, (left, charged))) in self.claims.iter().zip(taken).enumerate() {
                let total = match which(place) && !claim.is_held() {
                    true => left.saturating_add(*charged),
                    false => cost,
                };
                more.push(cost.saturating_sub(total));
                back.push(total.saturating_sub(cost).min(*left));
                *charged = charged.saturating_add(cost.saturating_sub(total));
                *left -= total.saturating_sub(cost).min(*left);
            }
        }
        if back.iter().any(|cost| *cost > 0) {
            self.give_back_each(&back).await?;
        }
        match more.iter().any(|cost| *cost > 0) {
            true => self.charge_each(&more).await,
            false => Ok(self.decision()),
        }
    }

    /// Gives back what was taken, as far as that still counts; once, however often this is called. Places in flight are held on.
    ///
    /// # Errors
    ///
    /// As [`charge`](Self::charge).
    pub async fn give_back(&self) -> Result<Decision, LimiterError> {
        let back = self.taken(|claim| !claim.is_held());
        match back.iter().any(|cost| *cost > 0) {
            true => self.give_back_each(&back).await,
            false => Ok(self.decision()),
        }
    }

    /// Takes what is left of some claims out of the account.
    fn taken(&self, which: impl Fn(&Claim) -> bool) -> Costs {
        let mut account = self.account();
        let left = self.claims.iter().zip(&mut account.left);
        left.map(|(claim, left)| match which(claim) {
            true => std::mem::take(left),
            false => 0,
        })
        .collect()
    }

    async fn charge_each(&self, costs: &Costs) -> Result<Decision, LimiterError> {
        // Whoever rules now counts it, wherever the permit is from.
        let claims = self.claims_at(costs);
        let decision = match self.limiter.act_now(Action::Charge, &claims) {
            Poll::Ready(decided) => decided?,
            Poll::Pending => self.limiter.act(Action::Charge, &claims).await?,
        };
        Ok(self.stood(decision))
    }

    async fn give_back_each(&self, costs: &Costs) -> Result<Decision, LimiterError> {
        let claims = self.claims_at(costs);
        let decision = match self.give_back_now(&claims) {
            Poll::Ready(decided) => decided?,
            Poll::Pending => self.limiter.act(Action::GiveBack, &claims).await?,
        };
        self.limiter.line().wake(&claims);
        Ok(self.stood(decision))
    }

    /// Gives back to whom it was taken from.
    fn give_back_now(&self, claims: &Claims) -> Poll<Result<Decision, LimiterError>> {
        match self.is_estimated {
            true => Poll::Ready(self.limiter.act_alone(Action::GiveBack, claims)),
            false => self.limiter.act_now(Action::GiveBack, claims),
        }
    }

    fn claims_at(&self, costs: &Costs) -> Claims {
        let claims = self.claims.iter().cloned().zip(costs);
        let at = claims.map(|(claim, cost)| Claim {
            cost: *cost,
            ..claim
        });
        at.collect()
    }

    fn stood(&self, decision: Decision) -> Decision {
        self.account().decision = decision.clone();
        decision
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the places in flight that are still held.
    fn release(&self) {
        let costs = self.taken(Claim::is_held);
        if costs.iter().all(|cost| *cost == 0) {
            return;
        }
        let mut claims = self.claims_at(&costs);
        claims.retain(|claim| claim.cost > 0);
        if self.give_back_now(&claims).is_ready() {
            self.limiter.line().wake(&claims);
        } else {
            let limiter = self.limiter.clone();
            // Where nobody can run it, the limiter's lease ends by itself.
            self.limiter.background().spawn_owed(Box::pin(async move {
                // What fails was logged, and has the lease to fall back on.
                drop(limiter.act(Action::GiveBack, &claims).await);
                limiter.line().wake(&claims);
            }));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.claims.iter().any(Claim::is_held) {
            self.release();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("decision", &self.decision())
            .finish_non_exhaustive()
    }
}
