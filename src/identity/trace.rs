//! What larder's layers remember of one request on its way in.

use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;

use super::value::Identity;
use crate::store::Stamp;

/// One request's trace: made by the first of larder's layers that forwards it, adopted by those within, and present on every forward.
///
/// A handler, or an extractor of the application's own, that reads who is asking says so with [`read_identity`](Self::read_identity); the
/// answer is then served and not stored.
///
/// ```
/// use axum::extract::Request;
/// use larder::Trace;
///
/// async fn handler(request: Request) -> String {
///     if let Some(trace) = Trace::of(request.extensions()) {
///         trace.read_identity();
///     }
///     "made for the one who asked".to_owned()
/// }
/// # let _ = handler;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reads: Mutex<Reads>,
    /// The earliest stamp of each fence that this request passed.
    stamps: Mutex<Vec<Stamp>>,
}

/// Which identities were read on the way to an answer, in order; `None` is anyone's, without saying whose.
#[derive(Debug, Default)]
struct Reads(Vec<Option<Identity>>);

/// How many reads are told apart; with more, all count as one of anyone's.
const MOST_READS: usize = 64;

/// The trace as it travels in a request, with the number of page layers that it has passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traced {
    pub(crate) trace: Trace,
    pub(crate) depth: u8,
}

impl Trace {
    /// The trace of a request with these extensions, if one of larder's layers forwarded it.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Traced>().map(|traced| &traced.trace)
    }

    /// The trace of a request with these extensions, made where there is none.
    #[cfg(feature = "axum")]
    pub(crate) fn of_or_new(extensions: &mut Extensions) -> Self {
        extensions.get_or_insert_default::<Traced>().trace.clone()
    }

    /// Marks the request as one whose answer depends on who is asking: it may be stored for the user whom the key holds, and for nobody else.
    pub fn read_identity(&self) {
        self.reads().add(None);
    }

    /// Marks the request as one whose answer depends on `identity`: pages that vary on that very identity may still be stored.
    pub fn read(&self, identity: Identity) {
        self.reads().add(Some(identity));
    }

    /// Does the answer depend on who is asking, as far as was said?
    pub fn has_read_identity(&self) -> bool {
        !self.reads().0.is_empty()
    }

    /// How many reads there were so far: those of layers outside, whose business it is what they pass on.
    pub(crate) fn count_reads(&self) -> usize {
        self.reads().0.len()
    }

    /// Does a key that holds `keyed` know all that was read since? `holds_the_user`: does it hold whom the application takes for the user?
    pub(crate) fn is_covered_by(
        &self,
        keyed: Option<&Identity>,
        holds_the_user: bool,
        since: usize,
    ) -> bool {
        let reads = self.reads();
        // That a key holds nobody does not tell that nobody was read: authentication may stand within the layer.
        let knows_the_person = holds_the_user && keyed.is_some_and(|keyed| !keyed.is_anonymous());
        let knows = |read| keyed.is_some_and(|keyed| keyed.covers(read));
        if reads.are_too_many() {
            return knows_the_person;
        }
        reads.0.iter().skip(since).all(|read| match read {
            None => knows_the_person,
            Some(read) => knows(read),
        })
    }

    fn reads(&self) -> std::sync::MutexGuard<'_, Reads> {
        self.shared
            .reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The stamp that a fill of this request carries: the first that a layer took of the same fence, before anything was read.
    pub(crate) fn stamp(&self, taken: Stamp) -> Stamp {
        let mut stamps = self
            .shared
            .stamps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match stamps.iter().find(|stamp| stamp.epoch == taken.epoch) {
            Some(first) => *first,
            None => {
                stamps.push(taken);
                taken
            }
        }
    }
}

impl Reads {
    fn add(&mut self, read: Option<Identity>) {
        match self.0.len() {
            ..MOST_READS => self.0.push(read),
            MOST_READS => self.0.push(None),
            _ => {}
        }
    }

    fn are_too_many(&self) -> bool {
        self.0.len() > MOST_READS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_since_a_layer_counts_for_it() {
        let trace = Trace::default();
        let alice = Identity::known("user", "alice");
        trace.read(alice.clone());
        trace.read_identity();
        let since = trace.count_reads();
        assert!(trace.is_covered_by(None, false, since));
        assert!(!trace.is_covered_by(None, false, 0));
        trace.read(alice.clone());
        assert!(!trace.is_covered_by(None, false, since));
        assert!(trace.is_covered_by(Some(&alice), false, since));
        trace.read_identity();
        assert!(!trace.is_covered_by(Some(&alice), false, since));
        assert!(trace.is_covered_by(Some(&alice), true, since));
    }

    #[test]
    fn however_much_was_read_nothing_is_forgotten() {
        let trace = Trace::default();
        for _ in 0..10_000 {
            trace.read(Identity::anonymous("user"));
        }
        let since = trace.count_reads();
        assert!(since <= MOST_READS + 1);
        trace.read_identity();
        assert!(!trace.is_covered_by(None, true, since));
    }

    #[test]
    fn the_first_stamp_of_a_fence_counts() {
        let trace = Trace::default();
        let first = Stamp { epoch: 1, seq: 5 };
        assert_eq!(trace.stamp(first), first);
        assert_eq!(trace.stamp(Stamp { epoch: 1, seq: 9 }), first);
        let other = Stamp { epoch: 2, seq: 7 };
        assert_eq!(trace.stamp(other), other);
    }
}
