//! The client's address: who connected, or who that says it was, where it may be believed.
//!
//! **Whoever connects may write anything into `X-Forwarded-For`, `Forwarded` and their like.** Only what a proxy of yours has appended is worth
//! reading, and only if nobody can come round that proxy. So a field is read only when the connection comes from an address in
//! [`TrustedProxies`], from the right, where the nearest proxy wrote, and no further than to the first address that is no trusted proxy. Of
//! what stands left of it the client may have made up every letter. By default no field is read at all.
//!
//! ```text
//! X-Forwarded-For:  192.0.2.66, 203.0.113.9, 10.0.0.7                  peer 10.0.0.1
//!                   │           │            └─ a trusted proxy ◄────── a trusted proxy
//!                   │           └─ the first that is not trusted: the client
//!                   └─ whatever the client sent, never read
//! ```
//!
//! [`ClientIpLayer`] finds the address once and puts it into the request. Layers and keys take it through [`client_ip`], handlers through
//! the extractor [`ClientIp`], other services by [`ClientIp::of`]: so larder knows which answers depend on it.
//!
//! ```
//! use larder::{Cache, ClientIpLayer, NullStore, TrustedProxies, hours, identity};
//! use axum::{Router, routing::get};
//!
//! // One load balancer, which appends to X-Forwarded-For the address of whoever connects to it.
//! let proxies: TrustedProxies = "10.0.0.1".parse()?;
//!
//! let app: Router = Router::new()
//!     .route("/", get(async || "hello"))
//!     .layer(ClientIpLayer::new(proxies));
//! // The peer of a connection is told by axum:
//! let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
//! # drop(service);
//! # Ok::<(), larder::identity::TrustedProxiesError>(())
//! ```
//!
//! # What else goes wrong
//!
//! * A proxy has to *append* to the field, or to overwrite it, and must not be reachable by a way that skips it. A proxy of a content network
//!   that the server trusts is one that any customer of that network can point at it, unless the network says so in a field of its own.
//! * [`TrustedProxies::private_ranges`] trusts every machine of the network that the server stands in, other tenants' included.
//! * A vendor's field ([`TrustedProxies::field`]) that the vendor's proxy does not overwrite is the client's.

mod address;
mod chain;
mod forwarded;
mod layer;
mod network;
mod node;
mod peer;
mod proxies;
mod walk;

pub use self::address::{ClientIp, PrefixError, Translator};
pub use self::layer::{ClientIpLayer, ClientIpService};
pub use self::network::{ClientNetwork, client_ip};
pub(crate) use self::proxies::canonical;
pub use self::proxies::{TrustedProxies, TrustedProxiesError};

pub(crate) use self::layer::Found;
#[cfg(feature = "axum")]
pub(crate) use self::network::full_address;
