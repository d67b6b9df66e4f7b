//! Changes of one key, as data: they can be sent, queued and replayed.

use std::sync::Arc;

use super::{Record, RecordId};
use crate::clock::Now;

/// A change of one key, as data: it can be sent, queued and replayed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Op {
    /// Files a record under the key.
    Put(Arc<Record>, When),
    /// Takes away what stands under the key.
    Remove(If),
    /// Adds to the number that stands under the key ([`Kind::Number`](super::Kind::Number)), and keeps its lifetimes, its stamp and its marks.
    Count {
        /// What is added.
        by: i64,
        /// What is filed where there is no valid record: a number that counts `by` already. Without one that is [`Done::Nothing`].
        create: Option<Arc<Record>>,
    },
    /// Gives the valid record under the key other lifetimes ([`Done::Stored`]). Its stamp stays: what is old is not made younger, and what a
    /// soft purge has made stale not fresh.
    Life {
        /// See [`Times::fresh_until`](super::Times::fresh_until).
        fresh_until: Now,
        /// See [`Times::keep_until`](super::Times::keep_until).
        keep_until: Now,
        /// Of which record.
        of: If,
    },
}

/// When a [`Op::Put`] takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// If the fence admits the record's stamp and marks, and nothing younger stands there: the way of fills.
    Fenced,
    /// If the fence admits the record's stamp and marks, whatever stands there: last writer wins.
    Always,
    /// If there is no valid record, and the fence admits this one.
    Absent,
    /// If the record that was read still stands there, and the fence admits this one.
    Same(RecordId),
}

/// When an [`Op::Remove`] or [`Op::Life`] takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum If {
    /// Always.
    Any,
    /// If the record that was read, or written, still stands there.
    Same(RecordId),
}

/// What became of an [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// The record stands under the key now.
    Stored,
    /// A record was taken away.
    Removed,
    /// There was nothing to take away, to count or to keep longer.
    Nothing,
    /// The fence refused: a purge since the fill began has outlawed it. Or a store that is waited for refuses a value that is written over
    /// [anything](When::Always) or [nothing](When::Absent), since a soft purge is younger than its stamp, and it would be stale at once. With
    /// the stamp of another look-up it is taken.
    Outlawed,
    /// The condition did not hold: another record stands there.
    Refused,
    /// The record is larger than this store takes.
    TooLarge,
    /// The number under the key is this now.
    Counted(i64),
    /// What stands under the key is no number; it was left alone.
    NotANumber,
    /// The number would not fit into 64 bits; it was left alone.
    Overflow,
}
