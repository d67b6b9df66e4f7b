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

/// Which identities were read on the way to an answer.
#[derive(Debug, Default)]
struct Reads {
    /// Of somebody, without saying what.
    of_anyone: bool,
    of: Vec<Identity>,
}

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

    /// Marks the request as one whose answer depends on who is asking: it may be stored for a person whom the key holds, and for nobody else.
    pub fn read_identity(&self) {
        self.reads().of_anyone = true;
    }

    /// Marks the request as one whose answer depends on `identity`: pages that vary on that very identity may still be stored.
    pub fn read(&self, identity: Identity) {
        let mut reads = self.reads();
        if !reads.of.contains(&identity) {
            reads.of.push(identity);
        }
    }

    /// Does the answer depend on who is asking, as far as was said?
    pub fn has_read_identity(&self) -> bool {
        let reads = self.reads();
        reads.of_anyone || !reads.of.is_empty()
    }

    /// Does a key that holds `keyed` know all that was read?
    pub(crate) fn is_covered_by(&self, keyed: Option<&Identity>) -> bool {
        let reads = self.reads();
        // That a key holds nobody does not tell that nobody was read: authentication may stand within the layer.
        let knows_the_person = || keyed.is_some_and(|keyed| !keyed.is_anonymous());
        let knows = |read| keyed.is_some_and(|keyed| keyed.covers(read));
        (!reads.of_anyone || knows_the_person()) && reads.of.iter().all(knows)
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

#[cfg(test)]
mod tests {
    use super::*;

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
