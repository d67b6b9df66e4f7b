//! The flags of the API.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
};

use larder::TrustedProxies;

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: api [--listen ADDR] [--redis URL] [--nodes N] [--trust-proxy NETWORKS]

  --listen ADDR           where to listen (default 127.0.0.1:3000; port 0 takes a free port and prints it)
  --redis URL             count in Redis, with every process on the same URL (default: in this process);
                          redis://[user:password@]host[:port][/database]; needs the feature `redis`
  --nodes N               how many processes count together: each admits its share while Redis is away (default 1)
  --trust-proxy NETWORKS  believe X-Forwarded-For from these addresses or networks, such as 10.0.0.0/8, 192.0.2.7
                          (default: from none; a client is the address that connects)";

/// Said where Redis is asked for and this build has none.
pub(crate) const NEEDS_REDIS: &str = "--redis needs the feature `redis`: \
     cargo run --release --features redis --example api -- --redis URL";

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    /// `None` counts in this process.
    pub(crate) redis: Option<String>,
    pub(crate) nodes: NonZeroU32,
    pub(crate) proxies: TrustedProxies,
}

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let mut run = Args {
        listen: LISTEN,
        redis: None,
        nodes: NonZeroU32::MIN,
        proxies: TrustedProxies::none(),
    };
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--listen" => run.listen = flags.address(LISTEN)?,
            "--redis" if cfg!(feature = "redis") => run.redis = Some(flags.value()?),
            "--redis" => return Err(ArgsError(NEEDS_REDIS.to_owned())),
            "--nodes" => run.nodes = nodes(&flags.value()?)?,
            "--trust-proxy" => run.proxies = proxies(&flags.value()?)?,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(flags.unknown()),
        }
    }
    Ok(Command::Run(run))
}

fn nodes(value: &str) -> Result<NonZeroU32, ArgsError> {
    value
        .parse()
        .map_err(|_| ArgsError(format!("--nodes {value:?} is not a whole number above 0")))
}

fn proxies(value: &str) -> Result<TrustedProxies, ArgsError> {
    value
        .parse()
        .map_err(|error| ArgsError(format!("--trust-proxy {value:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command<Args>, ArgsError> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_read_with_a_blank_or_an_equals_sign() {
        let line = "--listen 127.0.0.1:0 --nodes=3 --trust-proxy 10.0.0.0/8,::1";
        let Ok(Command::Run(args)) = parse_line(line) else {
            panic!("{line}");
        };
        assert_eq!(args.listen, SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!(args.nodes.get(), 3);
        assert_eq!(args.redis, None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "--port 1",
            "--listen nowhere",
            "--nodes 0",
            "--nodes -1",
            "--nodes",
            "--trust-proxy everybody",
            "--trust-proxy 0.0.0.0/0",
            "--redis",
        ] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn redis_is_taken_where_it_is_built_in_and_else_says_how() {
        match parse_line("--redis redis://127.0.0.1") {
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
