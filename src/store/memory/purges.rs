//! Purges: what they strike is invalid from the step on in which the fence moves.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLockWriteGuard};

use super::shared::Shared;
use crate::clock::Now;
use crate::store::fence::Fence;
use crate::store::{Mark, Matching, Notice, Purge, Record, Removal, Stamp, Struck};

/// After how many records a purge by predicate lets other tasks of its thread go on.
const BATCH: usize = 1_024;

impl Shared {
    pub(super) async fn purge(&self, purge: &Purge, now: Now) -> Struck {
        match purge {
            Purge::Matching(matching) => self.purge_matching(matching, now).await,
            _ => self.strike(purge, now),
        }
    }

    /// A purge in one step, or the beginning of one by predicate.
    pub(super) fn strike(&self, purge: &Purge, now: Now) -> Struck {
        let mut removed = Vec::new();
        let mut counted = 0;
        let stamp = self.move_fence(|fence| match purge {
            Purge::Keys(keys) => {
                // While the fence is held: were its mark forgotten before the record is gone, the record would be valid once more.
                for (key, _) in keys {
                    if let Some((key, record)) = self.entries.remove(key.as_key().as_bytes()) {
                        counted += u64::from(is_valid(fence, &record, now));
                        removed.push(key);
                    }
                }
                let marks: Vec<Mark> = keys.iter().map(|(_, mark)| *mark).collect();
                fence.mark_keys(&marks, now)
            }
            Purge::Marks(marks) => fence.mark(marks, now),
            Purge::Soft(marks, at) => fence.mark_soft(marks, *at, now),
            Purge::Matching(_) => fence.refuse_fills(now),
        });
        for key in removed {
            self.watchers.removed(&key, Removal::Purged);
        }
        Struck {
            stamp,
            removed: counted,
        }
    }

    /// Refuses fills before it looks, so that none of them is stored where it has looked already; and again after it, so that nobody is given
    /// what was validated against a record that it had yet to find. For that reason it removes young records too.
    async fn purge_matching(&self, matching: &Matching, now: Now) -> Struck {
        self.move_fence(|fence| fence.refuse_fills(now));
        let mut removed = 0;
        // A record that is changed keeps its place, and so does not hide from the search.
        for (n, (key, _)) in self.entries.iter().enumerate() {
            if n % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
            if matching.finds(&key)
                && let Some((key, record)) = self.entries.remove(&key)
            {
                removed += u64::from(is_valid(&self.fence(), &record, now));
                self.watchers.removed(&key, Removal::Purged);
            }
        }
        let stamp = self.move_fence(|fence| fence.refuse_fills(now));
        Struck { stamp, removed }
    }

    fn move_fence(&self, how: impl FnOnce(&mut RwLockWriteGuard<'_, Fence>) -> Stamp) -> Stamp {
        let stamp = {
            let mut fence = self.fence.write().unwrap_or_else(PoisonError::into_inner);
            let stamp = how(&mut fence);
            self.seq.store(stamp.seq, Ordering::Release);
            stamp
        };
        self.watchers.notify(|| Notice::Marked(stamp));
        stamp
    }

    pub(super) fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Option<Stamp> {
        let mut is_admitted = false;
        let stamp = self.move_fence(|fence| {
            is_admitted = fence.admits_fill(fill, carried);
            fence.mark(marks, now)
        });
        is_admitted.then_some(stamp)
    }
}

fn is_valid(fence: &Fence, record: &Record, now: Now) -> bool {
    now < record.times.keep_until && fence.admits(record.stamp, &record.marks)
}
