//! Unsafe methods free the pages of their targets (RFC 9111 §4.4).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower::ServiceExt;
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

use crate::background::Background;
use crate::between::SafeCall;
use crate::cache::{Addressed, Cache};
use crate::call::{has_failed, has_grpc_content, is_call, is_method_path};
use crate::header::GROUP_FIELDS;
use crate::page::{Forwarding, Freed};
use crate::request::RequestHead;
use crate::store::{Mark, Purge};

/// Frees the page of an address, with all its variants and queries, when an unsafe method has changed it.
///
/// It stands round the whole application, since the layer of a page never sees what is sent to another route or method. A 2xx or 3xx answer
/// to any method but GET, HEAD, OPTIONS, TRACE and QUERY frees the target, and what `Location` and `Content-Location` name of the same
/// origin, before the answer leaves (RFC 9111 §4.4); an answer that says that nothing was done frees nothing. A request that does not show its
/// scheme counts as plain http, unless a proxy that says it is [trusted](Self::forwarding). When the client goes away before the answer, the target is freed too, since the handler may have done
/// its work.
///
/// A gRPC call is always a POST, and says nothing by that: it frees nothing but the groups that its answer names below. What it has changed is for the
/// handler to say, with [`Cache::purge_tag`](crate::Cache::purge_tag) say.
///
/// So are the pages of the same origin that belong to one of the groups which the answer names in `Cache-Group-Invalidation` (RFC 9875 §3,
/// [`CacheGroupInvalidation`](crate::CacheGroupInvalidation)).
///
/// It frees the pages of all users at that address. Where a form answers with a redirect to a page that is kept
/// [for each user](crate::CacheLayer::vary_on_user), leave this layer out of the form's route, and free the user's own pages by tag or
/// [identity](crate::Cache::purge_identity).
///
/// ```
/// use axum::{Router, routing::get};
/// use larder::{Cache, InvalidationLayer, NullStore, minutes};
///
/// let cache = Cache::builder(NullStore).build()?;
/// let app: Router = Router::new()
///     .route("/note", get(async || "a note").layer(cache.page(minutes(5))).put(async || "changed"))
///     .layer(InvalidationLayer::new(&cache));
/// # drop(app);
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone)]
pub struct InvalidationLayer {
    cache: Cache,
    forwarding: Forwarding,
    groups: Groups,
}

/// Do the fields of RFC 9875 count?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Groups {
    Count,
    /// No, and nobody outside is told of them.
    Dropped,
}

impl InvalidationLayer {
    /// Frees pages of `cache`.
    pub fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            forwarding: Forwarding::default(),
            groups: Groups::Count,
        }
    }

    /// What `X-Forwarded-Host` means: the same as for the page layers whose pages are freed. Default: [`Forwarding::Keyed`].
    #[must_use]
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = forwarding;
        self
    }

    /// Whether cache groups count (RFC 9875). Default: they do. If not, nothing is freed by `Cache-Group-Invalidation`, and both fields of
    /// the RFC are taken out of all answers, lest a cache outside heeds them: for origins that serve the pages of several parties which do
    /// not trust each other (§5). Tell the [page layers](crate::CacheLayer::cache_groups) too.
    #[must_use]
    pub fn cache_groups(mut self, count: bool) -> Self {
        self.groups = match count {
            true => Groups::Count,
            false => Groups::Dropped,
        };
        self
    }
}

impl fmt::Debug for InvalidationLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for InvalidationLayer {
    type Service = InvalidationService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InvalidationService {
            inner,
            cache: self.cache.clone(),
            forwarding: self.forwarding,
            groups: self.groups,
        }
    }
}

/// The service of an [`InvalidationLayer`].
#[derive(Clone)]
pub struct InvalidationService<S> {
    inner: S,
    cache: Cache,
    forwarding: Forwarding,
    groups: Groups,
}

impl<S> fmt::Debug for InvalidationService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationService")
            .finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for InvalidationService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = InvalidationFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // A clone is readied for each request, as in the page layer.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let head = RequestHead::of(&request);
        let owed = (!is_safe(head.method)).then(|| {
            let addressed = Addressed::of(&head, self.forwarding);
            let changes = match is_call(&head) && is_method_path(head.target().path()) {
                true => Changes::WhatIsSaid,
                false => Changes::Target,
            };
            let known = head.extensions.get::<SafeCall>().cloned();
            Owed {
                marks: addressed.marks(&self.cache.shared.space),
                cache: self.cache.clone(),
                addressed,
                changes,
                safe: known.unwrap_or_default(),
            }
        });
        if let Some(owed) = &owed
            && owed.changes == Changes::WhatIsSaid
        {
            request.extensions_mut().insert(owed.safe.clone());
        }
        InvalidationFuture {
            stage: Stage::Asking {
                inner: self.inner.clone().oneshot(request),
            },
            owed,
            groups: self.groups,
        }
    }
}

/// A purge that is due unless the answer says that nothing was done.
struct Owed {
    cache: Cache,
    marks: Vec<Mark>,
    addressed: Addressed,
    changes: Changes,
    /// Has a layer within said that it changes nothing?
    safe: SafeCall,
}

/// What an unsafe request changes, if it went well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// Its target, and what its answer refers to.
    Target,
    /// Nothing that can be told by its target: it is a call.
    WhatIsSaid,
}

impl Owed {
    /// Adds what the answer refers to, and leaves out what its own page layer has freed.
    fn learn<B>(&mut self, response: &Response<B>) {
        let space = &self.cache.shared.space;
        let fields = response.headers();
        // Any request may say that it is a call; only one that was answered as a call was one.
        if self.changes == Changes::WhatIsSaid {
            match has_grpc_content(fields) {
                true => self.marks.clear(),
                false => self.changes = Changes::Target,
            }
        }
        if self.changes == Changes::Target {
            self.marks
                .extend(self.addressed.referred_marks(space, fields));
        }
        self.marks.extend(self.addressed.group_marks(space, fields));
        if let Some(freed) = response.extensions().get::<Freed>() {
            self.marks.retain(|mark| !freed.0.contains(mark));
        }
        self.marks.sort_unstable();
        self.marks.dedup();
    }

    fn settle(mut self) -> Settling {
        let marks = std::mem::take(&mut self.marks);
        let cache = self.cache.clone();
        Box::pin(async move {
            // The answer of the handler stands, whatever becomes of the purge.
            if let Err(error) = cache.purge(Purge::Marks(marks)).await {
                crate::log::purge_error(&error);
            }
        })
    }

    fn forgive(mut self) {
        self.marks.clear();
    }
}

impl Drop for Owed {
    /// The client went away while the handler was running, which may have changed its data all the same. Whether it was a call as it said, no
    /// answer tells then.
    fn drop(&mut self) {
        if self.marks.is_empty() || self.safe.is_declared() {
            return;
        }
        let owed = Self {
            cache: self.cache.clone(),
            marks: std::mem::take(&mut self.marks),
            addressed: self.addressed.clone(),
            changes: self.changes,
            safe: self.safe.clone(),
        };
        let background = self.cache.background().clone();
        finish(owed.settle(), &background);
    }
}

/// Brings a purge to its end that nobody waits for: at once where the store can, else in the background.
fn finish(mut settling: Settling, background: &Background) {
    let mut cx = Context::from_waker(Waker::noop());
    if settling.as_mut().poll(&mut cx).is_pending() {
        background.spawn_owed(settling);
    }
}

type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// RFC 9110 §9.2.1, and RFC 10008 for QUERY. A method of unknown safety counts as unsafe.
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    ) || method.as_str() == "QUERY"
}

fn has_changed_something<B>(response: &Response<B>) -> bool {
    let status = response.status();
    (status.is_success() || status.is_redirection()) && !has_failed(response.headers())
}

pin_project! {
    /// The future of an [`InvalidationService`].
    pub struct InvalidationFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        stage: Stage<S, ReqBody, ResBody>,
        owed: Option<Owed>,
        groups: Groups,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Asking { #[pin] inner: Oneshot<S, Request<ReqBody>> },
        Purging { purging: Purging, response: Option<Response<ResBody>> },
    }
}

impl<S, ReqBody, ResBody> Future for InvalidationFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Asking { inner } => {
                    let mut response = ready!(inner.poll(cx))?;
                    if *this.groups == Groups::Dropped {
                        for field in &GROUP_FIELDS {
                            response.headers_mut().remove(field);
                        }
                    }
                    let Some(mut owed) = this.owed.take() else {
                        return Poll::Ready(Ok(response));
                    };
                    if !has_changed_something(&response) {
                        owed.forgive();
                        return Poll::Ready(Ok(response));
                    }
                    owed.learn(&response);
                    if owed.marks.is_empty() {
                        return Poll::Ready(Ok(response));
                    }
                    let background = owed.cache.background().clone();
                    this.stage.set(Stage::Purging {
                        purging: Purging {
                            settling: Some(owed.settle()),
                            background,
                        },
                        response: Some(response),
                    });
                }
                StageProjection::Purging { purging, response } => {
                    ready!(purging.poll(cx));
                    return Poll::Ready(Ok(response.take().expect("polled after it was ready")));
                }
            }
        }
    }
}

/// A purge that the answer waits for. It goes on when the client does not.
struct Purging {
    settling: Option<Settling>,
    background: Background,
}

impl Purging {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(settling) = &mut self.settling {
            ready!(settling.as_mut().poll(cx));
            self.settling = None;
        }
        Poll::Ready(())
    }
}

impl Drop for Purging {
    fn drop(&mut self) {
        if let Some(settling) = self.settling.take() {
            finish(settling, &self.background);
        }
    }
}
