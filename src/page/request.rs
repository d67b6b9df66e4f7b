//! The head of a request, as far as decisions need it.

use http::{Extensions, HeaderMap, Method, Request, Uri};

use super::key::normal_host;
use super::query::QueryRule;

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

/// Applies `rule` to the query of `uri`, and to that of the target as the client sent it.
pub(super) fn apply_rule(uri: &mut Uri, extensions: &mut Extensions, rule: &QueryRule) {
    apply_rule_to(uri, rule);
    apply_rule_to_original(extensions, rule);
}

#[cfg(feature = "axum")]
fn apply_rule_to_original(extensions: &mut Extensions, rule: &QueryRule) {
    if let Some(original) = extensions.get_mut::<axum::extract::OriginalUri>() {
        apply_rule_to(&mut original.0, rule);
    }
}

#[cfg(not(feature = "axum"))]
fn apply_rule_to_original(_: &mut Extensions, _: &QueryRule) {}

fn apply_rule_to(uri: &mut Uri, rule: &QueryRule) {
    let query = rule.apply(uri.query());
    if query.as_deref() != uri.query()
        && let Some(applied) = with_query(uri, query.as_deref())
    {
        *uri = applied;
    }
}

fn with_query(uri: &Uri, query: Option<&str>) -> Option<Uri> {
    let path_and_query = match query {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.try_into().ok()?);
    Uri::from_parts(parts).ok()
}

/// Spells the authority of `uri`, and of the target as the client sent it, as `host`, where it is another spelling of that.
pub(super) fn apply_host(uri: &mut Uri, extensions: &mut Extensions, host: &str) {
    apply_host_to(uri, host);
    apply_host_to_original(extensions, host);
}

#[cfg(feature = "axum")]
fn apply_host_to_original(extensions: &mut Extensions, host: &str) {
    if let Some(original) = extensions.get_mut::<axum::extract::OriginalUri>() {
        apply_host_to(&mut original.0, host);
    }
}

#[cfg(not(feature = "axum"))]
fn apply_host_to_original(_: &mut Extensions, _: &str) {}

fn apply_host_to(uri: &mut Uri, host: &str) {
    let is_same = |authority: &http::uri::Authority| {
        [false, true]
            .iter()
            .any(|secure| normal_host(authority.as_str(), *secure).as_deref() == Some(host))
    };
    if !uri.authority().is_some_and(is_same) {
        return;
    }
    let mut parts = uri.clone().into_parts();
    parts.authority = host.parse().ok();
    if let Ok(applied) = Uri::from_parts(parts) {
        *uri = applied;
    }
}

/// The route that the request matched, as a label of bounded cardinality.
#[cfg(feature = "axum")]
pub(super) fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions
        .get::<axum::extract::MatchedPath>()
        .map(axum::extract::MatchedPath::as_str)
}

/// The route that the request matched, as a label of bounded cardinality.
#[cfg(not(feature = "axum"))]
pub(super) fn matched_path(_: &Extensions) -> Option<&str> {
    None
}
