//! The handle on a limiter, which never fails a request.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;

use super::ask::{Action, Ask};
use super::claim::{Claim, Claims, asks};
use super::decision::Decision;
use super::limiter::{Limiter, LimiterError};
use super::memory::MemoryLimiter;
use super::outage::Fallback;
use super::permit::Permit;
use super::quota::Outage;
use super::refusal::Refusal;
use super::stats::{Counters, Event, GroupCounters, LimitStats};
use super::switch::Switch;
use super::waiting::Line;
use crate::background::Background;
use crate::log;

/// How many tasks release places and finish what was asked for, at once.
const MOST_TASKS: usize = 1_024;

/// The handle on a [`Limiter`]: layers are made from it, and code outside HTTP asks it. Clones share everything.
///
/// It never fails a request: while its limiter cannot be asked, each quota does what its [`Outage`] says, and decisions say that they are
/// [estimated](Decision::is_estimated). With [`Outage::Estimate`] each of N nodes admits, beyond what the limiter has admitted, at most what its
/// share admits to one that finds it unused; so all nodes together at most N such shares in an outage. Estimates of one outage count in the next.
/// From the first answer on, the limiter's counts rule again; what was estimated does not enter them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::num::NonZeroU32;
/// use larder::limit::{Outage, RateLimiter};
/// use larder::{MemoryLimiter, Quota, identity};
///
/// // In earnest a `RedisLimiter`, where several nodes count together.
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// // While it is away, each of three nodes admits a third.
/// let nodes = const { NonZeroU32::new(3).unwrap() };
/// let quota = "90/m".parse::<Quota>()?.outage(Outage::Estimate { nodes });
/// let layer = limiter.layer("search").quota(quota.clone(), identity::client_ip()).build()?;
///
/// // The same quota for what is no request.
/// let permit = limiter.acquire("nightly", &[quota]).group("jobs").await?;
/// assert_eq!(permit.remaining(), 89);
/// assert_eq!(limiter.stats().group("jobs").map(|group| group.admitted), Some(1));
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    pub(super) shared: Arc<Shared>,
}

/// Builds a [`RateLimiter`].
pub struct RateLimiterBuilder {
    limiter: Arc<dyn Limiter>,
    estimates: Option<MemoryLimiter>,
    switch: Switch,
    background: Background,
}

pub(super) struct Shared {
    limiter: Arc<dyn Limiter>,
    fallback: Fallback,
    switch: Switch,
    counters: Counters,
    line: Line,
    background: Background,
}

impl RateLimiter {
    /// Decides by `limiter`.
    pub fn new(limiter: impl Limiter) -> Self {
        Self::builder(limiter).build()
    }

    /// The same with options.
    pub fn builder(limiter: impl Limiter) -> RateLimiterBuilder {
        RateLimiterBuilder {
            limiter: Arc::new(limiter),
            estimates: None,
            switch: Switch::default(),
            background: Background::new(MOST_TASKS),
        }
    }

    /// Turns on and off at run time all that this handle decides.
    pub fn switch(&self) -> &Switch {
        &self.shared.switch
    }

    /// What was decided, by group.
    pub fn stats(&self) -> LimitStats {
        self.shared.counters.stats()
    }

    /// The tasks that release places in flight after their permits are gone.
    pub fn background(&self) -> &Background {
        &self.shared.background
    }

    /// Who waits.
    pub(super) fn line(&self) -> &Line {
        &self.shared.line
    }

    /// What becomes of claims, where it can be told without waiting. The only error is a quota that cannot be.
    pub(crate) fn take_now(&self, claims: &Claims) -> Poll<Result<Decision, LimiterError>> {
        self.act_now(Action::Acquire, claims)
    }

    /// Does `action` with claims, where it can be done without waiting.
    pub(crate) fn act_now(
        &self,
        action: Action,
        claims: &Claims,
    ) -> Poll<Result<Decision, LimiterError>> {
        let asks = asks(claims);
        let decided = self.shared.limiter.decide_now(action, &asks);
        decided.map(|decided| self.shared.ruled(action, &asks, decided))
    }

    /// Does `action` with claims.
    pub(crate) async fn act(
        &self,
        action: Action,
        claims: &Claims,
    ) -> Result<Decision, LimiterError> {
        let asks = asks(claims);
        let decided = self.shared.limiter.decide(action, &asks).await;
        if decided.is_ok() {
            // What is decided without waiting is decided here, and says nothing about a limiter that is far away.
            self.shared.fallback.answered();
        }
        self.shared.ruled(action, &asks, decided)
    }

    /// Does `action` with what this node has counted alone.
    pub(crate) fn act_alone(
        &self,
        action: Action,
        claims: &Claims,
    ) -> Result<Decision, LimiterError> {
        self.shared.fallback.decide(action, &asks(claims))
    }

    /// Takes claims, and answers without standing in line. Dropping this future takes no place in flight away for good: what was asked
    /// for is finished in the background, and then released.
    pub(crate) async fn admit(&self, claims: Claims) -> Result<Permit, Refusal> {
        if let Poll::Ready(decided) = self.take_now(&claims) {
            return self.made(claims, decided);
        }
        if !claims.iter().any(Claim::is_held) {
            let decided = self.act(Action::Acquire, &claims).await;
            return self.made(claims, decided);
        }
        let (answer, answered) = oneshot::channel();
        let (this, asked) = (self.clone(), claims.clone());
        let is_started = self.shared.background.spawn(Box::pin(async move {
            let decided = this.act(Action::Acquire, &asked).await;
            // A permit that nobody takes is dropped here, or with the channel, and releases what it holds.
            drop(answer.send(this.made(asked, decided)));
        }));
        if is_started && let Ok(made) = answered.await {
            return made;
        }
        let decided = self.act(Action::Acquire, &claims).await;
        self.made(claims, decided)
    }

    /// A permit, or why there is none.
    #[allow(
        clippy::result_large_err,
        reason = "a permit is larger, and a refusal must not allocate"
    )]
    pub(crate) fn made(
        &self,
        claims: Claims,
        decided: Result<Decision, LimiterError>,
    ) -> Result<Permit, Refusal> {
        match decided {
            Ok(decision) if decision.is_admitted() => {
                Ok(Permit::new(self.clone(), claims, decision))
            }
            Ok(decision) => Err(match is_closed(&claims, &decision) {
                true => Refusal::Closed(decision),
                false => Refusal::Over(decision),
            }),
            Err(error) => Err(Refusal::Error(error)),
        }
    }

    /// Counts what became of a call. For those that count in one group again and again: [`counters`](Self::counters).
    pub(crate) fn count(&self, group: &str, event: Event) {
        self.shared.counters.count(group, event);
    }

    /// The counters of a group.
    pub(crate) fn counters(&self, group: &str) -> Arc<GroupCounters> {
        self.shared.counters.group(group)
    }

    /// Counts and logs how a call ended.
    pub(crate) fn note(&self, group: &str, made: &Result<Permit, Refusal>) {
        let is_estimated = match made {
            Ok(permit) => permit.is_estimated(),
            Err(refusal) => refusal.decision().is_some_and(Decision::is_estimated),
        };
        if is_estimated {
            self.count(group, Event::Estimate);
        }
        match made {
            Ok(_) => self.count(group, Event::Admit),
            Err(refusal) => {
                self.count(group, Event::Refuse);
                log::refused(group, refusal);
            }
        }
    }
}

fn is_closed(claims: &Claims, decision: &Decision) -> bool {
    let mut quotas = claims.iter().zip(decision.standings());
    decision.is_estimated()
        && quotas.any(|(claim, standing)| {
            !standing.admitted && claim.quota.on_outage() == Outage::Closed
        })
}

impl Shared {
    /// What the limiter has decided, or what the quotas say where it has not.
    fn ruled(
        &self,
        action: Action,
        asks: &[Ask<'_>],
        decided: Result<Decision, LimiterError>,
    ) -> Result<Decision, LimiterError> {
        match decided {
            Ok(decision) => Ok(decision),
            Err(LimiterError::Quota(error)) => Err(error.into()),
            Err(error) => {
                self.fallback.failed(&error);
                let group = asks.first().map_or("", |ask| ask.key.group());
                self.counters.count(group, Event::Fail);
                // What was counted elsewhere cannot be given back here, and is not forgotten there.
                match action {
                    Action::GiveBack => self.fallback.decide(Action::Peek, asks),
                    Action::Reset => {
                        self.fallback.decide(action, asks)?;
                        Err(error)
                    }
                    Action::Acquire | Action::Peek | Action::Charge => {
                        self.fallback.decide(action, asks)
                    }
                }
            }
        }
    }
}

impl RateLimiterBuilder {
    /// What counts on this node while the limiter cannot be asked. Default: a [`MemoryLimiter`] of its own, made when it is needed.
    #[must_use]
    pub fn estimates(mut self, limiter: MemoryLimiter) -> Self {
        self.estimates = Some(limiter);
        self
    }

    /// What turns all of it on and off. Default: one that is on.
    #[must_use]
    pub fn switch(mut self, switch: &Switch) -> Self {
        self.switch = switch.clone();
        self
    }

    /// Where places in flight are released after their permits are gone. Default: at most 1024 tasks at once.
    #[must_use]
    pub fn background(mut self, background: Background) -> Self {
        self.background = background;
        self
    }

    /// The handle.
    pub fn build(self) -> RateLimiter {
        RateLimiter {
            shared: Arc::new(Shared {
                limiter: self.limiter,
                fallback: Fallback::new(self.estimates),
                switch: self.switch,
                counters: Counters::default(),
                line: Line::default(),
                background: self.background,
            }),
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

impl fmt::Debug for RateLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiterBuilder").finish_non_exhaustive()
    }
}
