//! When to leave a sick server alone, and when to ask it again.
//!
//! ```text
//!            failures in a row              wait over, one probe goes
//! closed ───────────────────────► open ───────────────────────────────► half-open
//!    ▲                              ▲                                      │ │
//!    │                              └── the probe fails: wait twice as long┘ │
//!    └───────────────────────────────────── the probe succeeds ──────────────┘
//! ```

use std::time::{Duration, Instant};

/// The options of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// How many failures in a row open it.
    pub(super) failures: u32,
    /// How long it stays open at first.
    pub(super) pause: Duration,
    /// How long it stays open at most, after probes that failed.
    pub(super) longest: Duration,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// Every call.
    Closed,
    /// No call.
    Open,
    /// One call, which decides.
    HalfOpen,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server answered, if only with an error.
    Success,
    /// The server did not answer, or is in no state to serve.
    Failure,
    /// Nobody knows: the caller went away too soon.
    Abandoned,
}

/// What the end of a call has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Calls fail at once from now on, for so long.
    Opened(Duration),
    /// Calls go through again.
    Closed,
}

/// The leave to make one call; its outcome is owed to [`Breaker::settle`].
#[derive(Debug)]
pub(super) struct Permit {
    turn: u64,
}

/// A circuit breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: Limits,
    state: State,
    /// Raised by every change of state: the outcome of a call that began in an earlier one says nothing about this one.
    turn: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Probing { pause: Duration },
}

impl Breaker {
    /// A closed breaker.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Closed { failures: 0 },
            turn: 0,
        }
    }

    /// May a call be made? If not, for how long not; zero while a probe is under way.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Permit, Duration> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until, pause } if until <= now => {
                self.enter(State::Probing { pause });
            }
            State::Open { until, .. } => return Err(until.duration_since(now)),
            State::Probing { .. } => return Err(Duration::ZERO),
        }
        Ok(Permit { turn: self.turn })
    }

    /// Takes note of how a call ended.
    pub(super) fn settle(
        &mut self,
        permit: Permit,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Change> {
        if permit.turn != self.turn {
            return None;
        }
        match (&mut self.state, outcome) {
            (State::Closed { failures }, Outcome::Success) => *failures = 0,
            (State::Closed { failures }, Outcome::Failure) => {
                *failures += 1;
                if *failures >= self.limits.failures {
                    return Some(self.open(self.limits.pause, now));
                }
            }
            (State::Probing { .. }, Outcome::Success) => {
                self.enter(State::Closed { failures: 0 });
                return Some(Change::Closed);
            }
            (State::Probing { pause }, Outcome::Failure) => {
                let pause = pause.saturating_mul(2).min(self.limits.longest);
                return Some(self.open(pause, now));
            }
            (State::Probing { pause }, Outcome::Abandoned) => {
                let pause = *pause;
                self.enter(State::Open { until: now, pause });
            }
            (State::Closed { .. }, Outcome::Abandoned) | (State::Open { .. }, _) => {}
        }
        None
    }

    /// What is let through at `now`.
    pub(super) fn circuit(&self, now: Instant) -> Circuit {
        match self.state {
            State::Closed { .. } => Circuit::Closed,
            State::Open { until, .. } if until > now => Circuit::Open,
            State::Open { .. } | State::Probing { .. } => Circuit::HalfOpen,
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        self.enter(State::Open {
            until: now + pause,
            pause,
        });
        Change::Opened(pause)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.turn += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        let limits = Limits {
            failures: 3,
            pause: SECOND,
            longest: 5 * SECOND,
        };
        (Breaker::new(limits), Instant::now())
    }

    fn call(breaker: &mut Breaker, outcome: Outcome, now: Instant) -> Option<Change> {
        let permit = breaker.admit(now).expect("let through");
        breaker.settle(permit, outcome, now)
    }

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = breaker();
        for _ in 0..3 {
            call(&mut breaker, Outcome::Failure, now);
        }
        (breaker, now)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let (mut breaker, now) = breaker();
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success] {
            assert_eq!(call(&mut breaker, outcome, now), None);
        }
        assert_eq!(call(&mut breaker, Outcome::Failure, now), None);
        assert_eq!(call(&mut breaker, Outcome::Abandoned, now), None);
        assert_eq!(call(&mut breaker, Outcome::Failure, now), None);
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        let change = call(&mut breaker, Outcome::Failure, now);
        assert_eq!(change, Some(Change::Opened(SECOND)));
        assert_eq!(breaker.circuit(now), Circuit::Open);
        assert_eq!(breaker.admit(now).unwrap_err(), SECOND);
    }

    #[test]
    fn one_probe_goes_and_the_rest_fail_at_once() {
        let (mut breaker, now) = opened();
        let later = now + SECOND;
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.admit(later).unwrap_err(), Duration::ZERO);
        let change = breaker.settle(probe, Outcome::Success, later);
        assert_eq!(change, Some(Change::Closed));
        assert_eq!(breaker.circuit(later), Circuit::Closed);
        assert!(breaker.admit(later).is_ok());
    }

    #[test]
    fn each_probe_that_fails_doubles_the_wait_up_to_the_longest() {
        let (mut breaker, mut now) = opened();
        let mut pause = SECOND;
        for expected in [2, 4, 5, 5] {
            now += pause;
            pause = expected * SECOND;
            let change = call(&mut breaker, Outcome::Failure, now);
            assert_eq!(change, Some(Change::Opened(pause)));
        }
        now += pause;
        call(&mut breaker, Outcome::Success, now);
        for _ in 0..2 {
            call(&mut breaker, Outcome::Failure, now);
        }
        let change = call(&mut breaker, Outcome::Failure, now);
        assert_eq!(change, Some(Change::Opened(SECOND)), "it starts anew");
    }

    #[test]
    fn a_probe_that_was_abandoned_leaves_its_turn_to_the_next() {
        let (mut breaker, now) = opened();
        let later = now + SECOND;
        assert_eq!(call(&mut breaker, Outcome::Abandoned, later), None);
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
        let change = call(&mut breaker, Outcome::Failure, later);
        assert_eq!(change, Some(Change::Opened(2 * SECOND)), "waits as before");
    }

    #[test]
    fn what_began_before_it_opened_neither_closes_it_nor_extends_it() {
        let (mut breaker, now) = breaker();
        let early: Vec<_> = (0..6).map(|_| breaker.admit(now).unwrap()).collect();
        let mut early = early.into_iter();
        for _ in 0..3 {
            breaker.settle(early.next().unwrap(), Outcome::Failure, now);
        }
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Abandoned] {
            assert_eq!(breaker.settle(early.next().unwrap(), outcome, now), None);
        }
        assert_eq!(breaker.admit(now).unwrap_err(), SECOND);
    }
}
