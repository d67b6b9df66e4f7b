//! What a page costs that is kept in Redis: hits beside raw `GET`s of the same bytes over one pipelined connection, in one run.
//!
//! `cargo bench --all-features --bench store`. The target (hits at 0.6 of the rate of `GET`s at least) is for a 1 KiB page and 64 tasks.

use std::convert::Infallible;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use http::{Request, Response};
use http_body_util::BodyExt;
use larder::store::redis::RedisStore;
use larder::{Cache, minutes};
use tower::{Layer, Service, ServiceExt};

const ROUNDS: usize = 7;
const CALLS: usize = 64_000;

fn main() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    allocations(&runtime, &server.url);
    runtime.block_on(run(&server.url));
}

/// What one hit allocates, the connection's part included, beside one raw `GET`.
fn allocations(runtime: &tokio::runtime::Runtime, url: &str) {
    let (site, raw, name) = runtime.block_on(async {
        let store = RedisStore::builder(url).connections(1).build();
        let site = site(store.expect("a store"), 1_024, false);
        warm(&site).await;
        let raw = Client::open(url).expect("a URL");
        let raw = raw.get_multiplexed_async_connection().await;
        let raw = raw.expect("a connection");
        let name = page_key(raw.clone(), 1_024).await;
        (site, raw, name)
    });
    let hit = allocation_counter::measure(|| runtime.block_on(hit(site)));
    let get = allocation_counter::measure(|| runtime.block_on(get(raw, name)));
    println!(
        "a hit allocates {} times, {} bytes; a raw GET {} times, {} bytes",
        hit.count_total, hit.bytes_total, get.count_total, get.bytes_total
    );
}

async fn get(mut connection: MultiplexedConnection, name: String) {
    let value: Vec<u8> = cmd("GET")
        .arg(&name)
        .query_async(&mut connection)
        .await
        .expect("the page");
    assert!(value.len() >= 1_024);
}

async fn run(url: &str) {
    let client = Client::open(url).expect("a URL");
    let config = deadpool_redis::redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let raw = client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .expect("a connection");
    for (size, tasks, varies) in [
        (1_024, 1, false),
        (1_024, 64, false),
        (16_384, 64, false),
        (1_025, 64, true),
    ] {
        measure(url, raw.clone(), size, tasks, varies).await;
    }
    for (name, builder) in [
        (
            "1 shared connection",
            RedisStore::builder(url).connections(1),
        ),
        (
            "2 shared connections",
            RedisStore::builder(url).connections(2),
        ),
        (
            "4 shared connections",
            RedisStore::builder(url).connections(4),
        ),
        ("a pool of 16", RedisStore::builder(url).pooled(16)),
    ] {
        let site = site(builder.build().expect("a store"), 1_024, false);
        warm(&site).await;
        let rate = best(64, || hit(site.clone())).await;
        println!("{name}: {:.0} thousand hits/s at 64 tasks", rate / 1_000.0);
    }
}

async fn measure(url: &str, raw: MultiplexedConnection, size: usize, tasks: usize, varies: bool) {
    let store = RedisStore::builder(url).connections(1).build();
    let site = site(store.expect("a store"), size, varies);
    warm(&site).await;
    let name = page_key(raw.clone(), size).await;
    let get = || get(raw.clone(), name.clone());
    let (mut gets, mut hits) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        gets = gets.max(rate(tasks, get).await);
        hits = hits.max(rate(tasks, || hit(site.clone())).await);
    }
    println!(
        "{size} bytes, {tasks} tasks, {}: GET {:.0} thousand/s, page hit {:.0} thousand/s, ratio {:.2}",
        if varies {
            "one of the page's variants"
        } else {
            "one page"
        },
        gets / 1_000.0,
        hits / 1_000.0,
        hits / gets
    );
}

/// The key of the page's entry: of the index and the variants of a page, the variants are longer.
async fn page_key(mut raw: MultiplexedConnection, size: usize) -> String {
    let pattern = format!("bench{size}:1:#*");
    let names: Vec<String> = cmd("KEYS")
        .arg(pattern)
        .query_async(&mut raw)
        .await
        .expect("the page's keys");
    for name in names {
        let length: usize = cmd("STRLEN")
            .arg(&name)
            .query_async(&mut raw)
            .await
            .expect("a length");
        if length >= size {
            return name;
        }
    }
    panic!("the page is not stored");
}

type Site = tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// One page with some ten fields, of this size.
fn site(store: RedisStore, size: usize, varies: bool) -> Site {
    let cache = Cache::builder(store)
        .namespace(format!("bench{size}"))
        .build()
        .expect("a cache");
    let handler = tower::service_fn(move |_: Request<Body>| async move {
        let response = Response::builder()
            .header("content-type", "text/html; charset=utf-8")
            .header("content-language", "en")
            .header("x-frame-options", "DENY")
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "same-origin")
            .header("etag", "\"1234567890\"")
            .header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            .header("vary", if varies { "accept-encoding" } else { "" })
            .body(Body::from(vec![b'x'; size]));
        Ok::<_, Infallible>(response.expect("a response"))
    });
    let layer = cache.page(minutes(30)).tag("menu").shared();
    let service = layer.layer(handler);
    Site::new(service.map_response(|response| response.map(Body::new)))
}

async fn warm(site: &Site) {
    let mut last = String::new();
    for _ in 0..50 {
        let response = ask(site.clone()).await;
        last = format!("{:?}", response.headers().get("cache-status"));
        if last.contains("hit") {
            return;
        }
        let _ = response.into_body().collect().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the page is not stored: {last}");
}

async fn ask(mut site: Site) -> Response<Body> {
    let request = Request::get("/menu")
        .header("host", "shop.example")
        .body(Body::empty())
        .expect("a request");
    let site = site.ready().await.expect("it is ready");
    site.call(request).await.expect("an answer")
}

async fn hit(site: Site) {
    let response = ask(site).await;
    let body = response.into_body().collect().await.expect("a body");
    assert!(body.to_bytes().len() >= 1_024);
}

async fn best<F: Future<Output = ()> + Send + 'static>(
    tasks: usize,
    call: impl Fn() -> F + Copy,
) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        best = best.max(rate(tasks, call).await);
    }
    best
}

/// Calls per second of so many tasks.
async fn rate<F: Future<Output = ()> + Send + 'static>(tasks: usize, call: impl Fn() -> F) -> f64 {
    let calls = if tasks == 1 { CALLS / 16 } else { CALLS };
    let since = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let calls: Vec<F> = (0..calls / tasks).map(|_| call()).collect();
        running.spawn(async move {
            for call in calls {
                call.await;
            }
        });
    }
    running.join_all().await;
    calls as f64 / since.elapsed().as_secs_f64()
}

/// A server of its own, gone at the end.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--bind",
                "127.0.0.1",
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            url: format!("redis://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
