//! The inner service, as the page cache sees it: it answers a call with a page whose body is the finished call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AGE;
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
use super::status::{too_late, trailers_only};
use super::tags::take_from_status;
use super::upstream::Address;
use crate::between::{Aged, Deadline, IsRefusal, Unstorable};
use crate::call::{GRPC_TIMEOUT, timeout_value};
use crate::content::{BoxError, ReplayedBody};
use crate::monitor::NotStored;
use crate::page::{Handle, Looked, PageControl};

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
    S::Error: Send + 'static,
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
        // It is that of one client, and means nothing to caches within.
        request.extensions_mut().remove::<Deadline>();
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
            if !fills {
                let response = asking.await?;
                return Ok(page_of(
                    response.map(|body| Answer::Untouched { body }),
                    None,
                ));
            }
            let answering = async { Ok(judged(asking.await?, &method).await) };
            match tokio::time::timeout(method.fill_timeout, answering).await {
                Ok(page) => page,
                Err(_) => Ok(unfinished()),
            }
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
    let page = |parts, body, verdict| {
        let response = Response::from_parts(parts, Answer::Replayed { body });
        page_of(response, Some(verdict))
    };
    let mut share = method.share();
    let whole = match read(any(body), method.max_message, &mut share).await {
        Read::Whole(whole) => whole,
        Read::Other(body, why) => return page(parts, body, Verdict::Pass(why)),
        Read::Failed(body) => return page(parts, body, Verdict::Fail(NotStored::Incomplete)),
    };
    let message = one_message(&whole.content);
    if message.is_none() && !whole.content.is_empty() {
        return page(parts, put_back(whole), Verdict::Fail(NotStored::Incomplete));
    }
    let finished = Finished {
        status: parts.status,
        metadata: &parts.headers,
        trailers: whole.trailers.as_ref(),
        message,
        ttl: PageControl::of(&parts.extensions).lifetime(method.default_ttl),
    };
    match verdict(finished, &method.codes) {
        Verdict::Keep(directives) => kept(parts, whole, directives),
        verdict => page(parts, put_back(whole), verdict),
    }
}

/// The page where a handler that was asked for everyone has taken too long.
fn unfinished<B>() -> Response<Answer<B>> {
    let response = trailers_only::<()>(too_late()).map(|_| Answer::Kept { bytes: None });
    page_of(response, Some(Verdict::Fail(NotStored::Incomplete)))
}

/// The page of an answer that is kept.
fn kept<B>(mut parts: Parts, whole: Whole, directives: HeaderMap) -> Response<Answer<B>> {
    let Whole { content, trailers } = whole;
    let mut kept = Kept {
        metadata: without_own(&parts.headers),
        trailers: trailers.as_ref().map(without_own),
        message: content,
    };
    if kept.message.is_empty()
        && let Some(trailers) = kept.trailers.take()
    {
        // An error is told in one block of fields (GRPC-21).
        for (name, value) in &trailers {
            kept.metadata.append(name, value.clone());
        }
    }
    if !kept.fits() {
        let whole = Whole {
            content: kept.message,
            trailers,
        };
        let body = put_back(whole);
        let response = Response::from_parts(parts, Answer::Replayed { body });
        return page_of(response, Some(Verdict::Pass(NotStored::Fields)));
    }
    let bytes = kept.encode();
    // What is held besides is a part of the same bytes.
    let content = bytes.slice(bytes.len() - kept.message.len()..);
    let mut page = Response::new(Answer::Kept { bytes: Some(bytes) });
    *page.headers_mut() = directives;
    if let Some(Aged(age)) = parts.extensions.get() {
        page.headers_mut().insert(AGE, age.clone());
    }
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
        Some(Verdict::Fail(why)) => {
            extensions.insert(Unstorable(why));
            *page.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    page
}
