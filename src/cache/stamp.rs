//! The youngest stamp of a fence that this process has seen.
//!
//! A write that is not the fill of a look-up needs a stamp, and to ask for one costs a round trip. One that was seen before does as well: it
//! is older, so the fence refuses it where anything has happened since that matters, and then it is worth asking.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::Stamp;

#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Arc<Mutex<Option<Stamp>>>);

impl Latest {
    pub(super) fn get(&self) -> Option<Stamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, seen: Stamp) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            latest.is_some_and(|latest| latest.epoch == seen.epoch && latest.seq >= seen.seq);
        if !is_known {
            *latest = Some(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_come_late_do_not_make_it_older() {
        let latest = Latest::default();
        let at = |epoch, seq| Stamp { epoch, seq };
        for (seen, expected) in [
            (at(1, 5), at(1, 5)),
            (at(1, 3), at(1, 5)),
            (at(2, 1), at(2, 1)),
        ] {
            latest.note(seen);
            assert_eq!(latest.get(), Some(expected));
        }
    }
}
