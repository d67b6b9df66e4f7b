//! Calls and answers for the tests of layers that are not about gRPC alone.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::body::Body;

pub(crate) const GET_ITEM: &str = "/catalog.Catalog/GetItem";
pub(crate) const UPDATE_ITEM: &str = "/catalog.Catalog/UpdateItem";

/// A message of one byte, with its prefix.
pub(crate) const MESSAGE: Bytes = Bytes::from_static(b"\0\0\0\0\x01s");

/// A call with this metadata.
pub(crate) fn call(path: &str, metadata: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(format!("http://shop.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in metadata {
        request = request.header(*name, *value);
    }
    request
        .body(Body::new(http_body_util::Full::new(MESSAGE)))
        .unwrap()
}

/// One message, and OK in trailers.
pub(crate) fn ok() -> Response<Body> {
    let frames = [Ok(Frame::data(MESSAGE)), Ok(Frame::trailers(status("0")))];
    let stream = futures_util::stream::iter(frames.map(|frame: Result<_, Infallible>| frame));
    let mut response = Response::new(Body::new(StreamBody::new(stream)));
    response.headers_mut().extend([content_type()]);
    response
}

/// An error, in one block of fields.
pub(crate) fn failed(code: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = status(code);
    response.headers_mut().extend([content_type()]);
    response
}

/// Head, data and trailers, as a client sees them.
pub(crate) async fn seen<B>(response: Response<B>) -> (HeaderMap, Bytes, Option<HeaderMap>)
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    assert_eq!(response.status(), 200);
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (head.headers, body.to_bytes(), trailers)
}

/// Is it what [`ok`] answers, and nothing else?
pub(crate) async fn assert_ok<B>(response: Response<B>)
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let expected = seen(ok()).await;
    assert_eq!(seen(response).await, expected);
}

fn status(code: &'static str) -> HeaderMap {
    let name = HeaderName::from_static("grpc-status");
    HeaderMap::from_iter([(name, HeaderValue::from_static(code))])
}

fn content_type() -> (HeaderName, HeaderValue) {
    let name = HeaderName::from_static("content-type");
    (name, HeaderValue::from_static("application/grpc"))
}
