//! Writing the target of the key into the request that is forwarded.

use http::{Extensions, Uri};

use super::key::normal_host;
use super::query::QueryRule;

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
