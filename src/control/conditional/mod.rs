//! Conditional requests for any route, cached or not (RFC 9110 §8.8, §13).
//!
//! ```text
//! request ─► inner service ─► answer ─┬─ other method ───────────────────────────────────────► as it is
//!                                     ├─ GET: 200 without ETag ─► read, within bounds ─► ETag ─┐
//!                                     └─ other GET, HEAD ──────────────────────────────────────┴─► conditions ─┬─► as it is
//!                                                                                                              ├─► 304
//!                                                                                                              └─► 412
//! ```
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::{Request, StatusCode, header::{ETAG, IF_NONE_MATCH}};
//! use larder::ConditionalLayer;
//! use tower::ServiceExt;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app: Router = Router::new()
//!     .route("/menu", get(async || "soup of the day"))
//!     .layer(ConditionalLayer::new());
//!
//! let first = app.clone().oneshot(Request::get("/menu").body(Body::empty())?).await?;
//! let tag = first.headers()[ETAG].clone();
//!
//! let again = Request::get("/menu").header(IF_NONE_MATCH, tag).body(Body::empty())?;
//! assert_eq!(app.oneshot(again).await?.status(), StatusCode::NOT_MODIFIED);
//! # Ok(())
//! # }
//! ```
//!
//! # What gets a tag
//!
//! The 200 of a GET, with content, that has no `ETag` and is not `no-store`. Its body is read before its head goes out: one that says its
//! length is waited for, if it is within [`max_body`](ConditionalLayer::max_body); one that does not is read as long as it has something
//! ready, so that whatever waits for events goes out as it comes. What is longer, what fails, and what ends with trailers goes out as it
//! came, without a tag. So do `text/event-stream`, `multipart/x-mixed-replace`, parts (206), upgrades and answers that declare trailers, whose
//! bodies are not touched at all.
//!
//! # What is judged
//!
//! The conditions of GET and HEAD, on the finished answer, in the order of §13.2.2; only a 2xx becomes 304 or 412. Dates are compared with
//! `Last-Modified` alone. What cannot be read holds nothing against the answer. A HEAD is judged by the validators that it has: nobody makes
//! a body for its tag. Answers to other methods pass: their work is done, and a 412 would deny it. Such a handler asks
//! [`Preconditions`](crate::extract::Preconditions) before it works.
//!
//! # Traps
//!
//! * The handler works for a 304 as for a 200; what is saved is the way to the client. [`Preconditions`](crate::extract::Preconditions) save
//!   the work.
//! * A layer that changes bodies belongs inside this one, as compression does. One outside makes strong tags untrue: then
//!   [`weak`](ConditionalLayer::weak).
//! * Inside a page cache the tag is stored with the page. Outside of one, bodies of hits are read for each request; there
//!   [`CacheLayer::etag`](crate::CacheLayer::etag) is cheaper.
//! * A 304 has `Cache-Control`, `Content-Location`, `Date`, `ETag`, `Expires`, `Last-Modified`, `Vary`, `Set-Cookie`, and `Age`,
//!   `Cache-Status` and `X-Cache` of the caches inside. Layers that write other fields which a 304 should have, as CORS, stand outside.
//! * `Range` and `If-Range` are left to the service inside, which does not know the tags that are made here.

mod body;
mod future;
mod head;
mod layer;
mod reading;
mod replay;
mod service;

#[cfg(test)]
mod tests;

pub use self::body::ConditionalBody;
pub use self::future::ConditionalFuture;
pub use self::layer::ConditionalLayer;
pub use self::service::ConditionalService;
