//! The layer round a handler that is a closure, on a clock that is moved by hand.

mod answers;
mod basics;
mod crowds;
mod descriptors;
mod keys;
mod metadata;
mod methods;
mod monitoring;
mod people;
mod purging;
mod requests;
mod restrictions;
mod services;
mod sharing;
mod stale;
mod stores;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tower::ServiceExt;
use tower_layer::Layer;

use super::layer::GrpcCacheLayer;
use crate::cache::{Cache, CacheBuilder};
use crate::clock::ManualClock;
use crate::monitor::{Absence, Bypass, NotStored, Reason};
use crate::page::tests::stores::Waiting;
use crate::store::MemoryStore;
use crate::ttl::MIB;

pub(super) const ITEM: &str = "/catalog.Catalog/GetItem";

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A handler that counts how often it is asked.
#[derive(Clone)]
pub(super) struct Counted {
    asked: Arc<AtomicUsize>,
    answer: Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>,
}

impl Counted {
    pub(super) fn new<F>(answer: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self {
            asked: Arc::default(),
            answer: Arc::new(move |request| {
                let answer = answer(request);
                Box::pin(async move { Ok(answer.await) })
            }),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl tower_service::Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.answer)(request)
    }
}

/// A cache in memory, and its clock.
pub(super) fn cache() -> (Cache, ManualClock) {
    built(Cache::builder(MemoryStore::new(16 * MIB)))
}

/// The same on any store, or of any kind.
pub(super) fn built(builder: CacheBuilder) -> (Cache, ManualClock) {
    let clock = ManualClock::new();
    let cache = builder.clock(clock.clone()).build().unwrap();
    (cache, clock)
}

/// A message with its prefix.
pub(super) fn message(content: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(content);
    framed.into()
}

/// A call with this message.
pub(super) fn call(path: &str, content: &[u8]) -> Request<Body> {
    call_with(path, message(content), &[])
}

/// A call with these bytes, and further metadata.
pub(super) fn call_with(path: &str, body: Bytes, metadata: &[(&str, &str)]) -> Request<Body> {
    call_of(path, Body::new(http_body_util::Full::new(body)), metadata)
}

/// A call with this body.
pub(super) fn call_of(path: &str, body: Body, metadata: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(format!("http://shop.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in metadata {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// The blocks of an answer: fields, data, and trailers.
pub(super) fn answer_of(
    metadata: &[(&str, &str)],
    content: Option<Bytes>,
    trailers: Option<&[(&str, &str)]>,
) -> Response<Body> {
    let mut sent = Vec::new();
    sent.extend(content.map(|content| Ok(Frame::data(content))));
    sent.extend(trailers.map(|trailers| Ok(Frame::trailers(fields(trailers)))));
    let body = match sent.is_empty() {
        true => Body::empty(),
        false => frames(sent),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = fields(metadata);
    response.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/grpc"),
    );
    response
}

/// The message `content`, and OK.
pub(super) fn ok(content: &[u8]) -> Response<Body> {
    answer_of(
        &[("x-initial", "i")],
        Some(message(content)),
        Some(&[("grpc-status", "0"), ("x-trailing", "t")]),
    )
}

/// What a client sees of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) metadata: HeaderMap,
    pub(super) data: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    /// Did its body break off?
    pub(super) failed: bool,
    pub(super) extensions: usize,
    /// None for a hit.
    pub(super) reason: Option<Reason>,
}

impl Seen {
    /// What comes over the wire.
    pub(super) fn sent(&self) -> (u16, &HeaderMap, &Bytes, Option<&HeaderMap>, bool) {
        let Self {
            status,
            metadata,
            data,
            trailers,
            failed,
            ..
        } = self;
        (*status, metadata, data, trailers.as_ref(), *failed)
    }

    /// The code that it ends with.
    pub(super) fn code(&self) -> &str {
        let fields = self.trailers.as_ref().unwrap_or(&self.metadata);
        fields["grpc-status"].to_str().unwrap()
    }

    #[track_caller]
    pub(super) fn assert_bypassed(&self, why: Bypass) {
        assert_eq!(self.reason, Some(Reason::Bypassed(why)));
    }

    #[track_caller]
    pub(super) fn assert_refused(&self, why: NotStored) {
        assert_eq!(self.reason, Some(Reason::Refused(Absence::Uri, why)));
    }
}

/// Reads an answer to its end.
pub(super) async fn seen<B>(response: Response<B>) -> Seen
where
    B: http_body::Body<Data = Bytes>,
{
    let (parts, body) = response.into_parts();
    let mut body = std::pin::pin!(body);
    let (mut data, mut trailers, mut failed) = (Vec::new(), None, false);
    while let Some(frame) = body.as_mut().frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(chunk)) => data.extend_from_slice(&chunk),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(_) => failed = true,
        }
    }
    Seen {
        status: parts.status.as_u16(),
        metadata: parts.headers,
        data: data.into(),
        trailers,
        failed,
        extensions: parts.extensions.len(),
        reason: parts.extensions.get().copied(),
    }
}

/// Calls through the layer.
pub(super) async fn ask(layer: &GrpcCacheLayer, handler: &Counted, request: Request<Body>) -> Seen {
    let response = layer.layer(handler.clone()).oneshot(request).await;
    seen(response.unwrap()).await
}

/// Calls through the layer, in a task of its own.
pub(super) fn start(
    layer: &GrpcCacheLayer,
    handler: &Counted,
    request: Request<Body>,
) -> JoinHandle<Seen> {
    let (layer, handler) = (layer.clone(), handler.clone());
    tokio::spawn(async move { ask(&layer, &handler, request).await })
}

/// Lets every other task go as far as it can.
pub(super) async fn let_others_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Nothing is under way any more: no flight, no task, no part of the budget.
pub(super) async fn assert_at_rest(cache: &Cache) {
    cache.background().idle().await;
    assert_eq!(cache.shared.flights.under_way(), 0, "flights are left");
    assert_eq!(cache.shared.budget.left(), 64 * MIB, "budget is taken");
}

/// A handler that answers with the bytes of the call, and tells how they ended.
pub(super) fn echo() -> Counted {
    Counted::new(|request| async move {
        let mut body = request.into_body();
        let (mut bytes, mut end) = (Vec::new(), "well");
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(Err(_)) => end = "trailers",
                Err(_) => end = "failed",
            }
        }
        let trailers = [("grpc-status", "0")];
        answer_of(&[("x-end", end)], Some(message(&bytes)), Some(&trailers))
    })
}

/// A body of these frames.
pub(super) fn frames<I>(frames: I) -> Body
where
    I: IntoIterator<Item = Result<Frame<Bytes>, std::io::Error>>,
    I::IntoIter: Send + 'static,
{
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// Fields of this name and value each.
pub(super) fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::try_from(*name).unwrap();
        map.append(name, value.parse().unwrap());
    }
    map
}
