//! The head of a request, as far as decisions need it.

use http::{Extensions, HeaderMap, Method, Request, Uri};

/// The head of a request, borrowed: what predicates and key parts see.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as this service sees it; under `nest` a rest of what the client sent.
    pub uri: &'a Uri,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// What layers outside have put into the request.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of `request`.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The target as the client sent it.
    pub(crate) fn target(&self) -> &'a Uri {
        original_uri(self.extensions).unwrap_or(self.uri)
    }
}

#[cfg(feature = "axum")]
fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions
        .get::<axum::extract::OriginalUri>()
        .map(|original| &original.0)
}

#[cfg(not(feature = "axum"))]
fn original_uri(_: &Extensions) -> Option<&Uri> {
    None
}

/// The route that the request matched, as a label of bounded cardinality.
#[cfg(feature = "axum")]
pub(crate) fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions
        .get::<axum::extract::MatchedPath>()
        .map(axum::extract::MatchedPath::as_str)
}

/// The route that the request matched, as a label of bounded cardinality.
#[cfg(not(feature = "axum"))]
pub(crate) fn matched_path(_: &Extensions) -> Option<&str> {
    None
}
