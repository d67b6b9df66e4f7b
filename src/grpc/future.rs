//! The future of a [`GrpcCacheService`](super::GrpcCacheService).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::body::GrpcBody;

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

    pub(super) const fn working(work: Working<ResBody, S::Error>) -> Self {
        Self {
            kind: Kind::Working { work },
        }
    }
}

impl<S, ReqBody, ResBody> Future for GrpcCacheFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<GrpcBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Passing { inner } => inner
                .poll(cx)
                .map(|answer| answer.map(|response| response.map(GrpcBody::untouched))),
            KindProjection::Working { work } => work.as_mut().poll(cx),
        }
    }
}
