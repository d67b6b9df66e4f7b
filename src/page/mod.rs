//! The page cache: a shared HTTP cache (RFC 9111) round a route.
//!
//! ```text
//! request ─► screen ─► key ─► lookup ─► reuse ─┬─ fresh ────────► answer (304 / 206 / HEAD / full)
//!                                              ├─ stale, but ───► answer, refresh in the background
//!                                              ├─ stale ────────► flight ─► validate ─► confirm (304) or as below
//!                                              └─ absent ───────► flight ─► handler ─► storable? ─► record while streaming ─► commit behind the fence
//! ```
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use larder::{Cache, MIB, MemoryStore, minutes};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
//! let app = Router::<()>::new().route("/menu", get(async || "soup").layer(cache.page(minutes(30))));
//!
//! let ask = || Request::get("/menu").header("host", "shop.example").body(Body::empty());
//! let first = app.clone().oneshot(ask()?).await?;
//! assert_eq!(first.headers()["cache-status"], "larder; fwd=uri-miss; stored");
//! axum::body::to_bytes(first.into_body(), MIB).await?;
//!
//! let second = app.oneshot(ask()?).await?;
//! assert_eq!(second.headers()["cache-status"], "larder; hit; ttl=1800");
//! assert_eq!(second.headers()["age"], "0");
//! # Ok(())
//! # }
//! ```
//!
//! # What to know before serving
//!
//! * Handlers do not run on hits, and so neither does what stands within the layer. **Guards that authorise stand outside it.**
//! * A page is shared with everyone. A response to a request with `Authorization`, `Cookie` or a
//!   [registered identity](crate::cache::CacheBuilder::identity) is stored only if it says `public` or `s-maxage`, or if the layer is
//!   [`shared`](CacheLayer::shared), which takes these away from the handler. What larder cannot see (task-locals, an address that a handler
//!   looks up in a table) is for the application to declare, with [`vary_on`](CacheLayer::vary_on).
//! * A page that [varies on the user](CacheLayer::vary_on_user) is one of many private ones: what says `private`, and what answers
//!   credentials, is stored for the person whom the key holds, and for nobody else. It leaves as `private`. What a handler reads of who is asking
//!   must be what the key holds: an [`Identity`](crate::Identity) that was read and is not keyed keeps an answer from being stored, on every
//!   route. Larder sees what its own [extractors](crate::extract) read, and what is wrapped in
//!   [`Personal`](crate::extract::Personal), best before the head: a body that reads it while it streams is not stored, but those who wait for the
//!   same page may have got its beginning by then, where its length is known. [`testing::assert_cacheable`](crate::testing::assert_cacheable) is for the tests of an application.
//! * A browser keeps what it has shown for "back", whatever its address answers now. Pages of one person should leave with `no-store`, set by
//!   a layer outside of the page layer, which stores them all the same; see `examples/expenses`.
//! * A session that has ended on the server is answered from the store while its pages are fresh, where its cookie is all that tells who is
//!   asking: the guard outside turns it away, or [`purge_identity`](crate::Cache::purge_identity) frees its pages.
//! * Pages of one cache are told apart by address and policy, not by the service that the layer stands round. Two applications on one cache
//!   (a public and an internal one, two versions chosen by a field) need a namespace each, or layers that are [`named`](CacheLayer::named).
//! * A purge outruns what is read within the page layer. What a layer outside has read, before the page layer was asked, is older than the
//!   fill's stamp: pass on what was read, not what it says, or purge again. Page layers within one another belong on one cache, so that
//!   the outer copy is struck by the purges of the inner. What an inner layer tells clients by default, `no-cache`, an outer one takes at its
//!   word: it stores what names a lifetime.
//! * For its lifetime a path is read in one way only: one with encoded slashes, dot segments and the like is stored for a lifetime that the
//!   response gives, never for the policy's.
//! * `If-None-Match` and `If-Modified-Since` of a client do not reach the handler when nothing is stored and others may wait for its answer;
//!   what is filled is the whole page, and the client gets its 304 all the same. When something is stored, its validators go to the handler
//!   beside those of the client. A 304 must repeat the `ETag` (RFC 9110 §15.4.5): one that names no validator confirms what is stored for
//!   that request and makes nothing fresh.
//! * A refresh in the background asks for nobody in particular: the handler sees the target, `Host`, what selects the page and what is keyed.
//!   Where the key is [computed](CacheLayer::vary_on), it sees the whole request that it was started for.
//! * `Accept-Language` and `Accept-Encoding` reach the handler of a fill in the form that selects: members sorted by weight.
//! * What is [declared](KeyPart) to be one of several values (a language, a class of clients, a cookie out of a list) reaches the handler of a
//!   GET or HEAD as that value and nothing more, whether its answer is stored or not.
//! * Requests that wait, and stores that have to be waited for, need a tokio runtime with its timer.
//! * `X-Forwarded-Host` and its like are parts of the key, unless a proxy that overwrites them is [trusted](CacheLayer::forwarding).
//! * The lifetime is the server's. Clients are told `no-cache`, since a copy in a browser cannot be purged, unless
//!   [`client_ttl`](CacheLayer::client_ttl) or the response says otherwise.
//! * A layer that changes bodies by request fields (compression) stands outside, and adds its own `Vary`.
//! * A miss with HEAD is forwarded as HEAD and stores nothing; its answer freshens a stored page, or shows that it no longer holds.
//! * `Range` on a miss passes by, or is stored as a part in a gateway, and does not wait for others.
//!
//! # Where the standards leave room
//!
//! * `s-maxage` beside `stale-while-revalidate` or `stale-if-error`: these hold, since their authors mean them to; [`strict_s_maxage`] is the
//!   letter of RFC 9111 §5.2.2.10. Neither holds beside `no-cache`, `must-revalidate` or `proxy-revalidate`.
//! * Request directives are advice (§5.2.1): heeded by gateways, not by pages. `no-store` always counts.
//! * `If-Match` and `If-Unmodified-Since` are for the origin to judge: such requests are forwarded.
//! * `private` and `no-cache` with field names count as without.
//! * Repeated directives: equal values are one, different ones make the response stale.
//! * An age equal to the lifetime is over.
//! * A page that was made by a layer within from something stale is not stored.
//!
//! [`strict_s_maxage`]: CacheLayer::strict_s_maxage

mod account;
mod answer;
mod asker;
mod beginning;
mod body;
mod budget;
mod commit;
mod complete;
mod compressible;
mod confirm;
mod content;
mod control;
mod excerpt;
mod fill;
mod flight;
mod flow;
mod follow;
mod freshness;
mod future;
mod guess;
mod handle;
mod heads;
#[cfg(feature = "tonic")]
mod hit;
mod key;
mod key_text;
mod layer;
mod lead;
mod lookup;
mod multipart;
mod negotiate;
mod options;
mod part;
mod partial;
mod parts;
mod policy;
mod post;
mod precondition;
mod preset;
mod query;
mod record;
mod record_state;
mod refresh;
mod remember;
mod respond;
mod reuse;
mod rewrite;
mod screen;
mod search;
mod search_variance;
mod service;
mod share;
mod storable;
mod stored;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod unreachable;
mod validate;
mod variants;
mod want;
mod wire;

pub use self::body::PageBody;
pub(crate) use self::budget::Budget;
#[cfg(feature = "tonic")]
pub(crate) use self::budget::Share;
pub use self::control::PageControl;
pub(crate) use self::flight::Flights;
pub use self::future::ResponseFuture;
pub(crate) use self::guess::Guesses;
#[cfg(any(feature = "axum", feature = "tonic"))]
pub(crate) use self::handle::Handle;
pub use self::handle::Looked;
pub(crate) use self::heads::Heads;
pub use self::key::PageKey;
pub(crate) use self::key::normal_host;
pub(crate) use self::key_text::KeyText;
pub use self::layer::CacheLayer;
pub use self::part::{CookiePart, FieldPart, KeyPart};
pub use self::policy::{Anonymous, Forwarding, PolicyError, TtlOrder};
pub(crate) use self::post::Freed;
pub use self::preset::RequestRules;
pub use self::query::QueryRule;
pub(crate) use self::remember::Remembered;
pub(crate) use self::respond::{StatusField, is_answered_by_a_page_layer};
#[cfg(feature = "tonic")]
pub(crate) use self::screen::FORWARDING;
pub use self::service::CacheService;
pub use self::unreachable::Unreachable;
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::decode_head;
pub use crate::content::ReplayedBody;
