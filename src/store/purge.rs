//! What a purge strikes, as data: it can be queued, sent and repeated.

use std::fmt;
use std::sync::Arc;

use super::{KeyBuf, Mark, Stamp};
use crate::clock::Now;

/// What a purge strikes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Purge {
    /// Keys, each with the mark that its records carry and those of no other key: their records are removed, and fills under way for them
    /// are refused. Such marks are forgotten after five minutes, since the records are gone.
    Keys(Vec<(KeyBuf, Mark)>),
    /// Everything that carries one of these marks (pages, tags, a namespace).
    Marks(Vec<Mark>),
    /// What carries one of these marks is stale from that moment on, but still there: it may answer while it is refreshed, and where the
    /// handler fails, as long as its stale windows allow, which count from then. A soft purge makes no promise beyond that.
    Soft(Vec<Mark>, Now),
    /// What a predicate on keys finds: its records are removed, and all fills under way are refused, since nobody can tell which of them
    /// it would find.
    ///
    /// Fills are refused before the search, or one of them would be stored where it has looked already, and again after it: what was validated
    /// meanwhile may be of a record that it had yet to find. So the search removes young records too.
    Matching(Matching),
}

/// Is the key made of these bytes one of those?
type Predicate = dyn Fn(&[u8]) -> bool + Send + Sync;

/// A predicate on the keys of a space.
#[derive(Clone)]
pub struct Matching {
    /// What the keys start with. Where it has a name, that is what their names start with.
    pub within: KeyBuf,
    /// A glob that all names match which are found, where there is one: for stores that can look for it themselves. See [`glob`](super::glob).
    pub glob: Option<Box<[u8]>>,
    is_found: Arc<Predicate>,
}

impl Matching {
    /// The keys that start with `within`.
    pub fn prefix(within: KeyBuf) -> Self {
        Self::by(within, |_| true)
    }

    /// The keys that start with `within` and are found by `is_found`, which is given the bytes of the whole key.
    pub fn by(within: KeyBuf, is_found: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self {
            within,
            glob: None,
            is_found: Arc::new(is_found),
        }
    }

    /// The same; names that it finds match this glob.
    #[must_use]
    pub fn narrowed_by(mut self, glob: impl Into<Box<[u8]>>) -> Self {
        self.glob = Some(glob.into());
        self
    }

    /// Does it find the key made of these bytes?
    pub fn finds(&self, key: &[u8]) -> bool {
        key.starts_with(self.within.as_key().as_bytes()) && (self.is_found)(key)
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").finish_non_exhaustive()
    }
}

/// What a purge that every reader of the store sees has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The fence's clock after it: whatever is stamped younger was read later.
    pub stamp: Stamp,
    /// How many records it has removed there and then. Those that marks outlaw are not counted.
    pub removed: u64,
}

impl Struck {
    /// A purge that has only moved the fence.
    pub const fn marked(stamp: Stamp) -> Self {
        Self { stamp, removed: 0 }
    }
}
