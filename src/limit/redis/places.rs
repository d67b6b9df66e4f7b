//! The places in flight that this node holds: leases, renewed while they are held.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::names::Name;
use crate::store::random;

/// The places that this node holds, by their names.
pub(super) struct Places {
    /// Names of places are unique among all nodes: they count on from a random number.
    next: AtomicU64,
    held: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    places: HashMap<u64, Place>,
    renewing: bool,
}

/// A place, or several that were taken at once.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Name,
    pub(super) count: u64,
}

/// A key, and the places under it: what each is called, and how much it counts.
pub(super) type Held = (Name, Vec<(u64, u64)>);

impl Places {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicU64::new(random()),
            held: Mutex::default(),
        }
    }

    /// A name that no place has.
    pub(super) fn name(&self) -> u64 {
        // Zero is the receipt of what took nothing.
        self.next.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// Takes note of a place. Answers whether somebody has to begin to renew what is held.
    pub(super) fn hold(&self, name: u64, place: Place) -> bool {
        let mut held = self.lock();
        held.places.insert(name, place);
        !std::mem::replace(&mut held.renewing, true)
    }

    /// Lets go of `count` of a place, and answers how much it held.
    pub(super) fn release(&self, name: u64, count: u64) -> Option<u64> {
        let mut held = self.lock();
        let place = held.places.get_mut(&name)?;
        let was = place.count;
        place.count = was.saturating_sub(count);
        if place.count == 0 {
            held.places.remove(&name);
        }
        Some(was)
    }

    pub(super) fn has(&self, name: u64) -> bool {
        self.lock().places.contains_key(&name)
    }

    /// What is held, by key. None where it is nothing; then it is no longer renewed.
    pub(super) fn to_renew(&self) -> Option<Vec<Held>> {
        let mut held = self.lock();
        if held.places.is_empty() {
            held.renewing = false;
            return None;
        }
        let mut keys: HashMap<&str, Held> = HashMap::new();
        for (name, place) in &held.places {
            let key = keys.entry(&place.key.text);
            let (_, places) = key.or_insert_with(|| (place.key.clone(), Vec::new()));
            places.push((*name, place.count));
        }
        Some(keys.into_values().collect())
    }

    /// Nobody renews any more.
    pub(super) fn stopped(&self) {
        self.lock().renewing = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("held", &self.lock().places.len())
            .finish_non_exhaustive()
    }
}
