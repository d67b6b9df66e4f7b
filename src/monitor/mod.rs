//! What the cache did and why: one closed set of reasons that feeds header fields and counters alike.
//!
//! [`Stats`] counts for the whole cache, [`RequestCounts`] for one request; a [`MonitorLayer`] tells the latter to clients and to the log.

mod fields;
mod future;
mod layer;
mod reason;
mod request;
mod service;
mod stats;
mod summary;
#[cfg(test)]
mod tests;

pub use self::future::MonitorFuture;
pub use self::layer::MonitorLayer;
pub use self::reason::{Absence, Bypass, Failure, NotStored, Reason, StaleUse, Unanswered};
pub use self::request::RequestCounts;
pub use self::service::MonitorService;
pub(crate) use self::stats::Counters;
pub use self::stats::Stats;
pub use self::summary::RequestSummary;
