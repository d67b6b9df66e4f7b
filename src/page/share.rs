//! What a flight shares with those who follow it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::body::Reader;
use super::record::{Recording, Role};
use super::stored::StoredPage;
use super::variants::variant_key;
use crate::clock::Now;
use crate::store::{Mark, Stamp, Times};

/// A response on its way: its head, and the recording of its body.
pub(super) struct SharedPage {
    pub(super) head: StoredPage,
    pub(super) times: Times,
    pub(super) stamp: Stamp,
    pub(super) marks: Arc<[Mark]>,
    /// The request fields that select it.
    pub(super) vary: Vec<HeaderName>,
    /// The leader's key under those fields.
    pub(super) variant: Vec<u8>,
    pub(super) length: Option<u64>,
    pub(super) recording: Arc<Recording>,
}

impl SharedPage {
    /// Can it be read from now on? With a length, once there is room for the whole; without one, once it is complete.
    pub(super) fn is_ready(&self) -> bool {
        self.length
            .is_some_and(|length| self.recording.reserve(length))
            || self.recording.is_complete()
    }

    pub(super) fn drive_if_stalled(&self) {
        self.recording.drive_if_stalled();
    }

    /// Does it answer this request, by the fields that select it?
    pub(super) fn is_selected_by(&self, base: &[u8], request: &HeaderMap) -> bool {
        self.vary.is_empty()
            || variant_key(base, &self.vary, request).is_some_and(|key| key == self.variant)
    }

    pub(super) fn reader(&self) -> Option<Reader> {
        self.recording
            .is_whole()
            .then(|| Reader::new(self.recording.clone(), Role::Follower, self.length))
    }

    pub(super) fn is_fresh(&self, now: Now) -> bool {
        super::freshness::is_fresh(&self.times, now)
    }
}
