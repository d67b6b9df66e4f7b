//! The flags of the expenses.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: expenses [--listen ADDR] [--db PATH]

  --listen ADDR  where to listen (default 127.0.0.1:3002; port 0 takes a free port and prints it)
  --db PATH      the SQLite file to use; it is created if absent (default: a temporary file, removed at exit)";

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3002);

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    /// `None` asks for a temporary file.
    pub(crate) db: Option<PathBuf>,
}

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let mut run = Args {
        listen: LISTEN,
        db: None,
    };
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--listen" => run.listen = flags.address(LISTEN)?,
            "--db" => run.db = Some(PathBuf::from(flags.value()?)),
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(flags.unknown()),
        }
    }
    Ok(Command::Run(run))
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
        };
        assert_eq!(
            parse_line("--listen 127.0.0.1:0 --db=a=b.db"),
            Ok(Command::Run(expected))
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "--port 1",
            "extra",
            "--listen",
            "--listen nowhere",
            "--db=",
            "--work 20",
        ] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }
}
