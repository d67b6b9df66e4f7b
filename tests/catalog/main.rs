//! The catalog as its clients meet it: the example runs as a process, and is called over sockets.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../server/mod.rs"]
mod server;

#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "it is generated"
)]
#[rustfmt::skip]
#[path = "../../examples/catalog/proto.rs"]
mod proto;

mod generated;
#[cfg(feature = "tonic-tls")]
mod limits;

/// What the tests start.
const EXAMPLE: &str = "catalog";
