//! How reads, writes and purges of a memory store meet.
//!
//! A read takes no lock of the fence while the fence stands where the record was last checked. A write holds the fence for reading until its
//! record stands, and a purge holds it for writing: so of the two, one is first.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::entries::{Entries, Left};
use crate::clock::Now;
use crate::store::fence::Fence;
use crate::store::watch::Watchers;
use crate::store::{Found, Key, Record, Removal, Stamp, Times};

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
            .and_then(|record| self.current(key, record, seq, now));
        Found { record, stamp }
    }

    fn current(
        &self,
        key: Key<'_>,
        mut record: Arc<Record>,
        seq: u64,
        now: Now,
    ) -> Option<Arc<Record>> {
        // The number alone would not do: the same record may stand in two stores, whose numbers can meet, but never in two epochs.
        if record.stamp.epoch != self.epoch || record.checked.load(Ordering::Relaxed) != seq {
            record = self.check(key, record)?;
        }
        if now >= record.times.keep_until {
            self.take_away(key, &record, Removal::Expired);
            return None;
        }
        Some(record)
    }

    /// The record as the fence sees it now, which the next hit need not ask again.
    fn check(&self, key: Key<'_>, record: Arc<Record>) -> Option<Arc<Record>> {
        let checked = {
            let fence = self.fence();
            fence
                .admits(record.stamp, &record.marks)
                .then(|| checked(&fence, &record))
        };
        let Some(checked) = checked else {
            self.take_away(key, &record, Removal::Purged);
            return None;
        };
        // Whoever changes the record now does the same, and a hit waits for nobody.
        if !Arc::ptr_eq(&checked, &record)
            && let Ok(_order) = self.writes[write_lock_of(key)].try_lock()
            && let Some(standing) = self.entries.peek(key.as_bytes())
            && Arc::ptr_eq(&standing, &record)
        {
            self.replace(key, checked.clone(), Recency::Stays);
        }
        Some(checked)
    }

    /// Puts a record in the place of the one that stands under the key; not if that has just been taken away, by a purge or to make room.
    /// The caller holds the key's write lock.
    pub(super) fn replace(&self, key: Key<'_>, record: Arc<Record>, recency: Recency) -> bool {
        let mut left = Left::new();
        let replaced = self.entries.replace_with_lifecycle(
            key.as_bytes().into(),
            record,
            recency == Recency::Stays,
            &mut left,
        );
        self.tell_evicted(key, &left);
        replaced.is_ok()
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

    pub(super) fn tell_evicted(&self, written: Key<'_>, left: &Left) {
        for (key, _) in left {
            // A record that is replaced leaves the map in the same way, but its key still stands there.
            if **key != *written.as_bytes() || !self.entries.contains_key(&**key) {
                self.evictions.fetch_add(1, Ordering::Relaxed);
                self.watchers.removed(key, Removal::Evicted);
            }
        }
    }

    pub(super) fn fence(&self) -> RwLockReadGuard<'_, Fence> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does a change make a record one that was used lately?
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Recency {
    Renewed,
    Stays,
}

/// An admitted record with the lifetimes that soft purges leave it, noted as checked.
pub(super) fn checked(fence: &Fence, record: &Arc<Record>) -> Arc<Record> {
    let end = fence.soft_end(record.stamp, &record.marks);
    let record = match end.filter(|end| *end < record.times.fresh_until) {
        None => record.clone(),
        Some(fresh_until) => Arc::new(record.with_times(Times {
            fresh_until,
            ..record.times
        })),
    };
    record.checked.store(fence.stamp().seq, Ordering::Relaxed);
    record
}

pub(super) fn write_lock_of(key: Key<'_>) -> usize {
    let mut hasher = DefaultHasher::new();
    key.as_bytes().hash(&mut hasher);
    (hasher.finish() % WRITE_LOCKS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::tests::{NOW, record};
    use super::*;
    use crate::store::{Done, Mark, MemoryStore, Op, Purge, When};

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
                    .strike(&Purge::Marks(vec![mark(1_000 + unrelated)]), NOW);
                for n in (purged..RECORDS).filter(|n| unrelated % (n % 7 + 1) == 0) {
                    assert!(is_kept(n), "{n} is struck by another's purge");
                }
            }
            store.shared.strike(&Purge::Marks(vec![mark(purged)]), NOW);
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
                store.shared.strike(&unrelated, NOW);
                (0..round % 61).for_each(|_| std::hint::spin_loop());
                store.shared.strike(&related, NOW);
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

    /// The record with shorter lifetimes takes the place of the one it was read from, and of no other.
    #[test]
    fn a_softened_record_replaces_the_one_it_was_made_of_alone() {
        let store = MemoryStore::new(1024 * 1024);
        let (key, mark) = (Key::new(b"a"), Mark::of("test", &[b"a"]));
        let put = || {
            let stamp = store.shared.get(key, NOW).stamp;
            let op = Op::Put(record(stamp, &[mark], 10), When::Fenced);
            assert_eq!(store.shared.apply(key, &op, NOW), Done::Stored);
        };
        put();
        let read = store.shared.entries.peek(key.as_bytes()).unwrap();
        store.shared.strike(&Purge::Soft(vec![mark], NOW), NOW);

        let softened = store.shared.get(key, NOW).record.unwrap();
        assert_eq!(softened.times.fresh_until, NOW);
        let again = store.shared.get(key, NOW).record.unwrap();
        assert!(Arc::ptr_eq(&softened, &again), "it is made once");

        put();
        let young = store.shared.check(key, read.clone()).unwrap();
        assert_eq!(young.times.fresh_until, NOW, "what was read is stale");
        let standing = store.shared.get(key, NOW).record.unwrap();
        assert_eq!(standing.times.fresh_until, Now::NEVER, "what stands is not");

        store.shared.entries.remove(key.as_bytes());
        store.shared.check(key, read);
        assert!(
            store.shared.get(key, NOW).record.is_none(),
            "nor is it back"
        );
    }
}
