//! gRPC as its clients meet it, over sockets: the cache before an origin of any manner, and the example as a process.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../cache_status/mod.rs"]
mod cache_status;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../client/mod.rs"]
mod client;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../redis/process.rs"]
mod redis;
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

mod caller;
mod calls;
mod client_side;
mod frames;
mod generated;
#[cfg(feature = "redis")]
mod nodes;
mod pages;
mod process;
mod run;

/// What the tests start.
const EXAMPLE: &str = "catalog";
