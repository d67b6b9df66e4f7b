//! gRPC: unary calls answered from the store, by the rules of pages.
//!
//! ```text
//! call ─► method ─► metadata ─► message ─► key ─► the page cache ─┬─ fresh ──────► metadata, message, trailers
//!           │          │           │                              ├─ stale, but ─► the same, refresh in the background
//!           │          │           │                              └─ absent ─────► handler ─► one message, OK? ─► kept ─► metadata, …
//!           └──────────┴───────────┴─ not named, not known, not one message: passes, frame by frame
//! ```
//!
//! The layer stands round a tonic server, round one of its services, or under the channel of a client. What it keeps is named, method by
//! method; purges, fences, collapsing, stale answers and identities are those of [pages](crate::page), by the same [`Cache`](crate::Cache).
//!
//! ```
//! use bytes::Bytes;
//! use http::{HeaderMap, HeaderName, HeaderValue};
//! use http_body_util::{BodyExt, Full};
//! use larder::grpc::CallPolicy;
//! use larder::{Cache, MIB, MemoryStore, minutes};
//! use tonic::body::Body;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
//! let layer = cache
//!     .grpc()
//!     .method("/catalog.Catalog/GetItem", CallPolicy::new(minutes(5)).tag("items"))
//!     .cache_status()
//!     .build()?;
//! // In place of CatalogServer::new(handler): an empty message, and OK.
//! let handler = service_fn(async |_: http::Request<Body>| {
//!     let status = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
//!     let message = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(status)) });
//!     let response = http::Response::builder().header("content-type", "application/grpc");
//!     response.body(Body::new(message))
//! });
//! let call = || {
//!     http::Request::post("https://shop.example/catalog.Catalog/GetItem")
//!         .header("content-type", "application/grpc")
//!         .header("te", "trailers")
//!         .body(Body::new(Full::new(Bytes::from_static(&[0; 5]))))
//! };
//! let first = layer.layer(handler).oneshot(call()?).await?;
//! assert_eq!(first.headers()["cache-status"], "larder; fwd=uri-miss; stored");
//! let second = layer.layer(handler).oneshot(call()?).await?;
//! assert_eq!(second.headers()["cache-status"], "larder; hit; ttl=300");
//!
//! cache.purge_tag("items").await?;
//! let third = layer.layer(handler).oneshot(call()?).await?;
//! assert_eq!(third.headers()["cache-status"], "larder; fwd=uri-miss; stored");
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept
//!
//! The answer to a call of a [named](GrpcCacheBuilder::method) method that came with exactly one message, trailers and `grpc-status: 0`:
//! its initial metadata, the bytes of its message as they came, compressed or not, and its trailers. It is answered again as it came, but for
//! metadata that are of one call (`date`, trace ids, `set-cookie`, what is left of a quota). Errors are kept by code and by
//! [request](CallPolicy::code) only, and those that tell of one call, one caller or one moment never: `UNAVAILABLE`, `RESOURCE_EXHAUSTED`,
//! `UNAUTHENTICATED` and the like. The lifetime is the policy's; `cache-control` among the initial metadata can only take from it.
//!
//! # What passes by, and why
//!
//! Nothing is held back of what passes; the [reason](crate::monitor::Bypass) is counted, and no answer to it is kept.
//!
//! * Methods that are not named. Those that stream cannot be, where a [descriptor set](GrpcCacheBuilder::descriptor_set) says that they do;
//!   one that is named by mistake passes where its request or its answer is not one message, after a wait for the second.
//! * Calls with credentials (`authorization`, `cookie`) that the policy neither [keys](CallPolicy::vary_on_user) nor
//!   [withholds](CallPolicy::shared): `credentials`.
//! * Calls with metadata that the policy neither [keys](CallPolicy::vary_on_metadata) nor declares [inert](CallPolicy::inert_metadata), and
//!   that are not of the protocol or of tracing: `metadata`. A debug event names them (feature `tracing`). Tools that are no clients of gRPC
//!   send such: the `accept` of curl is one.
//! * Requests above [64 KiB](CallPolicy::max_request), and those that do not end: `content`. What is none, several, half a message or a
//!   malformed one: `message`.
//! * Calls that are addressed to nobody: `authority`. See below of clients.
//!
//! # What tells calls apart
//!
//! Scheme, authority and path; `content-type`; the bytes of the message; `grpc-encoding`; `grpc-accept-encoding` as a set, so that every
//! client is answered in a coding that it takes; keyed metadata as sent; and whom the policy tells apart. Protobuf has several encodings of
//! one message: clients of different kinds may write different bytes for it, and are kept apart. Maps are the common case.
//!
//! # Who is asking
//!
//! As with pages: an answer is everyone's, unless the policy varies on the [user](CallPolicy::vary_on_user) or an
//! [identity](CallPolicy::vary_on_identity). Interceptors and guards that authorise stand outside the layer, for what stands within is not
//! asked on a hit. What they learn and put into extensions must be [registered](crate::cache::CacheBuilder::identity).
//!
//! ```
//! use larder::grpc::CallPolicy;
//! use larder::{Cache, MIB, MemoryStore, identity, minutes};
//! use tonic::service::InterceptorLayer;
//! use tonic::transport::Server;
//! use tonic::{Request, Status};
//!
//! #[derive(Clone)]
//! struct User(u64);
//!
//! // Put your own authentication here.
//! fn signed_in(mut call: Request<()>) -> Result<Request<()>, Status> {
//!     match call.metadata().get("authorization") {
//!         Some(token) if token == "Bearer ann" => call.extensions_mut().insert(User(1)),
//!         _ => return Err(Status::unauthenticated("who are you?")),
//!     };
//!     Ok(call)
//! }
//!
//! let cache = Cache::builder(MemoryStore::new(64 * MIB))
//!     .user(identity::extension("user", |user: &User| user.0.to_be_bytes()))
//!     .build()?;
//! let layer = cache
//!     .grpc()
//!     .method("/catalog.Catalog/GetItem", CallPolicy::new(minutes(5)).vary_on_user())
//!     .build()?;
//! // The first layer of a tonic server is the outermost; that of an axum router is the innermost.
//! let server = Server::builder()
//!     .layer(InterceptorLayer::new(signed_in))
//!     .layer(layer);
//! # drop(server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `CatalogServer::with_interceptor` stands within the layer where that is round the server: it is not asked on a hit.
//!
//! # Deadlines
//!
//! A caller's `grpc-timeout` counts for that caller: whoever waits longer gets `DEADLINE_EXCEEDED`, or something stale shortly before, where
//! [`stale_if_error`](CallPolicy::stale_if_error) lets it. The handler is asked for all who wait, and so has the time of the policy's
//! [`fill_timeout`](CallPolicy::fill_timeout) instead: it does not see the deadline of the first. It goes on when that one gives up.
//!
//! # Under a client
//!
//! ```text
//! CatalogClient ─► interceptors ─► GrpcCacheLayer ─► interceptors ─► channel ─► the service
//! ```
//!
//! * A client's calls get their address only in the channel, and the cache must know before: name what is called with
//!   [`authority`](GrpcCacheBuilder::authority), by a name of its own for each service that is called.
//!   `CatalogClient::with_origin` is a name as well, as long as no two channels of one cache are given the same one.
//! * What an interceptor outside the layer adds (`authorization`) is the caller's, and passes by. What one within adds, or the
//!   channel, is the credentials of this service, which are the same for whoever asks it: its answers are kept.
//! * A channel that cannot connect, loses its connection or runs into its own timeout has failed: `stale_if_error` answers. Without that the
//!   channel's error is told as it is.
//! * `Request::set_timeout` is obeyed as above.
//!
//! # What to know
//!
//! * Two layers of one cache that name one method share what they keep, whichever of their policies it was kept by: give both one policy, or
//!   the caches a namespace each.
//! * Naming a method declares that it changes nothing and that its answers depend on nothing but what tells calls apart. What larder cannot see
//!   (task-locals, peer addresses, extensions of layers outside that are not registered) is for the application to declare or leave out.
//! * An answer is read whole before it is kept, up to [1 MiB](CallPolicy::max_message), and whoever waits for it waits for its end: there is
//!   nothing to stream in one message. Larger ones pass.
//! * A message whose trailers are a second behind it is taken for a stream, and passes.
//! * Extensions of a response reach its own caller alone.
//! * gRPC-Web is not gRPC: it passes. Put its layer outside of this one.
//! * Where the service compresses (`send_compressed`), what is kept is compressed already, once for each set of codings that clients take.
//!
//! # What is told
//!
//! [`Cache::stats`](crate::Cache::stats), the exporter of metrics and `tracing` tell of each method by its path, as of a route: hits, misses, reasons,
//! bytes that the store gave (messages with their metadata), and the time that handlers would have taken. Calls of methods that are not
//! named are not counted. [`MonitorLayer`](crate::MonitorLayer) stands outside; it writes its fields into the initial metadata where
//! [`fields_on_calls`](crate::MonitorLayer::fields_on_calls) asks for it, and the status that it logs is HTTP's, 200. Metadata tell nothing by default: see [`cache_status`](GrpcCacheBuilder::cache_status).

mod answer;
mod arriving;
mod body;
#[cfg(any(test, fuzzing))]
mod check;
mod descriptor;
mod error;
mod frame;
mod future;
mod handler;
mod kept;
mod key;
mod layer;
mod method;
mod named;
mod policy;
mod read;
#[cfg(test)]
pub(crate) mod sample;
mod screen;
mod service;
mod status;
mod tags;
#[cfg(test)]
mod tests;
mod upstream;

pub(crate) use self::answer::code_of;
pub use self::body::GrpcBody;
#[cfg(fuzzing)]
pub(crate) use self::check::{check_kept, check_reading};
pub use self::error::GrpcCacheError;
pub use self::future::GrpcCacheFuture;
pub use self::layer::{GrpcCacheBuilder, GrpcCacheLayer};
pub use self::policy::CallPolicy;
pub use self::service::GrpcCacheService;
