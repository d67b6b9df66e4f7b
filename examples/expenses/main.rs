//! What each user has spent: a dashboard per user on SQLite, cached by larder.
//!
//! ```text
//! cargo run --release --example expenses    # then open http://127.0.0.1:3002
//!
//! request ─► never cache ─► guard ─┬─ nobody ─► 303 to the sign-in form
//!            (for browsers)        └─ a user ─► page, one for each user ─┬─ fresh ─► the user's stored page
//!                                                                        └─ else ──► dashboard ─► six queries
//! ```
//!
//! Start here: the routes below say what is cached for whom, and [`App::add_expense`] says what a change frees. `session` tells who is
//! signed in, `queries` and `schema` are the database, `web` the forms and `pages` the HTML; what the examples have in common stands in
//! `examples/shared`.
//!
//! # A page for each user, step by step
//!
//! 1. **Say who is asking, once**: `.user(identity::extension(…))` on the cache. The session's middleware puts a [`CurrentUser`] into the
//!    request's extensions, and the user's number is what tells one from another. Not the session's cookie: all sessions of a user share
//!    one page, and a forged cookie is nobody's.
//! 2. **Keep one page for each**: `.vary_on_user()` on the route. The user is a part of the key, so there is no request by which one user
//!    could be answered with another's page.
//! 3. **Ask for the user where the page is made**: [`Personal`] in the handler marks the answer as one person's. Were step 2 forgotten, the
//!    page would not be stored at all: slow, but nobody else's.
//! 4. **Guard outside, cache inside**: whatever may refuse a request stands outside of the page layer, since a hit does not run what is
//!    inside of it. So a session that has ended gets nothing, however fresh the page is.
//! 5. **Free the page when its data change**: it carries the tag `user:ID`, and adding an expense frees that tag after the commit. The
//!    pages of others stay.
//! 6. **Keep it out of browsers**: the page is stored here, where it can be freed. The browser is told `no-store` by a layer outside of the
//!    page layer, so that after signing out the back button shows nothing.
//!
//! # Try it
//!
//! ```text
//! curl -s -c ann -d user=ann http://127.0.0.1:3002/sign-in
//! curl -s -c bob -d user=bob http://127.0.0.1:3002/sign-in
//! curl -sD- -o /dev/null -b ann http://127.0.0.1:3002/dashboard   # cache-status: larder; fwd=uri-miss; stored
//! curl -sD- -o /dev/null -b bob http://127.0.0.1:3002/dashboard   # a miss, too: Bob has a page of his own
//! curl -sD- -o /dev/null -b ann http://127.0.0.1:3002/dashboard   # cache-status: larder; hit; ttl=…
//! curl -s -b ann -d amount=12.50 -d category=food -d description=pears http://127.0.0.1:3002/expenses
//! curl -sD- -o /dev/null -b ann http://127.0.0.1:3002/dashboard   # a miss: the expense has freed it
//! curl -sD- -o /dev/null -b bob http://127.0.0.1:3002/dashboard   # a hit: Bob's has nothing to do with it
//! ```
//!
//! # What to know before copying it
//!
//! * Signing in asks for no password, and its cookie goes over plain HTTP. The rest is meant seriously: tokens from the system's random
//!   bytes, stored as digests; `HttpOnly`, `SameSite=Lax`; forms of other sites are refused.
//! * A hit costs one look-up: that of the session.
//! * A stored page is seen by every session of its user. Nothing of one session, such as a token against forged forms, may stand in it.

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
#[path = "../shared/server.rs"]
mod server;

mod args;
mod pages;
mod queries;
mod schema;
mod session;
mod web;

use std::process::ExitCode;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, header::SET_COOKIE},
    middleware,
    response::{Html, IntoResponse, Redirect},
    routing::{get, post},
};
use larder::{
    Anonymous, Cache, CacheControlLayer, CacheLayer, CacheTags, MIB, MemoryStore,
    extract::Personal, hours, identity, minutes,
};

use crate::{
    args::{Args, USAGE},
    db::Db,
    process::AnyError,
    queries::NewExpense,
    server::Server,
    session::{CurrentUser, Token},
    web::{AnyForm, Failure, Fields},
};

/// No form of this example is longer.
const MAX_FORM: usize = 16 << 10;

fn cache() -> Result<Cache, AnyError> {
    // The version is part of every key: raise it when the templates change, and pages of the last deploy are not shown by the next one.
    let cache = Cache::builder(MemoryStore::new(64 * MIB))
        .namespace("expenses")
        .version(1)
        .user(identity::extension("user", |user: &CurrentUser| {
            user.id.to_be_bytes()
        }))
        .build()?;
    Ok(cache)
}

/// One page for each user. A quarter of an hour is not how late an expense may appear, for adding one frees the page; it is how long after
/// midnight of the last day "this month" may still be the old one.
fn dashboard_layer(cache: &Cache) -> Result<CacheLayer, AnyError> {
    // Nobody gets past the guard; were the guard forgotten, there would be no page that all who are not signed in share.
    let page = cache.page(minutes(15)).anonymous(Anonymous::Bypass);
    Ok(page.vary_on_user()?)
}

fn routes(app: App) -> Result<Router, AnyError> {
    let cache = app.cache.clone();

    // Every route in here is of a user who is signed in: the guard is outside of the page layer, so it is asked before the cache is.
    let of_user = Router::new()
        .route("/dashboard", get(dashboard).layer(dashboard_layer(&cache)?))
        .route("/expenses", post(add_expense))
        .route_layer(middleware::from_fn_with_state(app.clone(), session::guard))
        // For browsers and whatever is between them and here: they keep nothing. It stands outside of the page layer, which would not store
        // what says `no-store`.
        .route_layer(CacheControlLayer::never_cache());

    Ok(Router::new()
        // The same for everybody, also for who is signed in: stored once.
        .route("/", get(front).layer(cache.page(hours(1)).shared()))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .merge(of_user)
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        // No `InvalidationLayer` here. An unsafe request that succeeds would free the page its answer leads to (RFC 9111 §4.4), and all of
        // these lead to `/dashboard`: whoever adds an expense would free the dashboards of all.
        .layer(middleware::from_fn(web::same_origin))
        .layer(middleware::from_fn(log::requests))
        .with_state(app))
}

#[derive(Clone)]
struct App {
    cache: Cache,
    db: Db,
}

async fn front() -> Html<String> {
    Html(pages::front().into_string())
}

async fn dashboard(
    State(app): State<App>,
    Personal(Extension(user)): Personal<Extension<CurrentUser>>,
) -> Result<impl IntoResponse, Failure> {
    let id = user.id;
    let dashboard = app
        .db
        .read(move |conn| queries::dashboard(conn, id, db::now()))
        .await?;
    let page = pages::dashboard(&user, &dashboard);
    Ok((CacheTags::new([user_tag(id)]), Html(page.into_string())))
}

async fn add_expense(
    State(app): State<App>,
    Extension(user): Extension<CurrentUser>,
    form: AnyForm,
) -> Result<Redirect, Failure> {
    let expense = Fields::read(form)?.expense()?;
    to_the_end(app.add_expense(user.id, expense)).await?;
    Ok(Redirect::to("/dashboard"))
}

async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    form: AnyForm,
) -> Result<impl IntoResponse, Failure> {
    let name = Fields::read(form)?.user()?;
    // A new token each time: one that somebody else has put into this browser becomes nobody's.
    let (token, before) = (Token::random()?, Token::of(&headers));
    let digest = token.digest();
    app.db
        .write(move |tx| {
            if let Some(before) = before {
                queries::sign_out(tx, &before.digest())?;
            }
            queries::sign_in(tx, &name, &digest, db::now())
        })
        .await?;
    Ok(([(SET_COOKIE, token.cookie())], Redirect::to("/dashboard")))
}

/// The user's page stays stored. Nobody gets it without a session of that user, and the next one begins with a hit.
async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    if let Some(token) = Token::of(&headers) {
        app.db
            .write(move |tx| queries::sign_out(tx, &token.digest()))
            .await?;
    }
    Ok(([(SET_COOKIE, session::no_cookie())], Redirect::to("/")))
}

async fn no_such_page() -> Failure {
    Failure::NotFound
}

async fn no_such_method() -> Failure {
    Failure::MethodNotAllowed
}

impl App {
    async fn add_expense(self, user: i64, expense: NewExpense) -> Result<(), Failure> {
        self.db
            .write(move |tx| queries::add_expense(tx, user, &expense, db::now()))
            .await?;
        // After the commit, or a page could be made from the old state behind the purge's back; before the answer, so that whoever follows
        // the redirect sees the expense.
        self.cache.purge_tag(&user_tag(user)).await?;
        Ok(())
    }
}

/// Whatever is made from what this user spent carries this tag.
fn user_tag(user: i64) -> String {
    format!("user:{user}")
}

/// Runs a change to its end even if the client goes away: a handler that is dropped between its commit and its purge would leave an old
/// page in the cache.
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
        name: "expenses",
        listen: args.listen,
        db: args.db,
        create: schema::create,
    };
    server.run(async |db, _| {
        let cache = cache()?;
        routes(App { cache, db })
    })
}
