//! What answers look like: JSON, short, and never from a cache unless a route says so.

use axum::{
    Json,
    extract::rejection::FormRejection,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub(crate) fn found(value: Value) -> Response {
    Json(value).into_response()
}

/// Why a request was not answered. What it says is fixed, and names nothing that the request held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    why: &'static str,
}

impl Failure {
    pub(crate) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        why: "there is nothing here; GET / tells what there is",
    };
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        why: "this does not answer to that method; GET / tells which it does",
    };
    pub(crate) const NOT_SIGNED_IN: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        why: "the account or the password is wrong",
    };

    /// The request can be read, and asks for what cannot be done.
    pub(crate) const fn invalid(why: &'static str) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            why,
        }
    }

    pub(crate) fn unreadable(rejection: &FormRejection) -> Self {
        Self {
            status: rejection.status(),
            why: "send a form, as curl -d account=ann -d password=… does",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.why }))).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // A 401 has to say how to authenticate (RFC 9110 §15.5.2). No scheme is registered for forms; browsers pass over this one.
            let challenge = HeaderValue::from_static("Form realm=\"api\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
