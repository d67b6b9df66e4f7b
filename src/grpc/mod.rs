//! gRPC: unary calls answered from the store, by the rules of pages.
//!
//! ```text
//! call ─► metadata ─► message ─► key ─► the page cache ─┬─ kept ──► metadata, message, trailers
//!                                                       └─ absent ─► handler ─► one message, OK? ─► kept
//! ```

mod timeout;
pub(crate) use self::timeout::grpc_timeout;

#[cfg(feature = "tonic")]
mod answer;
#[cfg(feature = "tonic")]
mod arriving;
#[cfg(feature = "tonic")]
mod body;
mod call;
#[cfg(all(any(test, fuzzing), feature = "tonic"))]
mod check;
#[cfg(feature = "tonic")]
mod descriptor;
#[cfg(feature = "tonic")]
mod error;
#[cfg(feature = "tonic")]
mod frame;
#[cfg(feature = "tonic")]
mod future;
#[cfg(feature = "tonic")]
mod handler;
#[cfg(feature = "tonic")]
mod kept;
#[cfg(feature = "tonic")]
mod key;
#[cfg(feature = "tonic")]
mod layer;
#[cfg(feature = "tonic")]
mod method;
#[cfg(feature = "tonic")]
mod policy;
#[cfg(feature = "tonic")]
mod read;
#[cfg(all(test, feature = "tonic"))]
pub(crate) mod sample;
#[cfg(feature = "tonic")]
mod screen;
#[cfg(feature = "tonic")]
mod service;
#[cfg(feature = "tonic")]
mod status;
#[cfg(feature = "tonic")]
mod tags;
#[cfg(all(test, feature = "tonic"))]
mod tests;
#[cfg(feature = "tonic")]
mod upstream;

#[cfg(feature = "tonic")]
pub use self::body::GrpcBody;
pub(crate) use self::call::{has_failed, has_grpc_content, is_call};
#[cfg(all(fuzzing, feature = "tonic"))]
pub(crate) use self::check::{check_kept, check_reading};
#[cfg(feature = "tonic")]
pub use self::error::GrpcCacheError;
#[cfg(feature = "tonic")]
pub use self::future::GrpcCacheFuture;
#[cfg(feature = "tonic")]
pub use self::layer::{GrpcCacheBuilder, GrpcCacheLayer};
#[cfg(feature = "tonic")]
pub use self::policy::CallPolicy;
#[cfg(feature = "tonic")]
pub use self::service::GrpcCacheService;
#[cfg(feature = "tonic")]
pub(crate) use self::{answer::code_of, call::is_method_path};
