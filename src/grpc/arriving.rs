//! A call from when it is known that its answer may be kept: its message is read, and then it is answered from the store, or asked for.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

use super::body::{GrpcBody, Question};
use super::frame::{Compressed, one_message};
use super::handler::Handler;
use super::kept::Kept;
use super::key::{CallKey, has_coding, key_of};
use super::method::CallMethod;
use super::service::finished;
use super::status::{too_late, trailers_only};
use super::upstream::Address;
use crate::between::Deadline;
use crate::content::{BoxError, Reading, ReplayedBody};
use crate::monitor::Bypass;
use crate::request::RequestHead;

/// A call whose message is being read.
pub(super) struct Arriving<S> {
    inner: S,
    method: Arc<CallMethod>,
    head: Request<()>,
    address: Address,
    content: Reading,
    waits_until: Option<Instant>,
}

/// A call whose message is there, as far as it is read.
pub(super) struct Arrived<S> {
    call: Arriving<S>,
    key: Result<CallKey, Bypass>,
}

impl<S> Arriving<S> {
    pub(super) fn of<B>(
        inner: S,
        method: Arc<CallMethod>,
        request: Request<B>,
        waits_until: Option<Instant>,
    ) -> Self
    where
        B: Body + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let content = Reading::of(body, method.max_request);
        let mut head = Request::from_parts(parts, ());
        let address = Address::lend(&mut head, method.upstream.as_ref());
        Self {
            inner,
            method,
            head,
            address,
            content,
            waits_until,
        }
    }

    /// Reads on.
    pub(super) fn poll(this: &mut Option<Self>, cx: &mut Context<'_>) -> Poll<Option<Arrived<S>>> {
        let whole = match this {
            Some(call) => std::task::ready!(call.content.poll(cx)),
            None => return Poll::Ready(None),
        };
        Poll::Ready(this.take().map(|call| Arrived {
            key: match &whole {
                None => Err(Bypass::Content),
                Some(message) => call_key(&call.head, &call.method, message).ok_or(Bypass::Message),
            },
            call,
        }))
    }
}

/// What of a call belongs to its key; None if it is no unary call (GRPC-05), or not to be read.
fn call_key(head: &Request<()>, method: &CallMethod, message: &[u8]) -> Option<CallKey> {
    let headers = head.headers();
    let Compressed(compressed) = one_message(message)?;
    let upstream = method.upstream.as_ref();
    (!compressed || has_coding(headers))
        .then(|| key_of(headers, &method.known.keyed, upstream, message))
}

impl<S> Arrived<S> {
    /// The answer, where it stands in a store that needs no waiting, and is fresh.
    pub(super) fn hit<B>(&self) -> Option<Response<GrpcBody<B>>> {
        let method = &self.call.method;
        let key = self.key.as_ref().ok()?;
        // What became of it is told by the page cache.
        if method.tells {
            return None;
        }
        let head = RequestHead::of(&self.call.head);
        let hit = method.page.hit_now(&head, key.as_bytes())?;
        let mut response = Kept::decode(hit.body().clone())?.into_response();
        hit.count(&head, response.extensions_mut());
        Some(response)
    }

    /// The answer, whatever it takes.
    pub(super) async fn ask<ReqBody, ResBody>(self) -> Result<Response<GrpcBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Body + From<ReplayedBody> + Send + 'static,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let Arriving {
            inner,
            method,
            head,
            address,
            content,
            waits_until,
        } = self.call;
        let cache = method
            .page
            .layer(Handler::new(inner, method.clone(), address));
        let mut request = head.map(|()| Question::Read {
            body: content.into_body(),
        });
        let key = match self.key {
            Ok(key) => key,
            Err(why) => {
                let response = cache.pass_by(request, why).await?;
                return Ok(finished(&method, response).await);
            }
        };
        // A call that changes nothing is what HTTP calls QUERY: safe, with content that belongs to what is asked for (RFC 10008).
        *request.method_mut() = query();
        if let Some(until) = waits_until {
            request.extensions_mut().insert(Deadline(until));
        }
        let asking = async {
            let response = cache.ask_keyed(request, key.as_bytes()).await?;
            Ok(finished(&method, response).await)
        };
        let Some(until) = waits_until else {
            return asking.await;
        };
        match timeout_at(until, asking).await {
            Ok(answer) => answer,
            // What it has asked for goes on for the others.
            Err(_) => Ok(trailers_only(too_late())),
        }
    }
}

fn query() -> Method {
    Method::from_bytes(b"QUERY").unwrap_or(Method::POST)
}
