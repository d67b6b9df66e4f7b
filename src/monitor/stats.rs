//! Counts of every reason, spread so that threads do not meet.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::reason::{Absence, Reason};
use super::request::{self, Event};

const SHARDS: usize = 8;

/// Counters that requests on different threads raise without sharing a cache line.
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
    store_errors: AtomicU64,
    foreign: AtomicU64,
}

#[repr(align(128))]
struct Shard([AtomicU64; Reason::COUNT]);

impl Counters {
    pub(crate) fn count(&self, reason: Reason) {
        self.shards[shard()].0[reason.index()].fetch_add(1, Ordering::Relaxed);
        request::count(reason);
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.fetch_add(1, Ordering::Relaxed);
        request::note(Event::Error);
    }

    pub(crate) fn foreign(&self) {
        self.foreign.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let mut reasons = Vec::new();
        for reason in Reason::all() {
            let count = self
                .shards
                .iter()
                .map(|shard| shard.0[reason.index()].load(Ordering::Relaxed))
                .sum();
            if count > 0 {
                reasons.push((reason, count));
            }
        }
        Stats {
            reasons,
            store_errors: self.store_errors.load(Ordering::Relaxed),
            foreign: self.foreign.load(Ordering::Relaxed),
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            shards: [const { Shard([const { AtomicU64::new(0) }; Reason::COUNT]) }; SHARDS],
            store_errors: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

/// This thread's shard: threads take turns.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        mine.get()
    })
}

/// How often each reason answered, since the cache was built. Read it with [`Cache::stats`](crate::Cache::stats).
#[derive(Clone, Debug, Default)]
pub struct Stats {
    reasons: Vec<(Reason, u64)>,
    /// Calls of the store that failed or took too long.
    pub store_errors: u64,
    /// Records found in the store that could not be read: foreign, torn, or of another version.
    pub foreign: u64,
}

impl Stats {
    /// How often this reason answered.
    pub fn count(&self, reason: Reason) -> u64 {
        self.sum(|other| other == reason)
    }

    /// Answers from the store, without a word with the handler: fresh ones, and stale ones that are refreshed or that the request accepts.
    pub fn hits(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Hit | Reason::StaleHit(_)))
    }

    /// Answers from the store that the handler confirmed (304).
    pub fn validated(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Validated(_)))
    }

    /// Stale answers in place of a handler that failed or was slow.
    pub fn stale_on_error(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::StaleOnError(_)))
    }

    /// Errors of the cache's own.
    pub fn unanswered(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Unanswered(_)))
    }

    /// Answers from the flight of another request.
    pub fn collapsed(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Collapsed(_)))
    }

    /// Requests that looked for a stored response and had to ask the handler.
    pub fn misses(&self) -> u64 {
        self.sum(|reason| {
            matches!(
                reason,
                Reason::Stored(_)
                    | Reason::StoredAlone(_)
                    | Reason::Refused(..)
                    | Reason::RefusedAlone(..)
            )
        })
    }

    /// Answers of a handler that were stored.
    pub fn stored(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Stored(_) | Reason::StoredAlone(_)))
    }

    /// Requests that found a stale response.
    pub fn stale(&self) -> u64 {
        self.sum(|reason| {
            matches!(
                reason,
                Reason::Stored(Absence::Stale)
                    | Reason::StoredAlone(Absence::Stale)
                    | Reason::Refused(Absence::Stale, _)
                    | Reason::RefusedAlone(Absence::Stale, _)
                    | Reason::Collapsed(Absence::Stale)
                    | Reason::Validated(Absence::Stale)
                    | Reason::StaleHit(_)
                    | Reason::StaleOnError(_)
            )
        })
    }

    /// Requests that passed the cache by.
    pub fn bypassed(&self) -> u64 {
        self.sum(|reason| matches!(reason, Reason::Bypassed(_)))
    }

    /// Refusals and bypasses by the word that `detail` would say, sorted by it.
    pub fn details(&self) -> BTreeMap<&'static str, u64> {
        let mut details = BTreeMap::new();
        for (reason, count) in &self.reasons {
            if let Some(word) = reason.detail() {
                *details.entry(word).or_default() += count;
            }
        }
        details
    }

    fn sum(&self, picks: impl Fn(Reason) -> bool) -> u64 {
        self.reasons
            .iter()
            .filter(|(reason, _)| picks(*reason))
            .map(|(_, count)| count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::{Bypass, NotStored};
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counters.count(Reason::Hit);
                    }
                    counters.count(Reason::Refused(Absence::Uri, NotStored::Private));
                    counters.count(Reason::Bypassed(Bypass::Range));
                });
            }
        });
        let stats = counters.read();
        assert_eq!(stats.hits(), 4_000);
        assert_eq!(
            (stats.misses(), stats.stored(), stats.bypassed()),
            (4, 0, 4)
        );
        assert_eq!(stats.details()["private"], 4);
    }
}
