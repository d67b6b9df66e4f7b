//! The service: request → key → look-up → decision → response.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{COOKIE, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::account::{Account, Told};
use super::answer::{self, Beside, Wish};
use super::asker::{Asker, Unkeyed};
use super::body::PageBody;
#[cfg(feature = "tonic")]
use super::content::add_plain_to_key;
use super::content::add_to_key;
use super::flow::{self, Call};
use super::future::{Course, ResponseFuture};
use super::handle::{Handle, Looked};
use super::key::{KeyBuf, key_of, respelled_host};
use super::layer::Page;
use super::lookup::{Asking, Lookup, lookup_now};
use super::part;
use super::policy::Policy;
use super::refresh;
use super::respond::Outcome;
use super::rewrite::{apply_host, apply_rule};
use super::screen::{Content, screen};
use super::search::SearchKey;
use super::storable::WITHHELD;
use super::want::Want;
use crate::cache::{Cache, Provided};
use crate::call::is_call;
use crate::content::{self, BoxError, ContentRule};
use crate::identity::Traced;
use crate::monitor::{Bypass, Reason, StaleUse};
use crate::request::RequestHead;

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

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let shared = &self.page.cache.shared;
        let policy = &self.page.policy;
        if matches!(*request.method(), Method::GET | Method::HEAD)
            && let Err(why) = part::rewrite(&policy.parts, request.headers_mut())
        {
            return self.bypass(request, why);
        }
        let head = RequestHead::of(&request);
        let content = match request.body().is_end_stream() {
            true => Content::Absent,
            false => Content::Unkeyed,
        };
        let mut seen = match screen(&head, content, &shared.identities) {
            Ok(seen) => seen,
            Err(Bypass::Method) => return self.other_method(request),
            Err(why) => return self.bypass(request, why),
        };
        let asker = match Asker::of(&self.page.cache, policy, &head) {
            Ok(asker) => asker,
            Err(why) => return self.bypass(request, why),
        };
        let owner = asker.owner;
        seen.conditional &= heeds_conditions(policy, head.headers);
        seen.ranged &= heeds_ranges(policy, head.headers);
        let traced = head.extensions.get::<Traced>();
        let depth = traced.map_or(0, |traced| traced.depth);
        let mut key = KeyBuf::new();
        let written = key_of(
            &mut key,
            &self.page.prefix,
            policy,
            &head,
            &seen,
            owner,
            depth,
        );
        if let Err(why) = written {
            return self.bypass(request, why);
        }

        let advice = policy.rules.request.of(seen.said);
        let asking = Asking {
            headers: head.headers,
            advice: &advice,
            owner,
            legible: policy.legible,
        };
        let route = self.page.route_of(&head);
        let shown = shared.status.shown_to(&head);
        let shown_key = self.page.key_shown(shown, Some(key.as_bytes()));
        let wish = Wish {
            headers: head.headers,
            conditional: seen.conditional,
            ranged: seen.ranged,
            head_only: seen.head_only,
            told: Told {
                route,
                shown,
                key: shown_key.as_deref(),
                span: None,
            },
        };
        let now = shared.clock.now();
        let ended = shared.flights.ended();
        let (missed, answered) = match lookup_now(shared, key.as_bytes(), asking, now) {
            Poll::Ready(Ok(Lookup::Fresh(record))) => {
                let beside = Beside::traced(traced.is_some(), head.extensions);
                match answer::hit(&self.page, &record, wish, beside, now) {
                    Some(response) => return ResponseFuture::ready(response),
                    // The look-up has seen that the head is one of ours.
                    None => return self.bypass(request, Bypass::Store),
                }
            }
            Poll::Ready(Ok(Lookup::Stale(record, why, missed))) => {
                let outcome = Outcome::of(Reason::StaleHit(why));
                match answer::from_record(&self.page, &record, wish, outcome, now) {
                    Some(response) if why == StaleUse::Accepted => {
                        return ResponseFuture::ready(response);
                    }
                    Some(response) => (Some(missed), Some(response)),
                    None => return self.bypass(request, Bypass::Store),
                }
            }
            Poll::Ready(Ok(Lookup::Missed(missed))) => (Some(missed), None),
            Poll::Ready(Err(error)) => {
                shared.counters.store_error();
                crate::log::store_error(&error);
                return self.bypass(request, Bypass::Store);
            }
            Poll::Pending => (None, None),
        };
        if let (Some(missed), None) = (&missed, &answered)
            && !advice.only_if_cached
            && policy.rules.no_vary_search.is_none()
            && policy.hard_timeout.is_none()
        {
            // What fills nothing needs no flight.
            if seen.head_only && missed.stored.is_empty() {
                return self.bypass(request, Bypass::Head);
            }
            if seen.said.no_store && !seen.head_only {
                return self.bypass(request, Bypass::NoStore);
            }
            if seen.ranged && !policy.rules.parts && !missed.can_be_validated() {
                return self.bypass(request, Bypass::Range);
            }
        }
        let account = Account::known(route, shown, shown_key);
        let unkeyed = asker.unkeyed(&self.page, &head, &seen);
        let call = Call {
            page: self.page.clone(),
            inner: self.inner.clone(),
            content: Content::Absent,
            credentials: unkeyed.credentials,
            authorization_alone: unkeyed.authorization_alone,
            want: Want::of(&self.page, &head, &seen, account),
            search: SearchKey::of(&self.page, &head, &seen, owner, depth),
            asker,
            base: key.as_bytes().into(),
            core: key.core(),
            ended,
            until: None,
            request,
        };
        match (answered, missed) {
            (Some(response), Some(missed)) => {
                refresh::start(call, missed);
                ResponseFuture::ready(response)
            }
            (_, missed) => ResponseFuture::filling(&shared.background, |course| {
                Box::pin(flow::fill(call, missed, course))
            }),
        }
    }
}

impl<S> CacheService<S> {
    /// What is neither GET nor HEAD.
    fn other_method<ReqBody, ResBody>(
        &self,
        mut request: Request<ReqBody>,
    ) -> ResponseFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Body + Send + 'static,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let policy = &self.page.policy;
        let head = RequestHead::of(&request);
        if *head.method == Method::POST && policy.rules.posts && !is_call(&head) {
            let identities = &self.page.cache.shared.identities;
            // On a shared route a POST keeps its credentials, and so its answer is for nobody else.
            let mut fields = self.page.cache.shared.identity_fields.iter();
            let is_for_one = policy.shared
                && (fields.any(|name| head.headers.contains_key(name))
                    || screen(&head, Content::Keyed, identities)
                        .is_ok_and(|seen| seen.credentials));
            // A handler must see what is keyed, and a POST is not to be rewritten.
            let is_keyed = !is_for_one && part::is_rewritten(&policy.parts, head.headers);
            if is_keyed && let Ok(call) = self.call_of(&head, Content::Keyed) {
                let call = call(request);
                return ResponseFuture::filling(&self.page.cache.shared.background, |_| {
                    Box::pin(call.post())
                });
            }
        }
        if request.method().as_str() == "QUERY"
            && let Some(rule) = &policy.content
            && rule.makes::<ReqBody>()
        {
            if let Err(why) = part::rewrite(&policy.parts, request.headers_mut()) {
                return self.bypass(request, why);
            }
            let (service, rule) = (self.clone(), rule.clone());
            return ResponseFuture::filling(&self.page.cache.shared.background, |course| {
                Box::pin(service.query(rule, request, course))
            });
        }
        self.bypass(request, Bypass::Method)
    }

    /// A request whose content belongs to the key.
    async fn query<ReqBody, ResBody>(
        self,
        rule: ContentRule,
        request: Request<ReqBody>,
        course: Arc<Course>,
    ) -> flow::Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Body + Send + 'static,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let read = content::read(body, rule.limit).await;
        let Some(body) = rule.rebuild::<ReqBody>(read.body) else {
            unreachable!("it was asked whether it makes such bodies")
        };
        let request = Request::from_parts(parts, body);
        let call = self.call_of(&RequestHead::of(&request), Content::Keyed);
        match (call, read.whole) {
            (Ok(call), Some(whole)) => {
                let mut call = call(request);
                call.key_content(|key, headers| add_to_key(key, headers, &whole));
                flow::fill(call, None, course).await
            }
            (Ok(call), None) => {
                let reason = Reason::Bypassed(Bypass::Content);
                call(request).forward(reason).await
            }
            (Err(why), _) => self.bypass(request, why).await,
        }
    }

    /// A safe request whose content has been read, and belongs to its key as `content` says it. Credentials that the key does not hold make
    /// it pass the cache by.
    #[cfg(feature = "tonic")]
    pub(crate) fn ask_keyed<ReqBody, ResBody>(
        self,
        request: Request<ReqBody>,
        content: &[u8],
    ) -> ResponseFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Body + Send + 'static,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let call = match self.call_of(&RequestHead::of(&request), Content::Keyed) {
            Ok(call) => call,
            Err(why) => return self.bypass(request, why),
        };
        let mut call = call(request);
        if call.credentials {
            return self.bypass(call.request, Bypass::Credentials);
        }
        call.key_content(|key, _| add_plain_to_key(key, content));
        ResponseFuture::filling(&self.page.cache.shared.background, |course| {
            Box::pin(flow::fill(call, None, course))
        })
    }

    /// Forwards what the cache has no part in, for a reason that this layer cannot see.
    #[cfg(feature = "tonic")]
    pub(crate) fn pass_by<ReqBody, ResBody>(
        self,
        request: Request<ReqBody>,
        why: Bypass,
    ) -> ResponseFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>> + Clone,
        S::Error: 'static,
        ResBody: 'static,
    {
        self.bypass(request, why)
    }

    /// A call with the key of a GET for the target of this request.
    fn call_of<B>(
        &self,
        head: &RequestHead<'_>,
        content: Content,
    ) -> Result<impl FnOnce(Request<B>) -> Call<S, B> + use<S, B>, Bypass>
    where
        S: Clone,
    {
        let page = self.page.clone();
        let shared = &page.cache.shared;
        let mut seen = screen(head, content, &shared.identities)?;
        seen.conditional &= heeds_conditions(&page.policy, head.headers);
        seen.ranged &= heeds_ranges(&page.policy, head.headers);
        let asker = Asker::of(&page.cache, &page.policy, head)?;
        let owner = asker.owner;
        let traced = head.extensions.get::<Traced>();
        let depth = traced.map_or(0, |traced| traced.depth);
        let mut key = KeyBuf::new();
        key_of(
            &mut key,
            &page.prefix,
            &page.policy,
            head,
            &seen,
            owner,
            depth,
        )?;
        let account = Account::of(&page, head, Some(key.as_bytes()));
        let want = Want::of(&page, head, &seen, account);
        let Unkeyed {
            credentials,
            authorization_alone,
        } = asker.unkeyed(&page, head, &seen);
        let ended = shared.flights.ended();
        let inner = self.inner.clone();
        Ok(move |request| Call {
            inner,
            content,
            asker,
            credentials,
            authorization_alone,
            want,
            // Neither the content of a request nor its consequences are told by its query.
            search: None,
            base: key.as_bytes().into(),
            core: key.core(),
            ended,
            until: None,
            request,
            page,
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
        let head = RequestHead::of(&request);
        let mut account = Account::of(&self.page, &head, None);
        if why == Bypass::Method && is_call(&head) {
            account.tell_nothing();
        }
        if why != Bypass::Method {
            withhold(&self.page, &mut request);
        }
        let (_, handle) = trace(&mut request, &self.page.cache, Looked::Bypassed(why));
        ResponseFuture::forwarding(
            self.inner.clone().oneshot(request),
            self.page.clone(),
            Reason::Bypassed(why),
            account,
            handle,
        )
    }
}

/// Dates do not tell people apart: what one has of an address says nothing of what another gets.
fn heeds_conditions(policy: &Policy, headers: &HeaderMap) -> bool {
    policy.identity.is_none() || headers.contains_key(IF_NONE_MATCH)
}

/// Nor does a date complete what one has with a part of what is another's (RFC 9110 §13.1.5).
fn heeds_ranges(policy: &Policy, headers: &HeaderMap) -> bool {
    let names_a_tag = |line: &HeaderValue| line.as_bytes().ends_with(b"\"");
    policy.identity.is_none() || headers.get(IF_RANGE).is_none_or(names_a_tag)
}

/// Puts a trace into the request, or takes up the one that is there, and with it what extractors ask for.
pub(super) fn trace<B>(
    request: &mut Request<B>,
    cache: &Cache,
    looked: Looked,
) -> (Traced, Handle) {
    let extensions = request.extensions_mut();
    Provided::add(extensions, cache);
    let handle = Handle::put(extensions, looked);
    let mut traced = extensions.get::<Traced>().cloned().unwrap_or_default();
    traced.depth = traced.depth.saturating_add(1);
    extensions.insert(traced.clone());
    (traced, handle)
}

/// On a shared route the handler never sees who is asking, so that its page cannot depend on it: of all cookies only those of the key. Nor
/// does one see a condition that is not heeded.
pub(super) fn withhold<B>(page: &Page, request: &mut Request<B>) {
    if !heeds_conditions(&page.policy, request.headers()) {
        request.headers_mut().remove(IF_MODIFIED_SINCE);
    }
    if !heeds_ranges(&page.policy, request.headers()) {
        request.headers_mut().remove(RANGE);
        request.headers_mut().remove(IF_RANGE);
    }
    if !page.policy.shared {
        return;
    }
    let headers = request.headers_mut();
    for name in WITHHELD.into_iter().filter(|name| *name != COOKIE) {
        headers.remove(name);
    }
    part::keep_cookies(&page.policy.parts, headers);
    for name in &page.cache.shared.identity_fields {
        headers.remove(name);
    }
    for identity in &page.cache.shared.identities {
        identity.remove(request.extensions_mut());
    }
}

/// Is the target of a request that of its key, so that [`canonicalise`] changes nothing?
pub(super) fn is_canonical<B>(page: &Page, request: &Request<B>, content: Content) -> bool {
    let policy = &page.policy;
    let head = RequestHead::of(request);
    let queries = [head.target().query(), head.uri.query()];
    let host = screen(&head, content, &[])
        .ok()
        .and_then(|seen| respelled_host(policy, &head, &seen));
    host.is_none()
        && queries
            .iter()
            .all(|query| policy.query.apply(*query).as_deref() == *query)
}

/// The handler sees the query and the host of the key, so that its page cannot depend on what the key leaves out.
pub(super) fn canonicalise<B>(page: &Page, request: &mut Request<B>, content: Content) {
    let policy = &page.policy;
    let head = RequestHead::of(request);
    let host = screen(&head, content, &[])
        .ok()
        .and_then(|seen| respelled_host(policy, &head, &seen));
    if host.is_none() && policy.query.is_as_sent() {
        return;
    }
    let mut extensions = std::mem::take(request.extensions_mut());
    apply_rule(request.uri_mut(), &mut extensions, &policy.query);
    if let Some(host) = host {
        apply_host(request.uri_mut(), &mut extensions, &host);
        if let Ok(value) = HeaderValue::from_str(&host) {
            request.headers_mut().insert(HOST, value);
        }
    }
    *request.extensions_mut() = extensions;
}
