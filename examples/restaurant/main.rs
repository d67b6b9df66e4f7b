//! A small restaurant on SQLite whose pages are cached by larder.
//!
//! ```text
//! cargo run --release --example restaurant
//! ```
//!
//! Start here: the routes below say for each page how it is cached and why; the two POST handlers say what has happened,
//! and `events` what that frees. `values` are what pages are made of, `queries` what they ask of the database, `web` and
//! `pages` the HTML and JSON, `args` the flags; what the examples have in common stands in `examples/shared`, such as the
//! tables (`seed`) and where pages are kept (`store`). Several processes on one database share their pages in Redis:
//!
//! ```text
//! cargo run --release --features redis --example restaurant -- --db shop.db --redis redis://127.0.0.1 --node a
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
mod day;
mod events;
mod home;
mod pages;
mod queries;
mod values;
mod web;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    Form, Router,
    extract::{State, rejection::FormRejection},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use larder::{
    Cache, CacheTags, ClientIpLayer, Invalidation, InvalidationError, InvalidationLayer,
    MonitorLayer, Quota, RateLimiter, TrustedProxies, hours,
    identity::client_ip,
    limit::{RateLimitError, RateLimitLayer},
    minutes,
};
use rusqlite::Connection;

use crate::{
    args::{Args, USAGE},
    day::Day,
    db::Db,
    events::{ItemChanged, OrderPlaced, category_tag, order_path},
    home::Home,
    process::AnyError,
    queries::Order,
    server::Server,
    values::NO_CATEGORY,
    web::{Failure, Fields, Format, Page, Segment},
};

/// How many orders one address may place. Whoever is refused is told how long to wait, in the format of the page that was asked for.
///
/// The limit stands round the one route: reading the menu is free, and pages from the cache cost next to nothing.
fn order_limit(limiter: &RateLimiter, quota: Quota) -> Result<RateLimitLayer, RateLimitError> {
    limiter
        .layer("orders")
        .quota(quota, client_ip())
        .respond(|refused| {
            let failure = Failure::Refused(refused.status(), refused.retry_after());
            Format::preferred(refused.headers()).answer::<Home>(Err(failure))
        })
        .build()
}

/// Pages that are made from orders carry this tag.
const ORDERS: &str = "orders";
/// Pages that are made from menu items of any category carry this tag.
const MENU: &str = "menu";

/// In bytes.
const LONGEST_SLUG: usize = 64;

fn routes(app: App, order_limit: RateLimitLayer) -> Router {
    let cache = app.cache.clone();

    // `.shared()` everywhere: these pages know no visitors. A request that comes with cookies or credentials may fill
    // the cache and be answered from it, and larder keeps those fields from the handler, so that this stays true.
    // Each has two forms, HTML and JSON, and the handler sees which, and not the `Accept` of this or that browser.
    let page = |ttl| cache.page(ttl).shared().vary_on(Format::key_part());

    Router::new()
        // Greets everybody, so it is asked for most; it changes only with the menu, three items of which it shows.
        // An hour is what a change made past this server (by hand, in the database) may take to appear: half of it in the
        // sections that the page is made of, and half in the page.
        .route("/", get(home).layer(page(minutes(30)).tag(MENU)))
        // Goes through every order ever placed: the most expensive page by far, and the one that gains most. A placed
        // order frees it, so an hour is not how old the figures may be; it is how long a quiet hour costs no query. Its
        // days are values of their own: an order makes today anew, and leaves the days that are over.
        .route(
            "/dashboard",
            get(dashboard).layer(page(hours(1)).tag(ORDERS)),
        )
        // Changes when the kitchen decides, a few times a day, and is read all day long.
        .route("/menu", get(menu).layer(page(minutes(30)).tag(MENU)))
        // As the menu, but each page names its own category as its tag (see the handler): a new price for a pizza
        // leaves the desserts where they are.
        .route("/menu/{category}", get(category).layer(page(minutes(30))))
        // A ranking of all that was sold moves slowly, so it may live longest. It is made from orders *and* from the
        // menu (names and prices of today): it carries both tags, and goes with a change of either.
        .route(
            "/popular",
            get(popular).layer(page(hours(2)).tags([ORDERS, MENU])),
        )
        // Never cached, and no layer at all: the status changes by the minute without anybody writing to the database,
        // there is nothing to free it by, and somebody who waits for food believes what is on the screen.
        .route("/orders/{id}", get(order))
        .route("/orders", post(place_order).layer(order_limit))
        .route("/menu/items/{id}", post(change_item))
        // What the cache has done since the start, as JSON: hits, misses and why, by route. Not for the public of a real restaurant.
        .route("/stats", get(stats))
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        // What HTTP itself knows of invalidation (RFC 9111 §4.4): a successful unsafe request frees the URI it was sent
        // to. What else a change shows on, only the application knows: see `events`.
        .layer(InvalidationLayer::new(&cache))
        // Hits, misses and time of each request in `X-Cache-Hits` and its like, and a warning for those that take long.
        .layer(MonitorLayer::new(&cache))
        // Who connects is the client: there is no proxy before this restaurant whose word on that would count.
        .layer(ClientIpLayer::new(TrustedProxies::none()))
        .layer(middleware::from_fn(log::requests))
        .with_state(app)
}

#[derive(Clone)]
struct App {
    cache: Cache,
    rules: Invalidation,
    db: Db,
    address: SocketAddr,
    /// How long a GET page pretends to work after its query.
    work: Duration,
}

async fn home(State(app): State<App>, format: Format) -> Response {
    let home = app.menu().await.map(|menu| Home {
        menu,
        address: app.address,
    });
    app.answer(format, home).await
}

async fn dashboard(State(app): State<App>, format: Format) -> Response {
    let dashboard = match app.takings_by_day().await {
        Ok(days) => app.read(|conn| queries::dashboard(conn, days)).await,
        Err(failure) => Err(failure),
    };
    app.answer(format, dashboard).await
}

async fn menu(State(app): State<App>, format: Format) -> Response {
    let menu = app.menu().await;
    app.answer(format, menu).await
}

async fn category(State(app): State<App>, Segment(slug): Segment, format: Format) -> Response {
    let section = match slug.len() {
        // Anybody can make up names. Those that are too long for a category are not looked up.
        ..=LONGEST_SLUG => app.section(&slug).await,
        _ => Err(NO_CATEGORY),
    };
    let tags = CacheTags::new([category_tag(&slug)]);
    (tags, app.answer(format, section).await).into_response()
}

async fn popular(State(app): State<App>, format: Format) -> Response {
    let popular = app.read(queries::popular).await;
    app.answer(format, popular).await
}

async fn order(State(app): State<App>, Segment(id): Segment, format: Format) -> Response {
    const NO_ORDER: Failure = Failure::NotFound("there is no such order");
    let order: Result<Order, _> = match id.parse() {
        Ok(id) => app
            .read(move |conn| queries::order(conn, id))
            .await
            .and_then(|found| found.ok_or(NO_ORDER)),
        Err(_) => Err(NO_ORDER),
    };
    // Said to browsers and to caches in between, too.
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, app.answer(format, order).await).into_response()
}

type AnyForm = Result<Form<Vec<(String, String)>>, FormRejection>;

async fn place_order(State(app): State<App>, format: Format, form: AnyForm) -> Response {
    let placed = match Fields::read(form).and_then(|fields| fields.order()) {
        Ok((item, quantity)) => to_the_end(app.place_order(item, quantity)).await,
        Err(failure) => Err(failure),
    };
    format.see_other(placed.map(order_path))
}

async fn change_item(
    State(app): State<App>,
    Segment(id): Segment,
    format: Format,
    form: AnyForm,
) -> Response {
    let changed = match (
        id.parse(),
        Fields::read(form).and_then(|fields| fields.item()),
    ) {
        (Ok(id), Ok((name, price))) => to_the_end(app.change_item(id, name, price)).await,
        (Err(_), _) => Err(NO_ITEM),
        (_, Err(failure)) => Err(failure),
    };
    format.see_other(changed)
}

async fn stats(State(app): State<App>) -> Response {
    let fields = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "application/json"),
    ];
    (fields, app.cache.stats().to_json()).into_response()
}

async fn no_such_page(format: Format) -> Response {
    format.answer::<Home>(Err(Failure::NotFound("there is no such page")))
}

async fn no_such_method(format: Format) -> Response {
    format.answer::<Home>(Err(Failure::MethodNotAllowed))
}

const NO_ITEM: Failure = Failure::NotFound("there is no such item on the menu");

impl App {
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.db.read(query).await?)
    }

    /// Answers a GET.
    async fn answer<P: Page>(&self, format: Format, page: Result<P, Failure>) -> Response {
        // The wait stands between query and answer: a page that is purged meanwhile holds old data, and must not be
        // stored. `--work` makes that gap wide enough to try it by hand.
        if !self.work.is_zero() {
            tokio::time::sleep(self.work).await;
        }
        format.answer(page)
    }

    async fn place_order(self, item: i64, quantity: i64) -> Result<i64, Failure> {
        let now = db::now();
        let id = self
            .db
            .write(move |tx| queries::place_order(tx, item, quantity, now))
            .await?
            .ok_or_else(|| Failure::Invalid(format!("there is no item {item} on the menu")))?;
        // After the commit, or a page could be made from the old state behind the purge's back; before the answer, so
        // that whoever follows the redirect sees the order everywhere.
        let day = Day::of(now);
        owed(self.rules.emit(OrderPlaced { id, day }).await);
        Ok(id)
    }

    /// Answers the path of the item's category.
    async fn change_item(
        self,
        id: i64,
        name: String,
        price: money::Money,
    ) -> Result<String, Failure> {
        let category = self
            .db
            .write(move |tx| queries::change_item(tx, id, &name, price))
            .await?
            .ok_or(NO_ITEM)?;
        let page = format!("/menu/{}", category.slug);
        let category = category.slug;
        owed(self.rules.emit(ItemChanged { category }).await);
        Ok(page)
    }
}

/// A purge that Redis has not heard of is no reason to refuse a change that is in the database: it is kept and told later, and this process
/// makes its pages itself until then. What the log says is that other processes may show the old state for as long.
fn owed<T>(emitted: Result<T, InvalidationError>) {
    if let Err(error) = emitted {
        match error.undelivered() {
            Some(purge) => store::owes(purge),
            None => log::error(&error),
        }
    }
}

/// Runs a change to its end even if the client goes away: a handler that is dropped between its commit and its purge
/// would leave old pages in the cache.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(change).await?
}

fn main() -> ExitCode {
    process::begin(args::parse(std::env::args().skip(1)), USAGE, run)
}

fn run(args: Args) -> Result<(), AnyError> {
    let server = Server {
        name: "restaurant",
        listen: args.listen,
        db: args.db,
        create: seed::create_and_fill,
    };
    server.run(async |db, address| {
        // The version is part of every key: raise it when the templates change, and pages of the last deploy are not shown
        // by the next one.
        let (cache, limiter) = store::open(args.redis.as_deref())?;
        let cache = cache.namespace("restaurant").version(1).build()?;
        store::check(&cache).await;
        if args.flush_on_start {
            store::flush(&cache).await;
        }
        let app = App {
            rules: events::rules(&cache),
            cache,
            db,
            address,
            work: args.work,
        };
        let routes = routes(app, order_limit(&limiter, args.orders)?);
        Ok(web::signed(routes, args.node))
    })
}
