//! Events of a transaction that is still open.

use std::any::Any;
use std::fmt;

use super::{BoxedEvent, Emitting, Invalidation};

/// Collects events while a transaction is open, to be emitted once it has committed. From [`Invalidation::pending`].
///
/// ```
/// # use larder::{Cache, Invalidation, NullStore};
/// # struct OrderPlaced { id: u64 }
/// # struct StockChanged { dish: u64 }
/// # struct Transaction;
/// # impl Transaction { fn commit(self) -> Result<(), std::io::Error> { Ok(()) } }
/// # async fn run(rules: Invalidation, transaction: Transaction) -> Result<(), Box<dyn std::error::Error>> {
/// let mut events = rules.pending();
/// events.add(OrderPlaced { id: 7 });
/// events.add(StockChanged { dish: 5 });
/// transaction.commit()?; // where this fails, nothing is freed
/// events.emit().await?;
/// # Ok(())
/// # }
/// ```
///
/// Dropped without [`emit`](Self::emit), it frees nothing; that is logged, unless it was empty or [discarded](Self::discard). So a change must
/// run to its end: a handler is dropped when its client goes away, which between commit and emit would leave old pages. Spawn such changes.
#[must_use = "events free nothing until they are emitted"]
pub struct Pending {
    rules: Invalidation,
    events: Vec<BoxedEvent>,
}

impl Pending {
    pub(super) const fn new(rules: Invalidation) -> Self {
        Self {
            rules,
            events: Vec::new(),
        }
    }

    /// Adds what has happened.
    pub fn add<E: Any + Send + Sync>(&mut self, event: E) {
        self.events.push(Box::new(event));
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Has nothing happened yet?
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Emits all events, in one purge. See [`Invalidation::emit`].
    ///
    /// # Errors
    ///
    /// As those of [`Invalidation::emit`].
    pub fn emit(mut self) -> Emitting {
        Emitting::new(self.rules.clone(), std::mem::take(&mut self.events))
    }

    /// Drops the events of a transaction that has been rolled back.
    pub fn discard(mut self) {
        self.events.clear();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            crate::log::events_dropped(self.events.len());
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
