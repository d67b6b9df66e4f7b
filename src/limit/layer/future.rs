//! The future of a service, and what is done with the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::answer::Answer;
use super::body::RateLimitBody;
use super::taken::{Meter, Taken};

/// A future that takes more than one question.
pub(super) type Answering<B, E> =
    Pin<Box<dyn Future<Output = Result<Response<RateLimitBody<B>>, E>> + Send>>;

pin_project! {
    /// The future of a [`RateLimitService`](super::RateLimitService).
    pub struct RateLimitFuture<S, ReqBody, ResBody>
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
        Ready { response: Option<Response<RateLimitBody<ResBody>>> },
        Forwarding { #[pin] inner: Oneshot<S, Request<ReqBody>>, then: Option<Then> },
        Working { future: Answering<ResBody, S::Error> },
    }
}

/// What is done with the answer to a request that was admitted.
#[derive(Debug)]
pub(super) struct Then {
    pub(super) taken: Arc<Taken>,
    /// Does the answer get fields?
    pub(super) tells: bool,
    /// Does its head change the cost?
    pub(super) settles: bool,
}

impl<S, ReqBody, ResBody> RateLimitFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn ready(response: Response<RateLimitBody<ResBody>>) -> Self {
        Self {
            kind: Kind::Ready {
                response: Some(response),
            },
        }
    }

    pub(super) fn forwarding(inner: Oneshot<S, Request<ReqBody>>, then: Option<Then>) -> Self {
        Self {
            kind: Kind::Forwarding { inner, then },
        }
    }

    pub(super) fn working(future: Answering<ResBody, S::Error>) -> Self {
        Self {
            kind: Kind::Working { future },
        }
    }
}

impl<S, ReqBody, ResBody> Future for RateLimitFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
{
    type Output = Result<Response<RateLimitBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        loop {
            match kind.as_mut().project() {
                KindProjection::Ready { response } => {
                    let response = response.take().expect("polled after it was ready");
                    return Poll::Ready(Ok(response));
                }
                KindProjection::Working { future } => return future.as_mut().poll(cx),
                KindProjection::Forwarding { inner, then } => {
                    let response = ready!(inner.poll(cx))?;
                    match then.take() {
                        None => return Poll::Ready(Ok(response.map(RateLimitBody::passed))),
                        Some(then) if !then.settles => {
                            return Poll::Ready(Ok(then.finish(response)));
                        }
                        Some(then) => {
                            let future = Box::pin(async move { Ok(then.settle(response).await) });
                            kind.set(Kind::Working { future });
                        }
                    }
                }
            }
        }
    }
}

impl Then {
    /// Settles the cost by the answer's head before the answer leaves, so that the next request of this client finds it settled; a limiter
    /// elsewhere is waited for, as long as its own bounds allow.
    pub(super) async fn settle<B: Body>(self, response: Response<B>) -> Response<RateLimitBody<B>> {
        if self.settles
            && let Some(cost) = self.taken.cost_by(&Answer::of(&response))
        {
            self.taken.settle(cost).await;
        }
        self.finish(response)
    }

    fn finish<B: Body>(self, mut response: Response<B>) -> Response<RateLimitBody<B>> {
        // Whoever is redirected comes again at once, and is not to be held up by what is left.
        if self.tells && !response.status().is_redirection() {
            let decision = self.taken.decision();
            self.taken.account(&decision).tell(response.headers_mut());
        }
        match self.taken.ends_with_the_body() {
            true => response.map(|body| RateLimitBody::metered(body, Meter::new(self.taken))),
            false => response.map(RateLimitBody::passed),
        }
    }
}
