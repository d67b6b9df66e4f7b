//! What a client is told when there is no answer of the origin.

use std::io;

use axum::{
    body::Bytes,
    http::{
        HeaderValue, Response, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
};
use http_body_util::Full;
use larder::Unreachable;

use crate::{body::BoxError, framing::Malformed, log, pool::Lost};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the origin cannot be reached")]
    Unreachable(#[source] BoxError),
    #[error("the origin did not answer in time")]
    Late,
    #[error("the origin's answer is not understood")]
    Malformed(#[source] BoxError),
    #[error("the request did not come to its end")]
    RequestBroken(#[source] BoxError),
    #[error("the request did not come in time")]
    RequestLate,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Unreachable(error.into()),
        }
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Late => Self::Late,
            Lost::ClientLate => Self::RequestLate,
            Lost::Unsent(_, error) | Lost::Unanswered(error) | Lost::Broken(error) => {
                if error.is_user() {
                    Self::RequestBroken(error.into())
                } else if error.is_parse() {
                    Self::Malformed(error.into())
                } else {
                    Self::Unreachable(error.into())
                }
            }
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.into())
    }
}

impl Failure {
    pub(crate) fn response(&self) -> Response<Full<Bytes>> {
        match std::error::Error::source(self) {
            Some(source) => log::failure(format_args!("{self}: {source}")),
            None => log::failure(self),
        }
        let mut response = say(self.status(), &self.to_string());
        // A cache may answer with what is stale when the origin was not reached; an answer that makes no sense is an answer.
        if matches!(self, Self::Unreachable(_) | Self::Late) {
            response.extensions_mut().insert(Unreachable);
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable(_) | Self::Malformed(_) => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBroken(_) => StatusCode::BAD_REQUEST,
            Self::RequestLate => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// An answer of the gateway's own.
pub(crate) fn say(status: StatusCode, what: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{what}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
