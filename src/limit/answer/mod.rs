//! What clients are told of their quotas: header fields and the answer that refuses.

mod dialect;

pub use self::dialect::{Dialect, Fields, Reset};

use http::HeaderMap;

use super::decision::{Standing, Wait};
use super::quota::Unit;

/// A quota as it is told. Its name was checked when the limit was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// What may be used in a window; for a token bucket the burst.
    pub(crate) amount: u64,
    /// In microseconds; none for what is counted in flight.
    pub(crate) window: Option<u64>,
    pub(crate) unit: Unit,
    pub(crate) is_in_flight: bool,
}

/// How a policy stands for this client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) standing: &'a Standing,
    /// It would have been refused, were this no dry run.
    pub(crate) is_dry: bool,
}

/// Adds what `dialect` tells to what inner services have said. `now` is in seconds since the Unix epoch.
pub(crate) fn tell(
    dialect: Dialect,
    policies: &[Policy],
    told: &[Told<'_>],
    now: u64,
    headers: &mut HeaderMap,
) {
    let _ = (dialect, policies, told, now, headers);
}

/// The value of `Retry-After`, in seconds: rounded up, and at least 1. None where no wait is enough.
pub(crate) fn retry_after(wait: Wait) -> Option<u64> {
    match wait {
        Wait::Micros(micros) => Some(micros.div_ceil(1_000_000).max(1)),
        Wait::Unknown => Some(1),
        Wait::Never => None,
    }
}
