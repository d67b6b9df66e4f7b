//! The flags of the restaurant.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: restaurant [--listen ADDR] [--db PATH] [--work MS]

  --listen ADDR  where to listen (default 127.0.0.1:3000; port 0 takes a free port and prints it)
  --db PATH      the SQLite file to use; it is created if absent (default: a temporary file, removed at exit)
  --work MS      let every GET page wait this long between query and answer (default 0)";

/// A longer wait is a mistyped number.
const MAX_WORK_MS: u64 = 600_000;

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    /// `None` asks for a temporary file.
    pub(crate) db: Option<PathBuf>,
    pub(crate) work: Duration,
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let mut run = Args {
        listen: LISTEN,
        db: None,
        work: Duration::ZERO,
    };
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--listen" => run.listen = flags.address(LISTEN)?,
            "--db" => run.db = Some(PathBuf::from(flags.value()?)),
            "--work" => run.work = work(&flags.value()?)?,
            "--redis" => {
                return Err(ArgsError(
                    "--redis is not available: storing pages in Redis arrives with feature `redis` in a later release; \
                     start without it to use the memory store: cargo run --release --example restaurant"
                        .to_owned(),
                ));
            }
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
        };
        let line = "--listen 127.0.0.1:0 --db=a=b.db --work 20";
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
            "--redis redis://127.0.0.1",
        ] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }
}
