//! Why nothing was taken.

use std::fmt;

use super::decision::{Decision, Wait};
use super::limiter::LimiterError;

/// Nothing was taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// A quota is used up, or never admits so much.
    Over(Decision),
    /// The limiter could not be asked, and a quota is [`Outage::Closed`](super::Outage::Closed) meanwhile.
    Closed(Decision),
    /// Nothing could be decided: a quota cannot be.
    Error(LimiterError),
}

impl Refusal {
    /// How long until it would be admitted, if nobody else asks.
    pub fn wait(&self) -> Wait {
        match self {
            Self::Over(decision) => decision.wait(),
            Self::Closed(_) | Self::Error(_) => Wait::Unknown,
        }
    }

    /// How the quotas stand, where anything was decided.
    pub const fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Over(decision) | Self::Closed(decision) => Some(decision),
            Self::Error(_) => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.wait()) {
            (Self::Over(_), Wait::Never) => f.write_str("it costs more than the quota ever admits"),
            (Self::Over(_), Wait::Micros(micros)) => {
                write!(f, "the quota is used up for {micros} µs")
            }
            (Self::Over(_), Wait::Unknown) => f.write_str("the quota is used up"),
            (Self::Closed(_), _) => f.write_str("the limiter could not be asked"),
            (Self::Error(error), _) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::Over(_) | Self::Closed(_) => None,
        }
    }
}

impl From<LimiterError> for Refusal {
    fn from(error: LimiterError) -> Self {
        Self::Error(error)
    }
}
