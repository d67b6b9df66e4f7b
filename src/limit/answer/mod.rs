//! What clients are told of their quotas: header fields and the answer that refuses.
//!
//! ```text
//! quotas ──────► policies ─┐
//!                          ├─► tell ────► RateLimit-Policy, RateLimit or X-RateLimit-*, beside what inner services said
//! standings ───► told ─────┤
//!                          └─► refusal ─► status, Retry-After, problem document
//! ```
//!
//! Everything is pure: the time is passed in, and any input gives fields that can be read.

mod dialect;
mod policy;
mod refusal;
mod tell;
mod wire;

pub use self::dialect::{Dialect, Fields, Reset};
pub(crate) use self::policy::{Policy, PolicyNameError, policy_names};
pub(crate) use self::refusal::{Why, refusal};
pub(crate) use self::tell::tell;

use super::decision::{Standing, Wait};

/// How a policy stands for this client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) standing: &'a Standing,
    /// It would have been refused, were this no dry run.
    pub(crate) is_dry: bool,
}

impl Told<'_> {
    /// Is it a reason to refuse this request?
    fn refuses(&self) -> bool {
        !self.standing.admitted && !self.is_dry
    }
}

/// The value of `Retry-After`, in seconds: rounded up, and at least 1. None where no wait is enough.
pub(crate) fn retry_after(wait: Wait) -> Option<u64> {
    match wait {
        Wait::Micros(micros) => Some(micros.div_ceil(1_000_000).max(1)),
        Wait::Unknown => Some(1),
        Wait::Never => None,
    }
}
