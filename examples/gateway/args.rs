//! The flags of the gateway.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::http::{Uri, uri::Scheme};

use crate::flags::{ArgsError, Command, Flags};

pub(crate) const USAGE: &str = "\
usage: gateway --origin URL [--listen ADDR] [--memory MIB] [--timeout SECONDS] [--quiet]

  --origin URL       the server behind the cache, as http://127.0.0.1:8080
  --listen ADDR      where to listen (default 127.0.0.1:3001; port 0 takes a free port and prints it)
  --memory MIB       how much may be stored (default 64)
  --timeout SECONDS  how long the origin may be silent, before an answer or within one (default 30)
  --quiet            no line per request";

/// More is a mistyped number.
const MAX_MEMORY_MIB: usize = 1 << 20;
const MAX_TIMEOUT: u64 = 3600;

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) origin: Origin,
    pub(crate) listen: SocketAddr,
    pub(crate) memory_mib: usize,
    pub(crate) timeout: Duration,
    pub(crate) quiet: bool,
}

/// Where requests are forwarded to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    /// For the resolver: an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// For `Host`, when a client has sent none.
    pub(crate) authority: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);

/// The last of two equal flags wins.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command<Args>, ArgsError> {
    let (mut origin, mut listen) = (None, LISTEN);
    let (mut memory_mib, mut timeout, mut quiet) = (64, Duration::from_secs(30), false);
    let mut flags = Flags::new(args);
    while let Some(flag) = flags.next_flag()? {
        match flag.as_str() {
            "--origin" => origin = Some(origin_of(&flags.value()?)?),
            "--listen" => listen = flags.address(LISTEN)?,
            "--memory" => {
                let mib = number(&flag, &flags.value()?, "MiB", MAX_MEMORY_MIB as u64)?;
                memory_mib = usize::try_from(mib).expect("the limit is a usize");
            }
            "--timeout" => {
                timeout =
                    Duration::from_secs(number(&flag, &flags.value()?, "seconds", MAX_TIMEOUT)?);
            }
            "--quiet" => quiet = true,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(flags.unknown()),
        }
    }
    let origin = origin.ok_or_else(|| {
        ArgsError("--origin is missing; write it as --origin http://127.0.0.1:8080".to_owned())
    })?;
    Ok(Command::Run(Args {
        origin,
        listen,
        memory_mib,
        timeout,
        quiet,
    }))
}

fn origin_of(value: &str) -> Result<Origin, ArgsError> {
    let refuse = |why: &str| Err(ArgsError(format!("--origin {value:?}: {why}")));
    let malformed = "this is not an address; write it as http://127.0.0.1:8080";
    let Ok(uri) = value.parse::<Uri>() else {
        return refuse(malformed);
    };
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            return refuse("this example speaks plain http to its origin");
        }
        _ => return refuse(malformed),
    }
    let Some(authority) = uri.authority() else {
        return refuse(malformed);
    };
    if authority.as_str().contains('@') {
        return refuse("an origin has no user name or password");
    }
    // `http://host:` and `http://host:99999` have no port that is a number.
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.as_str() == authority.host() => 80,
        None => return refuse("the port is not a number up to 65535"),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || value.contains('#') {
        return refuse("an origin has no path; each request brings its own");
    }
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok(Origin {
        host: bare.unwrap_or(host).to_owned(),
        port,
        authority: authority.as_str().to_owned(),
    })
}

fn number(flag: &str, value: &str, unit: &str, most: u64) -> Result<u64, ArgsError> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(ArgsError(format!(
            "{flag} {value:?} is not a number of {unit} from 1 to {most}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command<Args>, ArgsError> {
        parse(line.split_whitespace().map(String::from))
    }

    fn refused(line: &str) -> String {
        parse_line(line).expect_err(line).to_string()
    }

    #[test]
    fn flags_are_read_with_a_blank_or_an_equals_sign() {
        let expected = Args {
            origin: Origin {
                host: "::1".to_owned(),
                port: 8080,
                authority: "[::1]:8080".to_owned(),
            },
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            memory_mib: 8,
            timeout: Duration::from_secs(2),
            quiet: true,
        };
        let line =
            "--origin=http://[::1]:8080/ --listen 127.0.0.1:0 --memory=8 --timeout 2 --quiet";
        assert_eq!(parse_line(line), Ok(Command::Run(expected)));
    }

    #[test]
    fn an_origin_without_a_port_listens_on_80() {
        let origin = origin_of("http://shop.example").expect("it is an origin");
        assert_eq!((origin.host.as_str(), origin.port), ("shop.example", 80));
    }

    #[test]
    fn an_origin_is_refused_with_its_reason() {
        for (origin, why) in [
            ("https://shop.example", "plain http"),
            ("http://shop.example/base", "no path"),
            ("http://shop.example/?a", "no path"),
            ("http://shop.example/#a", "no path"),
            ("http://me:secret@shop.example", "no user name"),
            ("http://shop.example:99999", "port"),
            ("http://shop.example:", "port"),
            ("ftp://shop.example", "not an address"),
            ("shop.example:8080", "not an address"),
            ("http://", "not an address"),
            ("/path", "not an address"),
        ] {
            let said = refused(&format!("--origin {origin}"));
            assert!(said.contains(why), "{origin}: {said}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for flags in [
            "--port 1",
            "extra",
            "--listen",
            "--listen nowhere",
            "--memory 0",
            "--memory 1GiB",
            "--timeout 0",
            "--timeout 1.5",
            "--timeout 999999",
            "--quiet=yes",
        ] {
            refused(&format!("--origin http://a {flags}"));
        }
        assert!(refused("--quiet").contains("--origin is missing"));
    }
}
