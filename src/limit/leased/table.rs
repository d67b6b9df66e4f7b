//! The leases of a node, in shards, bounded in number.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::super::ask::Ask;
use super::super::rule::Rule;
use super::lease::Lease;

const SHARDS: usize = 64;

/// Longer names are not kept here: what a lease takes is bounded.
const LONGEST_NAME: usize = 1_024;

pub(super) struct Table {
    hasher: RandomState,
    shards: Box<[Shard]>,
    /// How many leases a shard holds.
    most: usize,
}

#[derive(Default)]
#[repr(align(128))]
struct Shard {
    leases: Mutex<Leases>,
    /// Somebody has borrowed, or has given up.
    borrowed: Notify,
}

type Leases = HashMap<u64, Entry, RandomState>;

struct Entry {
    rule: Rule,
    group: Box<str>,
    name: Box<[u8]>,
    lease: Lease,
}

/// Where the lease of an ask is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) rule: Rule,
    hash: u64,
}

pub(super) type Places = SmallVec<[Place; 2]>;

impl Place {
    fn shard(&self) -> usize {
        (self.hash >> 32) as usize % SHARDS
    }
}

impl Table {
    /// For no more than about `most` leases.
    pub(super) fn new(most: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            most: most.div_ceil(SHARDS),
        }
    }

    /// Where the asks of a call are leased; none where any of them cannot be.
    pub(super) fn places(&self, asks: &[Ask<'_>]) -> Option<Places> {
        let mut places = Places::new();
        for ask in asks {
            let rule = ask.quota.rule().ok()?;
            let can_be_lent = match rule {
                Rule::Unlimited | Rule::Denied | Rule::InFlight(_) => false,
                Rule::Gcra(_) | Rule::Fixed(_) | Rule::Counter(_) | Rule::Log(_) => {
                    ask.cost <= rule.capacity() && ask.key.name().len() <= LONGEST_NAME
                }
            };
            let hash = self.hasher.hash_one((rule, ask.key));
            // Asks that count together are for the limiter.
            if !can_be_lent || places.iter().any(|place| place.hash == hash) {
                return None;
            }
            places.push(Place { rule, hash });
        }
        Some(places)
    }

    /// Locks the shards of these places, in an order that all keep.
    pub(super) fn lock(&self, places: &Places) -> Locked<'_> {
        let mut indexes: SmallVec<[usize; 2]> = places.iter().map(Place::shard).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let guards = indexes.into_iter().map(|index| {
            let leases = &self.shards[index].leases;
            (index, leases.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Locked {
            most: self.most,
            guards: guards.collect(),
        }
    }

    /// Where it is told that somebody has borrowed here.
    pub(super) fn borrowed(&self, place: &Place) -> &Notify {
        &self.shards[place.shard()].borrowed
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.leases.lock().unwrap().len()).sum()
    }
}

/// Some shards, locked.
pub(super) struct Locked<'a> {
    most: usize,
    guards: SmallVec<[(usize, MutexGuard<'a, Leases>); 2]>,
}

impl Locked<'_> {
    /// The lease of an ask, if there is one.
    pub(super) fn lease(&mut self, place: &Place, ask: &Ask<'_>) -> Option<&mut Lease> {
        let entry = self.shard(place)?.get_mut(&place.hash)?;
        let is_its_own = entry.rule == place.rule
            && &*entry.group == ask.key.group()
            && &*entry.name == ask.key.name();
        is_its_own.then_some(&mut entry.lease)
    }

    /// The same; a new one where there is none. None where there is no room for it, or another has its place.
    pub(super) fn lease_or_new(
        &mut self,
        place: &Place,
        ask: &Ask<'_>,
        now: u64,
    ) -> Option<&mut Lease> {
        let most = self.most;
        let shard = self.shard(place)?;
        if !shard.contains_key(&place.hash) {
            if shard.len() >= most {
                shard.retain(|_, entry| !entry.lease.is_idle(now));
            }
            if shard.len() >= most {
                return None;
            }
            let entry = Entry {
                rule: place.rule,
                group: ask.key.group().into(),
                name: ask.key.name().into(),
                lease: Lease::default(),
            };
            shard.insert(place.hash, entry);
        }
        self.lease(place, ask)
    }

    /// Forgets a lease.
    pub(super) fn forget(&mut self, place: &Place, ask: &Ask<'_>) {
        if self
            .lease(place, ask)
            .is_some_and(|lease| !lease.is_borrowing)
            && let Some(shard) = self.shard(place)
        {
            shard.remove(&place.hash);
        }
    }

    fn shard(&mut self, place: &Place) -> Option<&mut Leases> {
        let index = place.shard();
        let mut guards = self.guards.iter_mut();
        guards
            .find(|(locked, _)| *locked == index)
            .map(|(_, leases)| &mut **leases)
    }
}
