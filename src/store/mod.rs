//! Where entries live: the [`Store`] contract and its implementations.
//!
//! A store knows keys, stamps and bytes; neither URLs nor tags. It keeps [`Record`]s, and a [fence](self#fences) that decides which of them
//! are still true. [`MemoryStore`] is embedded and the default; [`NullStore`] keeps nothing; [`conformance`] is the suite that every store
//! runs.
//!
//! # Fences
//!
//! A purge raises the fence's sequence number and leaves *marks* on what it outlaws. A fill takes its [`Stamp`] before it reads any data,
//! and its record names the marks that may strike it (its key, its page, its tags, its namespace). A record is valid if no mark of its own
//! is younger than its stamp. So a purge needs to find nothing, takes the same time whatever the number of entries, and outruns every fill
//! that was under way.

pub mod conformance;
mod error;
mod facts;
#[cfg(feature = "memory")]
mod fence;
pub mod glob;
mod key;
#[cfg(feature = "memory")]
mod memory;
mod null;
mod number;
mod op;
mod purge;
mod record;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "memory", feature = "redis"))]
mod watch;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use futures_core::Stream;

use crate::clock::Now;

pub use self::error::{PurgeError, StoreError};
pub use self::facts::{ServerFacts, StoreFacts};
pub use self::key::{Key, KeyBuf};
#[cfg(feature = "memory")]
pub use self::memory::{MemoryStore, MemoryStoreBuilder, MemoryStoreError};
pub use self::null::NullStore;
pub use self::op::{Done, If, Op, When};
pub use self::purge::{Matching, Purge, Struck};
pub(crate) use self::record::random;
pub use self::record::{Head, HeadObject, Kind, Mark, Record, RecordId, Stamp, Times};

/// A stream without a name.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// What a look-up brings: the record if there is a valid one, and the stamp that a fill after a miss must carry.
#[derive(Clone, Debug)]
pub struct Found {
    /// `None` for absent, expired for good, outlawed by a purge, and unreadable alike.
    pub record: Option<Arc<Record>>,
    /// The fence's clock, read together with the record.
    pub stamp: Stamp,
}

/// The properties of a store that a builder asks for before serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// Do other processes read and write the same records?
    pub shared: bool,
    /// The most bytes that it holds, where it has a bound of its own.
    pub capacity: Option<u64>,
    /// The most bytes that one record may weigh.
    pub largest: Option<u64>,
    /// Does it keep what it is given? If not, locks would keep nobody out.
    pub keeps: bool,
}

impl About {
    /// A store of this process alone, without bounds of its own.
    pub const fn local() -> Self {
        Self {
            shared: false,
            capacity: None,
            largest: None,
            keeps: true,
        }
    }

    /// A store that keeps nothing on purpose.
    #[must_use]
    pub const fn keeping_nothing(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// A store that other processes read and write too.
    pub const fn remote() -> Self {
        Self {
            shared: true,
            ..Self::local()
        }
    }

    /// Of at most so many bytes, in records of at most so many.
    #[must_use]
    pub const fn bounded(mut self, capacity: u64, largest: u64) -> Self {
        self.capacity = Some(capacity);
        self.largest = Some(largest);
        self
    }
}

/// Whose records a store is asked to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space<'a> {
    /// The cache's namespace.
    pub namespace: &'a str,
    /// Its version.
    pub version: u32,
    /// What all its keys start with.
    pub prefix: &'a [u8],
    /// The mark that all its records carry.
    pub mark: Mark,
}

impl<'a> Space<'a> {
    /// The space of `namespace` and `version`, whose keys start with `prefix` and whose records carry `mark`.
    pub const fn new(namespace: &'a str, version: u32, prefix: &'a [u8], mark: Mark) -> Self {
        Self {
            namespace,
            version,
            prefix,
            mark,
        }
    }
}

/// One record as a scan sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scanned {
    /// Its full key.
    pub key: Box<[u8]>,
    /// What it weighs in the store, in bytes, book-keeping included.
    pub weight: u64,
    /// Its lifetimes.
    pub times: Times,
    /// What it is.
    pub kind: Kind,
}

impl Scanned {
    /// What a scan found under `key`.
    pub const fn new(key: Box<[u8]>, weight: u64, times: Times, kind: Kind) -> Self {
        Self {
            key,
            weight,
            times,
            kind,
        }
    }
}

/// What a store tells those who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A record went away.
    Removed {
        /// Its full key.
        key: Box<[u8]>,
        /// Why it went.
        why: Removal,
    },
    /// The fence moved on to this sequence number: something was purged.
    Marked(Stamp),
}

/// Why a record went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// Room was needed.
    Evicted,
    /// Its time to be kept was over.
    Expired,
    /// A purge outlawed it.
    Purged,
    /// It was removed by name.
    Removed,
}

/// Keeps records behind a fence.
///
/// `get` answers no record for absent, for past [`Times::keep_until`] and for outlawed alike; an error always means that the store itself is
/// unwell. A `Put` replaces the previous record in one step: a reader sees the old one or the new one, never a mixture. Once `purge` has
/// returned `Ok`, no later `get` of any reader of this store brings what it struck, whatever fill was under way; what a
/// [soft](Purge::Soft) one has struck it brings with its freshness ended. [`conformance`] proves these sentences for a store.
///
/// Time is passed in; a store that has a clock of its own (a remote one) may prefer it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What this store is and can do.
    fn about(&self) -> About;

    /// The part of this store that is for one namespace and version, where the store keeps such parts apart itself; a cache asks for it when
    /// it is built. `None`, the default: the keys and marks of a cache say already whose they are.
    fn within(&self, space: &Space<'_>) -> Option<Arc<dyn Store>> {
        let _ = space;
        None
    }

    /// The answer of [`get`](Self::get) for one key, where it takes neither I/O nor waiting; `Pending` means "ask `get`".
    fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        let _ = (key, now);
        Poll::Pending
    }

    /// The answer of [`apply`](Self::apply) for one change, where it takes neither I/O nor waiting; `Pending` means "ask `apply`".
    fn apply_now(&self, key: Key<'_>, op: &Op, now: Now) -> Poll<Result<Done, StoreError>> {
        let _ = (key, op, now);
        Poll::Pending
    }

    /// The answer of [`admits`](Self::admits), where it takes neither I/O nor waiting; `Pending` means "ask `admits`".
    fn admits_now(&self, stamp: Stamp, marks: &[Mark]) -> Poll<Result<bool, StoreError>> {
        let _ = (stamp, marks);
        Poll::Pending
    }

    /// Looks all keys up in one round trip; one answer per key, in their order.
    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError>;

    /// Carries out all changes in one round trip, each atomic for its key; one answer per change, in their order.
    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError>;

    /// May a fill with this stamp and these marks still be stored, or given to those who wait for it?
    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError>;

    /// Outlaws what `purge` names. `Ok` means that every reader of this store sees it.
    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError>;

    /// Outlaws everything that carries one of `marks`, as [`purge`](Self::purge) does, on behalf of a fill that has made this purge due
    /// itself: the answer to a POST that serves later GETs.
    ///
    /// The answer is the fence's clock after it, as the new stamp of that fill, if what has the stamp `fill` and carries `carried` was
    /// admitted until then. Both are one step: a purge by anybody else, before this one, leaves the fill outlawed, which is `None`. So is the
    /// default, by which such answers are not stored.
    async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Result<Option<Stamp>, PurgeError> {
        let _ = (fill, carried);
        self.purge(&Purge::Marks(marks.to_vec()), now).await?;
        Ok(None)
    }

    /// Streams at most `budget` records whose key starts with `prefix`, valid ones and others, in no order. Recency is left alone.
    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>>;

    /// The answer of [`facts`](Self::facts), where it takes neither I/O nor waiting; `Pending` means "ask `facts`".
    fn facts_now(&self) -> Poll<Result<StoreFacts, StoreError>> {
        Poll::Pending
    }

    /// What the store knows of itself, for statistics. Default: what [`facts_now`](Self::facts_now) says, else nothing.
    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        match self.facts_now() {
            Poll::Ready(facts) => facts,
            Poll::Pending => Ok(StoreFacts::default()),
        }
    }

    /// Streams what happens from now on. Who reads slower than 1,024 notices behind misses some.
    fn watch(&self) -> BoxStream<'static, Notice>;
}
