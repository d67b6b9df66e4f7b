//! The service of a [`MonitorLayer`](super::MonitorLayer).

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::{MonitorFuture, Watch};
use super::layer::Options;
use super::request::{CURRENT, RequestCounts};
use crate::cache::Provided;
use crate::request::RequestHead;

/// The service of a [`MonitorLayer`](crate::MonitorLayer).
#[derive(Clone)]
pub struct MonitorService<S> {
    pub(super) inner: S,
    pub(super) options: Arc<Options>,
}

impl<S> fmt::Debug for MonitorService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorService").finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for MonitorService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MonitorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Every request is forwarded, to the very service that is readied here.
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        Provided::add(request.extensions_mut(), &self.options.cache);
        // Those of a layer further out, if there is one.
        let counts = RequestCounts::current().unwrap_or_default();
        let watch = Watch::start(&self.options, &RequestHead::of(&request), counts.clone());
        let inner = &mut self.inner;
        // A page layer answers a hit right here, and its future only hands it over.
        let future = CURRENT.sync_scope(counts.clone(), || inner.call(request));
        MonitorFuture::new(CURRENT.scope(counts, future), watch)
    }
}
