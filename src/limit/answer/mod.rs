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

#[cfg(feature = "tonic")]
mod call;
mod dialect;
mod policy;
mod refusal;
mod tell;
mod wire;

#[cfg(feature = "tonic")]
pub(crate) use self::call::{Block, call_refusal};
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

const SECOND: u64 = 1_000_000;

/// In microseconds: how long until everything that refuses would admit it, and no field tells of a later moment. None where no wait is enough.
fn longest_wait<'t, 'a: 't>(why: Why, refusing: impl Iterator<Item = &'t Told<'a>>) -> Option<u64> {
    match why {
        Why::DeniedAddress | Why::MissingIdentity => return None,
        Why::Quota | Why::SharedQuota | Why::Away => {}
    }
    let mut longest = None;
    for told in refusing {
        let wait = match (why, told.standing.wait) {
            (Why::Away, _) | (_, Wait::Unknown) => SECOND,
            (_, Wait::Micros(micros)) => micros,
            (_, Wait::Never) => return None,
        };
        let wait = wait.max(wire::next_micros(told).unwrap_or(0));
        longest = longest.max(Some(wait));
    }
    Some(longest.unwrap_or(SECOND))
}
