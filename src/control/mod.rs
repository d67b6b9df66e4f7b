//! Layers beside the page cache: what keeps it true, and what is said to the caches outside.

pub mod cache_control;
mod invalidation;

pub use self::cache_control::{
    CacheControl, CacheControlFuture, CacheControlLayer, CacheControlService, DirectiveError,
};
pub use self::invalidation::{InvalidationFuture, InvalidationLayer, InvalidationService};
