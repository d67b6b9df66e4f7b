//! One flight per value: the first caller loads, those that come meanwhile wait for it.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use tokio::sync::watch;

use crate::store::{KeyBuf, Record, Stamp};

type Flying = HashMap<KeyBuf, Arc<Flight>, RandomState>;

/// All flights of values of a cache.
#[derive(Default)]
pub(super) struct ValueFlights {
    flying: Mutex<Flying>,
    ended: AtomicU64,
}

/// A load under way.
pub(super) struct Flight {
    /// The fence's clock before the loader read anything.
    pub(super) stamp: Stamp,
    phase: watch::Sender<Phase>,
}

/// How far a flight has come.
#[derive(Clone)]
pub(super) enum Phase {
    Open,
    /// The value, stored or not: it is for those whom the fence lets have it.
    Landed(Arc<Record>),
    /// The loader's error, an `Arc` of which is in here.
    Failed(Arc<dyn Any + Send + Sync>),
    /// The loader took too long.
    Slow,
    /// Nothing came of it: its caller went away, or panicked, or found the value stored.
    Abandoned,
}

/// What a caller does at a key where there is no value.
pub(super) enum Join {
    Lead(Lead),
    Follow(Arc<Flight>, watch::Receiver<Phase>),
}

impl ValueFlights {
    /// A number that changes when a flight ends: whoever looked the store up before may find more there now.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Leads a new flight, or follows the one under way.
    pub(super) fn join(all: &Arc<Self>, key: &KeyBuf, stamp: Stamp) -> Join {
        match all.lock().entry(key.clone()) {
            Entry::Vacant(place) => {
                let flight = place.insert(Flight::new(stamp)).clone();
                Join::Lead(Lead {
                    all: all.clone(),
                    key: key.clone(),
                    flight,
                    ended: false,
                })
            }
            Entry::Occupied(place) => {
                let flight = place.get().clone();
                let phase = flight.phase.subscribe();
                Join::Follow(flight, phase)
            }
        }
    }

    /// Lets nobody join a flight any more that a purge has outlawed.
    pub(super) fn retire(&self, key: &KeyBuf, outlawed: &Arc<Flight>) {
        if let Entry::Occupied(place) = self.lock().entry(key.clone())
            && Arc::ptr_eq(place.get(), outlawed)
        {
            place.remove();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flying> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn new(stamp: Stamp) -> Arc<Self> {
        Arc::new(Self {
            stamp,
            phase: watch::Sender::new(Phase::Open),
        })
    }
}

/// Waits for the end of a flight.
pub(super) async fn end(mut phase: watch::Receiver<Phase>) -> Phase {
    let ended = phase.wait_for(|phase| !matches!(phase, Phase::Open));
    let phase = ended.await.map(|phase| phase.clone());
    phase.unwrap_or(Phase::Abandoned)
}

/// The duty to bring a flight to its end. Dropped without one, the flight is abandoned, and one of those who wait leads the next.
pub(super) struct Lead {
    all: Arc<ValueFlights>,
    key: KeyBuf,
    flight: Arc<Flight>,
    ended: bool,
}

impl Lead {
    pub(super) fn end(mut self, phase: Phase) {
        self.finish(phase);
    }

    fn finish(&mut self, phase: Phase) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.flight.phase.send_replace(phase);
        // Counted before the place is free: whoever leads next must know that the store may hold more than it saw.
        self.all.ended.fetch_add(1, Ordering::Release);
        self.all.retire(&self.key, &self.flight);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.finish(Phase::Abandoned);
    }
}
