//! What only shows on the wire: a small axum server behind a page layer, asked by raw sockets.

#[allow(dead_code, reason = "each test takes what it needs")]
mod raw;

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use futures_util::{Stream, stream};
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use larder::{
    Cache, MIB, MemoryStore,
    clock::{Clock, ManualClock},
    minutes,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};

use raw::{Chunk, Connection, within};

/// A server that is asked, with what has happened in it.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Requests that came.
    came: AtomicUsize,
    /// Requests whose answer was not there at once.
    waiting: AtomicUsize,
}

const STORED: Option<&str> = Some("larder; fwd=uri-miss; stored");
/// After a wait for another request, of which nothing came.
const STORED_ALONE: Option<&str> = Some("larder; fwd=uri-miss; stored; collapsed=?0");
const HIT: Option<&str> = Some("larder; hit; ttl=300");

/// A cache whose time stands still: whatever is stored stays as fresh as it was.
fn cache(clock: &ManualClock) -> Cache {
    let cache = Cache::builder(MemoryStore::new(256 * MIB))
        .clock(clock.clone())
        .build();
    cache.expect("the options make sense")
}

/// Serves `handler` at `/` behind a page layer.
async fn serve(handler: MethodRouter) -> Server {
    serve_with(&ManualClock::new(), handler).await
}

async fn serve_with(clock: &ManualClock, handler: MethodRouter) -> Server {
    let page = cache(clock)
        .page(minutes(5))
        .max_body(16 * MIB)
        .expect("the store takes it");
    let counts = Arc::new(Counts::default());
    let seen = counts.clone();
    let app = Router::new()
        .route("/", handler.layer(page))
        .layer(middleware::from_fn(move |request, next| {
            see(seen.clone(), request, next)
        }));
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(axum::serve(listener, app).into_future());
    Server { address, counts }
}

/// Counts what came, and what was not answered by its first poll.
async fn see(counts: Arc<Counts>, request: Request, next: Next) -> Response {
    counts.came.fetch_add(1, Ordering::SeqCst);
    let mut answer = pin!(next.run(request));
    let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    if let Poll::Ready(response) = first {
        return response;
    }
    counts.waiting.fetch_add(1, Ordering::SeqCst);
    answer.await
}

impl Server {
    async fn get(&self) -> Connection {
        Connection::get(self.address, "/").await
    }

    /// Waits until this many requests wait for their answer.
    async fn until_waiting(&self, requests: usize) {
        let waiting = async {
            while self.counts.waiting.load(Ordering::SeqCst) < requests {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the requests wait", waiting).await;
    }

    /// Asks and expects this `Cache-Status` and body.
    async fn expect(&self, status: Option<&str>, body: &str) {
        let mut connection = self.get().await;
        let head = connection.head().await;
        assert_eq!((head.status, head.get("cache-status")), (200, status));
        let got = connection.body(&head).await.map(String::from_utf8);
        assert_eq!(got, Some(Ok(body.to_owned())));
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A body of these parts; `Err` is where it fails.
fn parts(
    parts: impl IntoIterator<Item = Result<&'static str, Failure>, IntoIter: Send + 'static>,
) -> Body {
    let parts = parts
        .into_iter()
        .map(|part| part.map(|text| Bytes::from_static(text.as_bytes())));
    Body::from_stream(stream::iter(parts))
}

/// A body of what is sent over a channel.
fn sent(
    receiver: mpsc::UnboundedReceiver<&'static str>,
) -> impl Stream<Item = Result<Bytes, Failure>> {
    stream::unfold(receiver, async |mut receiver| {
        let text = receiver.recv().await?;
        Some((Ok(Bytes::from_static(text.as_bytes())), receiver))
    })
}

#[tokio::test]
async fn an_event_stream_begins_at_once_and_each_client_has_its_own() {
    let (opened, mut streams) = mpsc::unbounded_channel();
    let server = serve(get(async move || {
        let (sender, receiver) = mpsc::unbounded_channel();
        opened.send(sender).expect("the test listens");
        (
            [(header::CONTENT_TYPE, "text/event-stream")],
            Body::from_stream(sent(receiver)),
        )
    }))
    .await;

    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = server.get().await;
        // Nothing has been sent: the head does not wait for it, nor one client for another.
        let head = client.head().await;
        assert_eq!(
            (head.status, head.get("content-type")),
            (200, Some("text/event-stream"))
        );
        let status = head.get("cache-status").expect("it says what happened");
        assert!(
            !status.contains("stored") && !status.contains("hit"),
            "{status}"
        );
        clients.push((client, streams.recv().await.expect("the handler ran")));
    }
    for event in ["data: one\n\n", "data: two\n\n"] {
        for (client, events) in clients.iter_mut().rev() {
            events.send(event).expect("the stream is open");
            assert_eq!(client.chunk().await, Chunk::Data(event.into()));
        }
    }
    let (mut client, events) = clients.remove(0);
    drop(events);
    assert_eq!(client.chunk().await, Chunk::End(Vec::new()));
    // A client that leaves ends its stream.
    let (client, events) = clients.remove(0);
    drop(client);
    within("the stream ends", events.closed()).await;
}

#[tokio::test]
async fn trailers_are_kept_for_those_who_take_them_and_are_never_fields() {
    let server = serve(get(async || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "4".parse().expect("a value"));
        let frames = [
            http_body::Frame::data(Bytes::from_static(b"soup")),
            http_body::Frame::trailers(trailers),
        ];
        let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Failure>))));
        ([(header::TRAILER, "x-sum")], body)
    }))
    .await;
    let sum = || vec![("x-sum".to_owned(), "4".to_owned())];
    for (status, fields, trailers) in [
        (STORED, "TE: trailers", sum()),
        (HIT, "TE: trailers", sum()),
        (HIT, "X: y", Vec::new()),
        (HIT, "TE: trailers", sum()),
    ] {
        let mut connection = Connection::open(server.address).await;
        connection.ask("GET", "/", &[fields]).await;
        let head = connection.head().await;
        assert_eq!((head.status, head.get("cache-status")), (200, status));
        assert_eq!(
            (head.is_chunked(), head.length(), head.get("x-sum")),
            (true, None, None)
        );
        assert_eq!(connection.chunk().await, Chunk::Data(b"soup".to_vec()));
        assert_eq!(connection.chunk().await, Chunk::End(trailers));
    }
    // HEAD has the fields of GET, which has no length here.
    let mut connection = Connection::open(server.address).await;
    connection.ask("HEAD", "/", &["TE: trailers"]).await;
    let head = connection.head().await;
    assert_eq!(
        (head.status, head.get("cache-status"), head.length()),
        (200, HIT, None)
    );
}

#[tokio::test]
async fn a_change_of_protocol_passes_and_the_page_beside_it_is_stored() {
    let server = serve(get(async |mut request: Request| {
        if !request.headers().contains_key(header::UPGRADE) {
            return "no upgrade".into_response();
        }
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let stream = TokioIo::new(upgraded.await.expect("the connection is handed over"));
            let (mut from, mut to) = tokio::io::split(stream);
            tokio::io::copy(&mut from, &mut to).await
        });
        let fields = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
    }))
    .await;
    for status in [STORED, HIT] {
        let mut connection = Connection::open(server.address).await;
        connection
            .ask("GET", "/", &["Connection: upgrade", "Upgrade: echo"])
            .await;
        let head = connection.head().await;
        assert_eq!(
            (head.status, head.get("upgrade"), head.length()),
            (101, Some("echo"), None)
        );
        for word in ["here", "and back"] {
            connection.send(word).await;
            assert_eq!(connection.exactly(word.len()).await, Some(word.into()));
        }
        server.expect(status, "no upgrade").await;
    }
}

#[tokio::test]
async fn a_body_that_contradicts_its_length_is_not_stored_and_splits_no_answer() {
    for (body, complete) in [("only 9 by", false), ("11 bytes, so", true)] {
        let runs = Arc::new(AtomicUsize::new(0));
        let ran = runs.clone();
        let server = serve(get(async move || {
            runs.fetch_add(1, Ordering::SeqCst);
            ([(header::CONTENT_LENGTH, "10")], parts([Ok(body)]))
        }))
        .await;
        for _ in 0..2 {
            let mut connection = Connection::open(server.address).await;
            connection.ask("GET", "/", &[]).await;
            connection.ask("GET", "/", &[]).await;
            for _ in 0..2 {
                // Of what is too short the server may send a part, or close at once.
                let Some(head) = connection.head_if_any().await else {
                    assert!(!complete);
                    break;
                };
                assert_eq!((head.status, head.length()), (200, Some(10)));
                let got = connection.body(&head).await;
                assert_eq!(got, complete.then(|| body.as_bytes()[..10].to_vec()));
            }
        }
        let came = server.counts.came.load(Ordering::SeqCst);
        assert!(came >= 2);
        assert_eq!(
            ran.load(Ordering::SeqCst),
            came,
            "each of them ran the handler"
        );
    }
}

#[tokio::test]
async fn a_body_that_fails_is_cut_off_not_stored_and_made_anew_for_those_who_wait() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, ran) = (gate.clone(), runs.clone());
    let server = serve(get(async move || {
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        let end = stream::once(async move {
            if !first {
                return Ok(Bytes::from_static(b" end"));
            }
            gate.acquire().await?.forget();
            Err(Failure::from("the kitchen burns"))
        });
        let begin = stream::iter([Ok(Bytes::from_static(b"begin"))]);
        Body::from_stream(stream::StreamExt::chain(begin, end))
    }))
    .await;

    let mut leader = server.get().await;
    let head = leader.head().await;
    assert!(head.is_chunked());
    assert_eq!(leader.chunk().await, Chunk::Data(b"begin".to_vec()));
    let waits = server.expect(STORED_ALONE, "begin end");
    let fails = async {
        server.until_waiting(1).await;
        open.add_permits(1);
        assert_eq!(leader.chunk().await, Chunk::Cut);
    };
    tokio::join!(waits, fails);
    server.expect(HIT, "begin end").await;
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_own_client_and_no_other() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let open = gate.clone();
    let server = serve(get(async move || {
        if runs.fetch_add(1, Ordering::SeqCst) == 0 {
            gate.acquire().await.expect("it is never closed").forget();
            panic!("on purpose, for this test");
        }
        "page"
    }))
    .await;
    let mut leader = server.get().await;
    server.until_waiting(1).await;
    let waits = server.expect(STORED_ALONE, "page");
    let fails = async {
        server.until_waiting(2).await;
        open.add_permits(1);
        assert!(
            leader.head_if_any().await.is_none(),
            "its connection is closed"
        );
    };
    tokio::join!(waits, fails);
    server.expect(HIT, "page").await;
}

#[tokio::test]
async fn a_page_whose_only_client_leaves_in_the_middle_is_stored_whole() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, ran) = (gate.clone(), runs.clone());
    let server = serve(get(async move || {
        runs.fetch_add(1, Ordering::SeqCst);
        let end = stream::once(async move {
            gate.acquire().await?.forget();
            Ok::<_, Failure>(Bytes::from_static(b" end"))
        });
        let begin = stream::iter([Ok(Bytes::from_static(b"begin"))]);
        Body::from_stream(stream::StreamExt::chain(begin, end))
    }))
    .await;
    let mut leader = server.get().await;
    leader.head().await;
    assert_eq!(leader.chunk().await, Chunk::Data(b"begin".to_vec()));
    drop(leader);
    let waits = server.expect(Some("larder; fwd=uri-miss; collapsed"), "begin end");
    let goes_on = async {
        server.until_waiting(1).await;
        open.add_permits(1);
    };
    tokio::join!(waits, goes_on);
    server.expect(HIT, "begin end").await;
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_leader_that_does_not_read_delays_nobody() {
    // Far more than the kernel holds for a client that does not read.
    const FRAMES: usize = 14 * 16;
    let server = serve(get(async || {
        let frames = (0..FRAMES)
            .map(|nth| Ok::<_, Failure>(Bytes::from(vec![b'a' + (nth % 26) as u8; 64 << 10])));
        Body::from_stream(stream::iter(frames))
    }))
    .await;
    let mut leader = Connection::open_narrow(server.address).await;
    leader.ask("GET", "/", &[]).await;
    assert_eq!(leader.head().await.get("cache-status"), STORED);

    let read = async |connection: &mut Connection, head: &raw::Head| {
        let mut length = 0;
        let complete = connection.stream(head, |piece| {
            let expected = |at: usize| b'a' + (at / (64 << 10) % 26) as u8;
            assert!(piece[0] == expected(length));
            length += piece.len();
            assert!(piece[piece.len() - 1] == expected(length - 1));
        });
        assert!(complete.await);
        assert_eq!(length, FRAMES * (64 << 10));
    };
    for status in [Some("larder; fwd=uri-miss; collapsed"), HIT] {
        let mut follower = server.get().await;
        let head = follower.head().await;
        assert_eq!(head.get("cache-status"), status);
        read(&mut follower, &head).await;
    }
}

#[tokio::test]
async fn a_stored_date_is_not_stamped_anew_and_the_age_counts_from_it() {
    let clock = ManualClock::new();
    let server = serve_with(&clock, get("page")).await;
    let date = httpdate::fmt_http_date(clock.wall());
    for age in [None, Some("0"), Some("30"), Some("299")] {
        let mut connection = server.get().await;
        let head = connection.head().await;
        assert_eq!(
            (head.get("date"), head.get("age")),
            (Some(date.as_str()), age)
        );
        match age {
            Some("0") => clock.advance(Duration::from_secs(30)),
            Some("30") => clock.advance(Duration::from_secs(269)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_announce_none_and_leave_the_connection_usable() {
    let server = serve(get(async |fields: HeaderMap| {
        let tag = [(header::ETAG, "\"v1\"")];
        match fields.get(header::IF_NONE_MATCH) {
            Some(_) => (StatusCode::NOT_MODIFIED, tag).into_response(),
            None => (tag, "page").into_response(),
        }
    }))
    .await;
    let mut connection = Connection::open(server.address).await;
    let asks: [(&str, &[&str]); 6] = [
        ("HEAD", &[]),
        ("GET", &["If-None-Match: \"v1\""]),
        ("GET", &[]),
        ("HEAD", &[]),
        ("GET", &[]),
        ("HEAD", &[]),
    ];
    for (method, fields) in asks {
        connection.ask(method, "/", fields).await;
        let head = connection.head().await;
        if head.status == 304 {
            assert!(matches!(head.length(), None | Some(4)), "{head:?}");
            continue;
        }
        assert_eq!((head.status, head.length()), (200, Some(4)), "{method}");
        if method == "GET" {
            assert_eq!(connection.body(&head).await, Some(b"page".to_vec()));
        }
    }
}

#[tokio::test]
async fn a_page_without_content_has_no_length() {
    let server = serve(get(async || StatusCode::NO_CONTENT)).await;
    let mut connection = Connection::open(server.address).await;
    for (method, status) in [("GET", STORED), ("GET", HIT), ("HEAD", HIT), ("GET", HIT)] {
        connection.ask(method, "/", &[]).await;
        let head = connection.head().await;
        assert_eq!((head.status, head.get("cache-status")), (204, status));
        assert_eq!(
            (head.length(), head.is_chunked()),
            (None, false),
            "{method} {head:?}"
        );
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_chunked_pages_plain() {
    let server = serve(get(async || parts(["be", "gin"].map(Ok)))).await;
    for status in [STORED, HIT] {
        let mut connection = Connection::open(server.address).await;
        let host = raw::HOST;
        connection
            .send(format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"))
            .await;
        let head = connection.head().await;
        assert_eq!(
            (head.get("cache-status"), head.is_chunked()),
            (status, false)
        );
        assert_eq!(connection.body(&head).await, Some(b"begin".to_vec()));
    }
}
