//! The limiter of one process.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use foldhash::quality::RandomState;
use smallvec::SmallVec;

use super::ask::{Action, Ask};
use super::decision::{Decision, Receipt, Standing};
use super::limiter::{Limiter, LimiterError};
use super::rule::{At, Rule, State};
use crate::clock::{Clock, SystemClock};

/// Counts in the memory of this process; clones share their counts.
#[derive(Clone)]
pub struct MemoryLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    states: Mutex<HashMap<(Rule, String, Vec<u8>), State>>,
}

impl MemoryLimiter {
    /// A limiter without counts.
    pub fn new() -> Self {
        Self::with_clock(SystemClock::new())
    }

    /// The same by another clock.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Arc::new(clock),
                hasher: RandomState::default(),
                states: Mutex::default(),
            }),
        }
    }

    fn decided(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        let mut states = self
            .shared
            .states
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.shared.clock.micros();
        let mut places: SmallVec<[_; 2]> = SmallVec::new();
        for ask in asks {
            let rule = ask.quota.rule()?;
            let place = (rule, ask.key.group().to_owned(), ask.key.name().to_vec());
            let at = At {
                now,
                offset: self.shared.hasher.hash_one(&place),
            };
            places.push((place, at, ask));
        }
        let mut look = |states: &mut HashMap<_, State>, cost: fn(&Ask<'_>) -> u64| {
            let looked = places.iter().map(|(place, at, ask)| {
                let state = states
                    .entry(place.clone())
                    .or_insert_with(|| place.0.fresh());
                place.0.look(state, *at, cost(ask))
            });
            looked.collect::<SmallVec<[Standing; 2]>>()
        };
        let mut standings = look(&mut states, |ask| ask.cost);
        let admitted = standings.iter().all(|standing| standing.admitted);
        let mut receipts: SmallVec<[Receipt; 2]> = SmallVec::new();
        for (place, at, ask) in &places {
            let Some(state) = states.get_mut(place) else {
                continue;
            };
            receipts.push(match action {
                Action::Acquire if admitted => place.0.take(state, *at, ask.cost),
                Action::Charge => place.0.take(state, *at, ask.cost),
                Action::GiveBack => {
                    place.0.give_back(state, *at, ask.cost, ask.receipt);
                    Receipt::NONE
                }
                Action::Reset => {
                    *state = place.0.fresh();
                    Receipt::NONE
                }
                Action::Acquire | Action::Peek => Receipt::NONE,
            });
        }
        if action != Action::Peek && (action != Action::Acquire || admitted) {
            standings = look(&mut states, |_| 0);
        }
        for (standing, receipt) in standings.iter_mut().zip(receipts) {
            standing.receipt = receipt;
        }
        Ok(Decision::new(standings))
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter").finish_non_exhaustive()
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    fn decide_now(&self, action: Action, asks: &[Ask<'_>]) -> Poll<Result<Decision, LimiterError>> {
        Poll::Ready(self.decided(action, asks))
    }

    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        self.decided(action, asks)
    }
}
