//! The rejection of an extractor whose layer is missing.

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;

/// A handler asks for what only one of larder's layers can give, and that layer stands nowhere round its route: a 500 that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("larder: {wanted} was asked for, but there is no {layer} round this route")]
pub struct MissingLayer {
    /// The extractor.
    pub(crate) wanted: &'static str,
    /// The layer that is missing.
    pub(crate) layer: &'static str,
}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
