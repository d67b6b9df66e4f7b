//! What the cache did and why: one closed set of reasons that feeds header fields and counters alike.

mod reason;
mod stats;

pub use self::reason::{Absence, Bypass, Failure, NotStored, Reason, StaleUse, Unanswered};
pub(crate) use self::stats::Counters;
pub use self::stats::Stats;
