//! The flags of the catalog.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use larder::Quota;

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: catalog [--listen ADDR] [--db PATH] [--work MS] [--redis URL] [--calls RATE] [--updates RATE] [--flush-on-start]
       catalog --client ADDR [--cache] [--until-refused]

  --listen ADDR     where to listen, for gRPC and for pages (default 127.0.0.1:3000; port 0 takes a free port and prints it)
  --db PATH         the SQLite file to use, such as that of a running restaurant; it is created if absent
                    (default: a temporary file, removed at exit)
  --work MS         let every read wait this long between query and answer (default 0)
  --redis URL       keep the answers in Redis, and count calls there, for every process on the same URL and file, the restaurant's
                    among them (default: in this process); redis://[user:password@]host[:port][/database]; needs the feature `redis`
  --calls RATE      how many calls one address may make, such as 1000/s (the default)
  --updates RATE    how many items one address may change, such as 60/m (the default), 20/5m or 1000/day
  --flush-on-start  free all stored answers before the first call

  --client ADDR     call the catalog that listens there, and print for each call what came and whether it was a hit
  --cache           keep answers in the client, too: a hit there does not leave the process
  --until-refused   change an item until the limit refuses it, and print what it is told";

/// Said where Redis is asked for and this build has none.
pub(crate) const NEEDS_REDIS: &str = "--redis needs the feature `redis`: \
     cargo run --release --features tonic,redis --example catalog -- --redis URL; \
     start without it to use the memory store: cargo run --release --features tonic --example catalog";

/// More than a program needs that uses what it has been given, and less than one that asks in a loop.
const CALLS: Quota = Quota::per_second(NonZeroU32::new(1_000).unwrap());

/// Each of them is a write, and frees what others have made.
const UPDATES: Quota = Quota::per_minute(NonZeroU32::new(60).unwrap());

/// A longer wait is a mistyped number.
const MAX_WORK_MS: u64 = 600_000;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

#[derive(Debug, PartialEq)]
pub(crate) enum Args {
    Serve(Box<Serve>),
    Call(Call),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Serve {
    pub(crate) listen: SocketAddr,
    /// `None` asks for a temporary file.
    pub(crate) db: Option<PathBuf>,
    pub(crate) work: Duration,
    /// `None` keeps answers in this process.
    pub(crate) redis: Option<String>,
    /// For one address.
    pub(crate) calls: Quota,
    /// For one address.
    pub(crate) updates: Quota,
    pub(crate) flush_on_start: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) address: SocketAddr,
    pub(crate) cache: bool,
    pub(crate) until_refused: bool,
}

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let mut serve = Serve {
        listen: LISTEN,
        db: None,
        work: Duration::ZERO,
        redis: None,
        calls: CALLS,
        updates: UPDATES,
        flush_on_start: false,
    };
    let (mut client, mut cache, mut until_refused) = (None, false, false);
    // The first flag of each side: they do not go together.
    let (mut servers, mut clients) = (None, None);
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--listen" => serve.listen = flags.address(LISTEN)?,
            "--db" => serve.db = Some(PathBuf::from(flags.value()?)),
            "--work" => serve.work = work(&flags.value()?)?,
            "--redis" if cfg!(feature = "redis") => serve.redis = Some(flags.value()?),
            "--redis" => return Err(ArgsError(NEEDS_REDIS.to_owned())),
            "--calls" | "--updates" => {
                let rate = rate(&flag, &flags.value()?)?;
                match flag.as_str() {
                    "--calls" => serve.calls = rate,
                    _ => serve.updates = rate,
                }
            }
            "--flush-on-start" => serve.flush_on_start = true,
            "--client" => client = Some(flags.address(LISTEN)?),
            "--cache" => cache = true,
            "--until-refused" => until_refused = true,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(flags.unknown()),
        }
        match flag.as_str() {
            "--client" | "--cache" | "--until-refused" => clients.get_or_insert(flag),
            _ => servers.get_or_insert(flag),
        };
    }
    match (client, servers, clients) {
        (None, _, None) => Ok(Command::Run(Args::Serve(Box::new(serve)))),
        (None, _, Some(flag)) => Err(ArgsError(format!("{flag} needs --client"))),
        (Some(_), Some(flag), _) => Err(ArgsError(format!("{flag} does not go with --client"))),
        (Some(address), None, _) => Ok(Command::Run(Args::Call(Call {
            address,
            cache,
            until_refused,
        }))),
    }
}

fn work(value: &str) -> Result<Duration, ArgsError> {
    match value.parse() {
        Ok(ms) if ms <= MAX_WORK_MS => Ok(Duration::from_millis(ms)),
        _ => Err(ArgsError(format!(
            "--work {value:?} is not a number of milliseconds from 0 to {MAX_WORK_MS}"
        ))),
    }
}

fn rate(flag: &str, value: &str) -> Result<Quota, ArgsError> {
    let rate = value.parse();
    rate.map_err(|error| ArgsError(format!("{flag}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command<Args>, ArgsError> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_read_with_a_blank_or_an_equals_sign() {
        let expected = Serve {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            db: Some(PathBuf::from("a=b.db")),
            work: Duration::from_millis(20),
            redis: None,
            calls: "7/s".parse().unwrap(),
            updates: "5/2s".parse().unwrap(),
            flush_on_start: true,
        };
        let line = "--listen 127.0.0.1:0 --db=a=b.db --work 20 --calls 7/s --updates=5/2s --flush-on-start";
        assert_eq!(
            parse_line(line),
            Ok(Command::Run(Args::Serve(Box::new(expected))))
        );
    }

    #[test]
    fn a_client_calls_and_does_not_serve() {
        let expected = Call {
            address: SocketAddr::from(([127, 0, 0, 1], 4000)),
            cache: true,
            until_refused: false,
        };
        let line = "--cache --client 127.0.0.1:4000";
        assert_eq!(parse_line(line), Ok(Command::Run(Args::Call(expected))));
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
            "--work 999999999",
            "--calls 0/m",
            "--updates many",
            "--flush-on-start=yes",
            "--redis",
            "--cache",
            "--until-refused",
            "--client",
            "--client nowhere",
            "--client 127.0.0.1:1 --db menu.db",
            "--listen 127.0.0.1:1 --client 127.0.0.1:1",
        ] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn redis_is_taken_where_it_is_built_in_and_else_says_how() {
        match parse_line("--redis redis://127.0.0.1") {
            Ok(Command::Run(Args::Serve(args))) if cfg!(feature = "redis") => {
                assert_eq!(args.redis.as_deref(), Some("redis://127.0.0.1"));
            }
            Err(error) if !cfg!(feature = "redis") => {
                assert!(error.0.contains("--features tonic,redis"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}
