//! Extractors for axum handlers: the cache, the page, who is asking, what is left of a limit.
//!
//! They work wherever their layer stands: on a route, on a router, within `nest`, with any state. Where it stands nowhere, the answer is a
//! 500 that names it ([`MissingLayer`]); `Option<_>` is for handlers that may run without.
//!
//! ```
//! use axum::{Router, routing::get};
//! use larder::extract::{Page, Personal};
//! use larder::{Cache, Identity, MIB, MemoryStore, identity, minutes, seconds};
//!
//! async fn scores(page: Page) -> &'static str {
//!     page.tag("scores");
//!     page.ttl(seconds(10));
//!     "2:1"
//! }
//!
//! async fn greeting(who: Identity) -> &'static str {
//!     if who.is_anonymous() { "Good day!" } else { "Welcome back!" }
//! }
//!
//! let cache = Cache::builder(MemoryStore::new(64 * MIB))
//!     .user(identity::cookie("session"))
//!     .build()?;
//! let app: Router = Router::new()
//!     .route("/scores", get(scores).layer(cache.page(minutes(1))))
//!     .route("/greeting", get(greeting).layer(cache.page(minutes(1)).vary_on_user()?));
//! # drop(app);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod client_ip;
mod identity;
mod missing;
mod not_met;
mod page;
mod preconditions;
mod rate_limited;
mod validators;

#[cfg(test)]
mod preconditions_tests;

pub use self::cache::Caches;
pub use self::client_ip::ClientIpRejection;
pub use self::identity::Personal;
pub use self::missing::MissingLayer;
pub use self::not_met::NotMet;
pub use self::page::Page;
pub use self::preconditions::Preconditions;
pub use self::rate_limited::RateLimited;
pub use self::validators::Validators;
pub use crate::page::Looked;
