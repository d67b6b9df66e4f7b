//! The inner service, as the page cache sees it: it answers a call with a page whose body is the finished call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::answer::{Finished, Verdict, verdict};
use super::body::{Answer, Question};
use super::frame::one_message;
use super::kept::{Kept, without_own};
use super::method::CallMethod;
use super::read::{Read, Whole, any, put_back, read};
use super::tags::take_from_status;
use super::timeout::{GRPC_TIMEOUT, timeout_value};
use super::upstream::Address;
use crate::between::{IsRefusal, Unstorable};
use crate::content::{BoxError, ReplayedBody};
use crate::monitor::NotStored;
use crate::page::{Handle, Looked};

/// See the module.
#[derive(Clone)]
pub(super) struct Handler<S> {
    inner: S,
    method: Arc<CallMethod>,
    address: Address,
}

impl<S> Handler<S> {
    pub(super) const fn new(inner: S, method: Arc<CallMethod>, address: Address) -> Self {
        Self {
            inner,
            method,
            address,
        }
    }
}

/// The answer as its own caller gets it, in the extensions of the page that is made of it.
#[derive(Clone)]
pub(super) struct Original {
    /// Without extensions, which go with the page.
    pub(super) parts: Parts,
    /// What was read of the body, if it is kept. Else it comes in the body of the page.
    pub(super) whole: Option<(Bytes, Option<HeaderMap>)>,
}

impl<S, ReqBody, ResBody> Service<Request<Question<ReqBody>>> for Handler<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    ReqBody: From<ReplayedBody>,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<Answer<ResBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Question<ReqBody>>) -> Self::Future {
        *request.method_mut() = Method::POST;
        self.address.take_back(&mut request);
        let handle = request.extensions().get::<Handle>();
        let fills = handle.is_some_and(|handle| matches!(handle.looked, Looked::Missed(_)));
        if fills {
            // Others may wait for it, who have deadlines of their own (GRPC-28).
            let bound = timeout_value(self.method.fill_timeout);
            request
                .headers_mut()
                .insert(HeaderName::from_static(GRPC_TIMEOUT), bound);
        }
        let asking = self.inner.call(request.map(Question::into_inner));
        let method = self.method.clone();
        Box::pin(async move {
            let response = asking.await?;
            Ok(match fills {
                true => judged(response, &method).await,
                false => page_of(response.map(|body| Answer::Untouched { body }), None),
            })
        })
    }
}

/// Reads an answer, and makes a page of it.
async fn judged<B>(response: Response<B>, method: &CallMethod) -> Response<Answer<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    let of = |body| Answer::Replayed { body };
    let whole = match read(any(body), method.max_message).await {
        Read::Whole(whole) => whole,
        Read::Other(body, why) => {
            let response = Response::from_parts(parts, of(body));
            return page_of(response, Some(Verdict::Pass(why)));
        }
    };
    let message = one_message(&whole.content);
    if message.is_none() && !whole.content.is_empty() {
        let response = Response::from_parts(parts, of(put_back(whole)));
        return page_of(response, Some(Verdict::Pass(NotStored::Incomplete)));
    }
    let finished = Finished {
        status: parts.status,
        metadata: &parts.headers,
        trailers: whole.trailers.as_ref(),
        message,
    };
    match verdict(finished, &method.codes) {
        Verdict::Keep(directives) => kept(parts, whole, directives),
        verdict => page_of(
            Response::from_parts(parts, of(put_back(whole))),
            Some(verdict),
        ),
    }
}

/// The page of an answer that is kept.
fn kept<B>(mut parts: Parts, whole: Whole, directives: HeaderMap) -> Response<Answer<B>> {
    let Whole { content, trailers } = whole;
    let mut kept = Kept {
        metadata: without_own(&parts.headers),
        trailers: trailers.as_ref().map(without_own),
        message: content.clone(),
    };
    if kept.message.is_empty()
        && let Some(trailers) = kept.trailers.take()
    {
        // An error is told in one block of fields (GRPC-21).
        kept.metadata.extend(trailers);
    }
    let mut page = Response::new(Answer::Kept {
        bytes: Some(kept.encode()),
    });
    *page.headers_mut() = directives;
    *page.extensions_mut() = std::mem::take(&mut parts.extensions);
    take_from_status(page.extensions_mut());
    page.extensions_mut().insert(Original {
        parts,
        whole: Some((content, trailers)),
    });
    page
}

/// The page of an answer that is not kept, and why.
fn page_of<B>(response: Response<Answer<B>>, verdict: Option<Verdict>) -> Response<Answer<B>> {
    let (mut parts, body) = response.into_parts();
    let mut page = Response::new(body);
    *page.extensions_mut() = std::mem::take(&mut parts.extensions);
    let extensions = page.extensions_mut();
    extensions.insert(Original { parts, whole: None });
    match verdict {
        None | Some(Verdict::Keep(_)) => {}
        Some(Verdict::Pass(why)) => {
            extensions.insert(Unstorable(why));
        }
        Some(Verdict::Refuse) => {
            extensions.insert(IsRefusal);
        }
        Some(Verdict::Fail) => {
            extensions.insert(Unstorable(NotStored::Status));
            *page.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    page
}
