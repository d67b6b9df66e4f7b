//! An API that nobody can overrun: limits by user, by address, by account and by cost.
//!
//! ```text
//! cargo run --release --example api
//! curl -i 'http://127.0.0.1:3000/search?q=pie' -H 'X-Api-Key: k1'
//! ```
//!
//! Start here: the routes below say for each what is limited, by whom it is counted, and why. `keys` and `accounts` tell who is asking,
//! `limits` where it is counted, `args` the flags; what the examples have in common stands in `examples/shared`. Several processes
//! count together in Redis:
//!
//! ```text
//! cargo run --release --features redis --example api -- --redis redis://127.0.0.1 --nodes 2
//! ```

#[path = "../shared/flags.rs"]
mod flags;
#[path = "../shared/listening.rs"]
mod listening;
#[allow(dead_code, reason = "each example takes what it needs")]
#[path = "../shared/log.rs"]
mod log;
#[path = "../shared/process.rs"]
mod process;

mod accounts;
mod answers;
mod args;
mod catalogue;
mod keys;
mod limits;

use std::{process::ExitCode, time::Duration};

use axum::{
    Form, Router,
    extract::{Query, rejection::FormRejection, rejection::QueryRejection},
    http::StatusCode,
    middleware,
    response::Response,
    routing::{get, post},
};
use larder::{
    Cache, ClientIpLayer, Identify, MIB, MemoryStore, RequestHead, TrustedProxies,
    identity::client_ip,
    limit::{Fields, RateLimitBuilder, form_field},
    minutes,
};

use crate::{
    accounts::Attempt,
    answers::{Failure, found},
    args::{Args, USAGE},
    limits::Limits,
    process::AnyError,
};

const SEARCH: &str = "100/m";
const SIGN_IN_BY_ADDRESS: &str = "5/m";
const SIGN_IN_BY_ACCOUNT: &str = "10/h";
/// Counted in thousands of rows.
const REPORT: &str = "60/m";

/// In rows: a report costs 1 for each of these that it begins.
const PART: u64 = 1_000;
/// The largest report that can be asked for at all. Those beyond [`REPORT`] thousand rows are refused by their cost.
const MOST_ROWS: u64 = 1_000_000;
/// In characters.
const LONGEST_QUERY: usize = 100;

fn routes(limits: &Limits, proxies: TrustedProxies) -> Result<Router, AnyError> {
    // Fields on every answer, so that clients can keep to a quota before they are refused.
    let limit = |name: &'static str| -> RateLimitBuilder {
        limits.limiter.layer(name).fields(Fields::Always)
    };

    // Outside the cache: an answer from the cache counts as any other, since what is sold here are answers. Within it, only those would
    // count that the cache does not have.
    let search = limit("search").quota(limits.quota(SEARCH)?, user_or_address());
    let cache = Cache::builder(MemoryStore::new(8 * MIB)).build()?;

    // By address, so that one machine cannot try passwords, and by account, so that many cannot try those of one. Failures alone count,
    // or whoever signs in often would be locked out. The cost is taken before and given back after a success: no crowd slips through
    // together. Both quotas admit an attempt, or neither is used.
    let sign_ins = limit("sign-in")
        .quota(
            limits.quota(SIGN_IN_BY_ADDRESS)?.name("address"),
            client_ip(),
        )
        .quota(
            limits.quota(SIGN_IN_BY_ACCOUNT)?.name("account"),
            form_field("account"),
        )
        .count_only(|answer| answer.status() == StatusCode::UNAUTHORIZED);

    // By what it costs the server, not by how often it is asked for. What costs more than the quota ever holds is refused at once, and told so.
    let report = limit("report")
        .quota(limits.quota(REPORT)?, user_or_address())
        .cost(cost_of_report);

    Ok(Router::new()
        .route("/", get(about))
        // Of two layers the first is the outer one.
        .route(
            "/search",
            get(found_in_catalogue).layer((search.build()?, cache.page(minutes(1)).shared())),
        )
        .route("/sign-in", post(sign_in).layer(sign_ins.build()?))
        .route("/report", get(make_report).layer(report.build()?))
        .fallback(async || Failure::NOT_FOUND)
        .method_not_allowed_fallback(async || Failure::METHOD_NOT_ALLOWED)
        // Outside every limit. No field of a request is believed unless it comes from a proxy that the flags name: anybody can send
        // `X-Forwarded-For`, and would have a new quota with each.
        .layer(ClientIpLayer::new(proxies))
        .layer(middleware::from_fn(log::requests)))
}

/// Who has a key counts as its holder, wherever it is used. A key that is not known is worth nothing: it counts as none does, by address.
/// Were it believed, every made-up key would come with a quota of its own.
fn user_or_address() -> impl Identify {
    larder::identity::closure("user", keys::holder).or(client_ip())
}

/// In parts of [`PART`] rows. What cannot be read costs as little as anything: the handler refuses it without any work.
fn cost_of_report(request: &RequestHead<'_>) -> u64 {
    let asked = Query::<Rows>::try_from_uri(request.uri);
    asked.map_or(1, |asked| asked.rows.div_ceil(PART).max(1))
}

/// Not limited: whoever is refused elsewhere can read here why.
async fn about() -> Response {
    found(serde_json::json!({
        "GET /search?q=": {
            "answers": "what there is whose name holds the query",
            "limit": format!("{SEARCH} for each user by X-Api-Key, or else for each address"),
            "keys": "k1 to k9; others count as none",
        },
        "POST /sign-in": {
            "form": "account, password",
            "password": format!("{} for any account", accounts::PASSWORD),
            "limit": format!(
                "{SIGN_IN_BY_ADDRESS} failures for each address, and {SIGN_IN_BY_ACCOUNT} for each account"
            ),
        },
        "GET /report?rows=": {
            "answers": "figures made from so many rows",
            "limit": format!("{REPORT} for each user or address; {PART} rows cost 1"),
        },
        "GET /": { "limit": "none" },
    }))
}

#[derive(serde::Deserialize)]
struct Search {
    q: String,
}

async fn found_in_catalogue(
    asked: Result<Query<Search>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Search { q }) = asked.map_err(|_| Failure::invalid("ask as /search?q=pie"))?;
    if q.chars().count() > LONGEST_QUERY {
        return Err(Failure::invalid("the query is longer than 100 characters"));
    }
    let found_there = catalogue::search(&q);
    Ok(found(
        serde_json::json!({ "query": q, "found": found_there }),
    ))
}

async fn sign_in(
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(fields) = form.map_err(|rejection| Failure::unreadable(&rejection))?;
    let account = Attempt::read(&fields)?.account()?;
    Ok(found(
        serde_json::json!({ "account": account, "signed_in": true }),
    ))
}

#[derive(serde::Deserialize)]
struct Rows {
    rows: u64,
}

async fn make_report(asked: Result<Query<Rows>, QueryRejection>) -> Result<Response, Failure> {
    let Query(Rows { rows }) = asked.map_err(|_| Failure::invalid("ask as /report?rows=1000"))?;
    if !(1..=MOST_ROWS).contains(&rows) {
        return Err(Failure::invalid("rows must be a number from 1 to 1000000"));
    }
    // Stands for a query that takes longer the more rows it reads.
    tokio::time::sleep(Duration::from_micros(rows / 10)).await;
    let sum = (1..=rows).fold(0_u64, |sum, row| sum + row * row % 97);
    Ok(found(
        serde_json::json!({ "rows": rows, "cost": rows.div_ceil(PART), "sum": sum }),
    ))
}

fn main() -> ExitCode {
    process::begin(args::parse(std::env::args().skip(1)), USAGE, run)
}

fn run(args: Args) -> Result<(), AnyError> {
    log::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(listening::serve(args.listen, async |_| {
        let limits = Limits::new(args.redis.as_deref(), args.nodes).await?;
        Ok((routes(&limits, args.proxies)?, limits.note))
    }));
    // A report that is still being made is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    log::finish();
    served
}
