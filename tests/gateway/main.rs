//! The gateway between clients and an origin that does as it is told: all three speak through sockets.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../cache_status/mod.rs"]
mod cache_status;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../raw/mod.rs"]
mod raw;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "../server/mod.rs"]
mod server;

mod advice;
mod attack;
mod bad_origin;
mod completion;
mod conditions;
mod connections;
mod directives;
mod fields;
mod freeing;
mod freshness;
mod front;
mod groups;
mod heuristics;
mod lengths;
#[allow(dead_code, reason = "each test takes what it needs")]
mod origin;
mod parts;
mod passing;
mod process;
mod ranges;
mod refreshing;
mod selection;
#[allow(dead_code, reason = "each test takes what it needs")]
mod stage;
mod staleness;
mod statuses;
mod targeted;
mod trouble;
mod updates;
mod validation;

/// What the tests start.
const EXAMPLE: &str = "gateway";
