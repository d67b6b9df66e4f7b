//! The service: it remembers the conditions, and the future judges them.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ConditionalBody;
use super::future::ConditionalFuture;
use super::head::Judge;
use super::layer::Options;

/// The service of a [`ConditionalLayer`](super::ConditionalLayer).
#[derive(Clone)]
pub struct ConditionalService<S> {
    inner: S,
    options: Options,
}

impl<S> ConditionalService<S> {
    pub(super) fn new(inner: S, options: Options) -> Self {
        Self { inner, options }
    }
}

impl<S: fmt::Debug> fmt::Debug for ConditionalService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionalService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ConditionalService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ConditionalBody<ResBody>>;
    type Error = S::Error;
    type Future = ConditionalFuture<S::Future, ResBody>;

    /// As ready as the inner service, which gets every request.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let judge = Judge::of(&request, &self.options);
        ConditionalFuture::new(self.inner.call(request), judge)
    }
}
