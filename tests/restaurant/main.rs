//! The restaurant as its visitors meet it: the example runs as a process, and is asked over sockets.

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
#[path = "../server/mod.rs"]
mod server;

mod changes;
mod crowd;
mod hostile;
mod orders;
mod pages;
mod process;
mod values;

/// What the tests start.
const EXAMPLE: &str = "restaurant";
