//! How a proxy writes down an address: by RFC 7239 §6, and by the looser habit of `X-Forwarded-For`.

use std::net::{IpAddr, Ipv6Addr};

/// The address of a node (RFC 7239 §6): IPv4, or IPv6 in brackets, either with a port, which is left out. `None` is one that has no address,
/// since it is `unknown` or hidden behind a name of its own, or that is no node.
pub(super) fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (addr, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (addr, port) = rest.split_once(']')?;
            (IpAddr::V6(v6(addr)?), port)
        }
        None => {
            let (addr, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (IpAddr::V4(addr.parse().ok()?), port)
        }
    };
    is_port_or_nothing(port).then(|| addr.to_canonical())
}

/// The address of a member of `X-Forwarded-For` or of a vendor's field: a node, or bare IPv6.
pub(super) fn loose(text: &[u8]) -> Option<IpAddr> {
    let bare = || v6(std::str::from_utf8(text).ok()?);
    match bare() {
        Some(addr) => Some(IpAddr::V6(addr).to_canonical()),
        None => node(text),
    }
}

/// RFC 7239 has no zones, but there are stacks that write them. They say nothing to another machine (RFC 4007 §6).
fn v6(text: &str) -> Option<Ipv6Addr> {
    let addr = match text.split_once('%') {
        Some((addr, zone)) if is_zone(zone) => addr,
        Some(_) => return None,
        None => text,
    };
    addr.parse().ok()
}

fn is_zone(zone: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    !zone.is_empty() && zone.bytes().all(allowed)
}

fn is_port_or_nothing(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| is_number(port) || is_hidden(port))
}

fn is_number(port: &str) -> bool {
    (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name that a proxy made up (RFC 7239 §6.3).
fn is_hidden(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.strip_prefix('_')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addr(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_form_of_a_node_is_read_without_its_port() {
        let table = [
            ("192.0.2.43", addr("192.0.2.43")),
            ("192.0.2.43:47011", addr("192.0.2.43")),
            ("192.0.2.43:_gazonk", addr("192.0.2.43")),
            ("[2001:db8:cafe::17]", addr("2001:db8:cafe::17")),
            ("[2001:db8:cafe::17]:47011", addr("2001:db8:cafe::17")),
            ("[2001:db8:cafe::17]:_a.b-c_", addr("2001:db8:cafe::17")),
            ("[2001:DB8::1]", addr("2001:db8::1")),
            ("unknown", None),
            ("unknown:80", None),
            ("_hidden", None),
            ("_hidden:80", None),
            ("_SEVKISEK", None),
        ];
        for (text, expected) in table {
            assert_eq!(node(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4_and_zones_are_dropped() {
        let table = [
            ("[::ffff:192.0.2.43]", addr("192.0.2.43")),
            ("[::ffff:c000:22b]:80", addr("192.0.2.43")),
            ("[fe80::1%eth0]", addr("fe80::1")),
            ("[fe80::1%25eth0]:80", addr("fe80::1")),
        ];
        for (text, expected) in table {
            assert_eq!(node(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(loose(b"fe80::1%eth0"), loose(b"fe80::1%25en1"));
        assert_eq!(loose(b"::ffff:192.0.2.43"), addr("192.0.2.43"));
    }

    #[test]
    fn what_is_no_node_has_no_address() {
        for text in [
            "",
            " 192.0.2.43",
            "192.0.2.43 ",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.043",
            "0xc000022b",
            "3221226027",
            "192.0.2.43:",
            "192.0.2.43:123456",
            "192.0.2.43:8o",
            "192.0.2.43:_",
            "192.0.2.43:80:80",
            "192.0.2.43/24",
            "2001:db8::1",
            "[2001:db8::1",
            "2001:db8::1]",
            "[]",
            "[192.0.2.43]",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "[2001:db8::1]]",
            "[2001:db8::g]",
            "[fe80::1%]",
            "[fe80::1%a b]",
            "localhost",
            "1.1.1.1.example",
        ] {
            assert_eq!(node(text.as_bytes()), None, "{text}");
        }
        assert_eq!(node(b"192.0.2.43\xff"), None);
    }

    #[test]
    fn x_forwarded_for_may_hold_bare_ipv6_too() {
        let table = [
            ("192.0.2.43", addr("192.0.2.43")),
            ("192.0.2.43:47011", addr("192.0.2.43")),
            ("2001:db8::1", addr("2001:db8::1")),
            ("[2001:db8::1]", addr("2001:db8::1")),
            ("[2001:db8::1]:443", addr("2001:db8::1")),
            // Not a port: without brackets it is the last group.
            ("2001:db8::1:443", addr("2001:db8::1:443")),
            ("\"[2001:db8::1]\"", None),
            ("unix:", None),
            ("unknown", None),
            ("-", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(loose(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_address_is_read_back(addr in any::<IpAddr>(), port in any::<u16>()) {
            let alone = addr.to_string();
            let with_port = std::net::SocketAddr::new(addr, port).to_string();
            let canonical = Some(addr.to_canonical());
            prop_assert_eq!(loose(alone.as_bytes()), canonical);
            prop_assert_eq!(loose(with_port.as_bytes()), canonical);
            prop_assert_eq!(node(with_port.as_bytes()), canonical);
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (node(&bytes), loose(&bytes));
        }
    }
}
