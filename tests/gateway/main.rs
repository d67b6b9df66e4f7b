//! The gateway between clients and an origin that does as it is told: all three speak through sockets.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../server/mod.rs"]
mod server;

mod connections;
mod front;
mod lengths;
#[allow(dead_code, reason = "each test takes what it needs")]
mod origin;
mod passing;
mod process;
mod trouble;

/// What the tests start.
const EXAMPLE: &str = "gateway";
