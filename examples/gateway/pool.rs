//! Connections to the origin, and those among them that wait for the next request.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, interval, timeout, timeout_at},
};

use crate::{
    args::Origin,
    body::{Progress, Upload},
    wire::{Heard, Wire},
};

/// Well under the 5 s after which common servers close a connection: what is sent just then would be lost.
const IDLE: Duration = Duration::from_secs(2);
const MOST_IDLE: usize = 32;
const CONNECT: Duration = Duration::from_secs(3);
/// An answer's head may be this long. Ours goes on to clients, who set bounds of their own.
const MAX_HEAD: usize = 256 << 10;
const MAX_FIELDS: usize = 1024;

/// Clones share the connections.
#[derive(Clone)]
pub(crate) struct Pool {
    origin: Origin,
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

pub(crate) struct Connection {
    sender: SendRequest<Upload>,
    heard: Heard,
}

/// Why no head of an answer came.
pub(crate) enum Lost {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Upload>>, hyper::Error),
    /// It was sent, at least in part, and nothing came back before the connection ended.
    Unanswered(hyper::Error),
    /// Something came, but no head of an answer.
    Broken(hyper::Error),
    /// The origin was silent for too long.
    Late,
    /// The client was, in the middle of its request.
    ClientLate,
}

impl Pool {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            origin,
            idle: Arc::default(),
        }
    }

    /// A connection on which a request has been answered, if one waits and the origin has not closed it.
    pub(crate) async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut idle = self.newest()?;
            // What was put back has nothing left to do, so this resolves as soon as its task has seen that.
            if idle.since.elapsed() < IDLE && idle.connection.sender.ready().await.is_ok() {
                return Some(idle.connection);
            }
        }
    }

    fn newest(&self) -> Option<Idle> {
        self.lock().pop()
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let address = (self.origin.host.as_str(), self.origin.port);
        let stream = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(connected) => connected?,
            Err(late) => return Err(io::Error::new(io::ErrorKind::TimedOut, late)),
        };
        // Heads and bodies are written as they come.
        stream.set_nodelay(true)?;
        let heard = Heard::default();
        let io = TokioIo::new(Wire::new(stream, heard.clone()));
        let (sender, connection) = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(io)
            .await
            .map_err(io::Error::other)?;
        // It ends when its sender is dropped and the last answer read, or with the socket. Its error is told to who waits for the answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, heard })
    }

    /// Takes a connection back when its last answer is at its end, and the request before it was, too.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < MOST_IDLE && !connection.sender.is_closed() {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
    }

    /// Closes what nobody has used for long, for as long as it is polled.
    pub(crate) async fn close_idle(&self) -> Infallible {
        let mut ticks = interval(IDLE / 4);
        loop {
            ticks.tick().await;
            self.lock()
                .retain(|idle| idle.since.elapsed() < IDLE && !idle.connection.sender.is_closed());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        // Nothing that could panic is done under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Sends a request and waits for the head of its answer. An origin may be silent for as long as `patience`, counted anew whenever
    /// another part of the request was taken.
    pub(crate) async fn send(
        &mut self,
        request: Request<Upload>,
        progress: &Progress,
        patience: Duration,
    ) -> Result<Response<Incoming>, Lost> {
        self.heard.forget();
        progress.moved();
        let mut answer = pin!(self.sender.try_send_request(request));
        loop {
            let last = progress.last();
            match timeout_at(last + patience, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(mut error)) => {
                    let request = error.take_message();
                    let error = error.into_error();
                    return Err(match request {
                        Some(request) => Lost::Unsent(Box::new(request), error),
                        None if self.heard.anything() => Lost::Broken(error),
                        None => Lost::Unanswered(error),
                    });
                }
                Err(_) if progress.last() != last => {}
                Err(_) if progress.waits_for_client() => return Err(Lost::ClientLate),
                Err(_) => return Err(Lost::Late),
            }
        }
    }
}
