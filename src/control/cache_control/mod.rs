//! `Cache-Control` as a type, and the layer that writes it.
//!
//! ```text
//! response ─► chosen? ─┬─ set ─────────────────────────────┬─► Expires ─► targeted fields ─► Vary ─► response
//!                      ├─ if not present ─ absent? ─ set ──┤
//!                      └─ patch ─ what stands ─► merge ────┘
//! ```
//!
//! A handler says it of its own page, a layer of all that stands behind it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use larder::{CacheControl, CacheControlLayer, hours, minutes};
//! use tower::ServiceExt;
//!
//! let app: Router = Router::new()
//!     .route("/menu", get(async || (CacheControl::public().max_age(minutes(5)), "soup")))
//!     .route("/about", get(async || "since 1931"))
//!     .layer(CacheControlLayer::if_not_present(CacheControl::public().max_age(hours(1))))
//!     .route("/orders", get(async || "two soups").layer(CacheControlLayer::never_cache()));
//!
//! let control = async |path| {
//!     let request = Request::get(path).body(Body::empty()).unwrap();
//!     let response = app.clone().oneshot(request).await.unwrap();
//!     response.headers()["cache-control"].to_str().unwrap().to_owned()
//! };
//! assert_eq!(control("/menu").await, "public, max-age=300");
//! assert_eq!(control("/about").await, "public, max-age=3600");
//! assert_eq!(control("/orders").await, "max-age=0, no-cache, no-store, must-revalidate, private");
//! # }
//! ```
//!
//! # Inside and outside of a page layer
//!
//! Between the handler and a page layer, this layer has a say in what is stored: `max-age` is the page's lifetime, `never_cache` keeps it out
//! of the cache, and each hit carries what was stored. Outside of the page layer it speaks to clients and to the caches between: what is
//! stored, and for how long, does not change. There a hit has an `Age`, from which clients count the `max-age` that this layer
//! has written; and a layer that sets or patches `public` takes back the `private` of a page that varies by person, so that a cache outside
//! could hand it to others.

#[cfg(test)]
mod arbitrary;
mod directives;
mod expires;
pub mod kind;
mod layer;
mod merge;
mod patch;
mod rules;
mod service;
mod targeted;
mod value;
mod vary;

pub use self::layer::CacheControlLayer;
pub use self::service::{CacheControlFuture, CacheControlService};
pub use self::value::{CacheControl, DirectiveError};

#[cfg(all(test, feature = "axum"))]
mod tests;
