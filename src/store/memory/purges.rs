//! Purges: the fence moves in one step, and what is found is removed after it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::clock::Now;
use crate::store::{
    Key, KeyBuf, Mark, Matching, Notice, Purge, Record, RecordId, Removal, Stamp, Struck,
};

/// After how many records a purge by predicate lets other tasks of its thread go on.
const BATCH: usize = 1_024;

impl Shared {
    pub(super) async fn purge(&self, purge: &Purge, now: Now) -> Struck {
        let (stamp, counted) = self.move_fence(purge, now);
        let removed = match purge {
            Purge::Keys(keys) => self.remove_keys(keys, &counted, stamp),
            Purge::Matching(matching) => self.remove_matching(matching, stamp, now).await,
            Purge::Marks(_) | Purge::Soft(..) => 0,
        };
        self.watchers.notify(|| Notice::Marked(stamp));
        Struck { stamp, removed }
    }

    /// From now on, nothing is read or committed that the purge has outlawed. With the valid records of keys that are purged, to be counted
    /// when they are removed.
    pub(super) fn move_fence(&self, purge: &Purge, now: Now) -> (Stamp, Vec<RecordId>) {
        let mut fence = self.fence.write().unwrap_or_else(PoisonError::into_inner);
        let mut counted = Vec::new();
        let stamp = match purge {
            Purge::Keys(keys) => {
                let standing = keys
                    .iter()
                    .filter_map(|(key, _)| self.entries.peek(key.as_key().as_bytes()));
                let valid = standing.filter(|standing| {
                    now < standing.times.keep_until && fence.admits(standing.stamp, &standing.marks)
                });
                counted.extend(valid.map(|standing| standing.id));
                let marks: Vec<Mark> = keys.iter().map(|(_, mark)| *mark).collect();
                fence.mark_keys(&marks, now)
            }
            Purge::Marks(marks) => fence.mark(marks, now),
            Purge::Soft(marks, at) => fence.mark_soft(marks, *at, now),
            Purge::Matching(_) => fence.refuse_fills(now),
        };
        self.seq.store(stamp.seq, Ordering::Release);
        (stamp, counted)
    }

    fn remove_keys(&self, keys: &[(KeyBuf, Mark)], counted: &[RecordId], purged: Stamp) -> u64 {
        let removed = keys
            .iter()
            .filter_map(|(key, _)| self.remove_older(key.as_key(), purged))
            .filter(|record| counted.contains(&record.id));
        removed.count() as u64
    }

    async fn remove_matching(&self, matching: &Matching, purged: Stamp, now: Now) -> u64 {
        let mut removed = 0;
        // Every record that stood when the fence moved is seen: a change of one since then keeps its place, and no other old one comes.
        for (n, (key, _)) in self.entries.iter().enumerate() {
            if n % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
            if !matching.finds(&key) {
                continue;
            }
            let Some(record) = self.remove_older(Key::new(&key), purged) else {
                continue;
            };
            let was_valid =
                now < record.times.keep_until && self.fence().admits(record.stamp, &record.marks);
            removed += u64::from(was_valid);
        }
        removed
    }

    /// Removes what was read before a purge.
    fn remove_older(&self, key: Key<'_>, purged: Stamp) -> Option<std::sync::Arc<Record>> {
        let (key, record) = self
            .entries
            .remove_if(key.as_bytes(), |standing| standing.stamp.seq < purged.seq)?;
        self.watchers.removed(&key, Removal::Purged);
        Some(record)
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
}
