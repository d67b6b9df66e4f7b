//! Counters that threads raise without meeting.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Event, GroupStats, LimitStats, OTHER_GROUPS};
use crate::monitor::shard::{PLACES, Place};

/// How many groups are counted by name: names may come from requests, and must not fill the memory.
const MOST_GROUPS: usize = 256;

const EVENTS: usize = Event::ALL.len();

/// The counters of all groups.
#[derive(Default)]
pub(crate) struct Counters {
    groups: RwLock<BTreeMap<Arc<str>, Arc<GroupCounters>>>,
}

/// The counters of one group, for those that count there again and again.
#[derive(Default)]
pub(crate) struct GroupCounters {
    places: [Counts; PLACES],
}

/// Of one thread, in cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Counts([AtomicU64; EVENTS]);

impl GroupCounters {
    pub(crate) fn count(&self, event: Event) {
        let place = Place::mine();
        if let Some(counts) = self.places.get(place.index()) {
            place.add(&counts.0[event as usize], 1);
        }
    }

    fn sums(&self) -> [u64; EVENTS] {
        std::array::from_fn(|event| {
            let counts = self.places.iter().map(|counts| &counts.0[event]);
            counts.fold(0, |sum: u64, count| {
                sum.wrapping_add(count.load(Ordering::Relaxed))
            })
        })
    }
}

impl Counters {
    /// The counters of a group; those of all others when there are too many.
    pub(crate) fn group(&self, name: &str) -> Arc<GroupCounters> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(name) {
            return group.clone();
        }
        drop(groups);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let name = match groups.len() < MOST_GROUPS || groups.contains_key(name) {
            true => name,
            false => OTHER_GROUPS,
        };
        groups.entry(name.into()).or_default().clone()
    }

    pub(crate) fn count(&self, group: &str, event: Event) {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(group) {
            return group.count(event);
        }
        drop(groups);
        self.group(group).count(event);
    }

    pub(crate) fn stats(&self) -> LimitStats {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let groups = groups.iter();
        let groups: Vec<_> = groups
            .map(|(name, counters)| GroupStats::of(name, counters.sums()))
            .collect();
        let mut total = GroupStats::default();
        for group in &groups {
            total.add(group);
        }
        LimitStats { total, groups }
    }
}
