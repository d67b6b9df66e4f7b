//! Who waits for what, in the order in which they came.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::super::claim::Claim;

/// The lines of all keys. A call has one number for all lines in which it stands, so that no two calls wait for one another.
#[derive(Default)]
pub(crate) struct Line {
    hasher: RandomState,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiters: HashMap<u64, Waiter>,
    /// By key: the numbers of those who wait, and what they ask for.
    lines: HashMap<u64, BTreeMap<u64, u64>>,
}

struct Waiter {
    places: Places,
    woken: Arc<Notify>,
}

/// A key, of a hash that nobody can foresee, and what is asked of it. Keys that collide stand in one line.
pub(super) type Place = (u64, u64);
pub(super) type Places = SmallVec<[Place; 2]>;

/// A place in line, which is left when this is dropped.
pub(super) struct Ticket<'a> {
    line: &'a Line,
    number: u64,
    pub(super) woken: Arc<Notify>,
}

impl Line {
    /// Where a claim waits.
    pub(super) fn place(&self, claim: &Claim) -> Place {
        // A quota that cannot be is refused before anybody waits for it.
        let rule = claim.quota.rule().ok();
        let key = self.hasher.hash_one((&claim.group, &claim.name, rule));
        (key, claim.cost)
    }

    /// Does anybody wait for this?
    pub(super) fn is_awaited(&self, place: Place) -> bool {
        !self.is_empty() && self.state().lines.contains_key(&place.0)
    }

    /// Joins these lines at their ends, unless `most` wait already.
    pub(super) fn join(&self, most: usize, places: Places) -> Option<Ticket<'_>> {
        let mut state = self.state();
        if state.waiters.len() >= most {
            return None;
        }
        state.next += 1;
        let number = state.next;
        let woken = Arc::new(Notify::new());
        state.enter(number, &places);
        let waiter = Waiter {
            places,
            woken: woken.clone(),
        };
        state.waiters.insert(number, waiter);
        self.waiting.store(state.waiters.len(), Ordering::Relaxed);
        Some(Ticket {
            line: self,
            number,
            woken,
        })
    }

    /// Something may have become free: wakes the first that wait for these.
    pub(crate) fn wake<'a>(&self, claims: impl IntoIterator<Item = &'a Claim>) {
        if self.is_empty() {
            return;
        }
        for claim in claims {
            let (key, _) = self.place(claim);
            self.state().wake(key);
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, number: u64, places: &Places) {
        for (key, cost) in places {
            *self
                .lines
                .entry(*key)
                .or_default()
                .entry(number)
                .or_default() += cost;
        }
    }

    /// Leaves these lines, and wakes those who are first now.
    fn leave(&mut self, number: u64, places: &Places) {
        for (key, _) in places {
            let Some(line) = self.lines.get_mut(key) else {
                continue;
            };
            let was_first = line
                .first_key_value()
                .is_some_and(|(first, _)| *first == number);
            line.remove(&number);
            if line.is_empty() {
                self.lines.remove(key);
            } else if was_first {
                self.wake(*key);
            }
        }
    }

    fn wake(&self, key: u64) {
        let first = self.lines.get(&key).and_then(|line| line.first_key_value());
        if let Some(waiter) = first.and_then(|(number, _)| self.waiters.get(number)) {
            waiter.woken.notify_one();
        }
    }
}

impl Ticket<'_> {
    /// Is it first in all its lines?
    pub(super) fn is_first(&self) -> bool {
        let state = self.line.state();
        let Some(waiter) = state.waiters.get(&self.number) else {
            return true;
        };
        waiter.places.iter().all(|(key, _)| {
            let first = state.lines.get(key).and_then(|line| line.first_key_value());
            first.is_none_or(|(first, _)| *first == self.number)
        })
    }

    /// What those ahead of it ask for.
    pub(super) fn ahead(&self, place: Place) -> u64 {
        let state = self.line.state();
        let line = state.lines.get(&place.0);
        let ahead = line.into_iter().flat_map(|line| line.range(..self.number));
        ahead.fold(0, |sum, (_, cost)| sum.saturating_add(*cost))
    }

    /// Stands in these lines instead, by the same number.
    pub(super) fn stand_in(&self, places: Places) {
        let mut state = self.line.state();
        let Some(waiter) = state.waiters.get_mut(&self.number) else {
            return;
        };
        if waiter.places == places {
            return;
        }
        let left = std::mem::replace(&mut waiter.places, places.clone());
        state.leave(self.number, &left);
        state.enter(self.number, &places);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.line.state();
        if let Some(waiter) = state.waiters.remove(&self.number) {
            state.leave(self.number, &waiter.places);
        }
        self.line
            .waiting
            .store(state.waiters.len(), Ordering::Relaxed);
    }
}
