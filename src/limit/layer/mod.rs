//! The layer: whose a request is, what it costs, and what becomes of it.

mod answer;
mod body;
mod build;
mod builder;
#[cfg(feature = "tonic")]
mod calls;
#[cfg(not(feature = "tonic"))]
#[path = "no_calls.rs"]
mod calls;
mod claimed;
mod deadline;
mod error;
mod everyone;
mod form;
mod future;
mod limit;
mod refused;
mod scope;
mod service;
mod settle;
mod taken;
#[cfg(all(test, feature = "axum"))]
mod tests;

pub use self::answer::Answer;
pub use self::body::RateLimitBody;
pub use self::builder::RateLimitBuilder;
pub use self::claimed::Missing;
pub use self::error::RateLimitError;
pub use self::everyone::{Everyone, everyone};
pub use self::form::{FormField, form_field};
pub use self::future::RateLimitFuture;
#[cfg(feature = "axum")]
pub(crate) use self::limit::Limit;
pub use self::limit::RateLimitLayer;
pub use self::refused::Refused;
pub use self::service::RateLimitService;
#[cfg(feature = "axum")]
pub(crate) use self::taken::{Seen, Taken};
