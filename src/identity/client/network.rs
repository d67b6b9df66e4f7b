//! The client's address as an identity.

use super::address::{ClientIp, PrefixError, Prefixes};
use super::layer::Found;
use crate::identity::{Identify, Identity};
use crate::request::RequestHead;

const KIND: &str = "client";

/// Whoever shares the client's network: its IPv4 address, or the /64 of its IPv6 address, since who has one of that network has them all.
///
/// It is an identity of no person: nothing that is private is stored for it. Without a [`ClientIp`] (there is no
/// [`ClientIpLayer`](crate::ClientIpLayer) outside, or it knew no peer) it is anonymous, so that all such requests count as one. To stop a
/// client that hops through the networks of its provider, count by a wider one as well.
///
/// ```
/// use larder::{Identify, identity};
///
/// # #[derive(Clone)]
/// # struct CurrentUser { id: u64 }
/// let by_network = identity::client_ip();
/// let by_provider = identity::client_ip().v6_prefix(48)?;
/// // Who has been verified, or else the network. What nobody has verified must not stand here: it could be another for each request.
/// let by_user_or_network = identity::extension("user", |user: &CurrentUser| user.id.to_be_bytes())
///     .or(identity::client_ip());
/// # let _ = (by_network, by_provider, by_user_or_network);
/// # Ok::<(), larder::identity::PrefixError>(())
/// ```
pub const fn client_ip() -> ClientNetwork {
    ClientNetwork {
        prefixes: Prefixes::USUAL,
    }
}

/// See [`client_ip`].
#[derive(Clone, Copy, Debug)]
pub struct ClientNetwork {
    prefixes: Prefixes,
}

impl ClientNetwork {
    /// How many bits of an IPv4 address count. Default: 32.
    ///
    /// # Errors
    ///
    /// When it is 0, which is everybody, or more than 32.
    pub fn v4_prefix(mut self, bits: u8) -> Result<Self, PrefixError> {
        self.prefixes = self.prefixes.with_v4(bits)?;
        Ok(self)
    }

    /// How many bits of an IPv6 address count. Default: 64.
    ///
    /// # Errors
    ///
    /// When it is 0, which is everybody, or more than 128.
    pub fn v6_prefix(mut self, bits: u8) -> Result<Self, PrefixError> {
        self.prefixes = self.prefixes.with_v6(bits)?;
        Ok(self)
    }
}

impl Identify for ClientNetwork {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        identity(Found::of(request.extensions), self.prefixes)
    }

    fn name(&self) -> String {
        format!("{KIND}/{}/{}", self.prefixes.v4(), self.prefixes.v6())
    }
}

/// What a handler has read that has seen the whole address. A key on the /64 does not hold that: two clients of one network would get the
/// page of the first. For IPv4 it is what [`client_ip`] says.
pub(crate) fn full_address(client: Option<ClientIp>) -> Identity {
    identity(client, Prefixes::FULL)
}

fn identity(client: Option<ClientIp>, prefixes: Prefixes) -> Identity {
    let identity = match client {
        Some(client) => Identity::known(KIND, prefixes.bytes(client)),
        None => Identity::anonymous(KIND),
    };
    identity.of_no_person()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv6Addr};

    use http::Request;

    use super::*;

    fn identified(by: impl Identify, addr: impl Into<IpAddr>) -> Identity {
        let request = Request::builder()
            .extension(Found(Some(ClientIp::from(addr.into()))))
            .body(())
            .unwrap();
        by.identify(&RequestHead::of(&request))
    }

    fn of(by: ClientNetwork, addr: &str) -> Identity {
        identified(by, addr.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_of_ipv4_another() {
        let table = [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ];
        for (one, other, same) in table {
            assert_eq!(
                of(client_ip(), one) == of(client_ip(), other),
                same,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn all_addresses_of_a_64_are_one_and_a_wider_prefix_stops_hopping() {
        let hopping = |network: u16| {
            (0..=u16::MAX).map(move |host| {
                let network = if network == 0 { 0 } else { host };
                Ipv6Addr::new(0x2001, 0xdb8, 1, network, 0, 0, 0, host)
            })
        };
        let count = |by: ClientNetwork, network| {
            hopping(network)
                .map(|addr| identified(by, addr))
                .collect::<HashSet<_>>()
                .len()
        };
        assert_eq!(count(client_ip(), 0), 1);
        assert_eq!(count(client_ip(), 1), 1 << 16);
        assert_eq!(count(client_ip().v6_prefix(56).unwrap(), 1), 1 << 8);
        assert_eq!(count(client_ip().v6_prefix(48).unwrap(), 1), 1);
    }

    #[test]
    fn prefixes_are_part_of_the_name_and_nonsense_is_refused() {
        assert_eq!(client_ip().name(), "client/32/64");
        let wide = client_ip().v4_prefix(24).unwrap().v6_prefix(48).unwrap();
        assert_eq!(wide.name(), "client/24/48");
        assert!(client_ip().v4_prefix(0).is_err());
        assert!(client_ip().v4_prefix(33).is_err());
        assert!(client_ip().v6_prefix(0).is_err());
        assert!(client_ip().v6_prefix(129).is_err());
    }

    #[test]
    fn without_an_address_all_are_one_that_is_nobody() {
        let request = Request::new(());
        let nobody = client_ip().identify(&RequestHead::of(&request));
        assert!(!nobody.is_known() && !nobody.is_unclear() && nobody.is_anonymous());
        assert_ne!(nobody, of(client_ip(), "0.0.0.0"));
        assert_ne!(nobody, of(client_ip(), "::"));
    }

    #[test]
    fn an_address_is_no_person() {
        let client = of(client_ip(), "192.0.2.7");
        assert!(client.is_known() && client.is_anonymous());
    }

    #[cfg(feature = "axum")]
    #[test]
    fn a_key_on_the_network_holds_the_whole_address_of_ipv4_alone() {
        let full = |addr: &str| full_address(Some(ClientIp::from(addr.parse::<IpAddr>().unwrap())));
        assert_eq!(of(client_ip(), "192.0.2.7"), full("192.0.2.7"));
        // The first address of a network has the bytes of the network.
        for addr in ["2001:db8::1", "2001:db8::"] {
            assert!(!of(client_ip(), addr).covers(&full(addr)), "{addr}");
            let whole = client_ip().v6_prefix(128).unwrap();
            assert!(of(whole, addr).covers(&full(addr)), "{addr}");
        }
        let wide = client_ip().v4_prefix(24).unwrap();
        assert!(!of(wide, "192.0.2.0").covers(&full("192.0.2.0")));
    }
}
