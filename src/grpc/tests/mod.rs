//! The layer round a handler that is a closure, on a clock that is moved by hand.

mod basics;
mod descriptors;
mod monitoring;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::body::Body;
use tower::ServiceExt;
use tower_layer::Layer;

use super::layer::GrpcCacheLayer;
use crate::cache::Cache;
use crate::clock::ManualClock;
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
    let clock = ManualClock::new();
    let cache = Cache::builder(MemoryStore::new(16 * MIB))
        .clock(clock.clone())
        .build()
        .unwrap();
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
    let mut request = Request::post(format!("http://shop.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in metadata {
        request = request.header(*name, *value);
    }
    request
        .body(Body::new(http_body_util::Full::new(body)))
        .unwrap()
}

/// The blocks of an answer: fields, data, and trailers.
pub(super) fn answer_of(
    metadata: &[(&str, &str)],
    content: Option<Bytes>,
    trailers: Option<&[(&str, &str)]>,
) -> Response<Body> {
    let fields = |fields: &[(&str, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                http::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        map
    };
    let mut frames = Vec::new();
    frames.extend(content.map(|content| Ok::<_, Infallible>(Frame::data(content))));
    frames.extend(trailers.map(|trailers| Ok(Frame::trailers(fields(trailers)))));
    let body = match frames.is_empty() {
        true => Body::empty(),
        false => Body::new(StreamBody::new(futures_util::stream::iter(frames))),
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
    pub(super) metadata: HeaderMap,
    pub(super) data: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) extensions: usize,
}

/// Calls through the layer.
pub(super) async fn ask(layer: &GrpcCacheLayer, handler: &Counted, request: Request<Body>) -> Seen {
    let response = layer.layer(handler.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    assert_eq!(parts.status, 200);
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    Seen {
        metadata: parts.headers,
        data: body.to_bytes(),
        trailers,
        extensions: parts.extensions.len(),
    }
}
