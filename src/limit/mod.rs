//! Rate limits: how often somebody may ask, exact under any concurrency and across nodes.
//!
//! ```text
//! request ─► is it limited? ─► whose is it? ─► quotas, all or nothing ─┬─ admitted ─► inner service ─► settle by the answer ─► fields
//!              └─ methods, networks, switch        └─ limiter          └─ refused ──► 429, Retry-After, RateLimit, problem+json
//! ```
//!
//! A [`Quota`] is an amount over a window. A [`Limiter`] counts what is used of quotas: [`MemoryLimiter`] in one process, `RedisLimiter` (feature
//! `redis`) on all nodes together, [`Leased`] with batches that each node has borrowed. A [`RateLimiter`] is the handle on one: it makes layers ([`RateLimiter::layer`]), and code that is no request asks it by itself ([`RateLimiter::acquire`]).
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::Router;
//! use axum::body::Body;
//! use axum::extract::ConnectInfo;
//! use axum::routing::get;
//! use http::Request;
//! use larder::limit::Fields;
//! use larder::{ClientIpLayer, MemoryLimiter, RateLimiter, TrustedProxies, identity};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = RateLimiter::new(MemoryLimiter::new());
//! let search = limiter
//!     .layer("search")
//!     .quota("100/m", identity::client_ip())
//!     .fields(Fields::Always)
//!     .build()?;
//! let app: Router = Router::new()
//!     .route("/search", get(async || "found"))
//!     .layer(search)
//!     // Outside of all that asks whose a request is.
//!     .layer(ClientIpLayer::new(TrustedProxies::none()));
//!
//! // What `into_make_service_with_connect_info::<SocketAddr>()` tells of a connection.
//! let peer: SocketAddr = "192.0.2.7:4711".parse()?;
//! let request = Request::get("/search").extension(ConnectInfo(peer)).body(Body::empty())?;
//! let answer = app.oneshot(request).await?;
//! assert_eq!(answer.headers()["ratelimit-policy"], "\"search\";q=100;w=60");
//! assert_eq!(answer.headers()["ratelimit"], "\"search\";r=99;t=1");
//! # Ok(())
//! # }
//! ```
//!
//! # What counts
//!
//! By default a request costs 1 of each quota, taken before the inner service is asked, whatever it answers: errors count. All quotas of a limit
//! are taken together, or none is. [`cost`](RateLimitBuilder::cost) weighs requests by their head; [`settle`](RateLimitBuilder::settle),
//! [`count_only`](RateLimitBuilder::count_only) and [`hit_cost`](RateLimitBuilder::hit_cost) settle by the head of the answer, before it leaves;
//! [`settle_bytes`](RateLimitBuilder::settle_bytes) when its body is over. A place of [`Quota::in_flight`] is held until the body has ended or is
//! dropped. What is refused changes nothing: its body is not read, and the inner service not asked.
//!
//! # With a page cache
//!
//! Outermost first: connection limits, [`ClientIpLayer`](crate::ClientIpLayer), authentication, **rate limit**, compression, page cache, handler.
//!
//! * *Limit outside the cache*: every request counts, hits and those that waited for one run of the handler included;
//!   [`hit_cost`](RateLimitBuilder::hit_cost) makes hits cheaper or free once they are answered: whether it will be a hit is not known before,
//!   so there must be room for the whole cost. Telling requests apart makes no page personal.
//! * *Limit inside* (`.layer(limit).layer(cache.page(…))`): only what reaches the handler counts. A refusal is for one client: it is not stored, and
//!   whoever waited for the same page asks for itself. A refresh in the background is not charged to the client who happened to start it; all
//!   refreshes of a limit share one bucket of each quota, as one more client, and where it is empty what is stale still goes out.
//!   On a [shared](crate::CacheLayer::shared) page the limit inside sees neither cookies nor credentials, but the address.
//!
//! ```
//! use axum::{Router, routing::get};
//! use larder::{Cache, MIB, MemoryLimiter, MemoryStore, RateLimiter, identity, minutes};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
//! let limiter = RateLimiter::new(MemoryLimiter::new());
//! let limit = limiter.layer("menu").quota("100/m", identity::client_ip()).hit_cost(0);
//! let app: Router = Router::new()
//!     .route("/menu", get(async || "soup of the day"))
//!     .layer(cache.page(minutes(5)))
//!     .layer(limit.build()?);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # gRPC
//!
//! With the feature `tonic` the same layers stand round tonic servers and services, and round routers that serve calls and pages from one port.
//! What a request is, is told by each request: a POST with content of `application/grpc` is a call, and gRPC-Web is none.
//!
//! A call that is refused is answered before its message is read, in one block of fields that ends its stream, so that clients may retry it. That has
//! a code, a message, `google.rpc.RetryInfo` and `QuotaFailure` in `grpc-status-details-bin`, and `grpc-retry-pushback-ms`: the same wait in milliseconds,
//! or `-1` where no wait is enough.
//!
//! | refused because | HTTP | code |
//! |---|---|---|
//! | a quota of this client, or of [`everyone`], is used up | 429, 503 | `RESOURCE_EXHAUSTED` |
//! | it costs more than the quota ever allows | 429 | `RESOURCE_EXHAUSTED`, pushback `-1` |
//! | the limiter is away ([`Outage::Closed`]) | 503 | `UNAVAILABLE`, which clients retry |
//! | its address is [denied](RateLimitBuilder::deny) | 403 | `PERMISSION_DENIED`, pushback `-1` |
//! | it does not say whose it is ([`Missing::Refuse`]) | 403 | `UNAUTHENTICATED`, pushback `-1` |
//!
//! The fields of quotas are initial metadata of answers, by the same rules. [`respond`](RateLimitBuilder::respond) is not asked about calls, but
//! `respond_to_calls`. `calls` says of which methods a limit is. A call costs 1 when it is opened, however many messages it streams; a place of
//! [`Quota::in_flight`] is held until its trailers have gone out. Rules that look at a [status](Answer::status) see that of a call which failed without a
//! message; a code that comes in trailers comes too late for them. Whose a call is: its metadata ([`header`](crate::identity::header)), its address
//! (a [`ClientIpLayer`](crate::ClientIpLayer) finds tonic's), and with the feature `tonic-tls` the certificate of its client (`identity::tls_peer`).
#![cfg_attr(feature = "tonic", doc = "```")]
#![cfg_attr(not(feature = "tonic"), doc = "```ignore")]
//! use larder::limit::{RateLimiter, everyone};
//! use larder::{ClientIpLayer, MemoryLimiter, TrustedProxies, identity};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = RateLimiter::new(MemoryLimiter::new());
//! let reads = limiter.layer("calls").quota("100/m", identity::client_ip()).build()?;
//! let writes = limiter
//!     .layer("writes")
//!     .calls(["/catalog.Catalog/UpdateItem"])
//!     .quota("5/s", everyone())
//!     .build()?;
//! let server = tonic::transport::Server::builder()
//!     .layer(ClientIpLayer::new(TrustedProxies::none()))
//!     .layer(reads)
//!     .layer(writes);
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! # What goes wrong
//!
//! * **Who may set `X-Forwarded-For`**: everybody. The address is that of the connection unless [trusted proxies](crate::identity::client) say
//!   otherwise; without a [`ClientIpLayer`](crate::ClientIpLayer) nobody has an address, and all share one bucket.
//! * **Who has a /48 of IPv6** has 65,536 networks of the /64 that [`client_ip`](crate::identity::client_ip) counts as one client. A second, wider
//!   quota stops hopping through them: `.quota("1000/m", client_ip().v6_prefix(48)?)`.
//! * **What nobody has verified** (a token, a key, an account in a form) is another with each request if a client wants it to be. Count by it
//!   behind the authentication, or have a quota by address beside it.
//! * **What is missing**: requests that do not say whose they are share one bucket ([`Missing`]). [`Missing::Exempt`] is an open door where a
//!   client can leave out what identifies it. Who says it twice, or says more than 4 KiB, is never exempt.
//! * A client over its quota gets 429, all clients together over that of [`everyone`] get 503. A quota that several share tells nobody how it
//!   stands.
//! * A limit that counts by account keeps that account's owner out when somebody else uses it up: count failures only.

mod acquire;
mod answer;
mod ask;
mod claim;
pub mod conformance;
mod decision;
mod handle;
#[cfg(test)]
mod handle_tests;
mod layer;
mod leased;
mod limiter;
mod memory;
mod outage;
#[cfg(all(test, feature = "redis"))]
mod outage_tests;
mod permit;
#[cfg(test)]
mod permit_tests;
mod quota;
#[cfg(feature = "redis")]
pub mod redis;
mod refusal;
mod rule;
mod stats;
mod switch;
#[cfg(test)]
mod testing;
mod waiting;

pub use self::acquire::{Acquire, Act};
pub use self::answer::{Dialect, Fields, Reset};
pub use self::ask::{Action, Ask, LimitKey};
pub use self::decision::{Decision, Receipt, Standing, Wait};
pub use self::handle::{RateLimiter, RateLimiterBuilder};
pub use self::layer::{
    Answer, Everyone, FormField, Missing, RateLimitBody, RateLimitBuilder, RateLimitError,
    RateLimitFuture, RateLimitLayer, RateLimitService, Refused, everyone, form_field,
};
#[cfg(feature = "axum")]
pub(crate) use self::layer::{Limit, Seen, Taken};
pub use self::leased::Leased;
pub use self::limiter::{Limiter, LimiterError};
pub use self::memory::{MemoryLimiter, MemoryLimiterBuilder};
pub use self::permit::Permit;
pub use self::quota::{Algorithm, Outage, Quota, QuotaError, Unit};
#[cfg(feature = "redis")]
pub use self::redis::{RedisLimiter, RedisLimiterBuilder};
pub use self::refusal::Refusal;
pub use self::stats::{Event, GroupStats, LimitStats};
pub use self::switch::Switch;
pub use self::waiting::Waiting;
