//! What Redis does to those who keep their pages in it: servers as processes, mistreated, behind the restaurant as its visitors meet it.

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

#[allow(dead_code, reason = "each test takes what it needs")]
mod process;

mod faults;
mod nodes;

/// What the tests start.
const EXAMPLE: &str = "restaurant";
