//! A unary call that is answered from the store beside the same call without the cache, in one process and one run.
//!
//! `cargo bench --bench grpc --features tonic` prints nanoseconds and allocations per call: through a tonic service in the process, whose
//! handler makes its answer of nothing or reads it from SQLite in memory, and over a loopback socket with a tonic client. Rounds take turns
//! and the best round of each counts, so that a busy machine disturbs the ratios little. Its last line is for machines:
//! `ratio trivial=R sqlite=R socket=R allocs=N`, all of hits to bare calls, with the allocations of a hit in the process.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::{Stream, stream};
use http_body_util::{BodyExt, Full};
use larder::{Cache, MIB, MemoryStore, hours};
use rusqlite::{Connection, OptionalExtension};
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tower::{Layer, Service, ServiceExt};

use self::proto::catalog_client::CatalogClient;
use self::proto::catalog_server::{Catalog, CatalogServer};
use self::proto::{
    GetItemRequest, Item, ListCategoryRequest, ListCategoryResponse, UpdateItemRequest,
    WatchItemsRequest,
};

#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "it is generated"
)]
#[rustfmt::skip]
#[path = "../examples/catalog/proto.rs"]
mod proto;

const ITEM: &str = "/catalog.Catalog/GetItem";
const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(12);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads starts");
    println!(
        "{:>28} {:>9} {:>7} {:>8}",
        "variant", "ns", "ratio", "allocs"
    );
    let (trivial, sqlite, socket, allocs) = runtime.block_on(async {
        let (trivial, _) = in_process("trivial", || Items(None)).await;
        let (sqlite, allocs) = in_process("SQLite", || Items(Some(Mutex::new(database())))).await;
        let socket = over_a_socket().await;
        (trivial, sqlite, socket, allocs)
    });
    println!("ratio trivial={trivial:.2} sqlite={sqlite:.2} socket={socket:.2} allocs={allocs}");
}

/// Answers with the item that was asked for, out of a database if it has one.
struct Items(Option<Mutex<Connection>>);

fn database() -> Connection {
    let connection = Connection::open_in_memory().expect("SQLite opens in memory");
    connection
        .execute_batch(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, category TEXT, price_cents INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO items SELECT i, 'item ' || i, 'pasta', 100 + i FROM n;",
        )
        .expect("the statements are well formed");
    connection
}

impl Items {
    fn item(&self, id: i64) -> Result<Item, Status> {
        let Some(database) = &self.0 else {
            return Ok(Item {
                id,
                name: "item 7".to_owned(),
                category: "pasta".to_owned(),
                price_cents: 107,
            });
        };
        let database = database
            .lock()
            .map_err(|_| Status::internal("a call panicked"))?;
        let found = database
            .prepare_cached("SELECT name, category, price_cents FROM items WHERE id = ?1")
            .and_then(|mut statement| {
                let item = statement.query_row([id], |row| {
                    Ok(Item {
                        id,
                        name: row.get(0)?,
                        category: row.get(1)?,
                        price_cents: row.get(2)?,
                    })
                });
                item.optional()
            });
        found
            .map_err(|error| Status::internal(error.to_string()))?
            .ok_or_else(|| Status::not_found("no such item"))
    }
}

#[tonic::async_trait]
impl Catalog for Items {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        self.item(request.into_inner().id).map(Response::new)
    }

    async fn list_category(
        &self,
        _: Request<ListCategoryRequest>,
    ) -> Result<Response<ListCategoryResponse>, Status> {
        Err(Status::unimplemented("it is not measured"))
    }

    async fn update_item(&self, _: Request<UpdateItemRequest>) -> Result<Response<Item>, Status> {
        Err(Status::unimplemented("it is not measured"))
    }

    type WatchItemsStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    async fn watch_items(
        &self,
        _: Request<WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        Ok(Response::new(Box::pin(stream::empty())))
    }
}

fn layer() -> larder::grpc::GrpcCacheLayer {
    let cache = Cache::builder(MemoryStore::new(64 * MIB)).build();
    cache
        .expect("the options make sense")
        .grpc()
        .method(ITEM, hours(1))
        .build()
        .expect("the method is one")
}

/// The ratio of a hit to the bare call, and the allocations of a hit.
async fn in_process(handler: &str, items: impl Fn() -> Items) -> (f64, u64) {
    let mut bare = CatalogServer::new(items());
    let mut cached = layer().layer(CatalogServer::new(items()));
    let first = drain(ask(&mut bare).await).await;
    for _ in 0..2 {
        assert_eq!(drain(ask(&mut cached).await).await, first);
    }
    let mut best = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(round(async || drop(drain(ask(&mut bare).await).await)).await);
        best[1] = best[1].min(round(async || drop(drain(ask(&mut cached).await).await)).await);
    }
    let counts = [allocations(&mut bare), allocations(&mut cached)];
    let ratio = best[1] / best[0];
    tell(&format!("{handler}, bare"), best[0], 1.0, Some(counts[0]));
    tell(&format!("{handler}, hit"), best[1], ratio, Some(counts[1]));
    (ratio, counts[1])
}

/// The same over a loopback socket, from a handler that reads SQLite.
async fn over_a_socket() -> f64 {
    let items = || Items(Some(Mutex::new(database())));
    let mut bare = client(CatalogServer::new(items())).await;
    let mut cached = client(layer().layer(CatalogServer::new(items()))).await;
    let mut best = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        for (client, best) in [&mut bare, &mut cached].into_iter().zip(&mut best) {
            let taken = round(async || {
                let item = client.get_item(GetItemRequest { id: 7 }).await;
                black_box(item.expect("the item is there"));
            });
            *best = best.min(taken.await);
        }
    }
    tell("socket and SQLite, bare", best[0], 1.0, None);
    tell("socket and SQLite, hit", best[1], best[1] / best[0], None);
    best[1] / best[0]
}

async fn client<S>(service: S) -> CatalogClient<tonic::transport::Channel>
where
    S: Service<http::Request<Body>, Error = std::convert::Infallible>
        + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    let any = "127.0.0.1:0".parse().expect("an address");
    let incoming = TcpIncoming::bind(any)
        .expect("a port is free")
        .with_nodelay(Some(true));
    let address = incoming.local_addr().expect("it is bound");
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect()
        .await
        .expect("the server listens");
    CatalogClient::new(channel)
}

fn tell(variant: &str, nanoseconds: f64, ratio: f64, allocations: Option<u64>) {
    let allocations = allocations.map_or_else(String::new, |count| count.to_string());
    println!("{variant:>28} {nanoseconds:>9.0} {ratio:>7.2} {allocations:>8}");
}

/// A call for item 7, as a tonic client sends it.
fn request() -> http::Request<Body> {
    const MESSAGE: [u8; 7] = [0, 0, 0, 0, 2, 8, 7];
    http::Request::post("http://catalog.internal/catalog.Catalog/GetItem")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("user-agent", "tonic/0.14.9")
        .body(Body::new(Full::new(bytes::Bytes::from_static(&MESSAGE))))
        .expect("the request is well formed")
}

async fn ask<S, B>(service: &mut S) -> http::Response<B>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = std::convert::Infallible>,
{
    let Ok(service) = service.ready().await;
    let Ok(response) = service.call(request()).await;
    response
}

/// Reads an answer, and gives its message.
async fn drain<B>(response: http::Response<B>) -> Option<bytes::Bytes>
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    black_box(&parts);
    let mut body = std::pin::pin!(body);
    let mut message = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("the body does not fail");
        if let Ok(data) = black_box(frame).into_data() {
            message = Some(data);
        }
    }
    message
}

/// Nanoseconds per call, over one round.
async fn round(mut call: impl AsyncFnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    loop {
        for _ in 0..32 {
            call().await;
        }
        calls += 32;
        let spent = start.elapsed();
        if spent >= ROUND {
            return spent.as_secs_f64() * 1e9 / f64::from(calls);
        }
    }
}

/// Allocations of one call, its own making included, as a median of many.
fn allocations<S, B>(service: &mut S) -> u64
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = std::convert::Infallible>,
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let mut counts: Vec<u64> = (0..101)
        .map(|_| {
            let counted = allocation_counter::measure(|| {
                // Nothing here waits, so one poll brings it to its end; the runtime's own allocations are not counted.
                let mut asking = std::pin::pin!(async { drain(ask(service).await).await });
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(asking.as_mut().poll(&mut cx).is_ready());
            });
            counted.count_total
        })
        .collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}
