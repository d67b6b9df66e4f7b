//! A caching reverse proxy: larder in front of any HTTP/1.1 server.
//!
//! ```text
//! cargo run --release --example gateway -- --origin http://127.0.0.1:8080 --listen 127.0.0.1:3001
//!
//! client ─► front ─► InvalidationLayer ─► cache.gateway() ─► proxy ─► pool ─► origin
//! ```
//!
//! Start here: `App` below is the whole of the caching. `front` refuses what no cache should see, `proxy` makes one request to the origin
//! of each that reaches it, `pool` keeps connections, `hop` and `framing` say what of a head goes on, `body` passes bodies as they come, and
//! `failure` is what clients are told when there is no answer.
//!
//! # What to know before copying it
//!
//! * `Host` goes on as the client sent it. `X-Forwarded-For` is added to, `X-Forwarded-Proto` is set unless a client says otherwise, and the
//!   other fields of that kind go on as they came: the cache tells requests apart by them, but an origin that trusts them needs a proxy in
//!   front that overwrites them.
//! * One request of a client is at most one request to the origin, with one exception: a safe request without a body, sent on a connection
//!   that was used before and that ends before a byte of the answer came, is sent once more on a new one.
//! * hyper's server can send no informational responses but 100: what else an origin says with 1xx is dropped, 103 too.
//! * A client of HTTP/1.0 cannot be told that a body without a length broke off: its connection ends either way.
//! * Plain HTTP/1.1 on both sides: no TLS, no HTTP/2, no upgrades (`Upgrade` is not passed on, so that websockets get an ordinary answer).

#[path = "../shared/flags.rs"]
mod flags;
#[path = "../shared/process.rs"]
mod process;

mod args;
mod body;
mod failure;
mod framing;
mod front;
mod hop;
mod log;
mod pool;
mod proxy;
mod wire;

use std::{convert::Infallible, io, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, Response},
};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use larder::{
    Cache, CacheService, InvalidationLayer, MIB, MemoryStore, control::InvalidationService,
    page::PageBody,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};

use crate::{
    args::{Args, USAGE},
    log::{Asked, Requests},
    pool::Pool,
    process::{AnyError, say, stop_signal},
    proxy::{Peer, Proxy, ProxyBody},
};

/// A head must come within this time, and so must the next one on a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A longer head is answered with 431.
const MAX_HEAD: usize = 64 << 10;
/// What is running when the gateway is stopped may go on for this long.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

type App = InvalidationService<CacheService<Proxy>>;

fn app(cache: &Cache, proxy: Proxy) -> App {
    // Outermost what must see every method: an unsafe request that succeeds frees its target (RFC 9111 §4.4).
    InvalidationLayer::new(cache).layer(cache.gateway().layer(proxy))
}

type AppBody = Either<PageBody<ProxyBody>, Full<Bytes>>;

async fn answer(
    app: App,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<AppBody>, Infallible> {
    let asked = Asked::start(&request);
    request.extensions_mut().insert(Peer(peer));
    let response = match front::admit(request) {
        Ok(request) => app.oneshot(request).await?.map(Either::Left),
        Err(refused) => refused.map(Either::Right),
    };
    if let Some(asked) = asked {
        asked.answered(&response);
    }
    Ok(response)
}

fn main() -> ExitCode {
    process::begin(args::parse(std::env::args().skip(1)), USAGE, run)
}

fn run(args: Args) -> Result<(), AnyError> {
    log::start(if args.quiet {
        Requests::Hidden
    } else {
        Requests::Shown
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(&args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    log::finish();
    served
}

async fn serve(args: &Args) -> Result<(), AnyError> {
    // Before the first line is printed: who reads it may send a signal at once.
    let stop = stop_signal()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    let address = listener.local_addr()?;

    let cache = Cache::builder(MemoryStore::new(args.memory_mib * MIB)).build()?;
    let pool = Pool::new(args.origin.clone());
    let app = app(&cache, Proxy::new(&args.origin, pool.clone(), args.timeout));

    say(io::stdout(), format_args!("listening on http://{address}"));
    let origin = &args.origin;
    log::info(format_args!("origin: {origin}; stop with Ctrl-C"));

    let connections = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &app, &connections) => {}
        never = pool.close_idle() => match never {},
        () = stop => log::info("stopping"),
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(LAST_ANSWERS) => log::info("some requests were still running"),
    }
    // Fills whose clients have gone are not waited for.
    cache.background().shutdown();
    Ok(())
}

/// Never ends.
async fn accept(listener: &TcpListener, app: &App, connections: &GracefulShutdown) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD)
        // Who has said all it has to say still listens.
        .half_close(true);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Of a client that has gone, or there are too many sockets: some will close.
            Err(error) => {
                log::info(format_args!("a connection was not accepted: {error}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let app = app.clone();
        let service = service_fn(move |request| answer(app.clone(), peer, request));
        let connection = server.serve_connection(TokioIo::new(undelayed(stream)), service);
        let connection = connections.watch(connection);
        // Ended by its client, by the timeout for heads, or by `connections`; a client that breaks off is no news.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// Parts of a body leave as they come. A socket that does not take the option works without.
fn undelayed(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}
