//! Which proxies are believed, and in which field they say it.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use ipnet::{AddrParseError, IpNet, Ipv4Net};

use super::address::{ClientIp, Translator};
use super::{chain, walk};

/// The longest prefix that all addresses mapped from IPv4 into IPv6 share.
const MAPPED: u8 = 96;

/// The proxies that say truly who connected to them. Default: [`none`](Self::none).
///
/// Trust only what nobody but a proxy of yours can connect from, and what appends to the field or overwrites it: whoever connects from there
/// may say that it passes on anybody.
///
/// | deployment | |
/// |---|---|
/// | clients connect to this server | `TrustedProxies::none()` |
/// | one load balancer, or several, of known addresses | `"10.0.0.1, 10.0.0.2".parse()?` |
/// | a proxy on this machine, or in a private network of one's own | `TrustedProxies::private_ranges()` |
/// | a content network before a load balancer | `TrustedProxies::private_ranges().also(ranges_of_the_network)?` |
/// | a platform, of which nothing else can connect | `TrustedProxies::any_peer(1)` |
///
/// ```
/// use larder::TrustedProxies;
///
/// let from_text: TrustedProxies = "10.0.0.0/8, 2001:db8::/32, 192.0.2.7".parse()?;
/// let by_forwarded = TrustedProxies::private_ranges().forwarded();
/// # let _ = (from_text, by_forwarded);
/// # Ok::<(), larder::identity::TrustedProxiesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    peers: Peers,
    source: Source,
    reach: Reach,
    translators: Vec<Translator>,
}

#[derive(Clone, Debug)]
enum Peers {
    /// Sorted, and apart from each other.
    Within(Arc<[IpNet]>),
    Anyone,
}

/// The one field that is read.
#[derive(Clone, Debug)]
enum Source {
    XForwardedFor,
    Forwarded,
    Single(HeaderName),
}

/// How far back it is believed.
#[derive(Clone, Copy, Debug)]
enum Reach {
    FirstUntrusted,
    Hops(u8),
}

impl TrustedProxies {
    /// None: the client is whoever connected, and no field is read.
    pub fn none() -> Self {
        Self::of([])
    }

    /// Whatever connects from this machine or from a private network: loopback, RFC 1918, unique local (RFC 4193) and link-local addresses.
    pub fn private_ranges() -> Self {
        let v4 = |octets: [u8; 4], prefix| IpNet::new_assert(octets.into(), prefix);
        let v6 = |first, prefix| {
            IpNet::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0).into(), prefix)
        };
        Self::of([
            v4([127, 0, 0, 0], 8),
            v4([10, 0, 0, 0], 8),
            v4([172, 16, 0, 0], 12),
            v4([192, 168, 0, 0], 16),
            v4([169, 254, 0, 0], 16),
            IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            v6(0xfc00, 7),
            v6(0xfe80, 10),
        ])
    }

    /// Whatever connects from these ranges or addresses; text is [parsed](Self::from_str) instead.
    ///
    /// # Errors
    ///
    /// When together they hold all addresses of IPv4 or of IPv6, which would let every client say who it is.
    pub fn new(ranges: impl IntoIterator<Item: Into<IpNet>>) -> Result<Self, TrustedProxiesError> {
        Self::none().also(ranges)
    }

    /// Whoever connects, where nothing but the platform's own proxies can. The client is so many [`hops`](Self::hops) back: with 1, the one that
    /// the nearest proxy has written down.
    pub fn any_peer(hops: u8) -> Self {
        Self {
            peers: Peers::Anyone,
            ..Self::none().hops(hops)
        }
    }

    /// These too.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn also(
        mut self,
        ranges: impl IntoIterator<Item: Into<IpNet>>,
    ) -> Result<Self, TrustedProxiesError> {
        if let Peers::Within(trusted) = &self.peers {
            let more = ranges.into_iter().map(Into::into);
            let all = merged(trusted.iter().copied().chain(more));
            if let Some(range) = all.iter().find(|range| range.prefix_len() == 0) {
                return Err(TrustedProxiesError::Everybody { range: *range });
            }
            self.peers = Peers::Within(all.into());
        }
        Ok(self)
    }

    /// Takes the member that stands so many places from the right, instead of the first that is no trusted proxy: 1 is what the nearest proxy
    /// wrote, and 0 reads nothing. For proxies whose addresses are not known beforehand, but their number is; a request that came round one
    /// of them can then say what it likes. Where there are fewer members, the client is the peer, who still must be trusted.
    #[must_use]
    pub fn hops(mut self, hops: u8) -> Self {
        self.reach = Reach::Hops(hops);
        self
    }

    /// Reads `X-Forwarded-For`, the default, and no other field.
    #[must_use]
    pub fn x_forwarded_for(mut self) -> Self {
        self.source = Source::XForwardedFor;
        self
    }

    /// Reads `Forwarded` (RFC 7239), and no other field.
    #[must_use]
    pub fn forwarded(mut self) -> Self {
        self.source = Source::Forwarded;
        self
    }

    /// Reads a field in which a proxy writes the client's address alone, such as `X-Real-IP`, and no other field. Where it holds more than one
    /// address, the client is the peer: the proxy that should overwrite it has added to it. [`hops`](Self::hops) mean nothing here.
    #[must_use]
    pub fn field(mut self, name: HeaderName) -> Self {
        self.source = Source::Single(name);
        self
    }

    /// Counts IPv6 addresses of this translator as the IPv4 addresses that stand in them. It is for the client that was found; which proxies
    /// are trusted is decided before. Default: none.
    #[must_use]
    pub fn translator(mut self, translator: Translator) -> Self {
        self.translators.push(translator);
        self
    }

    /// The client of a request that came from `peer`.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientIp {
        let peer = peer.to_canonical();
        let client = match &self.source {
            _ if !self.trusts(peer) => peer,
            Source::XForwardedFor => self.follow(peer, chain::x_forwarded_for(headers)),
            Source::Forwarded => self.follow(peer, chain::forwarded(headers)),
            Source::Single(name) => walk::to_the_only(peer, chain::plain(headers, name)),
        };
        let mut translators = self.translators.iter();
        match translators.find_map(|translator| translator.embedded(client)) {
            Some(embedded) => ClientIp::from(IpAddr::V4(embedded)),
            None => ClientIp::from(client),
        }
    }

    fn follow(&self, peer: IpAddr, chain: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        match self.reach {
            Reach::FirstUntrusted => {
                walk::to_the_first_untrusted(peer, chain, |addr| self.trusts(addr))
            }
            Reach::Hops(hops) => walk::to_hop(peer, chain, hops),
        }
    }

    fn trusts(&self, addr: IpAddr) -> bool {
        match &self.peers {
            Peers::Anyone => true,
            Peers::Within(ranges) => {
                let behind = ranges.partition_point(|range| range.network() <= addr);
                behind > 0 && ranges[behind - 1].contains(&addr)
            }
        }
    }

    fn of(ranges: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            peers: Peers::Within(merged(ranges).into()),
            source: Source::XForwardedFor,
            reach: Reach::FirstUntrusted,
            translators: Vec::new(),
        }
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::none()
    }
}

/// Ranges and addresses, with commas or whitespace between them, as they stand in a setting; an empty text trusts nobody.
impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, TrustedProxiesError> {
        let ranges: Vec<IpNet> = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|range| !range.is_empty())
            .map(range)
            .collect::<Result<_, _>>()?;
        Self::new(ranges)
    }
}

fn range(text: &str) -> Result<IpNet, TrustedProxiesError> {
    let addr = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|source| addr().map_err(|_| source))
        .map_err(|source| TrustedProxiesError::Unreadable {
            text: text.to_owned(),
            source,
        })
}

/// The same addresses in as few ranges, of canonical addresses, sorted.
fn merged(ranges: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    IpNet::aggregate(&ranges.into_iter().map(canonical).collect())
}

/// The same addresses, in the family that [`ClientIp`](super::ClientIp) has them in.
pub(crate) fn canonical(range: IpNet) -> IpNet {
    let mapped = match range {
        IpNet::V6(range) if range.prefix_len() >= MAPPED => range.addr().to_ipv4_mapped(),
        _ => None,
    };
    match mapped {
        Some(addr) => Ipv4Net::new_assert(addr, range.prefix_len() - MAPPED).into(),
        None => range,
    }
}

/// Why [`TrustedProxies`] could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedProxiesError {
    /// A text that is none of either.
    #[error("{text:?} is neither an address nor a range of addresses")]
    Unreadable {
        /// The text.
        text: String,
        /// Why it is no range.
        source: AddrParseError,
    },
    /// A range of all addresses.
    #[error(
        "{range} would trust whoever connects, and so let every client say who it is; \
         where only proxies can connect, `TrustedProxies::any_peer` says so"
    )]
    Everybody {
        /// The range.
        range: IpNet,
    },
}

#[cfg(test)]
#[path = "proxies_tests.rs"]
mod tests;
