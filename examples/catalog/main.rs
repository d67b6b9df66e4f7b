//! The menu of the restaurant as a gRPC service on SQLite whose answers are cached by larder, with pages of it on the same port.
//!
//! ```text
//! cargo run --release --features tonic --example catalog
//! cargo run --release --features tonic --example catalog -- --client 127.0.0.1:3000
//! ```
//!
//! Start here: `calls` below says which calls are cached and limited, and how; `pages` the same of the pages, which share the cache and its
//! tags with the calls. `service` and `pages` answer, `menu` is what both read and change, `changes` what is told to those who watch, `client`
//! the other end, `args` the flags; `catalog.proto` the service, of which `proto` and `catalog.bin` are made. What the examples have in common
//! stands in `examples/shared`: the database is the restaurant's, and may be the very file of one that runs. With one Redis they free each
//! other's answers:
//!
//! ```text
//! cargo run --release --features redis --example restaurant -- --db shop.db --redis redis://127.0.0.1
//! cargo run --release --features tonic,redis --example catalog -- --db shop.db --redis redis://127.0.0.1 --listen 127.0.0.1:3001
//! ```

#[path = "../shared/db.rs"]
mod db;
#[path = "../shared/flags.rs"]
mod flags;
#[path = "../shared/listening.rs"]
mod listening;
#[path = "../shared/log.rs"]
mod log;
#[path = "../shared/money.rs"]
mod money;
#[path = "../shared/process.rs"]
mod process;
#[path = "../shared/seed.rs"]
mod seed;
#[path = "../shared/server.rs"]
mod server;
#[path = "../shared/store.rs"]
mod store;

mod args;
mod changes;
mod client;
mod menu;
mod pages;
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "it is generated"
)]
#[rustfmt::skip]
mod proto;
mod queries;
mod service;

use std::process::ExitCode;

use axum::{
    Router,
    extract::{Request, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use larder::{
    ClientIpLayer, Quota, RateLimiter, TrustedProxies,
    grpc::CallPolicy,
    identity::client_ip,
    limit::{RateLimitBuilder, RateLimitError},
    minutes, seconds,
};
use tonic::{Code, Status, codec::CompressionEncoding, service::Routes};

use crate::{
    args::{Args, Serve, USAGE},
    changes::Changes,
    menu::Menu,
    process::AnyError,
    proto::catalog_server::CatalogServer,
    server::Server,
};

/// What the service is: for reflection, and for the cache, which reads in it which methods change nothing.
const DESCRIPTORS: &[u8] = include_bytes!("catalog.bin");

const UPDATE_ITEM: &str = "/catalog.Catalog/UpdateItem";

/// The service, as calls meet it: limits, then the cache, then the handlers.
fn calls(menu: Menu, limits: &Limits) -> Result<Router, AnyError> {
    let cache = menu
        .cache
        .grpc()
        .descriptor_set(DESCRIPTORS)
        // GetItem and ListCategory: the .proto says that they have no side effects. An update frees what it changes, by tags that the
        // handlers give; half an hour is what a change made past this server (by hand, in the database) may take to appear.
        .safe_methods(
            CallPolicy::new(minutes(30))
                // Asked for over and over by a program that has an old id. Nothing here adds items, so it lives for as long as one that is
                // added by hand may take to appear.
                .code(Code::NotFound, seconds(10))
                // While the database is away, what was true is better than nothing.
                .stale_if_error(minutes(30)),
        )
        // Clients see hit or miss among the metadata of each answer.
        .cache_status()
        .build()?;
    // Each answer is compressed as its client accepts it, and kept once for each set of codings that clients accept.
    let catalog = CatalogServer::new(menu)
        .accept_compressed(CompressionEncoding::Zstd)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
    };
    let updates = limits.updates().calls([UPDATE_ITEM]).build()?;

    Ok(Routes::from(Router::new())
        .add_service(catalog)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .into_axum_router()
        // The first is the outermost. A call that is answered from the cache counts as any other.
        .layer((limits.calls().build()?, updates, cache)))
}

/// The pages. They are freed by the updates of the service, and their form frees its answers: it is one cache, and the tags are the same.
fn pages(menu: Menu, limits: &Limits) -> Result<Router, RateLimitError> {
    let page = menu.cache.page(minutes(30)).shared();
    Ok(Router::new()
        .route("/", get(pages::home))
        .route("/catalog/{category}", get(pages::category).layer(page))
        .route(
            "/items/{id}",
            post(pages::change).layer(limits.updates().build()?),
        )
        // What the cache has done since the start, as JSON. Not for the public of a real catalog.
        .route("/stats", get(stats))
        .with_state(menu))
}

fn routes(menu: Menu, limits: &Limits) -> Result<Router, AnyError> {
    Ok(calls(menu.clone(), limits)?
        .merge(pages(menu, limits)?)
        .fallback(nothing_there)
        // Who connects is the client: there is no proxy before this catalog whose word on that would count.
        .layer(ClientIpLayer::new(TrustedProxies::none()))
        .layer(middleware::from_fn(log::requests)))
}

/// By address, and counted in Redis for all processes if there is one.
struct Limits {
    limiter: RateLimiter,
    calls: Quota,
    updates: Quota,
}

impl Limits {
    fn calls(&self) -> RateLimitBuilder {
        self.limiter
            .layer("calls")
            .quota(self.calls.clone(), client_ip())
    }

    /// One count for both ways to change an item: limits of one name and quota share it.
    fn updates(&self) -> RateLimitBuilder {
        self.limiter
            .layer("updates")
            .quota(self.updates.clone(), client_ip())
    }
}

async fn stats(State(menu): State<Menu>) -> Response {
    let fields = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "application/json"),
    ];
    (fields, menu.cache.stats().to_json()).into_response()
}

/// Whoever speaks gRPC is told in gRPC.
async fn nothing_there(request: Request) -> Response {
    let content = request.headers().get(CONTENT_TYPE);
    match content {
        Some(content) if content.as_bytes().starts_with(b"application/grpc") => {
            Status::unimplemented("there is no such service").into_http()
        }
        _ => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    }
}

fn main() -> ExitCode {
    process::begin(
        args::parse(std::env::args().skip(1)),
        USAGE,
        |args| match args {
            Args::Serve(args) => serve(*args),
            Args::Call(args) => client::run(&args),
        },
    )
}

fn serve(args: Serve) -> Result<(), AnyError> {
    let server = Server {
        name: "catalog",
        listen: args.listen,
        db: args.db,
        create: seed::create_and_fill,
    };
    server.run(async |db, _| {
        let (cache, limiter) = store::open(args.redis.as_deref())?;
        // The restaurant's namespace and version: the menu is one, and so is what a change of it frees.
        let cache = cache.namespace("restaurant").version(1).build()?;
        store::check(&cache).await;
        if args.flush_on_start {
            store::flush(&cache).await;
        }
        let menu = Menu {
            cache,
            db,
            changes: Changes::new()?,
            work: args.work,
        };
        let limits = Limits {
            limiter,
            calls: args.calls,
            updates: args.updates,
        };
        routes(menu, &limits)
    })
}
