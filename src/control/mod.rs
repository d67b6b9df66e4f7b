//! Layers beside the page cache that keep it true.

mod invalidation;

pub use self::invalidation::{InvalidationFuture, InvalidationLayer, InvalidationService};
