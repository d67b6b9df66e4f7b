//! What becomes of calls while the limiter cannot be asked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use smallvec::SmallVec;

use super::ask::{Action, Ask};
use super::decision::{Decision, Standing, Wait};
use super::limiter::{Limiter, LimiterError};
use super::memory::MemoryLimiter;
use super::quota::{Outage, Quota};
use super::rule::Rule;
use crate::log;

/// Decides in the limiter's place, by the policy of each quota.
#[derive(Default)]
pub(super) struct Fallback {
    is_out: AtomicBool,
    estimates: OnceLock<MemoryLimiter>,
}

/// What stands in for a quota.
enum StandIn {
    /// A share of it, counted here.
    Share(Quota),
    /// Nothing is counted.
    Fixed(Standing),
}

impl StandIn {
    fn of(ask: &Ask<'_>) -> Self {
        let rule = match ask.quota.rule() {
            Ok(Rule::Unlimited) => return Self::Fixed(Standing::UNLIMITED),
            Ok(Rule::Denied) => return Self::Fixed(refused(ask, Wait::Never)),
            rule => rule,
        };
        let closed = refused(ask, Wait::Unknown);
        match (ask.quota.on_outage(), rule) {
            (Outage::Estimate { nodes }, Ok(_)) => {
                let share = ask.quota.share(nodes);
                // Rounding may push the bounds of a share beyond what a quota can be.
                match share.rule() {
                    Ok(_) => Self::Share(share),
                    Err(_) => Self::Fixed(closed),
                }
            }
            (Outage::Open, Ok(_)) => Self::Fixed(Standing::UNLIMITED),
            (Outage::Closed, _) | (_, Err(_)) => Self::Fixed(closed),
        }
    }
}

fn refused(ask: &Ask<'_>, wait: Wait) -> Standing {
    match ask.cost {
        0 => Standing {
            remaining: 0,
            ..Standing::UNLIMITED
        },
        _ => Standing {
            wait,
            ..Standing::DENIED
        },
    }
}

impl Fallback {
    pub(super) fn new(estimates: Option<MemoryLimiter>) -> Self {
        Self {
            is_out: AtomicBool::new(false),
            estimates: estimates.map(OnceLock::from).unwrap_or_default(),
        }
    }

    /// The limiter has answered.
    pub(super) fn answered(&self) {
        // Read first: while all is well, threads share the line.
        if self.is_out.load(Ordering::Relaxed) && self.is_out.swap(false, Ordering::Relaxed) {
            log::limiter_is_back();
        }
    }

    /// The limiter could not be asked.
    pub(super) fn failed(&self, error: &LimiterError) {
        if !self.is_out.swap(true, Ordering::Relaxed) {
            log::limiter_is_away(error);
        }
    }

    /// What this node decides alone.
    pub(super) fn decide(
        &self,
        action: Action,
        asks: &[Ask<'_>],
    ) -> Result<Decision, LimiterError> {
        let stand_ins: SmallVec<[StandIn; 2]> = asks.iter().map(StandIn::of).collect();
        let is_closed = stand_ins
            .iter()
            .any(|stand_in| matches!(stand_in, StandIn::Fixed(standing) if !standing.admitted));
        // All or nothing: what is refused by one quota is not counted by another.
        let action = match action {
            Action::Acquire if is_closed => Action::Peek,
            action => action,
        };
        let shares: SmallVec<[Ask<'_>; 2]> = asks
            .iter()
            .zip(&stand_ins)
            .filter_map(|(ask, stand_in)| match stand_in {
                StandIn::Share(quota) => Some(Ask { quota, ..*ask }),
                StandIn::Fixed(_) => None,
            })
            .collect();
        let estimated = self.count(action, &shares)?;
        let mut estimated = estimated.standings().iter();
        let standings = asks.iter().zip(&stand_ins).map(|(ask, stand_in)| {
            let share = match stand_in {
                StandIn::Share(_) => estimated.next().copied(),
                StandIn::Fixed(_) => None,
            };
            match (share, stand_in) {
                (Some(standing), _) => patient(standing, ask),
                (None, StandIn::Fixed(standing)) => *standing,
                (None, StandIn::Share(_)) => Standing::UNLIMITED,
            }
        });
        Ok(Decision::new(standings).estimated())
    }

    fn count(&self, action: Action, shares: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        if shares.is_empty() {
            return Ok(Decision::new([]));
        }
        match self.estimates().decide_now(action, shares) {
            Poll::Ready(decided) => decided,
            Poll::Pending => Err(LimiterError::Unavailable(
                "this node cannot count by itself".into(),
            )),
        }
    }

    fn estimates(&self) -> &MemoryLimiter {
        self.estimates.get_or_init(MemoryLimiter::new)
    }
}

/// What is too much for a share, and not for the quota, will be admitted when the limiter is back.
fn patient(mut standing: Standing, ask: &Ask<'_>) -> Standing {
    let fits = |rule: Rule| ask.cost <= rule.capacity();
    if standing.wait == Wait::Never && ask.quota.rule().is_ok_and(fits) {
        standing.wait = Wait::Unknown;
    }
    standing
}
