//! HTTP/1.1 by hand over TCP: sends what no client library sends, and shows what none shows.

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};

/// Longer than anything here takes; only what never happens takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The host that is asked for, wherever the server listens.
pub(crate) const HOST: &str = "shop.example";

/// Waits for what must happen, and says what did not.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// One connection to a server.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A status line and the fields after it.
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

/// A part of a chunked body.
#[derive(Debug, PartialEq)]
pub(crate) enum Chunk {
    Data(Vec<u8>),
    /// The last chunk, with its trailer fields.
    End(Vec<(String, String)>),
    /// The connection ended before the body did.
    Cut,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within("the server accepts", TcpStream::connect(address)).await;
        Self {
            stream: BufReader::new(stream.expect("the server accepts")),
        }
    }

    /// Opens a connection over which the kernel takes little before this side reads.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there is a socket");
        socket
            .set_recv_buffer_size(16 << 10)
            .expect("its buffer can be small");
        let stream = within("the server accepts", socket.connect(address)).await;
        Self {
            stream: BufReader::new(stream.expect("the server accepts")),
        }
    }

    /// Opens a connection and sends a GET on it.
    pub(crate) async fn get(address: SocketAddr, path: &str) -> Self {
        let mut connection = Self::open(address).await;
        connection.ask("GET", path, &[]).await;
        connection
    }

    /// Sends a request without content.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, fields: &[&str]) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n");
        for field in fields {
            request += field;
            request += "\r\n";
        }
        self.send(request + "\r\n").await;
    }

    /// Sends bytes as they are. A server may close in the middle of a request that it refuses, so a failure is not one.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.get_mut().write_all(bytes.as_ref());
        drop(within("the server takes the request", sent).await);
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish_sending(&mut self) {
        drop(self.stream.get_mut().shutdown().await);
    }

    pub(crate) async fn head(&mut self) -> Head {
        let head = self.head_if_any().await;
        head.expect("the server answers instead of closing")
    }

    /// `None` when the server closes without an answer.
    pub(crate) async fn head_if_any(&mut self) -> Option<Head> {
        let line = self.line().await?;
        let status = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|status| status.parse().ok());
        Some(Head {
            status: status.unwrap_or_else(|| panic!("not a status line: {line:?}")),
            fields: self.fields().await,
        })
    }

    /// The body that `head` announces, to its end; `None` if the connection ends first.
    pub(crate) async fn body(&mut self, head: &Head) -> Option<Vec<u8>> {
        if head.is_chunked() {
            let mut body = Vec::new();
            loop {
                match self.chunk().await {
                    Chunk::Data(data) => body.extend(data),
                    Chunk::End(_) => return Some(body),
                    Chunk::Cut => return None,
                }
            }
        }
        match head.length() {
            Some(length) => self.exactly(length).await,
            None => Some(self.rest().await),
        }
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.stream.read_exact(&mut bytes);
        within("the body comes", read).await.ok()?;
        Some(bytes)
    }

    pub(crate) async fn chunk(&mut self) -> Chunk {
        let length = match self.chunk_length().await {
            None => return Chunk::Cut,
            Some(0) => return Chunk::End(self.fields().await),
            Some(length) => length,
        };
        match self.exactly(length).await {
            Some(data) if self.chunk_end().await => Chunk::Data(data),
            _ => Chunk::Cut,
        }
    }

    /// Hands the body that `head` announces to `take`, piece by piece as it comes, through one small buffer; `false` if it ends early.
    pub(crate) async fn stream(&mut self, head: &Head, mut take: impl FnMut(&[u8])) -> bool {
        if !head.is_chunked() {
            let length = head.length().expect("the body has chunks or a length");
            return self.pass(length, &mut take).await;
        }
        loop {
            match self.chunk_length().await {
                None => return false,
                Some(0) => return self.fields().await.is_empty(),
                Some(length) => {
                    if !(self.pass(length, &mut take).await && self.chunk_end().await) {
                        return false;
                    }
                }
            }
        }
    }

    async fn pass(&mut self, mut length: usize, take: &mut impl FnMut(&[u8])) -> bool {
        while length > 0 {
            let read = within("the body comes", self.stream.fill_buf()).await;
            let Ok(piece) = read else { return false };
            if piece.is_empty() {
                return false;
            }
            let piece = &piece[..piece.len().min(length)];
            take(piece);
            let taken = piece.len();
            length -= taken;
            self.stream.consume(taken);
        }
        true
    }

    async fn chunk_length(&mut self) -> Option<usize> {
        let line = self.line().await?;
        let length = usize::from_str_radix(&line, 16);
        Some(length.unwrap_or_else(|_| panic!("not a chunk's length: {line:?}")))
    }

    async fn chunk_end(&mut self) -> bool {
        self.line().await.is_some_and(|line| line.is_empty())
    }

    /// Everything until the server closes; a reset is an end, too.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        drop(within("the server closes", self.stream.read_to_end(&mut bytes)).await);
        bytes
    }

    async fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await.expect("the fields end with a blank line");
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').expect("a field has a colon");
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// `None` at the end of the connection.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = within("the server answers", self.stream.read_line(&mut line)).await;
        if read.is_err() || line.is_empty() {
            return None;
        }
        let text = line.strip_suffix("\r\n");
        Some(
            text.unwrap_or_else(|| panic!("{line:?} lacks its CRLF"))
                .to_owned(),
        )
    }
}

impl Head {
    /// The value of a field that stands there at most once.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} stands there twice: {self:?}"
        );
        value
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn length(&self) -> Option<usize> {
        self.get("content-length")
            .map(|length| length.parse().expect("a length is a number"))
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.get("transfer-encoding") == Some("chunked")
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        Ok(())
    }
}
