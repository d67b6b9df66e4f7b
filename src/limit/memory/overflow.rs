//! The states that newcomers share while there is no room for their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;

use super::super::rule::{At, Rule, State};

/// One state for each group and quota.
pub(super) struct Overflow {
    states: Mutex<States>,
    /// How many are kept. Groups and quotas may be made of what requests say, and must not fill the memory.
    most: usize,
    /// How many there are; what a key has used of one is seen by whoever holds the shard of the key.
    len: AtomicUsize,
}

#[derive(Default)]
struct States {
    by_rule: HashMap<Rule, HashMap<Box<str>, State, RandomState>, RandomState>,
    len: usize,
    locked: usize,
    /// What stands for those that there is no room for, either.
    used_up: Option<State>,
}

/// All of them, locked.
pub(super) struct Shared<'a> {
    states: MutexGuard<'a, States>,
    overflow: &'a Overflow,
    now: u64,
}

impl Overflow {
    /// For a limiter of so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self {
            states: Mutex::default(),
            most: keys / 16 + 64,
            len: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(super) fn lock(&self, now: u64) -> Shared<'_> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.locked = states.locked.wrapping_add(1);
        if states.locked.is_multiple_of(64) {
            states.clear(now);
        }
        Shared {
            states,
            overflow: self,
            now,
        }
    }
}

impl States {
    /// Drops what is as good as new.
    fn clear(&mut self, now: u64) {
        for (rule, by_group) in &mut self.by_rule {
            by_group.retain(|_, state| rule.fresh_at(state) > now);
        }
        self.by_rule.retain(|_, by_group| !by_group.is_empty());
        self.len = self.by_rule.values().map(HashMap::len).sum();
    }
}

impl Shared<'_> {
    /// The state that is not as good as new.
    pub(super) fn used(&mut self, rule: &Rule, group: &str, now: u64) -> Option<&mut State> {
        let by_group = self.states.by_rule.get_mut(rule)?;
        let state = by_group.get_mut(group)?;
        (rule.fresh_at(state) > now).then_some(state)
    }

    /// The state, as it is or new; where there is no room for it, one that is used up.
    pub(super) fn state(&mut self, rule: &Rule, group: &str) -> &mut State {
        let states = &mut *self.states;
        let by_group = states.by_rule.get(rule);
        if !by_group.is_some_and(|by_group| by_group.contains_key(group)) {
            if states.len >= self.overflow.most {
                let (now, offset) = (self.now, 0);
                let mut state = rule.fresh();
                rule.take(&mut state, At { now, offset }, rule.capacity());
                return states.used_up.insert(state);
            }
            states.len += 1;
        }
        let by_group = states.by_rule.entry(*rule).or_default();
        by_group.entry(group.into()).or_insert_with(|| rule.fresh())
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        self.overflow.len.store(self.states.len, Ordering::Release);
    }
}

#[cfg(test)]
impl Overflow {
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}
