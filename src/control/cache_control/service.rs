//! The service of a [`CacheControlLayer`](super::CacheControlLayer): it touches heads, and bodies pass by.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::rules::Rules;
use crate::request::RequestHead;

/// The service of a [`CacheControlLayer`](super::CacheControlLayer).
#[derive(Clone, Debug)]
pub struct CacheControlService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> CacheControlService<S> {
    pub(super) fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CacheControlService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = CacheControlFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let chosen = self.rules.choose(&RequestHead::of(&request));
        CacheControlFuture {
            rules: chosen.then(|| self.rules.clone()),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of a [`CacheControlService`].
    pub struct CacheControlFuture<F> {
        #[pin]
        inner: F,
        // None where the request was not chosen.
        rules: Option<Arc<Rules>>,
    }
}

impl<F, B, E> Future for CacheControlFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(rules) = this.rules {
            rules.apply(response.status(), response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
