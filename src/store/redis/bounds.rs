//! What a store keeps beside entries, and how large entries are written.

use super::entry::Compression;
use super::options::{RedisStoreBuilder, RedisStoreError};

/// The bounds of a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many marks each set of the fence holds.
    pub(super) marks: usize,
    /// How many marks are owed at most.
    pub(super) queue: usize,
    /// From which size on bodies are compressed.
    pub(super) compression: Compression,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            marks: 100_000,
            queue: 10_000,
            compression: Compression { from: None },
        }
    }
}

impl Bounds {
    pub(super) fn check(&self) -> Result<(), RedisStoreError> {
        for (option, bound) in [("marks", self.marks), ("queue", self.queue)] {
            if bound == 0 {
                let problem = "0 purges everything at each purge; set at least 1, better 1,000";
                return Err(RedisStoreError::option(option, problem));
            }
        }
        if self.compression.from.is_some() && !cfg!(feature = "compression") {
            let problem = "this needs the feature `compression` of larder";
            return Err(RedisStoreError::option("compress_from", problem));
        }
        Ok(())
    }
}

impl RedisStoreBuilder {
    /// How many marks of purges are kept for each namespace, of tags and pages, of keys, and of soft purges: what must be forgotten purges
    /// everything that is older. Each takes some 100 bytes in the server and in each node. Default: 100,000.
    pub fn marks(mut self, marks: usize) -> Self {
        self.bounds.marks = marks;
        self
    }

    /// How many marks of purges that did not reach the server a node keeps, to deliver them later: past it, they become one purge of the
    /// whole namespace. Default: 10,000.
    pub fn queue(mut self, marks: usize) -> Self {
        self.bounds.queue = marks;
        self
    }

    /// Compresses bodies of at least so many bytes (zstd), if that makes them a tenth smaller at least. Needs the feature `compression`, on
    /// all nodes that read them. Default: none are.
    pub fn compress_from(mut self, bytes: usize) -> Self {
        self.bounds.compression = Compression { from: Some(bytes) };
        self
    }
}
