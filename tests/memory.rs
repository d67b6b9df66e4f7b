//! Memory is bounded in bytes (DESIGN P5): what the whole process holds, clients included, while large bodies stream to slow readers. The
//! allocator counts at each allocation, so that no peak is missed.

#[allow(dead_code, reason = "each test takes what it needs")]
mod raw;

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    extract::{Path, State},
    http::header::CONTENT_LENGTH,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use futures_util::{future::join_all, stream};
use larder::{Cache, MIB, MemoryStore, minutes};
use peak_alloc::PeakAlloc;
use tokio::{net::TcpListener, sync::Semaphore};

use raw::{Connection, within};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const FRAME: usize = 64 << 10;
const BLOCK: usize = 4 << 10;
const LARGE: usize = 64 * MIB / FRAME;

/// What hyper may collect for one client that does not read, and its buffers: 408 KiB, the frame that exceeds them, and some KiB.
const CONNECTION: usize = (408 + 64 + 40) << 10;

/// What is not about bodies: tasks, book-keeping, the test itself.
const SLACK: usize = 128 << 10;

/// Runs one test at a time, since they share a heap.
fn alone(test: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind that the next one counts.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("there is a runtime").block_on(test);
}

/// A server with one route, `/{form}/{frames}/…`, and what its handler did.
struct Server {
    address: SocketAddr,
    store: MemoryStore,
    handler: Arc<Handler>,
    /// The live heap before anything was asked.
    idle: usize,
}

struct Handler {
    runs: AtomicUsize,
    frames: AtomicUsize,
    /// Bodies that are not dropped yet.
    bodies: AtomicUsize,
    /// Requests that had to wait for their answer.
    waiting: AtomicUsize,
    /// A frame takes a permit.
    gate: Semaphore,
}

impl Server {
    /// `frames` is how many may come before the gate is opened further.
    async fn start(max_body: usize, budget: usize, frames: usize) -> Self {
        let store = MemoryStore::new(128 * MIB);
        let cache = Cache::builder(store.clone())
            .recording_budget(budget)
            .build();
        let cache = cache.expect("the options make sense");
        let page = cache
            .page(minutes(5))
            .max_body(max_body)
            .expect("the store takes it");
        let handler = Arc::new(Handler {
            runs: AtomicUsize::new(0),
            frames: AtomicUsize::new(0),
            bodies: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            gate: Semaphore::new(frames),
        });
        let app = Router::new()
            .route("/{form}/{frames}/{name}", get(body).layer(page))
            .layer(middleware::from_fn_with_state(handler.clone(), see_waiting))
            .with_state(handler.clone());
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(axum::serve(listener, app).into_future());

        // One page goes all the way, so that what is made once is made.
        handler.gate.add_permits(1);
        let mut connection = Connection::get(address, "/chunks/1/first").await;
        let head = connection.head().await;
        assert!(connection.stream(&head, |_| ()).await);
        drop(connection);
        for count in [&handler.runs, &handler.frames, &handler.waiting] {
            count.store(0, Ordering::SeqCst);
        }
        let mut server = Self {
            address,
            store,
            handler,
            idle: 0,
        };
        server.settle().await;
        server.idle = HEAP.current_usage();
        HEAP.reset_peak_usage();
        server
    }

    /// The most bytes that were live at once beyond those of the idle server.
    fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.idle)
    }

    /// How many pages have been stored beside the first.
    fn stored(&self) -> usize {
        self.store.len() - 1
    }

    /// Waits until this many requests wait for a flight.
    async fn until_waiting(&self, requests: usize) {
        let all = async {
            while self.count(|handler| &handler.waiting) < requests {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the others wait for the first", all).await;
    }

    fn count(&self, what: impl Fn(&Handler) -> &AtomicUsize) -> usize {
        what(&self.handler).load(Ordering::SeqCst)
    }

    /// Waits until all bodies are dropped and their memory is given back.
    async fn assert_back_to_idle(&self) {
        let bodies = || self.count(|handler| &handler.bodies);
        let idle = async {
            while bodies() > 0 || HEAP.current_usage() > self.idle + SLACK {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let given_back = tokio::time::timeout(Duration::from_secs(30), idle).await;
        assert!(
            given_back.is_ok(),
            "{} bodies and {} bytes are left, of {} when idle",
            bodies(),
            HEAP.current_usage(),
            self.idle
        );
    }

    /// Gives the server time to get as far as it can while nobody reads. How far it gets proves nothing; it only makes the peak a hard one.
    async fn settle(&self) {
        let mut seen = (usize::MAX, 0);
        let mut still = 0;
        while still < 10 {
            let now = (self.count(|handler| &handler.frames), HEAP.current_usage());
            still = if now == seen { still + 1 } else { 0 };
            seen = now;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Counts the requests whose first poll gave no answer. The store is memory: where nothing else makes them wait, they wait for a flight.
async fn see_waiting(
    State(handler): State<Arc<Handler>>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = pin!(next.run(request));
    let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    if let Poll::Ready(response) = first {
        return response;
    }
    handler.waiting.fetch_add(1, Ordering::SeqCst);
    answer.await
}

/// A body that is not dropped yet.
struct Alive(Arc<Handler>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `frames` frames of 64 KiB, with their length in the head (`length`) or without (`chunks`).
async fn body(
    State(handler): State<Arc<Handler>>,
    Path((form, frames, _)): Path<(String, usize, String)>,
) -> Response {
    handler.runs.fetch_add(1, Ordering::SeqCst);
    handler.bodies.fetch_add(1, Ordering::SeqCst);
    let source = (Alive(handler), 0);
    let body = stream::unfold(source, move |(source, made)| async move {
        if made == frames {
            return None;
        }
        let handler = &source.0;
        handler.gate.acquire().await.ok()?.forget();
        handler.frames.fetch_add(1, Ordering::SeqCst);
        Some((
            Ok::<_, std::io::Error>(Bytes::from(frame(made))),
            (source, made + 1),
        ))
    });
    let mut response = Response::new(Body::from_stream(body));
    if form == "length" {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, (frames * FRAME).into());
    }
    response
}

/// A frame of bytes without a pattern, in which every block says where it stands in the body.
fn frame(nth: usize) -> Vec<u8> {
    let first = nth * (FRAME / BLOCK);
    let mut frame = Vec::with_capacity(FRAME);
    for nth in first..first + FRAME / BLOCK {
        frame.extend_from_slice(&block(nth));
    }
    frame
}

fn block(nth: usize) -> [u8; BLOCK] {
    static NOISE: OnceLock<[u8; BLOCK]> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut noise = [0; BLOCK];
        for (word, place) in noise.chunks_exact_mut(8).zip(1_u64..) {
            word.copy_from_slice(&place.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        }
        noise
    });
    let mut block = *noise;
    block[..8].copy_from_slice(&(nth as u64).to_le_bytes());
    block
}

/// Compares what comes with what was sent, and holds next to nothing.
struct Compare {
    at: usize,
}

impl Compare {
    fn new() -> Self {
        Self { at: 0 }
    }

    fn take(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let offset = self.at % BLOCK;
            let (now, later) = piece.split_at(piece.len().min(BLOCK - offset));
            assert!(
                block(self.at / BLOCK)[offset..][..now.len()] == *now,
                "the body differs after byte {}",
                self.at
            );
            self.at += now.len();
            piece = later;
        }
    }
}

/// Reads a body to its end and compares it.
async fn read(connection: &mut Connection, head: &raw::Head, frames: usize) {
    let mut compare = Compare::new();
    let complete = connection.stream(head, |piece| compare.take(piece)).await;
    assert!(
        complete && compare.at == frames * FRAME,
        "the body ended after {} bytes",
        compare.at
    );
}

#[test]
fn a_miss_far_over_the_limit_reaches_a_slow_client_whole_and_takes_two_mebibytes_at_most() {
    for form in ["chunks", "length"] {
        alone(async {
            let server = Server::start(MIB, 64 * MIB, LARGE).await;
            let path = format!("/{form}/{LARGE}/page");
            let mut connection = Connection::open_narrow(server.address).await;
            connection.ask("GET", &path, &[]).await;
            let head = connection.head().await;
            assert_eq!((head.status, head.is_chunked()), (200, form == "chunks"));
            server.settle().await;
            read(&mut connection, &head, LARGE).await;

            let peak = server.peak();
            assert!(peak <= 2 * MIB, "{form}: {peak} bytes at the peak");
            assert_eq!(server.stored(), 0);
            drop(connection);
            server.assert_back_to_idle().await;
        });
    }
}

#[test]
fn the_first_byte_arrives_before_the_body_has_ended() {
    for form in ["chunks", "length"] {
        alone(async {
            let server = Server::start(MIB, 64 * MIB, 1).await;
            let path = format!("/{form}/4/page");
            let mut connection = Connection::get(server.address, &path).await;
            let head = connection.head().await;
            assert_eq!(
                head.get("cache-status"),
                Some("larder; fwd=uri-miss; stored")
            );
            let mut compare = Compare::new();
            // The gate lets no second frame pass until the first has been read.
            for frame in 0..4 {
                let piece = match form {
                    "length" => connection.exactly(FRAME).await,
                    _ => match connection.chunk().await {
                        raw::Chunk::Data(data) => Some(data),
                        _ => None,
                    },
                };
                compare.take(&piece.expect("a frame comes"));
                assert_eq!(compare.at, (frame + 1) * FRAME);
                assert_eq!(server.count(|handler| &handler.frames), frame + 1);
                assert!(frame == 3 || server.stored() == 0);
                server.handler.gate.add_permits(1);
            }
            if form == "chunks" {
                assert_eq!(connection.chunk().await, raw::Chunk::End(Vec::new()));
            }
            // It was stored before its end went out: whoever asks now is answered from the store.
            assert_eq!(server.stored(), 1);
            let mut next = Connection::get(server.address, &path).await;
            let head = next.head().await;
            assert_eq!(head.get("cache-status"), Some("larder; hit; ttl=300"));
            read(&mut next, &head, 4).await;
            assert_eq!(server.count(|handler| &handler.runs), 1);
        });
    }
}

#[test]
fn all_recordings_together_stay_within_their_budget() {
    alone(async {
        const CLIENTS: usize = 6;
        let server = Server::start(8 * MIB, MIB, CLIENTS * 256 + 4).await;
        let read_all = (0..CLIENTS).map(async |client| {
            let mut connection = Connection::open_narrow(server.address).await;
            connection
                .ask("GET", &format!("/chunks/256/{client}"), &[])
                .await;
            let head = connection.head().await;
            server.settle().await;
            read(&mut connection, &head, 256).await;
        });
        join_all(read_all).await;
        let (peak, bound) = (server.peak(), MIB + CLIENTS * CONNECTION + SLACK);
        assert!(peak <= bound, "{peak} bytes at the peak, of {bound}");
        assert_eq!(server.stored(), 0);
        server.assert_back_to_idle().await;

        // What was taken of the budget has been given back.
        for cache in ["larder; fwd=uri-miss; stored", "larder; hit; ttl=300"] {
            let mut connection = Connection::get(server.address, "/chunks/4/after").await;
            let head = connection.head().await;
            assert_eq!(head.get("cache-status"), Some(cache));
            read(&mut connection, &head, 4).await;
        }
    });
}

#[test]
fn those_who_wait_for_a_body_that_grows_over_the_limit_take_no_more_than_the_budget() {
    alone(async {
        const CLIENTS: usize = 4;
        // The first to ask gets a few frames, and the others wait for it.
        let server = Server::start(MIB, 2 * MIB, 2).await;
        let path = "/chunks/256/page";
        let mut leader = Connection::open_narrow(server.address).await;
        leader.ask("GET", path, &[]).await;
        let head = leader.head().await;
        let read_all = (1..CLIENTS).map(async |_| {
            let mut connection = Connection::open_narrow(server.address).await;
            connection.ask("GET", path, &[]).await;
            let head = connection.head().await;
            assert_eq!(head.status, 200);
            server.settle().await;
            read(&mut connection, &head, 256).await;
        });
        let lead = async {
            server.until_waiting(CLIENTS - 1).await;
            assert_eq!(server.count(|handler| &handler.runs), 1);
            server.handler.gate.add_permits(CLIENTS * 256);
            read(&mut leader, &head, 256).await;
        };
        tokio::join!(join_all(read_all), lead);
        assert_eq!(server.count(|handler| &handler.runs), CLIENTS);
        let (peak, bound) = (server.peak(), 2 * MIB + CLIENTS * CONNECTION + SLACK);
        assert!(peak <= bound, "{peak} bytes at the peak, of {bound}");
        assert_eq!(server.stored(), 0);
        drop(leader);
        server.assert_back_to_idle().await;
    });
}

#[test]
fn a_crowd_that_reads_slowly_shares_one_recording() {
    alone(async {
        const CLIENTS: usize = 20;
        let server = Server::start(2 * MIB, 64 * MIB, 0).await;
        let read_all = (0..CLIENTS).map(async |_| {
            let mut connection = Connection::open_narrow(server.address).await;
            connection.ask("GET", "/length/16/page", &[]).await;
            let head = connection.head().await;
            server.settle().await;
            read(&mut connection, &head, 16).await;
        });
        let open = async {
            server.settle().await;
            server.handler.gate.add_permits(16);
        };
        tokio::join!(join_all(read_all), open);
        assert_eq!(server.count(|handler| &handler.runs), 1);
        // The frames, and the copy that is stored; hyper queues frames without copying them.
        let (peak, bound) = (server.peak(), 2 * MIB + CLIENTS * (64 << 10) + SLACK);
        assert!(peak <= bound, "{peak} bytes at the peak, of {bound}");
        assert_eq!(server.stored(), 1);
    });
}

#[test]
fn a_client_that_closes_in_the_middle_frees_everything() {
    alone(async {
        // Past the limit, the body ends with its only reader, though its gate stays shut.
        let server = Server::start(MIB, 64 * MIB, 20).await;
        let mut connection =
            Connection::get(server.address, &format!("/chunks/{LARGE}/past")).await;
        connection.head().await;
        for _ in 0..20 {
            assert!(matches!(connection.chunk().await, raw::Chunk::Data(_)));
        }
        drop(connection);
        server.assert_back_to_idle().await;

        // Before the limit it goes on, as it may be stored; and ends where it turns out that it may not.
        server.handler.gate.add_permits(2);
        let mut connection =
            Connection::get(server.address, &format!("/chunks/{LARGE}/before")).await;
        connection.head().await;
        assert!(matches!(connection.chunk().await, raw::Chunk::Data(_)));
        drop(connection);
        server.handler.gate.add_permits(LARGE);
        server.assert_back_to_idle().await;
        let frames = server.count(|handler| &handler.frames) - 20;
        assert_eq!(
            frames,
            MIB / FRAME + 1,
            "frames of a body that nobody reads"
        );
        assert_eq!(server.stored(), 0);
    });
}
