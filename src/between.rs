//! What layers tell one another beside requests and responses, in their extensions, without knowing one another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "tonic")]
use http::HeaderValue;
use tokio::time::Instant;

use crate::monitor::NotStored;

/// In those of a request: whoever put it there wants a [`Reason`](crate::monitor::Reason) beside a plain hit, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsksReason;

/// In those of a request that no client waits for: what it uses is not the client's who happened to start it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unattended;

/// In those of an answer that refuses: it is about one client, and says nothing of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsRefusal;

/// In those of an answer that must not be stored, for a reason that its fields do not tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unstorable(pub(crate) NotStored);

/// In those of a request: its client does not wait any longer than until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Instant);

/// In those of an answer to a call that came out of a store: how old it is, as `Age` tells it of a page.
#[cfg(feature = "tonic")]
#[derive(Clone, Debug)]
pub(crate) struct Aged(pub(crate) HeaderValue);

/// In those of a request that says it is a call: does it change nothing? Any request may say so; who answers it from a store, knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct SafeCall(Arc<AtomicBool>);

impl SafeCall {
    #[cfg(feature = "tonic")]
    pub(crate) fn declare(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_declared(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
