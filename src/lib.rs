#![cfg_attr(docsrs, feature(doc_cfg))]
//! Response caching and rate limits for axum, tonic and any tower stack.
//!
//! Put [`Cache::page`] round a route, and it is answered from memory by the rules of HTTP (RFC 9111): fresh or not at all, one handler run
//! for a crowd, streamed while it is stored, and freed at once when its data has changed.
//!
//! ```
//! use axum::{Router, extract::State, routing::{get, post}};
//! use larder::{Cache, InvalidationLayer, MIB, MemoryStore, PurgeError, minutes};
//!
//! async fn menu() -> &'static str {
//!     "soup of the day"
//! }
//!
//! async fn change_menu(State(cache): State<Cache>) -> Result<(), String> {
//!     // Change the data, commit; then:
//!     cache.purge_tag("menu").await.map_err(|error| error.to_string())?;
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder(MemoryStore::new(64 * MIB)).namespace("shop").build()?;
//! let app: Router = Router::new()
//!     .route("/menu", get(menu).layer(cache.page(minutes(30)).tag("menu").shared()))
//!     .route("/menu/edit", post(change_menu))
//!     .layer(InvalidationLayer::new(&cache))
//!     .with_state(cache);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! What is no page is kept as a value, which is freed by the same tags:
//!
//! ```
//! # use larder::{Cache, MIB, MemoryStore, hours};
//! # async fn count_orders() -> u64 { 41 }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
//! let orders: u64 = cache.get_or_set("orders:today", hours(1), async || count_orders().await).tag("orders").await?;
//! # assert_eq!(orders, 41);
//! # Ok(())
//! # }
//! ```
//!
//! How often somebody may ask is a limit, exact in memory and across nodes:
//!
//! ```
//! use axum::{Router, routing::get};
//! use larder::{ClientIpLayer, MemoryLimiter, RateLimiter, TrustedProxies, identity};
//!
//! # fn main() -> Result<(), larder::limit::RateLimitError> {
//! let limiter = RateLimiter::new(MemoryLimiter::new());
//! let app: Router = Router::new()
//!     .route("/search", get(async || "found"))
//!     // Whoever is over it gets 429, and is told when to come back.
//!     .layer(limiter.layer("search").quota("100/m", identity::client_ip()).build()?)
//!     .layer(ClientIpLayer::new(TrustedProxies::none()));
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! Unary gRPC calls are answered by the same rules, on a tonic server or under a client's channel (feature `tonic`):
//!
//! ```
//! # #[cfg(feature = "tonic")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use larder::{Cache, CallPolicy, MIB, MemoryStore, minutes, seconds};
//! use tonic::Code;
//!
//! let cache = Cache::builder(MemoryStore::new(64 * MIB)).namespace("shop").build()?;
//! let layer = cache
//!     .grpc()
//!     .method("/catalog.Catalog/ListCategory", minutes(30))
//!     .method("/catalog.Catalog/GetItem", CallPolicy::new(minutes(5)).tag("menu").code(Code::NotFound, seconds(10)))
//!     .build()?;
//! // tonic::transport::Server::builder().layer(layer).add_service(…)
//! # drop(layer);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tonic"))]
//! # fn main() {}
//! ```
//!
//! Start at [`Cache`] and [`limit`]; the [`page`] module tells what is stored and what is not; [`identity`] is about pages of one person each, `extract` about
//! what handlers can ask for, [`invalidation`] about what a change frees, [`control`] and [`monitor`] about the layers beside the cache, `grpc` about calls; [`store`] is the contract of stores.
//!
//! # Features
//!
//! * `memory` (default): [`MemoryStore`].
//! * `axum` (default): response parts, extractors, and the targets and routes that axum knows. Without it the layers serve any tower stack.
//! * `metrics`: `monitor::metrics`, which publishes statistics through the `metrics` facade.
//! * `tracing`: events for what was refused and why, and a span for each request that is forwarded.
//! * `redis`: `RedisStore`, one store for many nodes, and `RedisLimiter`, limits that hold across them; `redis-tls` adds `rediss://`
//!   (rustls), `redis-cluster` limits on a cluster.
//! * `tonic`: gRPC. `Cache::grpc` makes layers that keep the answers of unary calls, for tonic 0.14 servers and clients; `tonic-tls` tells clients
//!   of a server apart by their TLS connections.
//! * `compression`: `RedisStore` can compress bodies (zstd).

pub mod background;
mod between;
pub mod cache;
mod call;
pub mod clock;
mod content;
pub mod control;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(all(fuzzing, feature = "redis", feature = "tonic"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "tonic")]
pub mod grpc;
mod header;
pub mod identity;
pub mod invalidation;
pub mod limit;
mod log;
pub mod monitor;
mod mutant;
pub mod page;
mod precondition;
mod request;
pub mod store;
pub mod testing;
mod ttl;

pub use self::cache::{
    BuildError, Cache, CacheError, CacheTags, CachesLayer, Codec, Lifetime, LoadError, Loaded,
    Lookup, Purged, SoftPurges,
};
pub use self::control::{CacheControl, CacheControlLayer, ConditionalLayer, InvalidationLayer};
#[cfg(feature = "tonic")]
pub use self::grpc::{CallPolicy, GrpcCacheLayer};
pub use self::header::{CacheGroupInvalidation, CacheGroups, ETag, ETagError, GroupNameError};
pub use self::identity::{ClientIp, ClientIpLayer, Identify, Identity, Trace, TrustedProxies};
pub use self::invalidation::{Invalidation, InvalidationError};
#[cfg(feature = "redis")]
pub use self::limit::RedisLimiter;
pub use self::limit::{MemoryLimiter, Quota, RateLimitLayer, RateLimiter};
pub use self::monitor::MonitorLayer;
pub use self::page::{
    Anonymous, CacheLayer, CacheService, Forwarding, KeyPart, PageControl, PageKey, PolicyError,
    QueryRule, RequestRules, TtlOrder, Unreachable,
};
pub use self::request::RequestHead;
#[cfg(feature = "memory")]
pub use self::store::MemoryStore;
#[cfg(feature = "redis")]
pub use self::store::redis::RedisStore;
pub use self::store::{NullStore, PurgeError, Store, StoreError};
pub use self::ttl::{MIB, Ttl, days, hours, minutes, seconds};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
