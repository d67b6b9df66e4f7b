//! Layers beside the page cache: what keeps it true, what HTTP knows without it, and what is said to the caches outside.

pub mod cache_control;
pub mod conditional;
mod invalidation;

#[cfg(all(test, feature = "tonic"))]
mod calls_tests;

pub use self::cache_control::{
    CacheControl, CacheControlFuture, CacheControlLayer, CacheControlService, DirectiveError,
};
pub use self::conditional::ConditionalLayer;
pub use self::invalidation::{InvalidationFuture, InvalidationLayer, InvalidationService};
