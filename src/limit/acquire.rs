//! Asking outside HTTP: for outgoing calls, jobs, and whatever is no request.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::ask::{Action, Ask};
use super::claim::{Claim, Claims};
use super::decision::{Decision, Receipt, Standing};
use super::handle::RateLimiter;
use super::limiter::LimiterError;
use super::permit::Permit;
use super::quota::Quota;
use super::refusal::Refusal;
use super::waiting::Waiting;

/// A boxed future.
type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Quotas that are asked for: await it. Made by [`RateLimiter::acquire`] and [`RateLimiter::acquire_all`].
#[must_use = "nothing is asked until this is awaited"]
pub struct Acquire<'a> {
    call: Call<'a>,
    waiting: Option<Waiting>,
    deadline: Option<Instant>,
}

/// Something else that is done with quotas: await it. Made by [`RateLimiter::peek`], [`RateLimiter::charge`] and [`RateLimiter::reset`].
#[must_use = "nothing is done until this is awaited"]
pub struct Act<'a> {
    call: Call<'a>,
    action: Action,
}

struct Call<'a> {
    limiter: &'a RateLimiter,
    claims: Claims,
}

impl RateLimiter {
    /// Takes one unit of each of `quotas` under `key`, or nothing at all: for outgoing calls, jobs, and whatever is no request.
    ///
    /// A quota [in flight](Quota::in_flight) takes one place, which the permit holds until it is dropped. Dropping the future before it has
    /// answered may leave units used, and no places held. Options, a cost among them, stand between this and `.await`: see [`Acquire`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{MemoryLimiter, Quota, RateLimiter};
    ///
    /// let limiter = RateLimiter::new(MemoryLimiter::new());
    /// let quotas: [Quota; 2] = ["2/m".parse()?, "1000/day".parse()?];
    /// for _ in 0..2 {
    ///     limiter.acquire("bank", &quotas).group("payments").await?;
    ///     // Call the bank.
    /// }
    /// let refused = limiter.acquire("bank", &quotas).group("payments").await.unwrap_err();
    /// assert!(refused.wait().duration().is_some_and(|wait| wait.as_secs() < 30));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which tells how long to wait.
    pub fn acquire<'a>(&'a self, key: impl AsRef<[u8]>, quotas: &[Quota]) -> Acquire<'a> {
        Acquire {
            call: self.call(key.as_ref(), quotas, 1),
            waiting: None,
            deadline: None,
        }
    }

    /// Takes what each of `asks` costs, or nothing at all: for several keys, or quotas with a cost each.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::limit::{Ask, LimitKey};
    /// use larder::{MemoryLimiter, Quota, RateLimiter};
    ///
    /// let limiter = RateLimiter::new(MemoryLimiter::new());
    /// let (mails, bytes): (Quota, Quota) = ("100/h".parse()?, "1000000/h".parse()?);
    /// let asks = [
    ///     Ask::new(LimitKey::new("mail", b"k1"), &mails),
    ///     Ask::new(LimitKey::new("mail", b"everyone"), &bytes).cost(2_048),
    /// ];
    /// let permit = limiter.acquire_all(&asks).await?;
    /// assert_eq!(permit.remaining(), 99);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_all<'a>(&'a self, asks: &[Ask<'_>]) -> Acquire<'a> {
        let claims = asks.iter().map(Claim::of).collect();
        Acquire {
            call: Call {
                limiter: self,
                claims,
            },
            waiting: None,
            deadline: None,
        }
    }

    /// Tells how `quotas` stand under `key`, without counting: whether one more unit would be admitted, what remains, and how long to wait.
    ///
    /// # Errors
    ///
    /// A quota that cannot be.
    pub fn peek<'a>(&'a self, key: impl AsRef<[u8]>, quotas: &[Quota]) -> Act<'a> {
        self.other(Action::Peek, key.as_ref(), quotas, 1)
    }

    /// Uses `more` of each of `quotas` under `key`, though it be over: a debt, of at most one more burst. Places in flight stay as they are.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    pub fn charge<'a>(&'a self, key: impl AsRef<[u8]>, quotas: &[Quota], more: u64) -> Act<'a> {
        let mut act = self.other(Action::Charge, key.as_ref(), quotas, more);
        for claim in &mut act.call.claims {
            // Nobody would release them.
            claim.cost = if claim.is_held() { 0 } else { more };
        }
        act
    }

    /// Forgets what was used of `quotas` under `key`.
    ///
    /// # Errors
    ///
    /// A quota that cannot be, or a limiter that could not be asked.
    pub fn reset<'a>(&'a self, key: impl AsRef<[u8]>, quotas: &[Quota]) -> Act<'a> {
        self.other(Action::Reset, key.as_ref(), quotas, 0)
    }

    fn other<'a>(&'a self, action: Action, key: &[u8], quotas: &[Quota], cost: u64) -> Act<'a> {
        Act {
            call: self.call(key, quotas, cost),
            action,
        }
    }

    fn call<'a>(&'a self, key: &[u8], quotas: &[Quota], cost: u64) -> Call<'a> {
        let group: Arc<str> = "".into();
        let name: Arc<[u8]> = key.into();
        let claims = quotas.iter().map(|quota| Claim {
            group: group.clone(),
            name: name.clone(),
            quota: Arc::new(quota.clone()),
            cost,
            receipt: Receipt::NONE,
        });
        Call {
            limiter: self,
            claims: claims.collect(),
        }
    }
}

impl Call<'_> {
    fn group(&mut self, group: &str) {
        let group: Arc<str> = group.into();
        for claim in &mut self.claims {
            claim.group = group.clone();
        }
    }

    fn cost(&mut self, cost: u64) {
        // A call has one place, whatever it costs.
        for claim in self.claims.iter_mut().filter(|claim| !claim.is_held()) {
            claim.cost = cost;
        }
    }
}

/// Options. By default one unit is asked for in the group without a name, and what is used up refuses at once.
impl Acquire<'_> {
    /// The group whose counters are used, and in whose statistics the call stands.
    pub fn group(mut self, group: &str) -> Self {
        self.call.group(group);
        self
    }

    /// How many units of each quota are asked for. A call takes one place in flight, whatever it costs.
    pub fn cost(mut self, cost: u64) -> Self {
        self.call.cost(cost);
        self
    }

    /// Waits in line instead of being refused, as long as this says: a [`Duration`](std::time::Duration), or a [`Waiting`].
    pub fn wait(mut self, waiting: impl Into<Waiting>) -> Self {
        self.waiting = Some(waiting.into());
        self
    }

    /// When the caller itself gives up: where that is sooner than [`wait`](Self::wait) allows, it waits no longer than until then, and is refused at once
    /// where it could not be served by then. Default: never.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(at);
        self
    }
}

/// Options, as [`Acquire`] has them.
impl Act<'_> {
    /// The group whose counters are meant.
    pub fn group(mut self, group: &str) -> Self {
        self.call.group(group);
        self
    }

    /// How many units of each quota are meant.
    pub fn cost(mut self, cost: u64) -> Self {
        self.call.cost(cost);
        self
    }
}

impl<'a> IntoFuture for Acquire<'a> {
    type Output = Result<Permit, Refusal>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Call { limiter, claims } = self.call;
            if !limiter.switch().is_on() {
                return Ok(Permit::of_nothing(limiter, claims.len()));
            }
            let group = match claims.first() {
                Some(claim) => claim.group.clone(),
                None => "".into(),
            };
            let made = match self.waiting {
                Some(waiting) => {
                    let left = self.deadline.map(|at| {
                        let at = tokio::time::Instant::from_std(at);
                        at.saturating_duration_since(tokio::time::Instant::now())
                    });
                    limiter.admit_in_line(claims, waiting, left).await
                }
                None => limiter.admit(claims).await,
            };
            limiter.note(&group, &made);
            made
        })
    }
}

impl<'a> IntoFuture for Act<'a> {
    type Output = Result<Decision, LimiterError>;
    type IntoFuture = Answering<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Call { limiter, claims } = self.call;
            if !limiter.switch().is_on() && self.action != Action::Reset {
                let unlimited = claims.iter().map(|_| Standing::UNLIMITED);
                return Ok(Decision::new(unlimited));
            }
            match limiter.act_now(self.action, &claims) {
                Poll::Ready(decided) => decided,
                Poll::Pending => limiter.act(self.action, &claims).await,
            }
        })
    }
}
