//! The API as its clients meet it: the example runs as a process, and is asked over sockets.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../cache_status/mod.rs"]
mod cache_status;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../client/mod.rs"]
mod client;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;
#[cfg(feature = "redis")]
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../redis/process.rs"]
mod redis;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../server/mod.rs"]
mod server;

mod addresses;
mod answers;
mod fields;
#[cfg(feature = "redis")]
mod nodes;
mod report;
mod search;
mod sign_in;

/// What the tests start.
const EXAMPLE: &str = "api";
