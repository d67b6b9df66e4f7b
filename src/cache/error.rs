//! What goes wrong with values.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::store::{PurgeError, StoreError};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a cache could not do what was asked of a value. Messages name keys, and never hold values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The store is unwell, or took longer than the store timeout.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value that was to go may still be answered: the store did not take the purge.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// A key without a letter names nothing.
    #[error("a key must not be empty")]
    EmptyKey,
    /// The key is longer than [`Cache::LONGEST_KEY`](crate::Cache::LONGEST_KEY).
    #[error("the key {key:?}… has {bytes} bytes, and 4096 are the most")]
    LongKey {
        /// How it begins.
        key: String,
        /// How long it is.
        bytes: usize,
    },
    /// What stands under the key is of another type than was asked for. After a change of the type, raise the cache's version.
    #[error("the value under {key:?} is no {wanted}")]
    WrongType {
        /// The key.
        key: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// What the codec says.
        source: BoxError,
    },
    /// The value cannot be written by the cache's codec.
    #[error("the value for {key:?} cannot be encoded")]
    Encode {
        /// The key.
        key: String,
        /// What the codec says.
        source: BoxError,
    },
    /// The value is larger than the store takes; what stood there before still does.
    #[error("the value for {key:?} is larger than the store takes")]
    TooLarge {
        /// The key.
        key: String,
    },
    /// There is nothing under the key that could be counted or moved.
    #[error("there is no value under {key:?}")]
    Missing {
        /// The key.
        key: String,
    },
    /// What stands under the key cannot be counted.
    #[error("the value under {key:?} is no number that can be counted")]
    NotANumber {
        /// The key.
        key: String,
    },
    /// The number would not fit into 64 bits; it was left as it was.
    #[error("the number under {key:?} would not fit into 64 bits")]
    Overflow {
        /// The key.
        key: String,
    },
    /// The loader took longer than the hard timeout, and nothing stale could stand in.
    #[error("the value for {key:?} was not loaded in time")]
    TimedOut {
        /// The key.
        key: String,
    },
    /// Others held the lock for as long as was waited.
    #[error("the lock {name:?} was held by others all the time")]
    Locked {
        /// The lock's name.
        name: String,
    },
    /// Purges, or others' changes, have outrun every try to write.
    #[error("the value for {key:?} could not be written: others were first each time")]
    Contended {
        /// The key.
        key: String,
    },
    /// The store took something and did not give it back: it keeps nothing, or what it keeps is lost at once.
    #[error("the store does not keep what it is given")]
    NotKept,
}

/// Why a value that a fallible loader makes was not to be had.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader failed. All that waited for it share its error.
    #[error("the loader failed")]
    Load(#[source] Arc<E>),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl<E> LoadError<E> {
    /// What the loader says, if it was the loader that failed.
    pub fn loader(&self) -> Option<&E> {
        match self {
            Self::Load(error) => Some(error),
            Self::Cache(_) => None,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => f.debug_tuple("Load").field(error).finish(),
            Self::Cache(error) => f.debug_tuple("Cache").field(error).finish(),
        }
    }
}

impl From<LoadError<Infallible>> for CacheError {
    fn from(error: LoadError<Infallible>) -> Self {
        match error {
            LoadError::Cache(error) => error,
            LoadError::Load(never) => match *never {},
        }
    }
}
