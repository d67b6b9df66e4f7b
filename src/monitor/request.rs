//! What larder did for one request: counts that go with its task.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::reason::Reason;

tokio::task_local! {
    pub(super) static CURRENT: RequestCounts;
}

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something stored answered.
    Hit,
    /// It was looked for and could not answer.
    Miss,
    /// Something was stored.
    Set,
    /// A call of the store failed, or took too long.
    Error,
}

/// How often one request hit, missed and set, pages and values together, and how often the store failed it; clones share the counts.
///
/// A [`MonitorLayer`](crate::MonitorLayer) opens them for each request, and whatever larder does in the request's task is counted there,
/// across every `.await`, for each of its caches. A task that the handler spawns is not the request's, and takes the counts along with
/// [`scope`](Self::scope).
///
/// A page that is answered from what is stored is a hit, also where it was validated, is stale, or came from the flight of another
/// request; a page that the handler made is a miss, and a set if it is stored. A request that passed the cache by is neither.
///
/// ```
/// use larder::monitor::RequestCounts;
///
/// async fn handler() -> String {
///     let Some(counts) = RequestCounts::current() else {
///         return "no MonitorLayer".to_owned();
///     };
///     let warmed = tokio::spawn(counts.scope(async {
///         // Counted for this request, though it runs in another task.
///         RequestCounts::current().is_some()
///     }));
///     format!("{} {:?}", counts.hits(), warmed.await)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(handler().await, "no MonitorLayer");
///
/// // Without a layer, for a job that is no request:
/// let counts = RequestCounts::default();
/// assert_eq!(counts.scope(handler()).await, "0 Ok(true)");
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RequestCounts {
    counts: Arc<[AtomicU64; 4]>,
}

impl RequestCounts {
    /// Those of the request whose task this is; `None` outside a [`MonitorLayer`](crate::MonitorLayer), and in tasks that were spawned
    /// without [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// The same future, with what larder does in it counted here: for a task that works for the request.
    ///
    /// ```
    /// # use larder::monitor::RequestCounts;
    /// # async fn warm() {}
    /// # async fn handler() {
    /// if let Some(counts) = RequestCounts::current() {
    ///     tokio::spawn(counts.scope(async { warm().await }));
    /// }
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), future)
    }

    /// Answers from what is stored.
    pub fn hits(&self) -> u64 {
        self.of(Event::Hit)
    }

    /// What was looked for and had to be made.
    pub fn misses(&self) -> u64 {
        self.of(Event::Miss)
    }

    /// What was stored. A page counts when its head is there, before its body has ended.
    pub fn sets(&self) -> u64 {
        self.of(Event::Set)
    }

    /// Calls of the store that failed or took too long.
    pub fn errors(&self) -> u64 {
        self.of(Event::Error)
    }

    fn of(&self, event: Event) -> u64 {
        self.counts[event as usize].load(Ordering::Relaxed)
    }

    fn add(&self, event: Event) {
        self.counts[event as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for RequestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCounts")
            .field("hits", &self.hits())
            .field("misses", &self.misses())
            .field("sets", &self.sets())
            .field("errors", &self.errors())
            .finish()
    }
}

/// Counts `event` for the request whose task this is, if its requests are counted. On every hit: a look at the thread, and no clone.
pub(crate) fn note(event: Event) {
    // Without a scope there is nobody to tell.
    let _ = CURRENT.try_with(|counts| counts.add(event));
}

/// Counts what became of a page for the request whose task this is.
pub(crate) fn count_for_request(reason: Reason) {
    for event in events(reason) {
        note(*event);
    }
}

const fn events(reason: Reason) -> &'static [Event] {
    match reason {
        Reason::Hit
        | Reason::StaleHit(_)
        | Reason::Validated(_)
        | Reason::Collapsed(_)
        | Reason::StaleOnError(_) => &[Event::Hit],
        Reason::Stored(_) | Reason::StoredAlone(_) => &[Event::Miss, Event::Set],
        Reason::Refused(..) | Reason::RefusedAlone(..) | Reason::Unanswered(_) => &[Event::Miss],
        Reason::Bypassed(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::{Absence, Bypass, Failure, NotStored, StaleUse, Unanswered};
    use super::*;

    #[test]
    fn each_reason_is_a_hit_a_miss_or_neither() {
        use Event::{Hit, Miss, Set};

        let table: [(Reason, &[Event]); 11] = [
            (Reason::Hit, &[Hit]),
            (Reason::StaleHit(StaleUse::WhileRevalidated), &[Hit]),
            (Reason::Validated(Absence::Stale), &[Hit]),
            (Reason::Collapsed(Absence::Uri), &[Hit]),
            (Reason::StaleOnError(Failure::Status), &[Hit]),
            (Reason::Stored(Absence::Uri), &[Miss, Set]),
            (Reason::StoredAlone(Absence::Vary), &[Miss, Set]),
            (Reason::Refused(Absence::Uri, NotStored::Private), &[Miss]),
            (
                Reason::RefusedAlone(Absence::Uri, NotStored::Private),
                &[Miss],
            ),
            (Reason::Unanswered(Unanswered::OnlyIfCached), &[Miss]),
            (Reason::Bypassed(Bypass::Method), &[]),
        ];
        for (reason, counted) in table {
            assert_eq!(events(reason), counted, "{reason:?}");
        }
    }

    #[test]
    fn no_page_is_both_a_hit_and_a_miss() {
        for reason in Reason::all() {
            let has = |event| events(reason).contains(&event);
            assert!(!(has(Event::Hit) && has(Event::Miss)), "{reason:?}");
            assert!(!has(Event::Set) || has(Event::Miss), "{reason:?}");
        }
    }

    #[test]
    fn outside_a_request_nothing_is_counted() {
        note(Event::Hit);
        count_for_request(Reason::Hit);
        assert!(RequestCounts::current().is_none());
    }
}
