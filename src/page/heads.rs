//! Heads that were decoded lately: a page that is asked for again and again from a store elsewhere is decoded once.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use foldhash::quality::RandomState;

use super::wire::decode_head;
use crate::store::{HeadObject, Kind};

/// The most bytes that they may take together.
const MOST: usize = 4 * 1024 * 1024;

/// What a head takes here beside its own weight.
const PLACE: usize = 128;

/// Decoded heads, by the bytes that they were decoded from. Those are compared in full: what differs in one byte is another head.
#[derive(Default)]
pub(crate) struct Heads {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    heads: HashMap<u64, Decoded, RandomState>,
    weight: usize,
}

struct Decoded {
    kind: Kind,
    wire: Bytes,
    head: Arc<dyn HeadObject>,
}

impl Decoded {
    fn weight(&self) -> usize {
        self.wire.len() + self.head.weight() + PLACE
    }
}

impl Heads {
    /// As [`decode_head`].
    pub(crate) fn decode(&self, kind: Kind, wire: &Bytes) -> Option<Arc<dyn HeadObject>> {
        if matches!(kind, Kind::Value | Kind::Number) {
            return None;
        }
        let place = self.hasher.hash_one((kind, wire));
        if let Some(known) = self.lock().heads.get(&place)
            && known.kind == kind
            && known.wire == wire
        {
            return Some(known.head.clone());
        }
        // Bytes of its own: those that came are part of an answer, with the body in it.
        let wire = Bytes::copy_from_slice(wire);
        let head = decode_head(kind, &wire)?;
        let decoded = Decoded {
            kind,
            wire,
            head: head.clone(),
        };
        self.note(place, decoded);
        Some(head)
    }

    fn note(&self, place: u64, decoded: Decoded) {
        let weight = decoded.weight();
        let mut seen = self.lock();
        if seen.weight + weight > MOST {
            *seen = Seen::default();
        }
        if weight > MOST {
            return;
        }
        let old = seen.heads.insert(place, decoded);
        seen.weight += weight;
        seen.weight -= old.map_or(0, |old| old.weight());
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Heads carry what users said and saw.
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::variants::Variants;
    use super::*;

    fn wire() -> Bytes {
        Bytes::from(Variants::default().to_wire().unwrap())
    }

    #[test]
    fn the_same_bytes_are_decoded_once() {
        let heads = Heads::default();
        let once = heads.decode(Kind::Variants, &wire()).unwrap();
        let again = heads.decode(Kind::Variants, &wire()).unwrap();
        assert!(Arc::ptr_eq(&once, &again));
        // The same bytes are no head of another kind, nor is what is a byte longer.
        assert!(heads.decode(Kind::Page, &wire()).is_none());
        let mut longer = wire().to_vec();
        longer.push(0);
        assert!(heads.decode(Kind::Variants, &longer.into()).is_none());
        assert!(heads.decode(Kind::Value, &wire()).is_none());
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let heads = Heads::default();
        let head: Arc<dyn HeadObject> = Arc::new(Variants::default());
        for n in 0..100_000 {
            let decoded = Decoded {
                kind: Kind::Variants,
                wire: wire(),
                head: head.clone(),
            };
            heads.note(n % 60_000, decoded);
            let seen = heads.lock();
            assert!(seen.weight <= MOST);
            if n % 10_000 == 0 {
                let weight: usize = seen.heads.values().map(Decoded::weight).sum();
                assert_eq!(weight, seen.weight);
            }
        }
    }
}
