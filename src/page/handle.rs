//! What a handler is told of its own page, and says of it while it works.

use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;

use super::control::PageControl;
use crate::cache::CacheTags;
use crate::monitor::{Absence, Bypass};

/// Why the handler was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looked {
    /// The store had nothing that answers.
    Missed(Absence),
    /// The request passed the cache by: whatever the handler says, nothing is stored.
    Bypassed(Bypass),
}

/// In the extensions of a request that a page layer forwards, of that layer and that request alone: what is said of one page must not be taken
/// for another's, also where a handler sends its extensions along with requests of its own.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    said: Arc<Mutex<Said>>,
    #[cfg_attr(not(any(feature = "axum", feature = "tonic")), expect(dead_code))]
    pub(crate) looked: Looked,
}

#[derive(Debug, Default)]
struct Said {
    control: PageControl,
    tags: Vec<String>,
}

impl Handle {
    /// Puts a new one into a request.
    pub(super) fn put(extensions: &mut Extensions, looked: Looked) -> Self {
        let handle = Self {
            said: Arc::default(),
            looked,
        };
        extensions.insert(handle.clone());
        handle
    }

    /// Says more.
    #[cfg(feature = "axum")]
    pub(crate) fn control(&self, say: impl FnOnce(PageControl) -> PageControl) {
        let mut said = self.lock();
        said.control = said.control.and(say(PageControl::new()));
    }

    #[cfg(feature = "axum")]
    pub(crate) fn tag(&self, tag: String) {
        self.lock().tags.push(tag);
    }

    /// What was said until the head of the answer goes into its extensions, as if it had been said there: for this layer, and those outside.
    pub(super) fn add_to(&self, extensions: &mut Extensions) {
        let Said { control, tags } = std::mem::take(&mut *self.lock());
        if control != PageControl::new() {
            control.add_to(extensions);
        }
        if !tags.is_empty() {
            CacheTags::new(tags).add_to(extensions);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
