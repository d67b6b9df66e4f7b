//! The future of a [`GrpcCacheService`](super::GrpcCacheService).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::arriving::Arriving;
use super::body::GrpcBody;
use crate::content::{BoxError, ReplayedBody};

type Working<B, E> = Pin<Box<dyn Future<Output = Result<Response<GrpcBody<B>>, E>> + Send>>;

pin_project! {
    /// The future of a [`GrpcCacheService`](super::GrpcCacheService).
    pub struct GrpcCacheFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        kind: Kind<S, ReqBody, ResBody>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Passing { #[pin] inner: Oneshot<S, Request<ReqBody>> },
        Arriving { call: Option<Arriving<S>> },
        Working { work: Working<ResBody, S::Error> },
    }
}

impl<S, ReqBody, ResBody> GrpcCacheFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) const fn passing(inner: Oneshot<S, Request<ReqBody>>) -> Self {
        Self {
            kind: Kind::Passing { inner },
        }
    }

    pub(super) const fn arriving(call: Arriving<S>) -> Self {
        Self {
            kind: Kind::Arriving { call: Some(call) },
        }
    }

    pub(super) const fn working(work: Working<ResBody, S::Error>) -> Self {
        Self {
            kind: Kind::Working { work },
        }
    }
}

impl<S, ReqBody, ResBody> Future for GrpcCacheFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + From<ReplayedBody> + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Output = Result<Response<GrpcBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut kind = self.as_mut().project().kind;
            let work: Working<ResBody, S::Error> = match kind.as_mut().project() {
                KindProjection::Passing { inner } => {
                    let answer = ready!(inner.poll(cx));
                    return Poll::Ready(answer.map(|response| response.map(GrpcBody::untouched)));
                }
                KindProjection::Arriving { call } => match ready!(Arriving::poll(call, cx)) {
                    // A hit is boxed nowhere.
                    Some(arrived) => match arrived.hit() {
                        Some(response) => return Poll::Ready(Ok(response)),
                        None => Box::pin(arrived.ask()),
                    },
                    None => return Poll::Pending,
                },
                KindProjection::Working { work } => return work.as_mut().poll(cx),
            };
            kind.set(Kind::Working { work });
        }
    }
}
