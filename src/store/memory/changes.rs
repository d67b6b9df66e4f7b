//! Changes of one key, each in one step: who changes a key holds its lock.

use std::sync::{Arc, PoisonError};

use super::entries::{Left, weight_of};
use super::shared::{Recency, Shared, checked, write_lock_of};
use crate::clock::Now;
use crate::store::fence::Fence;
use crate::store::{Done, If, Key, Op, Record, Removal, Times, When};

impl Shared {
    pub(super) fn apply(&self, key: Key<'_>, op: &Op, now: Now) -> Done {
        let _order = self.writes[write_lock_of(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match op {
            Op::Put(record, when) => self.put(key, record, *when, now),
            Op::Remove(condition) => self.remove(key, *condition),
            Op::Count { by, create } => self.count(key, *by, create.as_ref(), now),
            Op::Life {
                fresh_until,
                keep_until,
                of,
            } => self.give_life(key, (*fresh_until, *keep_until), *of, now),
        }
    }

    fn put(&self, key: Key<'_>, record: &Arc<Record>, when: When, now: Now) -> Done {
        if weight_of(key.as_bytes(), record) > self.largest as u64 {
            return Done::TooLarge;
        }
        // Held until the record stands: a purge comes before this commit and is seen by it, or comes after and strikes the record.
        let fence = self.fence();
        let standing = self.valid(key, &fence, now);
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
        let mut left = Left::new();
        self.entries.insert_with_lifecycle(
            key.as_bytes().into(),
            checked(&fence, record),
            &mut left,
        );
        drop(fence);
        self.tell_evicted(key, &left);
        Done::Stored
    }

    fn remove(&self, key: Key<'_>, condition: If) -> Done {
        let removed = self
            .entries
            .remove_if(key.as_bytes(), |standing| condition.holds_for(standing));
        let Some((key, _)) = removed else {
            return Done::Nothing;
        };
        self.watchers.removed(&key, Removal::Removed);
        Done::Removed
    }

    fn count(&self, key: Key<'_>, by: i64, create: Option<&Arc<Record>>, now: Now) -> Done {
        loop {
            let fence = self.fence();
            let Some(standing) = self.valid(key, &fence, now) else {
                drop(fence);
                return self.begin_to_count(key, create, now);
            };
            let Some(number) = standing.number() else {
                return Done::NotANumber;
            };
            let Some(sum) = number.checked_add(by) else {
                return Done::Overflow;
            };
            let counted = checked(&fence, &Arc::new(standing.counted_to(sum)));
            // A purge by predicate holds no lock while it removes what it finds, and must not be undone.
            if self.replace(key, counted, Recency::Renewed) {
                return Done::Counted(sum);
            }
        }
    }

    fn begin_to_count(&self, key: Key<'_>, create: Option<&Arc<Record>>, now: Now) -> Done {
        let Some(record) = create else {
            return Done::Nothing;
        };
        let Some(number) = record.number() else {
            return Done::NotANumber;
        };
        match self.put(key, record, When::Absent, now) {
            Done::Stored => Done::Counted(number),
            refused => refused,
        }
    }

    fn give_life(
        &self,
        key: Key<'_>,
        (fresh_until, keep_until): (Now, Now),
        of: If,
        now: Now,
    ) -> Done {
        let fence = self.fence();
        let standing = self.valid(key, &fence, now);
        let Some(standing) = standing.filter(|standing| of.holds_for(standing)) else {
            return Done::Nothing;
        };
        let living = standing.with_times(Times {
            fresh_until,
            keep_until,
            ..standing.times
        });
        if self.replace(key, checked(&fence, &Arc::new(living)), Recency::Renewed) {
            Done::Stored
        } else {
            Done::Nothing
        }
    }

    /// What stands under the key, if it is true and its time is not over.
    fn valid(&self, key: Key<'_>, fence: &Fence, now: Now) -> Option<Arc<Record>> {
        let standing = self.entries.peek(key.as_bytes())?;
        let is_valid = fence.admits(standing.stamp, &standing.marks);
        (is_valid && now < standing.times.keep_until).then_some(standing)
    }
}

impl If {
    fn holds_for(self, standing: &Record) -> bool {
        match self {
            Self::Any => true,
            Self::Same(id) => standing.id == id,
        }
    }
}
