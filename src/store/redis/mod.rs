//! The shared store: records in Redis, behind a fence that every node sees.

mod connections;
mod entry;
mod options;
mod script;

#[cfg(fuzzing)]
pub(crate) use self::entry::sealed;
#[cfg(any(test, fuzzing))]
pub(crate) use self::entry::{Compression, decode, encode};
