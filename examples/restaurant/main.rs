//! A small restaurant on SQLite whose pages are cached by larder.
//!
//! ```text
//! cargo run --release --example restaurant
//! ```
//!
//! Start here: the routes below say for each page how it is cached and why, and the two POST handlers say what a change
//! frees. `db`, `queries` and `seed` are the database, `web` and `pages` the HTML and JSON, `args` the flags.

mod args;
mod db;
mod home;
mod log;
mod money;
mod pages;
mod queries;
mod seed;
mod web;

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use axum::{
    Form, Router,
    extract::{State, rejection::FormRejection},
    http::{HeaderValue, header::CACHE_CONTROL},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use larder::{Cache, CacheTags, InvalidationLayer, MIB, MemoryStore, hours, minutes};
use rusqlite::Connection;
use tokio::net::TcpListener;

use crate::{
    args::{Args, Command, USAGE},
    db::{Db, TempDir},
    home::Home,
    queries::{Dashboard, Menu, Order, Popular},
    web::{Failure, Fields, Format, Segment},
};

/// Whatever is made from orders carries this tag.
const ORDERS: &str = "orders";
/// Whatever is made from menu items of any category carries this tag.
const MENU: &str = "menu";

fn routes(app: App) -> Router {
    let cache = app.cache.clone();

    // `.shared()` everywhere: these pages know no visitors. A request that comes with cookies or credentials may fill
    // the cache and be answered from it, and larder keeps those fields from the handler, so that this stays true.
    Router::new()
        // Greets everybody, so it is asked for most; it changes only with the menu, three items of which it shows.
        // Half an hour is what a change made past this server (by hand, in the database) may take to appear.
        .route(
            "/",
            get(home).layer(cache.page(minutes(30)).tag(MENU).shared()),
        )
        // Goes through every order ever placed: the most expensive page by far, and the one that gains most. A placed
        // order frees it, so an hour is not how old the figures may be; it is how long a quiet hour costs no query.
        .route(
            "/dashboard",
            get(dashboard).layer(cache.page(hours(1)).tag(ORDERS).shared()),
        )
        // Changes when the kitchen decides, a few times a day, and is read all day long.
        .route(
            "/menu",
            get(menu).layer(cache.page(minutes(30)).tag(MENU).shared()),
        )
        // As the menu, but each page names its own category as its tag (see the handler): a new price for a pizza
        // leaves the desserts where they are.
        .route(
            "/menu/{category}",
            get(category).layer(cache.page(minutes(30)).shared()),
        )
        // A ranking of all that was sold moves slowly, so it may live longest. It is made from orders *and* from the
        // menu (names and prices of today): it carries both tags, and goes with a change of either.
        .route(
            "/popular",
            get(popular).layer(cache.page(hours(2)).tags([ORDERS, MENU]).shared()),
        )
        // Never cached, and no layer at all: the status changes by the minute without anybody writing to the database,
        // there is nothing to free it by, and somebody who waits for food believes what is on the screen.
        .route("/orders/{id}", get(order))
        .route("/orders", post(place_order))
        .route("/menu/items/{id}", post(change_item))
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        // What HTTP itself knows of invalidation (RFC 9111 §4.4): a successful unsafe request frees the URI it was sent
        // to. What else a change shows on, only the handlers know: they purge by tag.
        .layer(InvalidationLayer::new(&cache))
        .layer(middleware::from_fn(log::requests))
        .with_state(app)
}

#[derive(Clone)]
struct App {
    cache: Cache,
    db: Db,
    address: SocketAddr,
    /// How long a GET page pretends to work after its query.
    work: Duration,
}

async fn home(State(app): State<App>, format: Format) -> Response {
    let menu = app.query(queries::menu).await;
    format.answer(menu.map(|menu| Home {
        menu,
        address: app.address,
    }))
}

async fn dashboard(State(app): State<App>, format: Format) -> Response {
    let dashboard: Result<Dashboard, _> = app.query(queries::dashboard).await;
    format.answer(dashboard)
}

async fn menu(State(app): State<App>, format: Format) -> Response {
    let menu: Result<Menu, _> = app.query(queries::menu).await;
    format.answer(menu)
}

async fn category(State(app): State<App>, Segment(slug): Segment, format: Format) -> Response {
    let section = app
        .query(move |conn| queries::section(conn, &slug))
        .await
        .and_then(|found| found.ok_or(Failure::NotFound("there is no such category")));
    match section {
        Ok(section) => {
            let tags = CacheTags::new([category_tag(&section.category.slug)]);
            (tags, format.answer(Ok(section))).into_response()
        }
        failure => format.answer(failure),
    }
}

async fn popular(State(app): State<App>, format: Format) -> Response {
    let popular: Result<Popular, _> = app.query(queries::popular).await;
    format.answer(popular)
}

async fn order(State(app): State<App>, Segment(id): Segment, format: Format) -> Response {
    const NO_ORDER: Failure = Failure::NotFound("there is no such order");
    let order: Result<Order, _> = match id.parse() {
        Ok(id) => app
            .query(move |conn| queries::order(conn, id))
            .await
            .and_then(|found| found.ok_or(NO_ORDER)),
        Err(_) => Err(NO_ORDER),
    };
    // Said to browsers and to caches in between, too.
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, format.answer(order)).into_response()
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

async fn no_such_page(format: Format) -> Response {
    format.answer::<Home>(Err(Failure::NotFound("there is no such page")))
}

async fn no_such_method(format: Format) -> Response {
    format.answer::<Home>(Err(Failure::MethodNotAllowed))
}

const NO_ITEM: Failure = Failure::NotFound("there is no such item on the menu");

impl App {
    /// The data of a GET page.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let answer = self.db.read(query).await?;
        // The wait stands between query and answer: a page that is purged meanwhile holds old data, and must not be
        // stored. `--work` makes that gap wide enough to try it by hand.
        if !self.work.is_zero() {
            tokio::time::sleep(self.work).await;
        }
        Ok(answer)
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
        self.cache.purge_tag(ORDERS).await?;
        // Not stored today. It costs nothing to free, and stays right if the page is given a layer one day.
        self.cache.purge_page(&order_path(id)).await?;
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
        let tag = category_tag(&category.slug);
        // The dashboard stays: what was sold keeps the name and the price of its day.
        self.cache.purge_tags([MENU, tag.as_str()]).await?;
        Ok(format!("/menu/{}", category.slug))
    }
}

/// Runs a change to its end even if the client goes away: a handler that is dropped between its commit and its purge
/// would leave old pages in the cache.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(change).await?
}

fn order_path(id: i64) -> String {
    format!("/orders/{id}")
}

fn category_tag(slug: &str) -> String {
    format!("category:{slug}")
}

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Run(args)) => match run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(io::stderr(), format_args!("error: {error}"));
                ExitCode::FAILURE
            }
        },
        Ok(Command::Help) => {
            say(io::stdout(), format_args!("{USAGE}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(io::stderr(), format_args!("error: {error}\n\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn run(args: Args) -> Result<(), AnyError> {
    log::start()?;
    // Dropped last, when nothing has the file open any more, whichever way this function ends.
    let temporary = match args.db {
        Some(_) => None,
        None => Some(TempDir::create()?),
    };
    let path = match (&args.db, &temporary) {
        (Some(path), _) => path.clone(),
        (None, Some(dir)) => dir.database(),
        (None, None) => unreachable!("without --db there is a temporary directory"),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(&args, &path));
    // A query that is still running is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    log::finish();
    drop(temporary);
    served
}

async fn serve(args: &Args, path: &std::path::Path) -> Result<(), AnyError> {
    // Before the first line is printed: who reads it may send a signal at once.
    let stop = stop_signal()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    let address = listener.local_addr()?;
    let db =
        Db::open(path).map_err(|e| format!("cannot use {} as database: {e}", path.display()))?;

    // 64 MiB hold every page of this restaurant many times over. The version is part of every key: raise it when the
    // templates change, and pages of the last deploy are not shown by the next one.
    let cache = Cache::builder(MemoryStore::new(64 * MIB))
        .namespace("restaurant")
        .version(1)
        .build()?;
    let app = routes(App {
        cache,
        db,
        address,
        work: args.work,
    });

    say(io::stdout(), format_args!("listening on http://{address}"));
    log::info(&format!("database: {}; stop with Ctrl-C", path.display()));

    let (stopping, mut stopped) = tokio::sync::watch::channel(());
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        log::info("stopping");
        drop(stopping);
    });
    tokio::select! {
        served = server.into_future() => served?,
        // Requests that are running may end, but not hold up the exit.
        () = async {
            let _ = stopped.changed().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        } => log::info("some requests were still running"),
    }
    Ok(())
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without a handler there is no clean stop; the system then ends the process as it does any other.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Prints a line and flushes it; a closed pipe is no reason to panic.
fn say(mut to: impl Write, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}
