//! The service behind the cache: one request to the origin for each request that reaches it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri,
        header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
        request, uri,
    },
};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use tower::Service;

use crate::{
    args::Origin,
    body::{BoxError, Download, Lease, Progress, Upload},
    failure::Failure,
    framing::{self, After},
    hop,
    pool::{Connection, Lost, Pool},
};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the origin answered, or what is said in its place.
pub(crate) type ProxyBody = Either<Download, Full<Bytes>>;

/// Who has sent a request, among its extensions.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

#[derive(Clone)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    authority: HeaderValue,
    patience: Duration,
}

impl Proxy {
    pub(crate) fn new(origin: &Origin, pool: Pool, patience: Duration) -> Self {
        let authority = HeaderValue::from_str(&origin.authority);
        Self {
            shared: Arc::new(Shared {
                pool,
                authority: authority.expect("an authority has no control characters"),
                patience,
            }),
        }
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let answer = shared.ask(request).await;
            Ok(answer.unwrap_or_else(|failure| failure.response().map(Either::Right)))
        })
    }
}

impl Shared {
    async fn ask<B>(&self, request: Request<B>) -> Result<Response<ProxyBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let head = Head::to_origin(parts, &body, &self.authority);
        let again = head.repeatable(&body);
        let (upload, progress) = Upload::new(body);
        let request = head.with(upload);

        if let Some(connection) = self.pool.reuse().await {
            return match self.send(connection, request, progress.clone()).await {
                // The origin has closed the connection before anything was written: this is still the first time.
                Err(Lost::Unsent(request, _)) => self.send_fresh(*request, progress).await,
                // It may have closed it just then. What is safe may be sent twice (RFC 9110 §9.2.2), and is once.
                Err(Lost::Unanswered(error)) if !error.is_user() => match again {
                    Some(head) => {
                        let (upload, progress) = Upload::empty();
                        self.send_fresh(head.with(upload), progress).await
                    }
                    None => Err(Lost::Unanswered(error).into()),
                },
                Err(lost) => Err(lost.into()),
                Ok(answered) => answered.response(self),
            };
        }
        self.send_fresh(request, progress).await
    }

    async fn send_fresh(
        &self,
        request: Request<Upload>,
        progress: Progress,
    ) -> Result<Response<ProxyBody>, Failure> {
        let connection = self.pool.connect().await?;
        let answered = self.send(connection, request, progress).await?;
        answered.response(self)
    }

    async fn send(
        &self,
        mut connection: Connection,
        request: Request<Upload>,
        progress: Progress,
    ) -> Result<Answered, Lost> {
        let response = connection.send(request, &progress, self.patience).await?;
        Ok(Answered {
            response,
            connection,
            progress,
        })
    }
}

/// The head of an answer is there.
struct Answered {
    response: Response<Incoming>,
    connection: Connection,
    progress: Progress,
}

impl Answered {
    fn response(self, shared: &Shared) -> Result<Response<ProxyBody>, Failure> {
        let (mut head, body) = self.response.into_parts();
        let after = framing::settle(&mut head)?;
        hop::strip(&mut head.headers);
        let lease = (after == After::Reuse).then(|| Lease {
            connection: self.connection,
            request: self.progress,
            pool: shared.pool.clone(),
        });
        // A head of our own: the version is that of the hop, and what hyper has noted is about its connection.
        let mut response = Response::new(Either::Left(Download::new(body, shared.patience, lease)));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

/// A request's head as the origin gets it.
#[derive(Clone)]
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    fn to_origin(parts: request::Parts, body: &impl Body, authority: &HeaderValue) -> Self {
        let mut headers = parts.headers;
        hop::prepare_request(&mut headers, parts.version);
        // A client of HTTP/1.0 may leave it out.
        headers.entry(HOST).or_insert_with(|| authority.clone());
        // Here and not earlier: the cache would take them for the client's.
        forwarded(&mut headers);
        if !body.is_end_stream() && !headers.contains_key(CONTENT_LENGTH) {
            // hyper would leave the body of a GET out.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Self {
            method: parts.method,
            uri: origin_form(&parts.uri),
            headers,
        }
    }

    /// May it be sent twice?
    fn repeatable(&self, body: &impl Body) -> Option<Self> {
        (self.method.is_safe() && body.is_end_stream()).then(|| self.clone())
    }

    /// Without extensions: none is about the connection to the origin.
    fn with(self, upload: Upload) -> Request<Upload> {
        let mut request = Request::new(upload);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let mut parts = uri::Parts::default();
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).unwrap_or_default()
}

/// What proxies before us say of the scheme is left.
fn forwarded(headers: &mut HeaderMap) {
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use larder::Unreachable;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tower::ServiceExt;

    use super::*;

    fn head(request: request::Builder, body: impl Body) -> Head {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Head::to_origin(parts, &body, &HeaderValue::from_static("origin:80"))
    }

    #[test]
    fn what_has_no_body_announces_none() {
        for method in ["GET", "POST"] {
            let head = head(Request::builder().method(method).uri("/"), empty());
            assert!(!head.headers.contains_key(TRANSFER_ENCODING), "{method}");
            assert!(!head.headers.contains_key(CONTENT_LENGTH), "{method}");
        }
        let sized = Request::post("/").header(CONTENT_LENGTH, "4");
        let sized = head(sized, Full::<Bytes>::from("body"));
        assert!(!sized.headers.contains_key(TRANSFER_ENCODING));
        let unsized_ = head(Request::get("/"), Full::<Bytes>::from("body"));
        assert_eq!(unsized_.headers[TRANSFER_ENCODING], "chunked");
    }

    #[test]
    fn only_what_is_safe_and_empty_is_repeated() {
        for (method, repeatable) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("POST", false),
            ("PUT", false),
            ("DELETE", false),
            ("PURGE", false),
        ] {
            let head = head(Request::builder().method(method).uri("/"), empty());
            assert_eq!(head.repeatable(&empty()).is_some(), repeatable, "{method}");
            assert!(head.repeatable(&Full::<Bytes>::from("body")).is_none());
        }
    }

    #[test]
    fn the_target_is_a_path() {
        for (sent, expected) in [
            ("/a?b", "/a?b"),
            ("//a", "//a"),
            ("*", "*"),
            ("http://shop.example/a?b", "/a?b"),
            ("http://shop.example", "/"),
        ] {
            let uri = sent.parse().expect("a target");
            assert_eq!(origin_form(&uri).to_string(), expected, "{sent}");
        }
    }

    #[test]
    fn the_host_is_the_clients() {
        let named = head(Request::get("/").header(HOST, "shop.example"), empty());
        assert_eq!(named.headers[HOST], "shop.example");
        assert_eq!(head(Request::get("/"), empty()).headers[HOST], "origin:80");
    }

    #[test]
    fn the_scheme_is_said_unless_it_was() {
        let plain = head(Request::get("/"), empty());
        assert_eq!(plain.headers[X_FORWARDED_PROTO], "http");
        let said = Request::get("/").header(X_FORWARDED_PROTO, "https");
        assert_eq!(head(said, empty()).headers[X_FORWARDED_PROTO], "https");
    }

    /// The status of what is said when an origin answers with these bytes and closes, and whether it counts as unreachable.
    async fn said_after(bytes: &'static [u8]) -> (u16, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            // The whole request, so that the end is an end and no reset.
            stream.read_buf(&mut Vec::with_capacity(4096)).await?;
            stream.write_all(bytes).await?;
            stream.shutdown().await
        });
        let origin = Origin {
            host: "127.0.0.1".to_owned(),
            port,
            authority: format!("127.0.0.1:{port}"),
        };
        let pool = Pool::new(origin.clone());
        let proxy = Proxy::new(&origin, pool, Duration::from_secs(30));
        let response = proxy.oneshot(Request::new(empty())).await;
        let response = response.unwrap_or_else(|never| match never {});
        let answered = answering.await.expect("no panic");
        answered.expect("the request comes, and the answer goes");
        let unreachable = response.extensions().get::<Unreachable>();
        (response.status().as_u16(), unreachable.is_some())
    }

    #[tokio::test]
    async fn only_an_origin_without_an_answer_is_unreachable() {
        let failed = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        let lengths = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(said_after(b"").await, (502, true));
        assert_eq!(said_after(b"HTTP/1.1 200 OK\r\nX-").await, (502, true));
        assert_eq!(said_after(b"nonsense\r\n\r\n").await, (502, false));
        assert_eq!(said_after(lengths).await, (502, false));
        assert_eq!(said_after(failed).await, (502, false));
    }

    fn empty() -> Empty<Bytes> {
        Empty::new()
    }
}
