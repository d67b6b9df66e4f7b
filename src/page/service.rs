//! The service: request → key → look-up → decision → response.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{BoxError, PageBody};
use super::flow::{self, Call};
use super::future::ResponseFuture;
use super::key::{KeyBuf, key_of};
use super::layer::Page;
use super::lookup::{Lookup, lookup_now};
use super::query::QueryRule;
use super::request::{RequestHead, apply_rule};
use super::respond;
use super::screen::screen;
use super::storable::WITHHELD;
use crate::identity::Traced;
use crate::monitor::{Bypass, Reason};

/// Answers pages from the store, and stores what the inner service answers. Made by [`CacheLayer`](crate::CacheLayer).
///
/// It is always ready: a hit, or a request that waits for another's flight, must not hold a permit of the inner service. Each request that is
/// forwarded readies a clone of its own.
pub struct CacheService<S> {
    inner: S,
    pub(super) page: Arc<Page>,
}

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, page: Arc<Page>) -> Self {
        Self { inner, page }
    }
}

impl<S: Clone> Clone for CacheService<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            page: self.page.clone(),
        }
    }
}

impl<S> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("policy", &self.page.policy)
            .finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CacheService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<PageBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // A hit needs nothing of the inner service. What is forwarded readies a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let shared = &self.page.cache.shared;
        let head = RequestHead::of(&request);
        let has_content = !request.body().is_end_stream();
        let seen = match screen(&head, has_content, &shared.identities) {
            Ok(seen) => seen,
            Err(why) => return self.bypass(request, why),
        };
        let traced = head.extensions.get::<Traced>();
        let depth = traced.map_or(0, |traced| traced.depth);
        let mut key = KeyBuf::new();
        let (prefix, policy) = (&self.page.prefix, &self.page.policy);
        if let Err(why) = key_of(&mut key, prefix, policy, &head, &seen, depth) {
            return self.bypass(request, why);
        }

        let now = shared.clock.now();
        let ended = shared.flights.ended();
        let missed = match lookup_now(shared, key.as_bytes(), head.headers, now) {
            Poll::Ready(Ok(Lookup::Fresh(record))) => {
                match respond::hit(&self.page, &record, &head, seen.head_only, now) {
                    Some(response) => return ResponseFuture::ready(response),
                    // The look-up has seen that the head is one of ours.
                    None => return self.bypass(request, Bypass::Store),
                }
            }
            Poll::Ready(Ok(Lookup::Missed(missed))) => Some(missed),
            Poll::Ready(Err(error)) => {
                shared.counters.store_error();
                crate::log::store_error(&error);
                return self.bypass(request, Bypass::Store);
            }
            Poll::Pending => None,
        };
        let (head_only, no_store) = (seen.head_only, seen.no_store);
        if missed.is_some() {
            // What fills nothing needs no flight.
            if head_only {
                return self.bypass(request, Bypass::Head);
            }
            if no_store {
                return self.bypass(request, Bypass::NoStore);
            }
        }
        let call = Call {
            page: self.page.clone(),
            inner: self.inner.clone(),
            credentials: seen.credentials && !self.page.policy.shared,
            head_only,
            no_store,
            shown: shared.status.shown_to(&head),
            base: key.as_bytes().into(),
            ended,
            until: None,
            request,
        };
        ResponseFuture::filling(&shared.background, |leading| {
            Box::pin(flow::fill(call, missed, leading))
        })
    }
}

impl<S> CacheService<S> {
    /// Forwards what the cache has no part in, with a trace.
    fn bypass<ReqBody, ResBody>(
        &self,
        mut request: Request<ReqBody>,
        why: Bypass,
    ) -> ResponseFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>> + Clone,
        S::Error: 'static,
        ResBody: 'static,
    {
        let status = &self.page.cache.shared.status;
        let shown = status.shown_to(&RequestHead::of(&request));
        if why != Bypass::Method {
            withhold(&self.page, &mut request);
        }
        trace(&mut request);
        ResponseFuture::forwarding(
            self.inner.clone().oneshot(request),
            self.page.clone(),
            Reason::Bypassed(why),
            shown,
        )
    }
}

/// Puts a trace into the request, or takes up the one that is there.
pub(super) fn trace<B>(request: &mut Request<B>) -> Traced {
    let extensions = request.extensions_mut();
    let mut traced = extensions.get::<Traced>().cloned().unwrap_or_default();
    traced.depth = traced.depth.saturating_add(1);
    extensions.insert(traced.clone());
    traced
}

/// On a shared route the handler never sees who is asking, so that its page cannot depend on it.
pub(super) fn withhold<B>(page: &Page, request: &mut Request<B>) {
    if !page.policy.shared {
        return;
    }
    let headers = request.headers_mut();
    for name in WITHHELD {
        headers.remove(name);
    }
    for identity in &page.cache.shared.identities {
        identity.remove(request.extensions_mut());
    }
}

/// The handler sees the query of the key, so that its page cannot depend on what the key leaves out.
pub(super) fn canonicalise<B>(request: &mut Request<B>, rule: &QueryRule) {
    if rule.is_as_sent() {
        return;
    }
    let mut extensions = std::mem::take(request.extensions_mut());
    apply_rule(request.uri_mut(), &mut extensions, rule);
    *request.extensions_mut() = extensions;
}
