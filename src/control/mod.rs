//! Layers beside the page cache: what keeps it true, and what HTTP knows without it.

pub mod conditional;
mod invalidation;

pub use self::conditional::ConditionalLayer;
pub use self::invalidation::{InvalidationFuture, InvalidationLayer, InvalidationService};
