//! Hard purges that are made a second time, for data that is read from replicas that lag behind.
//!
//! A fill that starts after a purge may still read what a replica has not learnt yet, and store it. So the purge is made again, when the
//! replicas have caught up. One task of the background does it, from a queue that has a bound: past it, all of the queue becomes one purge of
//! everything, which purges more, never less.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Cache;
use super::lifetime::later;
use crate::store::{Mark, Purge, Store};

/// The most purges that wait to be made again.
const LONGEST: usize = 1_024;

/// The purges that are due a second time.
pub(super) struct Again {
    after: Duration,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// By the moment at which they are due.
    waiting: VecDeque<Waiting>,
    /// Does a task make them?
    is_attended: bool,
}

/// A purge that is to be made again.
struct Waiting {
    due: Instant,
    /// The part of the version that it is about: names of entries are looked for there.
    store: Arc<dyn Store>,
    purge: Purge,
}

impl Queue {
    fn push(&mut self, mut next: Waiting, everything: Mark) {
        if self.waiting.len() >= LONGEST {
            self.waiting.clear();
            // Due with the last of them, so that none is made too early.
            next.purge = Purge::Marks(vec![everything]);
        }
        self.waiting.push_back(next);
    }
}

impl Again {
    pub(super) fn after(span: Duration) -> Self {
        Self {
            after: span,
            queue: Mutex::default(),
        }
    }

    /// What is due next; where nothing is, nobody attends to the queue any more.
    fn next(&self) -> Option<Waiting> {
        let mut queue = self.lock();
        let next = queue.waiting.pop_front();
        queue.is_attended = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// Makes this purge a second time, where that is asked for.
    pub(super) fn purge_again(&self, purge: Purge) {
        let Some(again) = &self.shared.again else {
            return;
        };
        {
            let mut queue = again.lock();
            let next = Waiting {
                due: later(Instant::now(), again.after),
                store: self.shared.store.clone(),
                purge,
            };
            // Of all versions: what waits may be about any of them.
            queue.push(next, self.shared.all_versions_mark);
            if std::mem::replace(&mut queue.is_attended, true) {
                return;
            }
        }
        let cache = self.clone();
        let attending = Box::pin(async move { cache.attend().await });
        if !self.shared.background.spawn_owed(attending) {
            let left = {
                let mut queue = again.lock();
                queue.is_attended = false;
                std::mem::take(&mut queue.waiting)
            };
            for _ in left {
                self.not_delivered("no runtime is at hand, or the background is shut down");
            }
        }
    }

    async fn attend(&self) {
        let Some(again) = &self.shared.again else {
            return;
        };
        let stopped = Stopped(again);
        while let Some(Waiting { due, store, purge }) = again.next() {
            tokio::time::sleep_until(due).await;
            if let Err(error) = self.purge_in(&*store, &purge).await {
                crate::log::purge_error(&error);
            }
        }
        // Another may have begun to attend since the queue was found empty.
        std::mem::forget(stopped);
    }
}

/// A task that is stopped attends no longer: the next purge starts another.
struct Stopped<'a>(&'a Again);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.lock().is_attended = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_its_bound_the_queue_purges_more_never_less() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mark = |n: usize| Mark::from_digest(n as u128);
        let second = |n: usize| start + Duration::from_secs(n as u64);
        for n in 1..=LONGEST + 3 {
            let next = Waiting {
                due: second(n),
                store: Arc::new(crate::NullStore),
                purge: Purge::Marks(vec![mark(n)]),
            };
            queue.push(next, mark(0));
            assert!(queue.waiting.len() <= LONGEST);
        }
        let left: Vec<_> = queue
            .waiting
            .iter()
            .map(|waiting| match &waiting.purge {
                Purge::Marks(marks) => (waiting.due, marks[0]),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            left,
            [
                (second(LONGEST + 1), mark(0)),
                (second(LONGEST + 2), mark(LONGEST + 2)),
                (second(LONGEST + 3), mark(LONGEST + 3)),
            ]
        );
    }
}
