//! An origin that answers with bytes, and remembers what it was asked.
//!
//! Either the test plays it, line by line:
//!
//! ```text
//! let origin = Origin::start().await;
//! let gateway = origin.gateway(&[]).await;
//! let mut client = Connection::get(gateway.address, "/").await;
//!
//! let mut line = origin.accept().await;         // a connection of the gateway
//! let asked = line.asked().await;               // a whole request, body included
//! line.send(ok(&["X-Field: 1"], "body")).await;
//! ```
//!
//! or a function answers, and the test looks afterwards at what it was asked:
//!
//! ```text
//! let origin = Script::start(|asked| match asked.target.as_str() {
//!     "/gone" => vec![Act::Close],
//!     _ => vec![Act::Send(ok(&["Cache-Control: max-age=60"], "body"))],
//! }).await;
//! let gateway = origin.gateway(&[]).await;
//! …
//! assert_eq!(origin.asked().len(), 1);
//! ```

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{raw::within, server::Server};

/// An origin that the test plays.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    accepted: Mutex<usize>,
}

/// The origin's end of a connection.
pub(crate) struct Line {
    /// The first is 1.
    pub(crate) number: usize,
    stream: TcpStream,
    read: Vec<u8>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// The number of the connection that it came on.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as they were written, in their order.
    pub(crate) fields: Vec<(String, String)>,
    /// Without the framing of chunks.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Every byte, framing included.
    pub(crate) raw: Vec<u8>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        Self {
            address: listener.local_addr().expect("it has an address"),
            listener,
            accepted: Mutex::new(0),
        }
    }

    /// A gateway in front of it.
    pub(crate) async fn gateway(&self, flags: &[&str]) -> Server {
        gateway(self.address, flags).await
    }

    /// The gateway's next connection.
    pub(crate) async fn accept(&self) -> Line {
        let accepted = within("the gateway connects", self.listener.accept()).await;
        self.line(accepted.expect("a connection").0)
    }

    /// A connection that is there already. Ask when the client has its answer: what the gateway does for it is done then.
    pub(crate) async fn accepted(&self) -> Option<Line> {
        // The runtime hears of connections between two turns of its tasks.
        tokio::task::yield_now().await;
        let mut cx = Context::from_waker(Waker::noop());
        match self.listener.poll_accept(&mut cx) {
            Poll::Ready(accepted) => Some(self.line(accepted.expect("a connection").0)),
            Poll::Pending => None,
        }
    }

    fn line(&self, stream: TcpStream) -> Line {
        let mut accepted = self.accepted.lock().expect("nobody panics over it");
        *accepted += 1;
        Line::new(*accepted, stream)
    }
}

impl Line {
    fn new(number: usize, stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket has the option");
        Self {
            number,
            stream,
            read: Vec::new(),
        }
    }

    /// The next request, with its body.
    pub(crate) async fn asked(&mut self) -> Asked {
        let asked = self.asked_if_any().await;
        asked.expect("the gateway asks instead of closing")
    }

    /// `None` when the gateway closes before a request, or within one.
    pub(crate) async fn asked_if_any(&mut self) -> Option<Asked> {
        let mut asked = self.asked_head().await?;
        if asked.get("transfer-encoding").is_some() {
            loop {
                let length = self.line_of(&mut asked).await?;
                let length = usize::from_str_radix(&length, 16).expect("a chunk has a length");
                if length == 0 {
                    break;
                }
                let data = self.take(length, &mut asked).await?;
                asked.body.extend(data);
                assert_eq!(self.line_of(&mut asked).await?, "");
            }
            loop {
                let line = self.line_of(&mut asked).await?;
                if line.is_empty() {
                    break;
                }
                asked.trailers.push(field(&line));
            }
        } else if let Some(length) = asked.get("content-length") {
            let length = length.parse().expect("a length is a number");
            asked.body = self.take(length, &mut asked).await?;
        }
        Some(asked)
    }

    /// The head alone: the body stays unread.
    pub(crate) async fn asked_head(&mut self) -> Option<Asked> {
        let mut asked = Asked {
            connection: self.number,
            method: String::new(),
            target: String::new(),
            fields: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
            raw: Vec::new(),
        };
        let line = self.line_of(&mut asked).await?;
        let parts: Vec<_> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = parts.as_slice() else {
            panic!("not a request line: {line:?}");
        };
        (asked.method, asked.target) = ((*method).to_owned(), (*target).to_owned());
        loop {
            let line = self.line_of(&mut asked).await?;
            if line.is_empty() {
                return Some(asked);
            }
            asked.fields.push(field(&line));
        }
    }

    /// Exactly so many bytes, such as a part of a body; `None` when the gateway closes before.
    pub(crate) async fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        Some(self.read.drain(..length).collect())
    }

    /// The gateway may have closed, so a failure is not one.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        drop(within("the gateway takes the answer", sent).await);
    }

    /// Closes as a server does that has nothing more to say.
    pub(crate) async fn close(mut self) {
        drop(self.stream.shutdown().await);
    }

    /// Closes as a server does that crashes.
    pub(crate) fn reset(self) {
        let lingering = self.stream.set_zero_linger();
        lingering.expect("a socket has the option");
    }

    /// Waits until the gateway closes, and answers whether it sent nothing before.
    pub(crate) async fn ends_silently(&mut self) -> bool {
        within("the gateway closes", async {
            while self.more().await.is_some() {}
        })
        .await;
        self.read.is_empty()
    }

    async fn take(&mut self, length: usize, asked: &mut Asked) -> Option<Vec<u8>> {
        let bytes = self.bytes(length).await?;
        asked.raw.extend(&bytes);
        Some(bytes)
    }

    async fn line_of(&mut self, asked: &mut Asked) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line = self.take(end + 2, asked).await?;
                let line = String::from_utf8(line).expect("a head is text");
                return Some(line.trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    /// `None` at the end of the connection.
    async fn more(&mut self) -> Option<()> {
        let read = within("the gateway sends", self.stream.read_buf(&mut self.read)).await;
        read.is_ok_and(|read| read > 0).then_some(())
    }
}

impl Asked {
    /// The value of a field that stands there at most once.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(
            values.len() <= 1,
            "{name} stands there twice: {:?}",
            self.fields
        );
        values.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter();
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').expect("a field has a colon");
    (name.to_owned(), value.trim().to_owned())
}

/// What a scripted origin does after a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Waits, for an answer that must not come at once.
    Wait(Duration),
    /// Ends the connection; without it the next request may come.
    Close,
    Reset,
    /// Says nothing until the gateway closes.
    Silence,
}

/// An origin that a function plays.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Ends with the test.
    _serving: JoinSet<()>,
}

impl Script {
    /// `answer` is called for each whole request, one at a time, in the order of their coming.
    pub(crate) async fn start(answer: impl FnMut(&Asked) -> Vec<Act> + Send + 'static) -> Self {
        let origin = Origin::start().await;
        let address = origin.address;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let mut serving = JoinSet::new();
        let seen = asked.clone();
        serving.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                // Without `within`: the test may ask nothing for as long as it likes.
                let Ok((stream, _)) = origin.listener.accept().await else {
                    return;
                };
                let line = origin.line(stream);
                lines.spawn(serve(line, seen.clone(), answer.clone()));
            }
        });
        Self {
            address,
            asked,
            _serving: serving,
        }
    }

    /// A gateway in front of it.
    pub(crate) async fn gateway(&self, flags: &[&str]) -> Server {
        gateway(self.address, flags).await
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics over it").clone()
    }

    /// How many requests there were for a target.
    pub(crate) fn count(&self, target: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|asked| asked.target == target).count()
    }
}

async fn serve(
    mut line: Line,
    seen: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<impl FnMut(&Asked) -> Vec<Act>>>,
) {
    while let Some(asked) = line.asked_if_any().await {
        let acts = {
            let mut answer = answer.lock().expect("the script does not panic");
            let acts = answer(&asked);
            seen.lock().expect("nobody panics over it").push(asked);
            acts
        };
        for act in acts {
            match act {
                Act::Send(bytes) => line.send(bytes).await,
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Close => return line.close().await,
                Act::Reset => return line.reset(),
                Act::Silence => {
                    line.ends_silently().await;
                    return;
                }
            }
        }
    }
}

async fn gateway(origin: SocketAddr, flags: &[&str]) -> Server {
    let origin = format!("http://{origin}");
    let mut all = vec!["--origin", &origin];
    all.extend(flags);
    Server::start(&all).await
}

/// A 200 with a length.
pub(crate) fn ok(fields: &[&str], body: &str) -> Vec<u8> {
    answer("200 OK", fields, body)
}

/// An answer with a length.
pub(crate) fn answer(status: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut bytes = head(status, &[fields, &[length.as_str()]].concat());
    bytes.extend(body.as_bytes());
    bytes
}

/// A head alone, for bodies of all kinds.
pub(crate) fn head(status: &str, fields: &[&str]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for field in fields {
        head += field;
        head += "\r\n";
    }
    (head + "\r\n").into_bytes()
}
