//! The states of one shard.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::super::rule::{Rule, State};
use super::name::{Name, Sought};
use crate::mutant::is_off;

/// No entry stands here.
const NONE: u32 = u32::MAX;

/// Entries in no order, and an index over them: linear probing, so that a key is found in one or two cache lines beside its entry.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// As many as a power of two, or none.
    index: Vec<Slot>,
    policies: HashMap<u64, Arc<Policy>, RandomState>,
    /// Which entry is looked at next.
    cursor: usize,
}

struct Entry {
    policy: Arc<Policy>,
    name: Name,
    tag: u32,
    state: State,
}

/// What many keys have in common.
struct Policy {
    rule: Rule,
    group: Box<str>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Where it would best stand.
    tag: u32,
    entry: u32,
}

/// A key, as it is looked up.
pub(super) struct Probe<'a> {
    pub(super) rule: Rule,
    pub(super) group: &'a str,
    pub(super) name: Sought<'a>,
    pub(super) hash: u64,
}

impl Probe<'_> {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.name == other.name
            && self.rule == other.rule
            && self.group == other.group
    }

    /// The bits that do not choose the shard.
    pub(super) const fn tag(&self) -> u32 {
        self.hash as u32
    }
}

impl Policy {
    #[inline]
    fn is_of(&self, probe: &Probe<'_>) -> bool {
        self.rule == probe.rule && *self.group == *probe.group
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Which entry is of this key. It stays so until something is evicted.
    #[inline]
    pub(super) fn find(&self, probe: &Probe<'_>) -> Option<usize> {
        let mask = self.index.len().checked_sub(1)?;
        let mut at = probe.tag() as usize & mask;
        loop {
            let slot = self.index[at];
            if slot.entry == NONE {
                return None;
            }
            if slot.tag == probe.tag() {
                let entry = &self.entries[slot.entry as usize];
                if entry.name.is(&probe.name) && entry.policy.is_of(probe) {
                    return Some(slot.entry as usize);
                }
            }
            at = (at + 1) & mask;
        }
    }

    pub(super) fn state(&mut self, entry: usize) -> &mut State {
        &mut self.entries[entry].state
    }

    /// For a key that has none yet.
    pub(super) fn insert(&mut self, probe: &Probe<'_>, state: State) {
        let len = self.entries.len();
        if (len + 1) * 4 > self.index.len() * 3 {
            self.rebuild((self.index.len() * 2).max(8));
        }
        if len == self.entries.capacity() {
            // By a quarter, so that little more is taken than is used.
            self.entries.reserve_exact(len / 4 + 4);
        }
        let policy = self.policy(probe);
        self.entries.push(Entry {
            policy,
            name: Name::of(&probe.name),
            tag: probe.tag(),
            state,
        });
        self.point(probe.tag(), len);
    }

    fn policy(&mut self, probe: &Probe<'_>) -> Arc<Policy> {
        use std::hash::BuildHasher;
        let hash = self.policies.hasher().hash_one((probe.rule, probe.group));
        let made = || {
            Arc::new(Policy {
                rule: probe.rule,
                group: probe.group.into(),
            })
        };
        if self.policies.len() == self.policies.capacity() {
            self.policies
                .retain(|_, policy| Arc::strong_count(policy) > 1);
        }
        let policy = self.policies.entry(hash).or_insert_with(made);
        match policy.is_of(probe) {
            true => policy.clone(),
            // Two of one hash: this one is not shared.
            false => made(),
        }
    }

    /// Looks at so many entries, going round, and drops those that are as good as new, but none with these tags. How many it dropped.
    pub(super) fn evict(&mut self, looks: usize, now: u64, keep: &[u32]) -> usize {
        let before = self.entries.len();
        for _ in 0..looks.min(before) {
            if self.cursor >= self.entries.len() {
                self.cursor = 0;
            }
            let Some(entry) = self.entries.get(self.cursor) else {
                break;
            };
            let is_fresh = entry.policy.rule.fresh_at(&entry.state) <= now || is_off("limit");
            match is_fresh && !keep.contains(&entry.tag) {
                true => self.remove(self.cursor),
                false => self.cursor += 1,
            }
        }
        let len = self.entries.len();
        if len < before && len < self.entries.capacity() / 4 {
            self.entries.shrink_to(len * 2);
            self.rebuild((len * 2).next_power_of_two().max(8));
        }
        before - len
    }

    /// Another takes its place.
    fn remove(&mut self, entry: usize) {
        let removed = self.slot_of(entry);
        self.vacate(removed);
        let last = self.entries.len() - 1;
        if entry != last {
            let moved = self.slot_of(last);
            self.index[moved].entry = entry as u32;
        }
        self.entries.swap_remove(entry);
    }

    /// Where the index points to this entry.
    fn slot_of(&self, entry: usize) -> usize {
        let mask = self.index.len() - 1;
        let mut at = self.entries[entry].tag as usize & mask;
        while self.index[at].entry != entry as u32 {
            at = (at + 1) & mask;
        }
        at
    }

    /// Empties a slot; what was displaced by it moves up, so that searches end at the first empty one.
    fn vacate(&mut self, mut hole: usize) {
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.index[at];
            if slot.entry == NONE {
                break;
            }
            let displaced = at.wrapping_sub(slot.tag as usize) & mask;
            if displaced >= at.wrapping_sub(hole) & mask {
                self.index[hole] = slot;
                hole = at;
            }
        }
        self.index[hole].entry = NONE;
    }

    fn point(&mut self, tag: u32, entry: usize) {
        let mask = self.index.len() - 1;
        let mut at = tag as usize & mask;
        while self.index[at].entry != NONE {
            at = (at + 1) & mask;
        }
        self.index[at] = Slot {
            tag,
            entry: entry as u32,
        };
    }

    fn rebuild(&mut self, slots: usize) {
        // The old one is freed first.
        self.index = Vec::new();
        self.index = vec![
            Slot {
                tag: 0,
                entry: NONE
            };
            slots
        ];
        for entry in 0..self.entries.len() {
            self.point(self.entries[entry].tag, entry);
        }
    }
}

#[cfg(test)]
impl Table {
    /// For how many entries there is memory.
    pub(super) fn room(&self) -> usize {
        self.entries.capacity().max(self.index.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limit::Quota;
    use crate::limit::rule::At;

    const NUMBERS: [u8; 128] = {
        let mut numbers = [0; 128];
        let mut number = 0;
        while number < numbers.len() {
            numbers[number] = number as u8;
            number += 1;
        }
        numbers
    };

    fn probe(rule: Rule, number: u8) -> Probe<'static> {
        Probe {
            rule,
            group: if number.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            },
            name: Sought::of(&NUMBERS[usize::from(number / 2)..][..1]),
            // So that many collide, at the end of the index too.
            hash: u64::from(number % 7) * 0x3FFF_FFFF,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn what_was_inserted_is_found_until_it_is_dropped(steps in proptest::collection::vec((any::<u8>(), 0..20_usize), 1..300)) {
            let rule = Quota::new(1, std::time::Duration::from_secs(1)).unwrap().rule().unwrap();
            let mut table = Table::default();
            // When each is as good as new.
            let mut model = std::collections::HashMap::new();
            for (now, (number, looks)) in (1_000_000..).step_by(50_000).zip(steps) {
                let probe = probe(rule, number);
                if table.find(&probe).is_none() {
                    prop_assert!(!model.contains_key(&number));
                    let mut state = rule.fresh();
                    rule.take(&mut state, At { now, offset: 0 }, 1);
                    table.insert(&probe, state);
                    model.insert(number, now + 1_000_000);
                }
                let keep = self::probe(rule, 3);
                let evicted = table.evict(looks, now, &[keep.tag()]);
                let before = model.len();
                model.retain(|number, fresh_at: &mut u64| {
                    let is_kept = table.find(&self::probe(rule, *number)).is_some();
                    assert!(is_kept || (*fresh_at <= now && *number != 3));
                    is_kept
                });
                prop_assert_eq!(before - evicted, model.len());
                prop_assert_eq!(table.len(), model.len());
            }
            let all = table.len();
            table.evict(all, u64::MAX, &[]);
            prop_assert_eq!(table.len(), 0);
            prop_assert!(table.room() < 100);
        }
    }

    #[test]
    fn only_what_is_as_good_as_new_is_dropped() {
        let rule = Quota::new(1, std::time::Duration::from_secs(1))
            .unwrap()
            .rule()
            .unwrap();
        let mut table = Table::default();
        for number in 0..100 {
            let mut state = rule.fresh();
            let now = u64::from(number) * 1_000;
            rule.take(&mut state, At { now, offset: 0 }, 1);
            table.insert(&probe(rule, number), state);
        }
        // The first fifty were taken a second ago or longer.
        assert_eq!(table.evict(100, 1_049_000, &[]), 50);
        for number in 0..100 {
            let is_kept = table.find(&probe(rule, number)).is_some();
            assert_eq!(is_kept, number >= 50, "{number}");
        }
    }
}
