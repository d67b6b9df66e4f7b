//! How a call waits.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::super::ask::Action;
use super::super::claim::Claims;
use super::super::decision::{Decision, Standing, Wait};
use super::super::handle::RateLimiter;
use super::super::limiter::LimiterError;
use super::super::permit::Permit;
use super::super::refusal::Refusal;
use super::super::stats::Event;
use super::Waiting;
use super::behind::{least, split};
use super::line::{Places, Ticket};

/// How soon a place in flight is asked for again, that somebody elsewhere may have left: at first, and at last.
const POLL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

impl RateLimiter {
    /// Takes claims, if need be in line: for as long as `waiting` says, and no longer than until `deadline` from now.
    ///
    /// The caller counts the outcome; that it stood in line is counted here.
    pub(crate) async fn admit_in_line(
        &self,
        claims: Claims,
        waiting: Waiting,
        deadline: Option<Duration>,
    ) -> Result<Permit, Refusal> {
        let since = Instant::now();
        let patience = waiting.at_most.min(deadline.unwrap_or(Duration::MAX));
        // A wait of centuries is as good as one of a year.
        let patience = patience.min(Duration::from_secs(366 * 86_400));
        let line = self.line();
        let awaited: Places = claims
            .iter()
            .filter(|claim| claim.cost > 0)
            .map(|claim| line.place(claim))
            .filter(|place| line.is_awaited(*place))
            .collect();
        let (places, mut stood) = match awaited.is_empty() {
            true => match self.admit(claims.clone()).await {
                Err(Refusal::Over(decision)) => (self.refusing(&claims, &decision), Some(decision)),
                made => return made,
            },
            false => (awaited, None),
        };
        let is_too_late = |decision: &mut Decision| {
            !is_in_time(decision, patience.saturating_sub(since.elapsed()))
        };
        if let Some(decision) = stood.take_if(is_too_late) {
            return Err(Refusal::Over(decision));
        }
        let Some(ticket) = line.join(waiting.queue, places) else {
            // Whoever cannot wait does as those do that never wait.
            return match stood {
                Some(decision) => Err(Refusal::Over(decision)),
                None => self.admit(claims).await,
            };
        };
        if let Some(claim) = claims.first() {
            self.count(&claim.group, Event::Wait);
        }
        let stood = match (stood, ticket.is_first()) {
            (Some(decision), true) => decision,
            _ => self.look_behind(&claims, &ticket).await?,
        };
        if !is_in_time(&stood, patience.saturating_sub(since.elapsed())) {
            return Err(Refusal::Over(stood));
        }
        self.stand(claims, &ticket, stood, since, since + patience)
            .await
    }

    async fn stand(
        &self,
        claims: Claims,
        ticket: &Ticket<'_>,
        mut stood: Decision,
        mut since: Instant,
        until: Instant,
    ) -> Result<Permit, Refusal> {
        let mut poll = POLL.0;
        let mut has_looked = ticket.is_first() && stood.wait() != Wait::NONE;
        loop {
            if !ticket.is_first() {
                has_looked = false;
                if timeout_at(until, ticket.woken.notified()).await.is_err() {
                    return Err(Refusal::Over(after(&stood, since.elapsed())));
                }
                continue;
            }
            if !has_looked {
                since = Instant::now();
                stood = match self.admit(claims.clone()).await {
                    Err(Refusal::Over(decision)) => decision,
                    made => return made,
                };
                ticket.stand_in(self.refusing(&claims, &stood));
            }
            has_looked = false;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !is_in_time(&stood, left) {
                return Err(Refusal::Over(stood));
            }
            let pause = match stood.wait() {
                Wait::Micros(micros) => Duration::from_micros(micros).max(Duration::from_millis(1)),
                Wait::Unknown | Wait::Never => {
                    let pause = poll;
                    poll = (2 * poll).min(POLL.1);
                    pause
                }
            };
            // Either is a reason to ask again: that time has passed, or that something was given back.
            let _ = timeout(pause.min(left), ticket.woken.notified()).await;
        }
    }

    /// How the quotas will stand when those ahead have been served.
    async fn look_behind(
        &self,
        claims: &Claims,
        ticket: &Ticket<'_>,
    ) -> Result<Decision, LimiterError> {
        let mut looked = claims.clone();
        let mut behind = Vec::with_capacity(claims.len());
        for claim in &mut looked {
            let rule = claim.quota.rule()?;
            let ahead = ticket.ahead(self.line().place(claim));
            let (cost, excess) = split(&rule, ahead, claim.cost);
            claim.cost = cost;
            behind.push((rule, excess));
        }
        let decision = self.act(Action::Peek, &looked).await?;
        let standings = decision.standings().iter().zip(&behind);
        let later = standings.map(|(standing, (rule, excess))| {
            let wait = least(rule, standing, *excess);
            Standing {
                admitted: wait == Wait::NONE,
                wait,
                ..*standing
            }
        });
        Ok(like(&decision, later))
    }

    /// The lines of the quotas that refuse.
    fn refusing(&self, claims: &Claims, decision: &Decision) -> Places {
        let quotas = claims.iter().zip(decision.standings());
        quotas
            .filter(|(_, standing)| !standing.admitted)
            .map(|(claim, _)| self.line().place(claim))
            .collect()
    }
}

/// May all that refuse admit it in time?
fn is_in_time(decision: &Decision, left: Duration) -> bool {
    let standings = decision.standings().iter();
    let mut refusing = standings.filter(|standing| !standing.admitted);
    refusing.all(|standing| match standing.wait {
        Wait::Micros(micros) => Duration::from_micros(micros) <= left,
        Wait::Unknown => !left.is_zero(),
        Wait::Never => false,
    })
}

/// What is left of these waits: for those that were refused some time ago.
fn after(decision: &Decision, elapsed: Duration) -> Decision {
    let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let standings = decision.standings().iter();
    let standings = standings.map(|standing| Standing {
        wait: match standing.wait {
            Wait::Micros(micros) if !standing.admitted => {
                Wait::Micros(micros.saturating_sub(elapsed).max(1))
            }
            wait => wait,
        },
        ..*standing
    });
    let standings: Vec<_> = standings.collect();
    // Nobody is told to be admitted who was not.
    let none_refuses = standings.iter().all(|standing| standing.admitted);
    let standings = standings.into_iter().map(|standing| match none_refuses {
        true => Standing {
            admitted: false,
            wait: Wait::Micros(1),
            ..standing
        },
        false => standing,
    });
    like(decision, standings)
}

fn like(decision: &Decision, standings: impl IntoIterator<Item = Standing>) -> Decision {
    match decision.is_estimated() {
        true => Decision::new(standings).estimated(),
        false => Decision::new(standings),
    }
}
