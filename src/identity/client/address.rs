//! An address, and the network that it counts as.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;

/// The client's address, as [`ClientIpLayer`](super::ClientIpLayer) found it.
///
/// It is canonical: an IPv4 address that came mapped into IPv6 is an IPv4 address (RFC 4291 §2.5.5.2), and there is no zone. It is an axum
/// extractor too; a handler that reads it makes an answer for one client, which is then not stored for others.
///
/// ```
/// use larder::ClientIp;
/// use std::net::IpAddr;
///
/// let mapped: IpAddr = "::ffff:192.0.2.7".parse()?;
/// assert_eq!(ClientIp::from(mapped).to_string(), "192.0.2.7");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp {
    addr: IpAddr,
}

impl ClientIp {
    /// The address.
    pub const fn addr(self) -> IpAddr {
        self.addr
    }

    /// The network that it belongs to, by the length of its prefix: what to count by. Usual are 32 and 64, since whoever has one IPv6 address
    /// has the 2⁶⁴ beside it as well; providers hand out 56 and 48.
    ///
    /// ```
    /// use larder::ClientIp;
    /// use std::net::IpAddr;
    ///
    /// let client = ClientIp::from("2001:db8:1:2:3:4:5:6".parse::<IpAddr>()?);
    /// assert_eq!(client.network(32, 64)?.to_string(), "2001:db8:1:2::/64");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a prefix is 0, which is everybody, or longer than the address.
    pub fn network(self, v4_prefix: u8, v6_prefix: u8) -> Result<IpNet, PrefixError> {
        let prefixes = Prefixes::USUAL.with_v4(v4_prefix)?.with_v6(v6_prefix)?;
        Ok(prefixes.network(self))
    }
}

/// The address.
impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

impl From<IpAddr> for ClientIp {
    fn from(addr: IpAddr) -> Self {
        Self {
            addr: addr.to_canonical(),
        }
    }
}

/// How many bits of an address count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    v4: u8,
    v6: u8,
}

impl Prefixes {
    pub(super) const USUAL: Self = Self { v4: 32, v6: 64 };
    pub(super) const FULL: Self = Self { v4: 32, v6: 128 };

    pub(super) fn with_v4(self, v4: u8) -> Result<Self, PrefixError> {
        let v4 = checked(v4, Self::FULL.v4)?;
        Ok(Self { v4, ..self })
    }

    pub(super) fn with_v6(self, v6: u8) -> Result<Self, PrefixError> {
        let v6 = checked(v6, Self::FULL.v6)?;
        Ok(Self { v6, ..self })
    }

    pub(super) fn network(self, client: ClientIp) -> IpNet {
        match client.addr {
            IpAddr::V4(addr) => Ipv4Net::new_assert(addr, self.v4).trunc().into(),
            IpAddr::V6(addr) => Ipv6Net::new_assert(addr, self.v6).trunc().into(),
        }
    }

    /// The same for all addresses that count as one, and told apart from every other, a network of another length included.
    pub(super) fn bytes(self, client: ClientIp) -> SmallVec<[u8; 17]> {
        let network = self.network(client);
        let mut bytes = match network.network() {
            IpAddr::V4(addr) => SmallVec::from_slice(&addr.octets()),
            IpAddr::V6(addr) => SmallVec::from_slice(&addr.octets()),
        };
        bytes.push(network.prefix_len());
        bytes
    }

    pub(super) const fn v4(self) -> u8 {
        self.v4
    }

    pub(super) const fn v6(self) -> u8 {
        self.v6
    }
}

fn checked(prefix: u8, longest: u8) -> Result<u8, PrefixError> {
    match (1..=longest).contains(&prefix) {
        true => Ok(prefix),
        false => Err(PrefixError { prefix, longest }),
    }
}

/// The prefix of a network that is none, or that holds everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prefix of {prefix} bits is not between 1 and {longest}")]
pub struct PrefixError {
    prefix: u8,
    longest: u8,
}

/// A translator that puts IPv4 clients into IPv6 addresses, which the operator knows to stand before the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Translator {
    /// NAT64, `64:ff9b::/96` (RFC 6052 §2.1).
    Nat64,
    /// 6to4, `2002::/16` (RFC 3056 §2).
    SixToFour,
}

impl Translator {
    /// The IPv4 address in an address of this translator, if it is one that both RFCs let stand there: what is private or this very machine
    /// cannot have come through a translator, only be made to look so (RFC 6052 §3.1, RFC 3056 §2).
    pub(super) fn embedded(self, addr: IpAddr) -> Option<Ipv4Addr> {
        let IpAddr::V6(addr) = addr else { return None };
        let embedded = match (self, addr.segments()) {
            (Self::Nat64, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) => from_halves(high, low),
            (Self::SixToFour, [0x2002, high, low, ..]) => from_halves(high, low),
            _ => return None,
        };
        is_global(embedded).then_some(embedded)
    }
}

fn from_halves(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

fn is_global(addr: Ipv4Addr) -> bool {
    let [first, second, ..] = addr.octets();
    let is_of_this_network = first == 0;
    let is_shared = first == 100 && second & 0xc0 == 64;
    !(is_of_this_network
        || is_shared
        || addr.is_private()
        || addr.is_loopback()
        || addr.is_link_local()
        || addr.is_multicast()
        || addr.is_broadcast())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn client(text: &str) -> ClientIp {
        ClientIp::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_address_mapped_into_ipv6_is_the_ipv4_address() {
        assert_eq!(client("::ffff:192.0.2.7"), client("192.0.2.7"));
        assert_eq!(client("::ffff:c000:207"), client("192.0.2.7"));
        assert_ne!(client("::192.0.2.7"), client("192.0.2.7"));
    }

    #[test]
    fn a_network_is_what_its_addresses_share() {
        let table = [
            ("192.0.2.7", 32, 64, "192.0.2.7/32"),
            ("192.0.2.7", 24, 64, "192.0.2.0/24"),
            ("::ffff:192.0.2.7", 24, 64, "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", 32, 64, "2001:db8:1:2::/64"),
            ("2001:db8:1:2ff:3:4:5:6", 32, 56, "2001:db8:1:200::/56"),
            ("2001:db8:1:2::6", 32, 48, "2001:db8:1::/48"),
            ("2001:db8::6", 32, 128, "2001:db8::6/128"),
        ];
        for (addr, v4, v6, network) in table {
            assert_eq!(
                client(addr).network(v4, v6).unwrap().to_string(),
                network,
                "{addr} {v4} {v6}"
            );
        }
    }

    #[test]
    fn a_prefix_that_is_none_or_holds_everybody_is_refused() {
        for (v4, v6) in [(0, 64), (33, 64), (32, 0), (32, 129), (255, 255)] {
            assert!(client("192.0.2.7").network(v4, v6).is_err(), "{v4} {v6}");
        }
        let error = client("::1").network(33, 64).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a prefix of 33 bits is not between 1 and 32"
        );
    }

    #[test]
    fn the_bytes_of_networks_of_different_length_differ() {
        let first_of_its_network = client("2001:db8::");
        assert_ne!(
            Prefixes::USUAL.bytes(first_of_its_network),
            Prefixes::FULL.bytes(first_of_its_network)
        );
        assert_ne!(
            Prefixes::USUAL.bytes(client("::")),
            Prefixes::USUAL.bytes(client("0.0.0.0"))
        );
    }

    #[test]
    fn a_translator_knows_its_own_addresses_alone() {
        use Translator::{Nat64, SixToFour};
        let table = [
            (Nat64, "64:ff9b::c000:207", Some("192.0.2.7")),
            (Nat64, "64:ff9b::192.0.2.7", Some("192.0.2.7")),
            (Nat64, "64:ff9b:1::c000:207", None),
            (Nat64, "64:ff9b::1:c000:207", None),
            (Nat64, "2002:c000:207::1", None),
            (Nat64, "192.0.2.7", None),
            (SixToFour, "2002:c000:207::1", Some("192.0.2.7")),
            (SixToFour, "2002:c000:207:1:2:3:4:5", Some("192.0.2.7")),
            (SixToFour, "2003:c000:207::1", None),
            (SixToFour, "64:ff9b::c000:207", None),
        ];
        for (translator, addr, embedded) in table {
            assert_eq!(
                translator.embedded(addr.parse().unwrap()),
                embedded.map(|addr| addr.parse().unwrap()),
                "{translator:?} {addr}"
            );
        }
    }

    #[test]
    fn no_translator_makes_a_private_address_of_a_foreign_one() {
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            let [a, b, c, d] = private.parse::<Ipv4Addr>().unwrap().octets();
            let low = u16::from_be_bytes([c, d]);
            let high = u16::from_be_bytes([a, b]);
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            let six_to_four = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
            assert_eq!(Translator::Nat64.embedded(nat64.into()), None);
            assert_eq!(Translator::SixToFour.embedded(six_to_four.into()), None);
        }
    }
}
