//! One call: all its quotas, or none.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::Shared;
use super::name::Sought;
use super::overflow;
use super::table::{Probe, Table};
use crate::limit::ask::{Action, Ask};
use crate::limit::decision::{Decision, Receipt, Standing};
use crate::limit::limiter::LimiterError;
use crate::limit::rule::{At, Gcra, Owed, Rule, State};
use crate::mutant::is_off;

/// How many other entries each newcomer looks at, to drop what is as good as new.
const LOOKS: usize = 4;
/// And how many if there is no room.
const MORE_LOOKS: usize = 16;
/// Of a place in flight that newcomers share.
const IN_OVERFLOW: Receipt = Receipt::new(2);

/// What asks of one key and one arithmetic have in common: they count together.
struct Place<'a> {
    probe: Probe<'a>,
    /// Of all of them.
    cost: u64,
    /// Was what is given back taken from the state that newcomers share?
    from_overflow: bool,
    /// Among those that are locked.
    table: usize,
    target: Target,
}

/// Where the state of a place is.
enum Target {
    /// An entry of its table.
    Entry(usize),
    /// Nowhere yet, and there is room for it.
    New(State),
    /// What newcomers share; a fresh one stands for it where there is none.
    Overflow(State),
    /// Nowhere, and it is not kept.
    Passing(State),
}

type Standings = SmallVec<[Standing; 2]>;
type Tables<'a> = SmallVec<[(usize, MutexGuard<'a, Table>); 2]>;
/// Locked only where it is needed.
type Overflow<'a> = Option<overflow::Shared<'a>>;

impl Shared {
    #[inline]
    pub(super) fn decide(
        &self,
        action: Action,
        asks: &[Ask<'_>],
    ) -> Result<Decision, LimiterError> {
        if let [ask] = asks {
            let rule = ask.quota.rule()?;
            if let (Action::Acquire, Rule::Gcra(gcra)) = (action, &rule) {
                if let Some(owed) = self.acquire_known(ask, gcra) {
                    return Ok(Decision::of_one(gcra.standing(owed)));
                }
            } else if let Some(standing) = self.decide_known(action, ask, rule) {
                return Ok(Decision::of_one(standing));
            }
        }
        self.decide_all(action, asks)
    }

    /// The call that is made most, of a key that has a state.
    #[inline]
    fn acquire_known(&self, ask: &Ask<'_>, gcra: &Gcra) -> Option<Owed> {
        let probe = self.probe(ask, Rule::Gcra(*gcra));
        let mut table = self.shards[self.shard(probe.hash)].lock();
        let entry = table.find(&probe)?;
        match table.state(entry) {
            State::Arrival(tat) => Some(gcra.acquire(tat, self.clock.micros(), ask.cost)),
            _ => None,
        }
    }

    /// One quota, of a key that has a state.
    fn decide_known(&self, action: Action, ask: &Ask<'_>, rule: Rule) -> Option<Standing> {
        if !rule.is_counted() {
            let at = At { now: 0, offset: 0 };
            return Some(rule.look(&State::None, at, ask.cost));
        }
        if is_of_overflow(action, ask, &rule) {
            return None;
        }
        let probe = self.probe(ask, rule);
        let mut table = self.shards[self.shard(probe.hash)].lock();
        let entry = table.find(&probe)?;
        let at = At {
            now: self.clock.micros(),
            offset: probe.hash,
        };
        let state = table.state(entry);
        Some(match action {
            Action::Acquire => probe.rule.acquire(state, at, ask.cost),
            Action::Peek => probe.rule.look(state, at, ask.cost),
            _ => {
                let receipt = act(action, &probe.rule, state, at, ask);
                Standing {
                    receipt,
                    ..probe.rule.look(state, at, 0)
                }
            }
        })
    }

    #[inline(never)]
    fn decide_all(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        let (mut places, of_ask) = self.places(action, asks)?;
        let mut tables = self.lock(&mut places);
        // After the locks: a call that comes later sees a later time.
        let now = self.clock.micros();
        let mut overflow = self.find(action, &mut places, &mut tables, now);
        let mut looked: Standings = SmallVec::new();
        for place in &mut places {
            let (rule, at, cost) = (place.probe.rule, place.at(now), place.cost);
            looked.push(rule.look(place.state(&mut tables, &mut overflow), at, cost));
        }
        let is_admitted = looked.iter().all(|standing| standing.admitted);
        let acts = match action {
            Action::Acquire => is_admitted || is_off("limit"),
            Action::Peek => false,
            Action::Charge | Action::GiveBack | Action::Reset => true,
        };
        let mut receipts: SmallVec<[Receipt; 2]> = SmallVec::from_elem(Receipt::NONE, asks.len());
        if acts {
            for ((ask, place), receipt) in asks.iter().zip(&of_ask).zip(&mut receipts) {
                let place = &mut places[*place];
                let (rule, at) = (place.probe.rule, place.at(now));
                let state = place.state(&mut tables, &mut overflow);
                *receipt = act(action, &rule, state, at, ask);
                *receipt = place.receipt(*receipt);
            }
            for (place, looked) in places.iter_mut().zip(&mut looked) {
                let (rule, at) = (place.probe.rule, place.at(now));
                *looked = rule.look(place.state(&mut tables, &mut overflow), at, 0);
            }
        }
        for place in places {
            if let Target::New(state) = place.target {
                match acts {
                    true => tables[place.table].1.insert(&place.probe, state),
                    false => self.release(1),
                }
            }
        }
        let standings = of_ask
            .iter()
            .zip(receipts)
            .map(|(place, receipt)| Standing {
                receipt,
                ..looked[*place]
            });
        Ok(Decision::new(standings))
    }

    #[inline(always)]
    fn probe<'a>(&self, ask: &Ask<'a>, rule: Rule) -> Probe<'a> {
        let group = ask.key.group();
        let name = Sought::of(ask.key.name());
        Probe {
            hash: self.hash(&rule, group, &name),
            rule,
            group,
            name,
        }
    }

    /// The places of a call, and which of them each ask means.
    #[allow(clippy::type_complexity, reason = "a list, and an index into it")]
    fn places<'a>(
        &self,
        action: Action,
        asks: &[Ask<'a>],
    ) -> Result<(SmallVec<[Place<'a>; 2]>, SmallVec<[usize; 4]>), LimiterError> {
        let mut places: SmallVec<[Place<'a>; 2]> = SmallVec::new();
        let mut of_ask = SmallVec::new();
        for ask in asks {
            let probe = self.probe(ask, ask.quota.rule()?);
            let from_overflow = is_of_overflow(action, ask, &probe.rule);
            let known = places.iter().position(|place| {
                place.probe.is_same(&probe) && place.from_overflow == from_overflow
            });
            of_ask.push(known.unwrap_or(places.len()));
            match known {
                Some(known) => {
                    places[known].cost = places[known].cost.saturating_add(ask.cost);
                }
                None => places.push(Place {
                    target: Target::Passing(State::None),
                    probe,
                    cost: ask.cost,
                    from_overflow,
                    table: 0,
                }),
            }
        }
        Ok((places, of_ask))
    }

    /// Locks the shards of all places, each once and in order, so that no two calls wait for each other.
    fn lock<'a>(&'a self, places: &mut [Place<'_>]) -> Tables<'a> {
        let shards = places.iter().map(|place| self.shard(place.probe.hash));
        let mut shards: SmallVec<[usize; 4]> = shards.collect();
        shards.sort_unstable();
        shards.dedup();
        for place in places {
            let shard = self.shard(place.probe.hash);
            place.table = shards.binary_search(&shard).unwrap_or_default();
        }
        let locked = shards
            .iter()
            .map(|shard| (*shard, self.shards[*shard].lock()));
        locked.collect()
    }

    /// Finds the state of each place; those that would be new get room first, since that moves entries.
    fn find<'a>(
        &'a self,
        action: Action,
        places: &mut [Place<'_>],
        tables: &mut Tables<'_>,
        now: u64,
    ) -> Overflow<'a> {
        let takes = matches!(action, Action::Acquire | Action::Charge);
        let tags: SmallVec<[u32; 4]> = places.iter().map(|place| place.probe.tag()).collect();
        let mut overflow = None;
        for place in &mut *places {
            let table = &mut tables[place.table].1;
            let is_kept = place.probe.rule.is_counted() && !place.from_overflow;
            if place.from_overflow || (is_kept && table.find(&place.probe).is_none()) {
                let has_room = takes && place.cost > 0 && self.make_room(table, now, &tags);
                let has_none = takes && place.cost > 0 && !has_room;
                if overflow.is_none() && (has_none || !self.overflow.is_empty()) {
                    overflow = Some(self.overflow.lock(now));
                }
                place.target = place.newcomer(action, has_room, has_none, &mut overflow, now);
                if has_room && !matches!(place.target, Target::New(_)) {
                    self.release(1);
                }
            }
        }
        for place in places {
            if place.probe.rule.is_counted()
                && !place.from_overflow
                && let Some(entry) = tables[place.table].1.find(&place.probe)
            {
                place.target = Target::Entry(entry);
            }
        }
        overflow
    }

    /// Drops some of what is as good as new, and takes room for a newcomer, if there is any.
    fn make_room(&self, table: &mut Table, now: u64, keep: &[u32]) -> bool {
        self.release(table.evict(LOOKS, now, keep));
        if self.reserve() {
            return true;
        }
        self.release(table.evict(MORE_LOOKS, now, keep));
        self.reserve()
    }
}

impl Place<'_> {
    /// Where the state of a key is that has no entry: what newcomers share may hold some of what it has used, so it goes on from there.
    fn newcomer(
        &self,
        action: Action,
        has_room: bool,
        has_none: bool,
        overflow: &mut Overflow<'_>,
        now: u64,
    ) -> Target {
        let Probe { rule, group, .. } = &self.probe;
        let used = overflow.as_mut();
        let used = used.and_then(|overflow| overflow.used(rule, group, now));
        match used {
            Some(_) if action == Action::GiveBack => Target::Overflow(rule.fresh()),
            // Places in flight that were taken there are given back there.
            Some(_) if has_none || (has_room && matches!(rule, Rule::InFlight(_))) => {
                Target::Overflow(rule.fresh())
            }
            Some(used) if has_room => Target::New(used.clone()),
            Some(used) => Target::Passing(used.clone()),
            None if has_none => Target::Overflow(rule.fresh()),
            None if has_room => Target::New(rule.fresh()),
            None => Target::Passing(rule.fresh()),
        }
    }

    /// Places in flight say where they were taken, and go back there.
    fn receipt(&self, receipt: Receipt) -> Receipt {
        match (&self.target, self.probe.rule) {
            (Target::Overflow(_), Rule::InFlight(_)) if receipt != Receipt::NONE => IN_OVERFLOW,
            _ => receipt,
        }
    }

    /// The moment, with the offset of the key, or of all newcomers.
    fn at(&self, now: u64) -> At {
        At {
            now,
            offset: match self.target {
                Target::Overflow(_) => 0,
                _ => self.probe.hash,
            },
        }
    }

    fn state<'s>(
        &'s mut self,
        tables: &'s mut Tables<'_>,
        overflow: &'s mut Overflow<'_>,
    ) -> &'s mut State {
        let Probe { rule, group, .. } = &self.probe;
        match (&mut self.target, overflow) {
            (Target::Entry(entry), _) => tables[self.table].1.state(*entry),
            (Target::Overflow(_), Some(overflow)) => overflow.state(rule, group),
            // The states that newcomers share are locked before any target is one of them.
            (Target::New(state) | Target::Passing(state) | Target::Overflow(state), _) => state,
        }
    }
}

/// Is it to be given back to what newcomers share?
#[inline]
fn is_of_overflow(action: Action, ask: &Ask<'_>, rule: &Rule) -> bool {
    action == Action::GiveBack && ask.receipt == IN_OVERFLOW && matches!(rule, Rule::InFlight(_))
}

/// Changes a state.
fn act(action: Action, rule: &Rule, state: &mut State, at: At, ask: &Ask<'_>) -> Receipt {
    match action {
        Action::Acquire | Action::Charge => rule.take(state, at, ask.cost),
        Action::GiveBack => {
            rule.give_back(state, at, ask.cost, ask.receipt);
            Receipt::NONE
        }
        // Places in flight are in use, whatever is forgotten.
        Action::Reset if !matches!(rule, Rule::InFlight(_)) => {
            *state = rule.fresh();
            Receipt::NONE
        }
        Action::Reset | Action::Peek => Receipt::NONE,
    }
}
