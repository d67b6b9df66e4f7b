//! How reads, writes and purges of a memory store meet.
//!
//! A read takes no lock of the fence while the fence stands where the record was last checked. A write holds the fence for reading until its
//! record stands, and a purge holds it for writing: so of the two, one is first.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::entries::{Entries, Left, weight_of};
use crate::clock::Now;
use crate::store::fence::Fence;
use crate::store::watch::Watchers;
use crate::store::{
    Done, Found, If, Key, Mark, Notice, Op, Purge, Record, Removal, Stamp, Struck, When,
};

/// Writes of one key are ordered by one of these locks.
pub(super) const WRITE_LOCKS: usize = 64;

/// What the clones of a memory store share: the records, and the fence that decides which of them are true.
pub(super) struct Shared {
    pub(super) entries: Entries,
    pub(super) largest: usize,
    pub(super) capacity: usize,
    pub(super) epoch: u64,
    /// The fence's sequence number, readable without its lock: a hit compares one number.
    pub(super) seq: AtomicU64,
    pub(super) fence: RwLock<Fence>,
    pub(super) writes: [Mutex<()>; WRITE_LOCKS],
    /// How many records were taken away to make room, and how many since their time was over.
    pub(super) evictions: AtomicU64,
    pub(super) expirations: AtomicU64,
    pub(super) watchers: Watchers,
}

impl Shared {
    pub(super) fn get(&self, key: Key<'_>, now: Now) -> Found {
        // Read before the record: a stamp may be too old, never too young.
        let seq = self.seq.load(Ordering::Acquire);
        let stamp = Stamp {
            epoch: self.epoch,
            seq,
        };
        let record = self
            .entries
            .get(key.as_bytes())
            .filter(|record| self.is_current(key, record, seq, now));
        Found { record, stamp }
    }

    fn is_current(&self, key: Key<'_>, record: &Arc<Record>, seq: u64, now: Now) -> bool {
        // The number alone would not do: the same record may stand in two stores, whose numbers can meet, but never in two epochs.
        if record.stamp.epoch != self.epoch || record.checked.load(Ordering::Relaxed) != seq {
            let fence = self.fence();
            if !fence.admits(record.stamp, &record.marks) {
                drop(fence);
                self.take_away(key, record, Removal::Purged);
                return false;
            }
            record.checked.store(fence.stamp().seq, Ordering::Relaxed);
        }
        if now >= record.times.keep_until {
            self.take_away(key, record, Removal::Expired);
            return false;
        }
        true
    }

    fn take_away(&self, key: Key<'_>, record: &Record, why: Removal) {
        let removed = self
            .entries
            .remove_if(key.as_bytes(), |standing| standing.id == record.id);
        if let Some((key, _)) = removed {
            if why == Removal::Expired {
                self.expirations.fetch_add(1, Ordering::Relaxed);
            }
            self.watchers.removed(&key, why);
        }
    }

    pub(super) fn apply(&self, key: Key<'_>, op: &Op, now: Now) -> Done {
        let _order = self.write_lock(key);
        match op {
            Op::Put(record, when) => self.put(key, record, *when, now),
            Op::Remove(condition) => {
                let removed = self
                    .entries
                    .remove_if(key.as_bytes(), |standing| match condition {
                        If::Any => true,
                        If::Same(id) => standing.id == *id,
                    });
                let Some((key, _)) = removed else {
                    return Done::Nothing;
                };
                self.watchers.removed(&key, Removal::Removed);
                Done::Removed
            }
            Op::Count { .. } | Op::Life { .. } => Done::Nothing,
        }
    }

    fn put(&self, key: Key<'_>, record: &Arc<Record>, when: When, now: Now) -> Done {
        if weight_of(key.as_bytes(), record) > self.largest as u64 {
            return Done::TooLarge;
        }
        // Held until the record stands: a purge comes before this commit and is seen by it, or comes after and strikes the record.
        let fence = self.fence();
        let standing = self.entries.peek(key.as_bytes()).filter(|standing| {
            fence.admits(standing.stamp, &standing.marks) && now < standing.times.keep_until
        });
        let willing = match (when, standing) {
            (_, _) if !fence.admits_fill(record.stamp, &record.marks) => return Done::Outlawed,
            (When::Always, _) => true,
            // A slow old fill must not replace what a younger one has stored.
            (When::Fenced, Some(standing)) => standing.stamp.seq <= record.stamp.seq,
            (When::Fenced | When::Absent, None) => true,
            (When::Absent, Some(_)) => false,
            (When::Same(id), standing) => standing.is_some_and(|standing| standing.id == id),
        };
        if !willing {
            return Done::Refused;
        }
        record.checked.store(fence.stamp().seq, Ordering::Relaxed);
        let mut left = Left::new();
        self.entries
            .insert_with_lifecycle(key.as_bytes().into(), record.clone(), &mut left);
        drop(fence);
        self.tell_evicted(key, &left);
        Done::Stored
    }

    fn tell_evicted(&self, written: Key<'_>, left: &Left) {
        for (key, _) in left {
            // A record that is replaced leaves the map in the same way, but its key still stands there.
            if **key != *written.as_bytes() || !self.entries.contains_key(&**key) {
                self.evictions.fetch_add(1, Ordering::Relaxed);
                self.watchers.removed(key, Removal::Evicted);
            }
        }
    }

    pub(super) fn purge(&self, purge: &Purge, now: Now) -> Option<Struck> {
        let stamp = {
            let mut fence = self.fence.write().unwrap_or_else(PoisonError::into_inner);
            let stamp = match purge {
                Purge::Keys(keys) => {
                    let marks: Vec<Mark> = keys.iter().map(|(_, mark)| *mark).collect();
                    fence.mark_keys(&marks, now)
                }
                Purge::Marks(marks) => fence.mark(marks, now),
                Purge::Soft(..) | Purge::Matching(_) => return None,
            };
            self.seq.store(stamp.seq, Ordering::Release);
            stamp
        };
        let mut struck = Struck::marked(stamp);
        if let Purge::Keys(keys) = purge {
            for (key, _) in keys {
                let removed = self.entries.remove_if(key.as_key().as_bytes(), |standing| {
                    standing.stamp.seq < stamp.seq
                });
                if let Some((key, _)) = removed {
                    struck.removed += 1;
                    self.watchers.removed(&key, Removal::Purged);
                }
            }
        }
        self.watchers.notify(|| Notice::Marked(stamp));
        Some(struck)
    }

    pub(super) fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Option<Stamp> {
        let (is_admitted, stamp) = {
            let mut fence = self.fence.write().unwrap_or_else(PoisonError::into_inner);
            let is_admitted = fence.admits_fill(fill, carried);
            let stamp = fence.mark(marks, now);
            self.seq.store(stamp.seq, Ordering::Release);
            (is_admitted, stamp)
        };
        self.watchers.notify(|| Notice::Marked(stamp));
        is_admitted.then_some(stamp)
    }

    pub(super) fn fence(&self) -> RwLockReadGuard<'_, Fence> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self, key: Key<'_>) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.writes[(hasher.finish() % WRITE_LOCKS as u64) as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::tests::{NOW, record};
    use super::*;
    use crate::store::MemoryStore;

    /// A hit that was found valid is not looked at again until the fence moves: no purge may hide behind that.
    #[test]
    fn no_purge_hides_behind_the_number_last_checked() {
        const RECORDS: u64 = 40;
        let store = MemoryStore::new(1024 * 1024);
        let mark = |n: u64| Mark::of("test", &[&n.to_be_bytes()]);
        let is_kept = |n: u64| {
            let found = store.shared.get(Key::new(&n.to_be_bytes()), NOW);
            found.record.is_some()
        };
        for n in 0..RECORDS {
            let key = n.to_be_bytes();
            let stamp = store.shared.get(Key::new(&key), NOW).stamp;
            let op = Op::Put(record(stamp, &[mark(n)], 10), When::Fenced);
            assert_eq!(store.shared.apply(Key::new(&key), &op, NOW), Done::Stored);
        }
        for purged in 0..RECORDS {
            for unrelated in 0..20 {
                // Some records are checked after every purge, some after a few, some only at the end.
                store
                    .shared
                    .purge(&Purge::Marks(vec![mark(1_000 + unrelated)]), NOW);
                for n in (purged..RECORDS).filter(|n| unrelated % (n % 7 + 1) == 0) {
                    assert!(is_kept(n), "{n} is struck by another's purge");
                }
            }
            store.shared.purge(&Purge::Marks(vec![mark(purged)]), NOW);
            assert!(!is_kept(purged), "the purge of {purged} is hidden");
        }
    }

    /// A reader checks a record against the fence while a purge strikes it: one of them is first.
    #[test]
    fn no_purge_hides_behind_a_reader_that_checks_meanwhile() {
        let store = MemoryStore::new(1024 * 1024);
        let (key, mark) = (Key::new(b"a"), Mark::of("test", &[b"a"]));
        let unrelated = Purge::Marks(vec![Mark::of("test", &[b"unrelated"])]);
        let related = Purge::Marks(vec![mark]);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    store.shared.get(key, NOW);
                }
            });
            for round in 0..50_000 {
                let stamp = store.shared.get(key, NOW).stamp;
                let op = Op::Put(record(stamp, &[mark], 10), When::Fenced);
                assert_eq!(store.shared.apply(key, &op, NOW), Done::Stored);
                // Now the reader has something to check.
                store.shared.purge(&unrelated, NOW);
                (0..round % 61).for_each(|_| std::hint::spin_loop());
                store.shared.purge(&related, NOW);
                // And the time to note down what it found, were it not to notice the purge.
                (0..round % 500).for_each(|_| std::hint::spin_loop());
                let is_found = store.shared.get(key, NOW).record.is_some();
                is_over.store(is_found, Ordering::Relaxed);
                assert!(!is_found, "a purge is hidden");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    /// Sequence numbers are times, so those of two stores made in the same millisecond are equal.
    #[test]
    fn a_record_checked_by_another_store_is_not_valid_here() {
        let open = || {
            let mut builder = MemoryStore::builder(1024 * 1024);
            builder.now = NOW;
            builder.build().unwrap()
        };
        let (here, there) = (open(), open());
        let key = Key::new(b"a");
        let record = record(there.shared.get(key, NOW).stamp, &[], 10);
        let fenced = Op::Put(record.clone(), When::Fenced);
        assert_eq!(there.shared.apply(key, &fenced, NOW), Done::Stored);
        // Its own put would refuse it: this is about what stands there all the same.
        here.shared.entries.insert(key.as_bytes().into(), record);
        assert!(here.shared.get(key, NOW).record.is_none());
    }
}
