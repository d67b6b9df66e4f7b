//! One flight per key: the first request leads, those that come meanwhile follow.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lookup::Stored;
use super::share::SharedPage;
use crate::monitor::{Failure, NotStored};
use crate::store::Stamp;

/// The most that wait for one flight.
const MOST_FOLLOWERS: usize = 1_024;

/// The longest that one request waits, for all flights that it follows.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a recording may stand still before those who wait drive it themselves.
const PATIENCE: Duration = Duration::from_millis(100);

const SHARDS: usize = 16;

type Shard = Mutex<HashMap<Box<[u8]>, Arc<Flight>, RandomState>>;

/// All flights of a cache.
pub(crate) struct Flights {
    hasher: RandomState,
    shards: [Shard; SHARDS],
    ended: AtomicU64,
}

/// A fill under way.
pub(super) struct Flight {
    /// The fence's clock before the fill read anything.
    pub(super) stamp: Stamp,
    phase: watch::Sender<Phase>,
}

/// How far a flight has come.
#[derive(Clone)]
pub(super) enum Phase {
    /// The handler has not answered, or its answer cannot be shared yet.
    Open,
    /// The answer can be shared.
    Shared(Arc<SharedPage>),
    /// The handler has said that what is stored still holds.
    Validated(Stored),
    /// What is stored was confirmed under another selection: whoever waits looks it up.
    LookUp,
    /// The handler failed, where something stale stood.
    Failed(Failure),
    /// The answer may not be shared.
    Refused(NotStored),
    /// Nothing came of it, for no fault of the answer.
    Abandoned,
}

/// What a request does at a key that is not stored.
pub(super) enum Join {
    Lead(Lead),
    Follow(Arc<Flight>, watch::Receiver<Phase>),
    Crowded,
}

impl Flights {
    /// A number that changes when a flight ends: whoever looked the store up before may find more there now.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Leads a new flight, or follows the one under way.
    pub(super) fn join(cache: &Arc<crate::cache::Shared>, key: &[u8], stamp: Stamp) -> Join {
        match cache.flights.shard(key).entry(key.into()) {
            Entry::Vacant(place) => {
                Join::Lead(Lead::at(cache, key, place.insert(Flight::new(stamp))))
            }
            Entry::Occupied(place) => {
                let flight = place.get().clone();
                if flight.phase.receiver_count() >= MOST_FOLLOWERS {
                    return Join::Crowded;
                }
                let phase = flight.phase.subscribe();
                Join::Follow(flight, phase)
            }
        }
    }

    /// Lets nobody join a flight any more that a purge has outlawed, unless another stands in its place already.
    pub(super) fn retire(cache: &crate::cache::Shared, key: &[u8], outlawed: &Arc<Flight>) {
        let mut shard = cache.flights.shard(key);
        if let Entry::Occupied(place) = shard.entry(key.into())
            && Arc::ptr_eq(place.get(), outlawed)
        {
            place.remove();
        }
    }

    /// How many flights can be joined.
    pub(crate) fn under_way(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, HashMap<Box<[u8]>, Arc<Flight>, RandomState>> {
        let hash = self.hasher.hash_one(key);
        self.shards[(hash % SHARDS as u64) as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            shards: Default::default(),
            ended: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("under_way", &self.under_way())
            .finish_non_exhaustive()
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

/// Until when a request that begins to wait now waits.
pub(super) fn patience() -> Instant {
    Instant::now() + LONGEST_WAIT
}

/// Waits for the head of the flight's answer, or its end without one; `None` when that takes too long.
pub(super) async fn head(phase: &mut watch::Receiver<Phase>, until: Instant) -> Option<Phase> {
    let head = phase.wait_for(|phase| !matches!(phase, Phase::Open));
    let settled = tokio::time::timeout_at(until, head).await.ok()?;
    Some(settled.map_or(Phase::Abandoned, |phase| phase.clone()))
}

/// Waits until what the flight shares can be read, whoever has to drive it; `None` when that takes too long.
pub(super) async fn whole(phase: &mut watch::Receiver<Phase>, until: Instant) -> Option<Phase> {
    let settled = async {
        loop {
            let now = phase.borrow_and_update().clone();
            let Phase::Shared(page) = &now else {
                return now;
            };
            if page.is_ready() {
                return now;
            }
            // The length is not known: the whole body is needed, and somebody must drive it.
            match tokio::time::timeout(PATIENCE, phase.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Phase::Abandoned,
                Err(_) => page.drive_if_stalled(),
            }
        }
    };
    tokio::time::timeout_at(until, settled).await.ok()
}

/// The duty to bring a flight to its end. Dropped without one, the flight is abandoned, and its followers elect a new leader.
pub(super) struct Lead {
    cache: Arc<crate::cache::Shared>,
    key: Box<[u8]>,
    flight: Arc<Flight>,
    /// Can others join?
    public: bool,
    ended: bool,
}

impl Lead {
    fn at(cache: &Arc<crate::cache::Shared>, key: &[u8], flight: &Arc<Flight>) -> Self {
        Self {
            cache: cache.clone(),
            key: key.into(),
            flight: flight.clone(),
            public: true,
            ended: false,
        }
    }

    /// A flight that nobody can join.
    pub(super) fn alone(cache: &Arc<crate::cache::Shared>, key: &[u8], stamp: Stamp) -> Self {
        let mut lead = Self::at(cache, key, &Flight::new(stamp));
        lead.public = false;
        lead
    }

    /// Is it for others too?
    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.flight.stamp
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Tells those who wait what there is to take, while the flight goes on.
    pub(super) fn share(&self, page: Arc<SharedPage>) {
        self.flight.phase.send_replace(Phase::Shared(page));
    }

    /// Wakes those who wait for the whole of what was shared.
    pub(super) fn progress(&self) {
        self.flight.phase.send_modify(|_| {});
    }

    /// The answer was committed, or may be taken from the recording: later requests look the store up.
    pub(super) fn land(mut self) {
        self.progress();
        self.end();
    }

    /// What is stored was confirmed, and answers those who wait.
    pub(super) fn validated(mut self, stored: Stored) {
        self.flight.phase.send_replace(Phase::Validated(stored));
        self.end();
    }

    /// What is stored has changed, and each of those who wait may look it up.
    pub(super) fn look_up(mut self) {
        self.flight.phase.send_replace(Phase::LookUp);
        self.end();
    }

    /// The handler failed. Those who wait are better off with something stale, if they may have it.
    pub(super) fn fail(mut self, how: Failure) {
        self.flight.phase.send_replace(Phase::Failed(how));
        self.end();
    }

    /// The answer may not be shared.
    pub(super) fn refuse(mut self, why: NotStored) {
        self.flight.phase.send_replace(Phase::Refused(why));
        self.end();
    }

    fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        // Counted before the place is free: whoever leads next must know that the store may hold more than it saw.
        self.cache.flights.ended.fetch_add(1, Ordering::Release);
        Flights::retire(&self.cache, &self.key, &self.flight);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.ended {
            self.flight.phase.send_replace(Phase::Abandoned);
            self.end();
        }
    }
}
