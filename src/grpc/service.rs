//! The service: call → metadata → message → key → the page cache → answer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AGE;
use http::{HeaderName, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::arriving::Arriving;
use super::body::{Answer, GrpcBody, Question};
use super::future::GrpcCacheFuture;
use super::handler::{Handler, Original};
use super::kept::Kept;
use super::layer::Methods;
use super::method::CallMethod;
use super::screen::screen;
use super::status::{trailers_only, unanswered, unreadable};
use super::upstream::Address;
use crate::between::{Aged, SafeCall, Unstorable};
use crate::call::{grpc_timeout, is_call};
use crate::content::{BoxError, ReplayedBody};
use crate::monitor::{Bypass, Reason};
use crate::page::PageBody;
use crate::request::RequestHead;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Answers unary calls from the store, and keeps what the inner service answers. Made by [`GrpcCacheLayer`](super::GrpcCacheLayer).
///
/// It is always ready: what is answered from the store must not hold a permit of the inner service. Each call that is forwarded readies a
/// clone of its own.
#[derive(Clone)]
pub struct GrpcCacheService<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S> GrpcCacheService<S> {
    pub(super) const fn new(inner: S, methods: Arc<Methods>) -> Self {
        Self { inner, methods }
    }
}

impl<S> fmt::Debug for GrpcCacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcCacheService")
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// So that a service with its layer can be added to a tonic server.
impl<S: tonic::server::NamedService> tonic::server::NamedService for GrpcCacheService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for GrpcCacheService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + From<ReplayedBody> + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<GrpcBody<ResBody>>;
    type Error = S::Error;
    type Future = GrpcCacheFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let inner = self.inner.clone();
        let head = RequestHead::of(&request);
        let method = self.methods.get(head.target().path());
        match method.filter(|_| is_call(&head)) {
            // Whether it streams nobody has said: not a byte of it is held back.
            None => GrpcCacheFuture::passing(inner.oneshot(request)),
            Some(method) => {
                let method = method.clone();
                if let Some(safe) = head.extensions.get::<SafeCall>() {
                    safe.declare();
                }
                let waits_until = grpc_timeout(head.headers)
                    .and_then(|timeout| Instant::now().checked_add(timeout));
                if let Err(name) = screen(head.headers, &method.known) {
                    crate::log::metadata(head.target().path(), name);
                    let work = pass_by(inner, method, request, Bypass::Metadata);
                    return GrpcCacheFuture::working(Box::pin(work));
                }
                GrpcCacheFuture::arriving(Arriving::of(inner, method, request, waits_until))
            }
        }
    }
}

/// Forwards a call of a method whose answers are kept, though not of this call.
async fn pass_by<S, ReqBody, ResBody>(
    inner: S,
    method: Arc<CallMethod>,
    request: Request<ReqBody>,
    why: Bypass,
) -> Result<Response<GrpcBody<ResBody>>, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + From<ReplayedBody> + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let cache = method
        .page
        .layer(Handler::new(inner, method.clone(), Address::Own));
    let request = request.map(|body| Question::Untouched { body });
    let response = cache.pass_by(request, why).await?;
    Ok(finished(&method, response).await)
}

/// Makes an answer to a call of what the page cache says.
pub(super) async fn finished<B>(
    method: &CallMethod,
    response: Response<PageBody<Answer<B>>>,
) -> Response<GrpcBody<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut page, body) = response.into_parts();
    let mut response = match page.extensions.remove::<Original>() {
        Some(Original { parts, whole: None }) => {
            Response::from_parts(parts, GrpcBody::passed(body))
        }
        Some(Original {
            parts,
            whole: Some((message, trailers)),
        }) => {
            // Read to its end, so that it is stored before it is answered: the client's next call must hit.
            drop(body.collect().await);
            Response::from_parts(parts, GrpcBody::whole(message, trailers))
        }
        None => match page.extensions.get::<Reason>() {
            Some(Reason::Unanswered(why)) => trailers_only(unanswered(*why)),
            _ => match body.collect().await {
                Ok(kept) => match Kept::decode(kept.to_bytes()) {
                    Some(kept) => {
                        if let Some(age) = page.headers.remove(AGE) {
                            page.extensions.insert(Aged(age));
                        }
                        kept.into_response()
                    }
                    None => trailers_only(unreadable()),
                },
                // The call that it waited for has come to nothing.
                Err(_) => trailers_only(unreadable()),
            },
        },
    };
    if method.tells {
        for line in page.headers.get_all(CACHE_STATUS) {
            // A map that has no room for one more line is too large to be sent.
            let _ = response
                .headers_mut()
                .try_append(CACHE_STATUS, line.clone());
        }
    }
    // A layer outside judges for itself.
    page.extensions.remove::<Unstorable>();
    response.extensions_mut().extend(page.extensions);
    response
}
