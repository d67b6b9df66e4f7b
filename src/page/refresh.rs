//! Refreshing in the background what has just been answered stale (RFC 5861 §3).

use bytes::Bytes;
use http::header::{COOKIE, HOST, PROXY_AUTHORIZATION, VARY};
use http::{HeaderMap, HeaderName, Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::flight::{Flights, Join};
use super::flow::Call;
use super::follow::Round;
use super::lookup::Missed;
use super::part;
use super::screen::{Content, FORWARDING};
use crate::background::LONGEST_ALONE;
use crate::between::Unattended;
use crate::content::BoxError;

/// Starts a refresh, unless one is under way, one has failed a moment ago, or there is no room for it. The answer does not wait for it.
pub(super) fn start<S, ReqBody, ResBody>(mut call: Call<S, ReqBody>, missed: Missed)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let shared = call.page.cache.shared.clone();
    let now = shared.clock.now();
    // A handler for HEAD may be another than that of the page.
    if *call.request.method() == Method::HEAD
        || call.want.no_store
        || shared.unwell.holds(&missed.flight, false, now)
    {
        return;
    }
    // Only the first of those that come meanwhile finds the place free.
    let Join::Lead(lead) = Flights::join(&shared, &missed.flight, missed.stamp) else {
        return;
    };
    // Taken back when it succeeds. What panics, or may not be stored any more, is not tried again at once either.
    shared.unwell.note(&missed.flight, false, now);
    reduce(&mut call, &missed);
    call.request.extensions_mut().insert(Unattended);
    let flight = missed.flight.clone();
    let started = shared.background.spawn(Box::pin(async move {
        let refreshing = async move {
            let mut missed = missed;
            let marks = call.marks();
            // What another refresh has brought since the look-up is good enough.
            match call.check_again::<ResBody>(lead, &mut missed).await {
                Round::Lead(lead) => drop(call.lead(lead, missed, None, marks, false).await),
                Round::Answered(_) | Round::Alone { .. } | Round::Again => {}
            }
        };
        drop(tokio::time::timeout(LONGEST_ALONE, refreshing).await);
    }));
    if !started {
        shared.unwell.forget(&flight, false);
    }
}

/// Leaves of the request what selects the page (RFC 9111 §4.3.1): nobody in particular asks for it.
fn reduce<S, B>(call: &mut Call<S, B>, missed: &Missed) {
    let page = &call.page;
    call.want.ranged = false;
    call.want.conditional = false;
    let asked = std::mem::take(&mut call.want.headers);
    let headers = call.request.headers_mut();
    for name in asked.keys() {
        headers.remove(name);
    }
    if page.policy.has_computed_parts() || call.content == Content::Keyed {
        // What the key was computed from cannot be told, so it stays, and with it the question whose it is.
        return;
    }
    let selecting = selecting_names(missed);
    let is_kept = |name: &HeaderName| {
        name == HOST
            || selecting.contains(name)
            || page.policy.key_fields().any(|field| field == name)
            || FORWARDING.contains(&name.as_str())
    };
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| is_kept(name)) {
        kept.append(name.clone(), value.clone());
    }
    let parts = &page.policy.parts;
    if part::have_cookies(parts) && !part::holds(parts, &COOKIE) && !varies_on_cookies(missed) {
        part::keep_cookies(parts, &mut kept);
    }
    let cookies = kept.contains_key(COOKIE) || kept.contains_key(PROXY_AUTHORIZATION);
    let authorization = kept.contains_key(http::header::AUTHORIZATION);
    *headers = kept;
    for identity in &page.cache.shared.identities {
        identity.remove(call.request.extensions_mut());
    }
    call.credentials = !page.policy.shared && (cookies || authorization);
    call.authorization_alone = authorization && !cookies;
}

/// The request fields by which what is stored was selected.
fn selecting_names(missed: &Missed) -> Vec<HeaderName> {
    let pages = missed.stored.iter().filter_map(|stored| stored.page());
    pages
        .flat_map(
            |page| match crate::header::Vary::parse(page.headers(), usize::MAX) {
                crate::header::Vary::Fields(names) => names,
                _ => Vec::new(),
            },
        )
        .collect()
}

/// Did the handler itself say that all cookies select?
fn varies_on_cookies(missed: &Missed) -> bool {
    let mut pages = missed.stored.iter().filter_map(|stored| stored.page());
    pages.any(|page| crate::header::has_token(&page.original_headers(), &VARY, COOKIE.as_str()))
}
