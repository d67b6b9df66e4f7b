//! What a store keeps.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::clock::Now;

/// A moment on a fence's logical clock. A fill takes it before it reads any data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Which life of the fence; random, so that a fence that was lost and made anew admits nothing of the old one.
    pub epoch: u64,
    /// How far the fence had come.
    pub seq: u64,
}

/// The digest of something that can be purged: a key, a page, a tag, a namespace.
///
/// Two that collide are purged together, which costs a hit and reveals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(u128);

impl Mark {
    /// The mark of `parts` under `label`; parts are kept apart by their lengths.
    pub(crate) fn of(label: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Xxh3::new();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.digest128())
    }

    /// A mark from its digest, as stores keep it.
    pub const fn from_digest(digest: u128) -> Self {
        Self(digest)
    }

    /// Its digest.
    pub const fn digest(self) -> u128 {
        self.0
    }
}

/// Tells one writing of a record from every other, of this process and of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId(u128);

impl RecordId {
    /// An id as a remote store keeps it.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u128 {
        self.0
    }

    pub(crate) fn next() -> Self {
        static RUN: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let run = *RUN.get_or_init(random);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(u128::from(run) << 64 | u128::from(count))
    }
}

/// A number that no one can foresee, from the seeds of the standard library's maps.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// The two horizons of a record, and where its age counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When its age was zero: the time of the response less the age it came with (RFC 9111 §4.2.3).
    pub born: Now,
    /// It is fresh before this moment (strictly: an age equal to the lifetime is stale, RFC 9111 §4.2).
    pub fresh_until: Now,
    /// It is kept, for validation and stale answers, before this moment.
    pub keep_until: Now,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A stored response.
    Page,
    /// The list of a page's variants.
    Variants,
    /// The rule by which the queries of a path tell pages apart.
    Rule,
    /// A value of the application. The first byte of its body says how the others are written.
    Value,
    /// A number of the application that can be counted: its body is an `i64` in decimal digits.
    Number,
}

/// The decoded head of a record, kept as it is by stores in memory.
pub trait HeadObject: Any + Send + Sync {
    /// What it takes in memory, in bytes.
    fn weight(&self) -> usize;

    /// It as bytes, for stores elsewhere; `None` where it stays in this process.
    fn to_wire(&self) -> Option<Vec<u8>> {
        None
    }

    /// May the body be worth compressing? Not what is compressed already.
    fn is_compressible(&self) -> bool {
        true
    }

    /// The same value, to be downcast.
    fn as_any(&self) -> &dyn Any;
}

/// The head of a record: what stands before the body.
#[derive(Clone)]
pub enum Head {
    /// Encoded, as a remote store holds it.
    Wire(Bytes),
    /// Decoded, as a store in memory holds it: a hit decodes nothing.
    Live(Arc<dyn HeadObject>),
}

impl Head {
    /// The decoded head, if it is a `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Live(object) => object.as_any().downcast_ref(),
            Self::Wire(_) => None,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Wire(bytes) => bytes.len(),
            Self::Live(object) => object.weight(),
        }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Heads carry what users said and saw: their size is all that a log needs.
        let form = match self {
            Self::Wire(_) => "Wire",
            Self::Live(_) => "Live",
        };
        f.debug_struct(form)
            .field("weight", &self.weight())
            .finish()
    }
}

/// One entry of a store.
#[derive(Debug)]
pub struct Record {
    /// This writing of it.
    pub id: RecordId,
    /// The fence's clock before the data was read.
    pub stamp: Stamp,
    /// Its lifetimes.
    pub times: Times,
    /// Which purges strike it.
    pub marks: Arc<[Mark]>,
    /// What stands before the body.
    pub head: Head,
    /// The body, in an allocation of its own.
    pub body: Bytes,
    /// What it is.
    pub kind: Kind,
    /// How far the fence had come when this record was last found valid (see `MemoryStore`).
    #[cfg_attr(not(feature = "memory"), expect(dead_code))]
    pub(super) checked: AtomicU64,
}

impl Record {
    /// A record that no store has seen yet.
    pub fn new(
        kind: Kind,
        stamp: Stamp,
        times: Times,
        marks: impl Into<Arc<[Mark]>>,
        head: Head,
        body: Bytes,
    ) -> Self {
        Self {
            id: RecordId::next(),
            stamp,
            times,
            marks: marks.into(),
            head,
            body,
            kind,
            checked: AtomicU64::new(u64::MAX),
        }
    }

    /// The record that was written as `id`, read back.
    #[must_use]
    pub fn written_as(mut self, id: RecordId) -> Self {
        self.id = id;
        self
    }

    /// The same record with other lifetimes.
    #[must_use]
    pub fn with_times(&self, times: Times) -> Self {
        Self {
            id: self.id,
            stamp: self.stamp,
            times,
            marks: self.marks.clone(),
            head: self.head.clone(),
            body: self.body.clone(),
            kind: self.kind,
            checked: AtomicU64::new(u64::MAX),
        }
    }

    /// The same record with its head decoded.
    #[must_use]
    pub(crate) fn with_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// What it takes in memory, in bytes, without its key.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + self.head.weight()
            + self.body.len()
            + self.marks.len() * size_of::<Mark>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_their_parts_apart() {
        assert_ne!(
            Mark::of("tag", &[b"ab", b"c"]),
            Mark::of("tag", &[b"a", b"bc"])
        );
        assert_ne!(Mark::of("tag", &[b"a"]), Mark::of("key", &[b"a"]));
        assert_eq!(Mark::of("tag", &[b"a"]), Mark::of("tag", &[b"a"]));
    }

    #[test]
    fn every_writing_has_its_own_id() {
        assert_ne!(RecordId::next(), RecordId::next());
    }
}
