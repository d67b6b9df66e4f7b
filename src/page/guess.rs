//! Which variants a page had when it was last looked up: with a store elsewhere, page and variant are asked for in one round trip.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;

use crate::store::Record;

/// The most bytes that the indexes of all pages may take here.
const MOST: usize = 4 * 1024 * 1024;

/// What an index takes beside its own weight.
const PLACE: usize = 64;

/// The last indexes of variants that were seen. A guess decides nothing: what it brings is used only if the index in the store agrees.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    indexes: HashMap<u64, Arc<Record>, RandomState>,
    weight: usize,
}

impl Guesses {
    /// The index that a page had last.
    pub(super) fn of(&self, base: &[u8]) -> Option<Arc<Record>> {
        self.lock()
            .indexes
            .get(&self.hasher.hash_one(base))
            .cloned()
    }

    /// A page has this index.
    pub(super) fn note(&self, base: &[u8], index: &Arc<Record>) {
        let weight = index.weight() + PLACE;
        let mut seen = self.lock();
        if seen.weight + weight > MOST {
            // What is forgotten costs one more round trip once.
            *seen = Seen::default();
        }
        if weight > MOST {
            return;
        }
        let place = self.hasher.hash_one(base);
        let old = seen.indexes.insert(place, index.clone());
        seen.weight += weight;
        seen.weight -= old.map_or(0, |old| old.weight() + PLACE);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock::Now;
    use crate::store::{Head, Kind, Stamp, Times};

    fn index(weight: usize) -> Arc<Record> {
        let never = Now::NEVER;
        let times = Times {
            born: never,
            fresh_until: never,
            keep_until: never,
        };
        let body = Bytes::from(vec![0; weight]);
        let stamp = Stamp { epoch: 1, seq: 1 };
        let head = Head::Wire(Bytes::new());
        Arc::new(Record::new(Kind::Variants, stamp, times, [], head, body))
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let guesses = Guesses::default();
        for n in 0..10_000_u32 {
            guesses.note(&n.to_be_bytes(), &index(1_000));
            let seen = guesses.lock();
            let weight: usize = seen
                .indexes
                .values()
                .map(|index| index.weight() + PLACE)
                .sum();
            assert_eq!(weight, seen.weight);
            assert!(weight <= MOST);
        }
        assert!(guesses.of(&9_999_u32.to_be_bytes()).is_some());
        guesses.note(b"same", &index(1_000));
        guesses.note(b"same", &index(MOST));
        assert!(guesses.lock().weight <= MOST);
    }
}
