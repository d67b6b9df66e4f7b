//! What went wrong while events were emitted.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::RuleError;
use crate::store::PurgeError;

/// A rule that failed or panicked.
#[derive(Debug, thiserror::Error)]
#[error("the rule {name:?} of {event} failed: {source}")]
pub struct RuleFailure {
    name: Arc<str>,
    event: &'static str,
    source: RuleError,
}

impl RuleFailure {
    pub(super) const fn new(name: Arc<str>, event: &'static str, source: RuleError) -> Self {
        Self {
            name,
            event,
            source,
        }
    }

    /// The rule's name: what [`named`](super::Invalidation::named) says, else where it was added, such as `src/main.rs:42`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of the event that it failed for.
    pub const fn event(&self) -> &'static str {
        self.event
    }
}

/// Events that did not free all that they should have.
#[derive(Debug)]
pub struct InvalidationError {
    undelivered: Option<PurgeError>,
    failures: Vec<RuleFailure>,
}

impl InvalidationError {
    pub(super) const fn new(undelivered: Option<PurgeError>, failures: Vec<RuleFailure>) -> Self {
        Self {
            undelivered,
            failures,
        }
    }

    /// What the store says, if it did not take what the rules asked for. `None`: all that they asked for is freed.
    pub const fn undelivered(&self) -> Option<&PurgeError> {
        self.undelivered.as_ref()
    }

    /// The rules that failed, each with what it says. What they asked for before that is freed like the rest.
    pub fn failures(&self) -> &[RuleFailure] {
        &self.failures
    }
}

impl fmt::Display for InvalidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undelivered = self.undelivered.iter().map(ToString::to_string);
        let failures = self.failures.iter().map(ToString::to_string);
        let all: Vec<String> = undelivered.chain(failures).collect();
        f.write_str(&all.join("; "))
    }
}

impl Error for InvalidationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.undelivered, self.failures.first()) {
            (Some(undelivered), _) => undelivered.source(),
            (None, failed) => failed.and_then(Error::source),
        }
    }
}
