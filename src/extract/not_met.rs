//! The answer to a request whose conditions do not hold.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;

use super::Validators;

/// The conditions of a request do not hold: 304 where a GET or HEAD need not be answered again, else 412 (RFC 9110 §13).
///
/// The 304 has the validators that the client has; it should also have the `Cache-Control`, `Vary` and the like that the page would have
/// (§15.4.5): a layer sets them on both, or the handler puts them before it, as in `(headers, not_met)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct NotMet {
    /// Those of the client's copy, in a 304.
    pub(super) not_modified: Option<Validators>,
}

impl NotMet {
    /// 304 or 412.
    pub fn status(&self) -> StatusCode {
        match self.not_modified {
            Some(_) => StatusCode::NOT_MODIFIED,
            None => StatusCode::PRECONDITION_FAILED,
        }
    }

    fn text(&self) -> &'static str {
        match self.not_modified {
            Some(_) => "the client has the current representation",
            None => "a precondition of the request does not hold",
        }
    }
}

impl IntoResponse for NotMet {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::new(NoContent));
        *response.status_mut() = self.status();
        if let Some(validators) = self.not_modified {
            validators.set(response.headers_mut());
        }
        response
    }
}

/// A body that is empty and claims no length: in a 304 that would have to be the one of the 200 (RFC 9110 §8.6).
struct NoContent;

impl http_body::Body for NoContent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
