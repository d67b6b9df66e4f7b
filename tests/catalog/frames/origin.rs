//! An origin that answers frame by frame, well or badly, as a test says.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use super::Fields;
use super::client::frame;

/// A part of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Head(u16, Fields),
    /// A head that ends the stream.
    Only(u16, Fields),
    Data(Bytes),
    /// Data that end the stream.
    Last(Bytes),
    Trailers(Fields),
    Reset(Reason),
    /// The connection is dropped, with all that is under way on it.
    HangUp,
    /// Waits until the test lets it go on.
    Hold(Arc<Semaphore>),
}

/// A call as it has come.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) method: String,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// Did its stream end well?
    pub(crate) is_whole: bool,
}

type Answering = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = dyn Fn(Request<RecvStream>, SendResponse<Bytes>) -> Answering + Send + Sync;

/// It listens until the test ends.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    count: Arc<AtomicUsize>,
    came: Arc<Notify>,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    steps: Mutex<Vec<Step>>,
    asked: Mutex<Vec<Asked>>,
    hang_up: Notify,
}

impl Origin {
    /// One that reads all of a call and answers in these steps.
    pub(crate) async fn of(steps: Vec<Step>) -> Self {
        let script = Arc::new(Script::default());
        let player = script.clone();
        let handler = move |request: Request<RecvStream>, respond: SendResponse<Bytes>| {
            let script = player.clone();
            async move { script.play(request, respond).await }
        };
        let origin = Self::listen(script, handler).await;
        origin.answers(steps);
        origin
    }

    /// One that does what `handler` does.
    pub(crate) async fn doing<F>(
        handler: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(Arc::default(), handler).await
    }

    async fn listen<F>(
        script: Arc<Script>,
        handler: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            count: Arc::default(),
            came: Arc::default(),
            script: script.clone(),
        };
        let (count, came) = (origin.count.clone(), origin.came.clone());
        let handler: Arc<Handler> = Arc::new(move |request, respond| {
            let (count, came) = (count.clone(), came.clone());
            let handling = handler(request, respond);
            Box::pin(async move {
                count.fetch_add(1, Ordering::SeqCst);
                came.notify_waiters();
                handling.await;
            })
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, handler.clone(), script.clone()));
            }
        });
        origin
    }

    /// From now on it answers like this.
    pub(crate) fn answers(&self, steps: Vec<Step>) {
        *self.script.steps.lock().unwrap() = steps;
    }

    /// How many calls have reached it.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until so many calls have reached it.
    pub(crate) async fn has_come(&self, count: usize) {
        let waiting = async {
            loop {
                let came = self.came.notified();
                tokio::pin!(came);
                came.as_mut().enable();
                if self.count() >= count {
                    return;
                }
                came.await;
            }
        };
        crate::raw::within("the origin is asked", waiting).await;
    }

    /// The last call that came to its end.
    pub(crate) fn asked(&self) -> Asked {
        let asked = self.script.asked.lock().unwrap();
        asked.last().expect("it was asked").clone()
    }
}

async fn serve(stream: TcpStream, handler: Arc<Handler>, script: Arc<Script>) {
    drop(stream.set_nodelay(true));
    let handshake = h2::server::Builder::new()
        .initial_window_size(32 << 20)
        .initial_connection_window_size(64 << 20)
        .max_concurrent_streams(1_000)
        .handshake(stream)
        .await;
    let Ok(mut connection) = handshake else {
        return;
    };
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => drop(tokio::spawn(handler(request, respond))),
                _ => return,
            },
            () = script.hang_up.notified() => return,
        }
    }
}

impl Script {
    async fn play(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        // Whoever sees that this call has come can have the next one answered otherwise.
        let steps = self.steps.lock().unwrap().clone();
        let (parts, mut body) = request.into_parts();
        let mut content = Vec::new();
        let mut is_whole = true;
        while let Some(piece) = frame(&mut body).await {
            match piece {
                Ok(piece) => content.extend_from_slice(&piece),
                Err(_) => {
                    is_whole = false;
                    break;
                }
            }
        }
        let trailers = match is_whole {
            true => body.trailers().await.ok().flatten(),
            false => None,
        };
        self.asked.lock().unwrap().push(Asked {
            target: parts
                .uri
                .path_and_query()
                .map_or(String::new(), ToString::to_string),
            method: parts.method.to_string(),
            fields: parts.headers,
            content: content.into(),
            trailers,
            is_whole,
        });
        let mut stream = None;
        for step in steps {
            // The other side may have gone, which is what some tests are about.
            let sent = match step {
                Step::Head(status, fields) => respond
                    .send_response(head(status, &fields), false)
                    .map(|begun| stream = Some(begun)),
                Step::Only(status, fields) => {
                    respond.send_response(head(status, &fields), true).map(drop)
                }
                Step::Data(data) => begun(&mut stream).send_data(data, false),
                Step::Last(data) => begun(&mut stream).send_data(data, true),
                Step::Trailers(fields) => begun(&mut stream).send_trailers(fields.map()),
                Step::Reset(reason) => {
                    match &mut stream {
                        Some(stream) => stream.send_reset(reason),
                        None => respond.send_reset(reason),
                    }
                    Ok(())
                }
                Step::HangUp => {
                    self.hang_up.notify_one();
                    Ok(())
                }
                Step::Hold(until) => {
                    until.acquire().await.unwrap().forget();
                    Ok(())
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

fn begun(stream: &mut Option<h2::SendStream<Bytes>>) -> &mut h2::SendStream<Bytes> {
    stream.as_mut().expect("a head comes first")
}

fn head(status: u16, fields: &Fields) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = fields.map();
    response
}
