//! Places in flight that could not be given back: tried again by and by, so that a server that is away for a moment does not keep them until
//! their leases end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::super::ask::Action;
use super::batch::Item;
use super::limiter::Shared;

/// How soon it is tried again.
const PAUSE: Duration = Duration::from_millis(250);
/// So many are remembered; leases end what comes beyond them.
const MOST: usize = 65_536;
/// So many are given back by one script.
const AT_ONCE: usize = 64;

/// What is still to be given back, and since when.
#[derive(Default)]
pub(super) struct Owed(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    items: Vec<(Instant, Item)>,
    returning: bool,
}

impl Owed {
    /// Remembers these. Answers whether somebody has to begin to give back.
    fn add(&self, items: impl IntoIterator<Item = (Instant, Item)>) -> bool {
        let mut owed = self.lock();
        let room = MOST.saturating_sub(owed.items.len());
        owed.items.extend(items.into_iter().take(room));
        !owed.items.is_empty() && !std::mem::replace(&mut owed.returning, true)
    }

    /// All of it. None where it is nothing; then nobody gives back any more.
    fn take(&self) -> Option<Vec<(Instant, Item)>> {
        let mut owed = self.lock();
        if owed.items.is_empty() {
            owed.returning = false;
            return None;
        }
        Some(std::mem::take(&mut owed.items))
    }

    fn stopped(&self) {
        self.lock().returning = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owed")
            .field("places", &self.lock().items.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Gives back the places among these by and by. To give back twice what had been given back is harmless: each place has a name of its own.
    pub(super) fn owe<'a>(self: &Arc<Self>, items: impl IntoIterator<Item = &'a Item>) {
        let places = items.into_iter().filter(|item| item.place().is_some());
        let now = Instant::now();
        if self.owed.add(places.map(|item| (now, item.clone()))) {
            let returning = give_back(Arc::downgrade(self));
            if !self.background.spawn(Box::pin(returning)) {
                self.owed.stopped();
            }
        }
    }

    /// Tries once. Is anything left?
    async fn give_back_owed(&self) -> bool {
        let Some(items) = self.owed.take() else {
            return false;
        };
        let mut parts = HashMap::<String, Vec<(Instant, Item)>>::new();
        for (since, item) in items {
            // What is older is free by itself.
            if since.elapsed() <= self.lease {
                let tag = match self.link.reaches_all() {
                    true => String::new(),
                    false => item.name.tag().to_owned(),
                };
                parts.entry(tag).or_default().push((since, item));
            }
        }
        for part in parts.into_values() {
            for some in part.chunks(AT_ONCE) {
                let items: Vec<&Item> = some.iter().map(|(_, item)| item).collect();
                if self.ask(Action::GiveBack, &items).await.is_err() {
                    // It is this task that comes back to it.
                    self.owed.add(some.iter().cloned());
                }
            }
        }
        true
    }
}

/// Gives back what is owed, as long as anything is.
async fn give_back(shared: Weak<Shared>) {
    let mut stopping = Stopping(Some(shared.clone()));
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.give_back_owed().await {
            stopping.0 = None;
            return;
        }
    }
}

/// Ends with its runtime, perhaps, while others go on: then the next place that is owed begins anew.
struct Stopping(Option<Weak<Shared>>);

impl Drop for Stopping {
    fn drop(&mut self) {
        if let Some(shared) = self.0.as_ref().and_then(Weak::upgrade) {
            shared.owed.stopped();
        }
    }
}
