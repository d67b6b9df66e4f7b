//! A proxy that takes `Cache-Control` off every answer: what the field is good for shows when it is gone.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Starts it before `server`, and says where it listens.
pub(crate) async fn start(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let pass = service_fn(move |request| pass_on(server, request));
                // A client that goes away is no trouble of the proxy's.
                drop(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(client), pass)
                        .await,
                );
            });
        }
    });
    address
}

/// One connection for each request is enough here.
async fn pass_on(
    server: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, AnyError> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    for name in [
        "cache-control",
        "clear-site-data",
        "expires",
        "transfer-encoding",
    ] {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}
