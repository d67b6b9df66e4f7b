//! The flags of the restaurant.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use axum::http::HeaderValue;
use larder::Quota;

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: restaurant [--listen ADDR] [--db PATH] [--work MS] [--redis URL] [--node NAME]
                  [--orders RATE] [--flush-on-start]

  --listen ADDR     where to listen (default 127.0.0.1:3000; port 0 takes a free port and prints it)
  --db PATH         the SQLite file to use; it is created if absent (default: a temporary file, removed at exit)
  --work MS         let every GET page wait this long between query and answer (default 0)
  --redis URL       keep the pages in Redis, and count orders there, for every process on the same URL and file (default: in this process);
                    redis://[user:password@]host[:port][/database]; needs the feature `redis`
  --node NAME       say in the field X-Node of every answer that it comes from this process
  --orders RATE     how many orders one address may place, such as 60/m (the default), 20/5m or 1000/day
  --flush-on-start  free all stored pages before the first request";

/// Said where Redis is asked for and this build has none.
pub(crate) const NEEDS_REDIS: &str = "--redis needs the feature `redis`: \
     cargo run --release --features redis --example restaurant -- --redis URL; \
     start without it to use the memory store: cargo run --release --example restaurant";

/// More than any table orders, and less than a machine that goes wild. Behind one address there may be many tables.
const ORDERS: Quota = Quota::per_minute(NonZeroU32::new(60).unwrap());

/// A longer wait is a mistyped number.
const MAX_WORK_MS: u64 = 600_000;

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    /// `None` asks for a temporary file.
    pub(crate) db: Option<PathBuf>,
    pub(crate) work: Duration,
    /// `None` keeps pages in this process.
    pub(crate) redis: Option<String>,
    pub(crate) node: Option<HeaderValue>,
    /// For one address.
    pub(crate) orders: Quota,
    pub(crate) flush_on_start: bool,
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let mut run = Args {
        listen: LISTEN,
        db: None,
        work: Duration::ZERO,
        redis: None,
        node: None,
        orders: ORDERS,
        flush_on_start: false,
    };
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--listen" => run.listen = flags.address(LISTEN)?,
            "--db" => run.db = Some(PathBuf::from(flags.value()?)),
            "--work" => run.work = work(&flags.value()?)?,
            "--redis" if cfg!(feature = "redis") => run.redis = Some(flags.value()?),
            "--redis" => return Err(ArgsError(NEEDS_REDIS.to_owned())),
            "--node" => run.node = Some(node(&flags.value()?)?),
            "--orders" => run.orders = rate(&flags.value()?)?,
            "--flush-on-start" => run.flush_on_start = true,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(flags.unknown()),
        }
    }
    Ok(Command::Run(run))
}

fn work(value: &str) -> Result<Duration, ArgsError> {
    match value.parse() {
        Ok(ms) if ms <= MAX_WORK_MS => Ok(Duration::from_millis(ms)),
        _ => Err(ArgsError(format!(
            "--work {value:?} is not a number of milliseconds from 0 to {MAX_WORK_MS}"
        ))),
    }
}

fn node(name: &str) -> Result<HeaderValue, ArgsError> {
    let printable = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic());
    HeaderValue::from_str(name)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| {
            ArgsError(format!(
                "--node {name:?} is not a name of at most 64 printable ASCII characters without blanks"
            ))
        })
}

fn rate(value: &str) -> Result<Quota, ArgsError> {
    let rate = value.parse();
    rate.map_err(|error| ArgsError(format!("--orders: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command<Args>, ArgsError> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_read_with_a_blank_or_an_equals_sign() {
        let expected = Args {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            db: Some(PathBuf::from("a=b.db")),
            work: Duration::from_millis(20),
            redis: None,
            node: Some(HeaderValue::from_static("a1")),
            orders: "5/2s".parse().unwrap(),
            flush_on_start: true,
        };
        let line =
            "--listen 127.0.0.1:0 --db=a=b.db --work 20 --node a1 --orders 5/2s --flush-on-start";
        assert_eq!(parse_line(line), Ok(Command::Run(expected)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "--port 1",
            "extra",
            "--listen",
            "--listen nowhere",
            "--db=",
            "--work -1",
            "--work 1s",
            "--work 999999999",
            "--node caf\u{e9}",
            "--node",
            "--orders 0/m",
            "--orders many",
            "--flush-on-start=yes",
            "--redis",
        ] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn redis_is_taken_where_it_is_built_in_and_else_says_how() {
        let parsed = parse_line("--redis redis://127.0.0.1");
        match parsed {
            Ok(Command::Run(args)) if cfg!(feature = "redis") => {
                assert_eq!(args.redis.as_deref(), Some("redis://127.0.0.1"));
            }
            Err(error) if !cfg!(feature = "redis") => {
                assert!(error.0.contains("--features redis"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}
