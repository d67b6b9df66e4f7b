//! What the cache did and why: one closed set of reasons that feeds header fields, counters and events alike.
//!
//! [`Cache::stats`](crate::Cache::stats) reads the counters of a cache and of each of its routes, in code or as JSON; with the feature
//! `metrics`, an exporter publishes them; with `tracing`, each request is an event at level `debug` with `route`, `result` and `detail`, and each
//! that is forwarded a span `larder.fill` with the same. [`RequestCounts`] counts for one request, and a [`MonitorLayer`] tells that to clients and to
//! the log. [`Cache::analyse`](crate::Cache::analyse) looks at what is stored.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use larder::{Cache, MIB, MemoryStore, minutes};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
//! let menu = get(async || "soup").layer(cache.page(minutes(30)));
//! let app: Router = Router::new().route("/menu", menu);
//! for _ in 0..4 {
//!     let asked = Request::get("/menu").header("host", "shop.example").body(Body::empty())?;
//!     let answer = app.clone().oneshot(asked).await?;
//!     axum::body::to_bytes(answer.into_body(), 1_024).await?;
//! }
//!
//! let stats = cache.stats();
//! assert_eq!(stats.hit_rate(), Some(0.75));
//! let menu = stats.route("/menu").expect("it was asked for");
//! assert_eq!((menu.hits(), menu.bytes_served()), (3, 12));
//! assert_eq!(menu.misses_by_reason()["uri-miss"], 1);
//! # Ok(())
//! # }
//! ```

mod analysis;
mod counts;
mod fields;
mod future;
mod histogram;
mod layer;
#[cfg(feature = "metrics")]
pub mod metrics;
mod reason;
mod request;
mod routes;
mod service;
pub(crate) mod shard;
mod stats;
mod summary;
#[cfg(test)]
mod tests;

pub use self::analysis::{Analysis, KeyReport, LargeEntry, Lifetimes, PrefixTotal, Total};
pub use self::counts::Counts;
pub use self::future::MonitorFuture;
pub use self::histogram::{Latency, Operation, StoreLatencies};
pub use self::layer::MonitorLayer;
pub use self::reason::{Absence, Bypass, Failure, NotStored, Reason, StaleUse, Unanswered};
pub use self::request::RequestCounts;
pub(crate) use self::request::{Event, count_for_request};
pub(crate) use self::routes::Route;
pub use self::service::MonitorService;
pub(crate) use self::stats::Counters;
pub use self::stats::{RouteStats, Stats, ValueCounts};
pub use self::summary::RequestSummary;
