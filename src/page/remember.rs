//! Addresses whose responses were refused lately: requests for them do not queue ("hit-for-miss").

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;

use crate::clock::Now;

/// The most addresses that are remembered.
const MOST: usize = 16_384;

/// Remembers refusals per address and class of request, so that one signed-in request does not stop collapsing for everybody.
#[derive(Debug)]
pub(crate) struct Remembered {
    span: Duration,
    hasher: RandomState,
    until: Mutex<HashMap<u64, Now, RandomState>>,
}

impl Remembered {
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            span,
            hasher: RandomState::default(),
            until: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, flight: &[u8], credentials: bool, now: Now) {
        if self.span.is_zero() {
            return;
        }
        let mut until = self.lock();
        if until.len() >= MOST {
            until.retain(|_, until| now < *until);
            // What is forgotten queues once more; what is kept must not grow.
            if until.len() >= MOST {
                until.clear();
            }
        }
        until.insert(self.digest(flight, credentials), now + self.span);
    }

    pub(crate) fn forget(&self, flight: &[u8], credentials: bool) {
        self.lock().remove(&self.digest(flight, credentials));
    }

    pub(crate) fn holds(&self, flight: &[u8], credentials: bool, now: Now) -> bool {
        self.lock()
            .get(&self.digest(flight, credentials))
            .is_some_and(|until| now < *until)
    }

    /// Two addresses of one digest share a memory, which costs a collapse and no more.
    fn digest(&self, flight: &[u8], credentials: bool) -> u64 {
        self.hasher.hash_one((flight, credentials))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Now, RandomState>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_its_class_and_for_a_while() {
        let now = Now::from_millis(1_000);
        let remembered = Remembered::new(Duration::from_secs(10));
        remembered.note(b"a", true, now);
        assert!(remembered.holds(b"a", true, now + Duration::from_secs(9)));
        assert!(!remembered.holds(b"a", false, now));
        assert!(!remembered.holds(b"b", true, now));
        assert!(!remembered.holds(b"a", true, now + Duration::from_secs(10)));
        remembered.forget(b"a", true);
        assert!(!remembered.holds(b"a", true, now));
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let remembered = Remembered::new(Duration::from_secs(10));
        for n in 0..3 * MOST {
            remembered.note(&n.to_be_bytes(), false, Now::from_millis(0));
        }
        assert!(remembered.lock().len() <= MOST);
    }
}
