//! Why a call failed, in words that never hold a password or a user's name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{RedisError, ServerError};

use super::breaker::Outcome;
use crate::store::StoreError;

/// Why a call failed. Its texts went through [`Secrets`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The breaker is open.
    #[error("the server is left alone after failures, for another {} ms", .0.as_millis())]
    LeftAlone(Duration),
    /// No connection was free, or none could be made, in time.
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    /// The connection could not be made.
    #[error("could not connect to {address}: {why}")]
    Connect { address: Arc<str>, why: Arc<str> },
    /// The server is a replica, whose records lag behind.
    #[error("the server is a replica, and only a primary is used: give the address of the primary")]
    Replica,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// The connection broke, or what came over it was not the protocol.
    #[error("the connection broke: {0}")]
    Broken(Arc<str>),
    /// The server answered with an error.
    #[error("the server answered {code}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Answered { code: Arc<str>, detail: Arc<str> },
}

/// Answers by which the server says that it cannot serve, now or to us.
const UNFIT: [&str; 5] = ["READONLY", "NOAUTH", "WRONGPASS", "LOADING", "MASTERDOWN"];

impl Failure {
    /// What it says about the server's health.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Answered { code, .. } if !UNFIT.contains(&&**code) => Outcome::Success,
            Self::LeftAlone(_) => Outcome::Abandoned,
            _ => Outcome::Failure,
        }
    }

    /// Is the connection that it came over of no more use? A late answer alone does not say so: the next ones may be in time.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Replica => true,
            Self::Answered { code, .. } => UNFIT.contains(&&**code),
            _ => false,
        }
    }

    /// Does it say that the server at this address is a replica?
    pub(super) fn shows_replica(&self) -> bool {
        *self == Self::Replica || self.is_answer("READONLY")
    }

    /// Is it an error with this code that the server answered?
    pub(super) fn is_answer(&self, code: &str) -> bool {
        self.answer() == Some(code)
    }

    /// The code of the error that the server answered.
    pub(super) fn answer(&self) -> Option<&str> {
        match self {
            Self::Answered { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The code of the error that the server answered, where that is what `error` is about.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for whoever treats one answer apart")
    )]
    pub(super) fn code(error: &StoreError) -> Option<&str> {
        std::error::Error::source(error)?
            .downcast_ref::<Self>()?
            .answer()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let action = match failure {
            Failure::NoAnswer(_) | Failure::Broken(_) | Failure::Answered { .. } => "answer",
            _ => "be reached",
        };
        Self::new(action, failure)
    }
}

/// What no text may show: the user and the password.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Hides each of `secrets`.
    pub(super) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            // The name that every server has shows nothing.
            .filter(|secret| !secret.is_empty() && secret != "default")
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// `text` without them, and not longer than a line of a log should be.
    pub(super) fn hide(&self, text: &str) -> Arc<str> {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret, "***");
        }
        text.chars().take(300).collect::<String>().into()
    }

    /// The error that the server answered.
    pub(super) fn answered(&self, error: &ServerError) -> Failure {
        Failure::Answered {
            code: self.hide(error.code()),
            detail: self.hide(error.details().unwrap_or_default()),
        }
    }

    /// What the client says of a connection.
    pub(super) fn failure(&self, error: &RedisError, answer: Duration) -> Failure {
        if error.is_timeout() {
            return Failure::NoAnswer(answer);
        }
        match error.code() {
            Some(code) => Failure::Answered {
                code: self.hide(code),
                detail: self.hide(error.detail().unwrap_or_default()),
            },
            None => Failure::Broken(self.hide(&error.to_string())),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str) -> Failure {
        Failure::Answered {
            code: code.into(),
            detail: "".into(),
        }
    }

    #[test]
    fn an_error_that_the_server_answers_shows_that_it_lives() {
        for code in ["OOM", "WRONGTYPE", "NOSCRIPT", "BUSY", "NOPERM", "ERR"] {
            assert_eq!(answered(code).outcome(), Outcome::Success, "{code}");
            assert!(!answered(code).ends_connection(), "{code}");
        }
        for code in ["READONLY", "NOAUTH", "WRONGPASS", "LOADING", "MASTERDOWN"] {
            assert_eq!(answered(code).outcome(), Outcome::Failure, "{code}");
            assert!(answered(code).ends_connection(), "{code}");
        }
    }

    #[test]
    fn what_has_no_answer_counts_against_the_server() {
        let bound = Duration::from_millis(200);
        let table = [
            (Failure::NoConnection(bound), false),
            (Failure::NoAnswer(bound), false),
            (Failure::Broken("".into()), true),
            (Failure::Replica, true),
        ];
        for (failure, ends) in table {
            assert_eq!(failure.outcome(), Outcome::Failure, "{failure}");
            assert_eq!(failure.ends_connection(), ends, "{failure}");
        }
    }

    #[test]
    fn the_code_of_an_answer_can_be_asked_for() {
        let error = StoreError::from(answered("OOM"));
        assert_eq!(Failure::code(&error), Some("OOM"));
        let error = StoreError::from(Failure::Replica);
        assert_eq!(Failure::code(&error), None);
    }

    #[test]
    fn secrets_are_hidden_the_longer_ones_first() {
        let secrets = Secrets::new(["pa".into(), "pass".into(), String::new(), "default".into()]);
        assert_eq!(
            &*secrets.hide("a default of pass, pa"),
            "a default of ***, ***"
        );
        assert_eq!(format!("{secrets:?}"), "Secrets");
    }
}
