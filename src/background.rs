//! The only place that spawns: bounded, tracked, abortable tasks.
//!
//! A fill whose client went away, a recording that nobody drives, and a commit to a slow store go on here. Past the limit, work is refused
//! rather than queued, and whoever offered it falls back (a fill is dropped, its followers elect a new leader).

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The longest that a fill or a body goes on after its client went away.
pub(crate) const LONGEST_ALONE: Duration = Duration::from_secs(30);

/// A future that nobody waits for.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The handle on a cache's background tasks; clones share them.
#[derive(Clone)]
pub struct Background {
    shared: Arc<Shared>,
}

struct Shared {
    limit: usize,
    running: Mutex<Running>,
    idle: Notify,
}

#[derive(Default)]
struct Running {
    next: u64,
    closed: bool,
    tasks: HashMap<u64, Option<AbortHandle>>,
}

impl Background {
    /// At most `limit` tasks at once; the default of a cache is 256.
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit,
                running: Mutex::default(),
                idle: Notify::new(),
            }),
        }
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Waits until no task is left. Tasks started meanwhile are waited for too.
    pub async fn idle(&self) {
        loop {
            let notified = self.shared.idle.notified();
            if self.running() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Aborts what runs, and takes nothing more: for a server that shuts down.
    pub fn shutdown(&self) {
        let mut running = self.lock();
        running.closed = true;
        for handle in running.tasks.values().flatten() {
            handle.abort();
        }
    }

    /// Starts `task`, unless the limit is reached, the handle is closed, or no runtime is at hand; then it is dropped and `false` returned.
    pub(crate) fn spawn(&self, task: Task) -> bool {
        self.start(task, self.shared.limit)
    }

    /// The same past the limit, for what must not be dropped: a purge is short, and owed.
    pub(crate) fn spawn_owed(&self, task: Task) -> bool {
        self.start(task, usize::MAX)
    }

    fn start(&self, task: Task, limit: usize) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return false;
        };
        let id = {
            let mut running = self.lock();
            if running.closed || running.tasks.len() >= limit {
                return false;
            }
            running.next += 1;
            let id = running.next;
            running.tasks.insert(id, None);
            id
        };
        let done = Done {
            background: self.clone(),
            id,
        };
        let handle = runtime.spawn(async move {
            let _done = done;
            task.await;
        });
        // The task may have ended already; only a running one is worth a handle.
        let mut running = self.lock();
        let closed = running.closed;
        if let Some(slot) = running.tasks.get_mut(&id) {
            if closed {
                handle.abort();
            }
            *slot = Some(handle.abort_handle());
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.shared
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("limit", &self.shared.limit)
            .field("running", &self.running())
            .finish()
    }
}

/// Runs when a task ends, also by panic or abort.
struct Done {
    background: Background,
    id: u64,
}

impl Drop for Done {
    fn drop(&mut self) {
        let empty = {
            let mut running = self.background.lock();
            running.tasks.remove(&self.id);
            running.tasks.is_empty()
        };
        if empty {
            self.background.shared.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn past_the_limit_work_is_refused() {
        let background = Background::new(1);
        assert!(background.spawn(Box::pin(std::future::pending())));
        assert!(!background.spawn(Box::pin(async {})));
        background.shutdown();
        background.idle().await;
        assert_eq!(background.running(), 0);
        assert!(!background.spawn(Box::pin(async {})), "closed");
    }

    #[tokio::test]
    async fn a_task_that_panics_frees_its_place() {
        let background = Background::new(1);
        assert!(background.spawn(Box::pin(async { panic!("as a handler may") })));
        background.idle().await;
        assert!(background.spawn(Box::pin(async {})));
    }

    #[test]
    fn without_a_runtime_work_is_refused() {
        assert!(!Background::new(1).spawn(Box::pin(async {})));
    }
}
