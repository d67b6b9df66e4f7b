//! A client that sends calls frame by frame, and sees the blocks of an answer as they come.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::net::TcpStream;

use super::Fields;
use crate::raw::{HOST, within};

/// One connection.
#[derive(Clone)]
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    target: String,
    fields: HeaderMap,
    /// The content, in as many frames; the last one ends the stream.
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

/// What a client sees of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Without `date`, which is of the connection's server.
    pub(crate) head: HeaderMap,
    /// Did the first block of fields end the stream?
    pub(crate) in_one_block: bool,
    pub(crate) data: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// What ended it before its time.
    pub(crate) reset: Option<Reason>,
}

impl Client {
    /// A client that takes as much as comes.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut windows = Builder::new();
        windows
            .initial_window_size(32 << 20)
            .initial_connection_window_size(64 << 20);
        Self::open_with(address, &windows).await
    }

    /// A client that takes the 64 KiB that HTTP/2 begins with, and further ones as it releases them.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Self {
        Self::open_with(address, &Builder::new()).await
    }

    async fn open_with(address: SocketAddr, builder: &Builder) -> Self {
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            builder
                .handshake(stream)
                .await
                .map_err(std::io::Error::other)
        };
        let (requests, connection) = within("the server accepts", opening).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self { requests }
    }

    /// Sends all of a call, and reads all of its answer.
    pub(crate) async fn ask(&self, call: &Call) -> Seen {
        let seen = self.ask_for(call).await;
        seen.unwrap_or_else(|error| panic!("no answer to {call:?}: {error}"))
    }

    /// The same, where the server may end the stream before it answers.
    pub(crate) async fn ask_for(&self, call: &Call) -> Result<Seen, h2::Error> {
        let (answer, mut upload) = self.begin(call).await;
        let (last, first) = match call.frames.split_last() {
            Some(split) => split,
            None => (&Bytes::new(), &[][..]),
        };
        for frame in first {
            // A server may refuse the rest of what it has answered.
            drop(upload.send_data(frame.clone(), false));
        }
        drop(upload.send_data(last.clone(), call.trailers.is_none()));
        if let Some(trailers) = &call.trailers {
            drop(upload.send_trailers(trailers.clone()));
        }
        Seen::of(answer).await
    }

    /// Sends the head of a call alone.
    pub(crate) async fn begin(&self, call: &Call) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::new(());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = format!("http://{HOST}{}", call.target).parse().unwrap();
        *request.headers_mut() = call.fields.clone();
        let ready = within("there is room for a stream", self.requests.clone().ready()).await;
        let mut requests = ready.expect("the connection stands");
        requests.send_request(request, false).unwrap()
    }
}

impl Call {
    /// A unary call, whose content is `content` with its prefix, in one frame.
    pub(crate) fn of(target: &str, content: &[u8]) -> Self {
        Self::raw(target, [super::message(content)])
    }

    /// A call with these frames, whatever they are.
    pub(crate) fn raw(target: &str, frames: impl IntoIterator<Item = Bytes>) -> Self {
        let call = Self {
            method: Method::POST,
            target: target.to_owned(),
            fields: HeaderMap::new(),
            frames: frames.into_iter().collect(),
            trailers: None,
        };
        call.with("content-type", "application/grpc")
            .with("te", "trailers")
    }

    /// With this field, in place of such as there are.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.fields.insert(name, value);
        self
    }

    /// With one more line of this field.
    pub(crate) fn and(mut self, name: &'static str, value: &[u8]) -> Self {
        self.fields
            .append(name, HeaderValue::from_bytes(value).unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.remove(name);
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn to(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(crate) fn trailers(mut self, trailers: Fields) -> Self {
        self.trailers = Some(trailers.map());
        self
    }

    /// All that it sends.
    pub(crate) fn content(&self) -> Bytes {
        self.frames.concat().into()
    }
}

impl Seen {
    /// Reads an answer to its end.
    pub(crate) async fn of(answer: ResponseFuture) -> Result<Self, h2::Error> {
        let (parts, mut body) = within("an answer comes", answer).await?.into_parts();
        let in_one_block = body.is_end_stream();
        let mut seen = Self {
            status: parts.status.as_u16(),
            head: parts.headers,
            in_one_block,
            data: Bytes::new(),
            trailers: None,
            reset: None,
        };
        seen.head.remove("date");
        let mut data = Vec::new();
        loop {
            match frame(&mut body).await {
                Some(Ok(frame)) => data.extend_from_slice(&frame),
                Some(Err(error)) => {
                    seen.reset = Some(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                    break;
                }
                None => break,
            }
        }
        seen.data = data.into();
        if seen.reset.is_none() {
            match within("the answer ends", body.trailers()).await {
                Ok(trailers) => seen.trailers = trailers,
                Err(error) => {
                    seen.reset = Some(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                }
            }
        }
        Ok(seen)
    }

    /// The status of the call, which stands in exactly one block.
    pub(crate) fn code(&self) -> &str {
        let blocks = [Some(&self.head), self.trailers.as_ref()];
        let mut lines = blocks
            .iter()
            .flatten()
            .flat_map(|block| block.get_all("grpc-status"));
        let code = lines
            .next()
            .unwrap_or_else(|| panic!("no status in {self:?}"));
        assert_eq!(lines.next(), None, "{self:?}");
        code.to_str().unwrap()
    }
}

/// The next frame of a body, whose room is given back.
pub(crate) async fn frame(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let frame = within("the next frame comes", body.data()).await?;
    if let Ok(data) = &frame {
        drop(body.flow_control().release_capacity(data.len()));
    }
    Some(frame)
}
