//! The layer outside and inside of a page cache.
