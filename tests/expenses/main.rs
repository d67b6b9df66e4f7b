//! The expenses as their users meet them: the example runs as a process, and is asked over sockets.

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

mod crowd;
mod forms;
mod pages;
mod process;
mod sessions;
mod visitor;

/// What the tests start.
const EXAMPLE: &str = "expenses";
