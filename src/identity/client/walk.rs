//! How far back what proxies say is believed (RFC 7239 §8.1).
//!
//! A chain is what they said, the nearest first. Each of these ends at the peer or at an address that a trusted proxy wrote down.

use std::net::IpAddr;

/// From one trusted proxy to the one before it, and on to the first address that is none. What cannot be read ends the walk, at the last
/// trusted proxy; and so does the end of the chain.
pub(super) fn to_the_first_untrusted(
    peer: IpAddr,
    mut chain: impl Iterator<Item = Option<IpAddr>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut hop = peer;
    // Only a trusted proxy is asked whom it passed on.
    while is_trusted(hop) {
        match chain.next() {
            Some(Some(before)) => hop = before,
            Some(None) | None => break,
        }
    }
    hop
}

/// So many hops back. A chain that is shorter came round a proxy, so nothing that it says is believed.
pub(super) fn to_hop(
    peer: IpAddr,
    mut chain: impl Iterator<Item = Option<IpAddr>>,
    hops: u8,
) -> IpAddr {
    let mut hop = peer;
    for _ in 0..hops {
        match chain.next() {
            Some(Some(before)) => hop = before,
            Some(None) => break,
            None => return peer,
        }
    }
    hop
}

/// To the one address that a field of a single address holds. One that holds several has been added to, so which is whose cannot be told.
pub(super) fn to_the_only(peer: IpAddr, mut chain: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
    match (chain.next(), chain.next()) {
        (Some(Some(client)), None) => client,
        _ => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pN` is a trusted proxy, `cN` is none, `-` cannot be read. The chain is written as the field is: the nearest last.
    fn addr(name: &str) -> IpAddr {
        let (kind, number) = name.split_at(1);
        let first = if kind == "p" { 10 } else { 192 };
        IpAddr::from([first, 0, 2, number.parse().unwrap()])
    }

    fn chain(text: &str) -> impl Iterator<Item = Option<IpAddr>> {
        text.split_whitespace()
            .rev()
            .map(|name| (name != "-").then(|| addr(name)))
    }

    fn is_trusted(addr: IpAddr) -> bool {
        matches!(addr, IpAddr::V4(addr) if addr.octets()[0] == 10)
    }

    #[test]
    fn the_walk_ends_at_the_first_that_is_not_trusted() {
        let table = [
            // peer, chain, client
            ("c1", "", "c1"),
            ("c1", "c2", "c1"),
            ("c1", "c2 p1", "c1"),
            ("p1", "", "p1"),
            ("p1", "c1", "c1"),
            ("p1", "c9 c1", "c1"),
            ("p1", "c9 c1 p2", "c1"),
            ("p1", "c9 c1 p3 p2", "c1"),
            ("p1", "p9 c1 p2", "c1"),
            ("p1", "p3 p2", "p3"),
            ("p1", "-", "p1"),
            ("p1", "- p2", "p2"),
            ("p1", "c9 - p2", "p2"),
            ("p1", "- c1 p2", "c1"),
        ];
        for (peer, members, client) in table {
            assert_eq!(
                to_the_first_untrusted(addr(peer), chain(members), is_trusted),
                addr(client),
                "{members} from {peer}"
            );
        }
    }

    #[test]
    fn the_nth_from_the_right_is_taken_and_never_the_leftmost_instead() {
        let table = [
            // hops, chain, client
            (0, "c2 c1", "p0"),
            (1, "c2 c1", "c1"),
            (2, "c9 c2 c1", "c2"),
            (2, "c9 p2 c1", "p2"),
            (3, "c3 c2 c1", "c3"),
            (1, "", "p0"),
            (2, "c1", "p0"),
            (4, "c3 c2 c1", "p0"),
            (255, "c3 c2 c1", "p0"),
            (1, "c2 -", "p0"),
            (2, "c3 - c1", "c1"),
            (2, "- c2 c1", "c2"),
            (3, "c3 - c1", "c1"),
        ];
        for (hops, members, client) in table {
            assert_eq!(
                to_hop(addr("p0"), chain(members), hops),
                addr(client),
                "{hops} of {members}"
            );
        }
    }

    #[test]
    fn a_field_of_a_single_address_holds_one_or_says_nothing() {
        for (members, client) in [
            ("c1", "c1"),
            ("p2", "p2"),
            ("", "p0"),
            ("-", "p0"),
            ("c1 c2", "p0"),
            ("- c2", "p0"),
            ("c1 c1", "p0"),
        ] {
            assert_eq!(
                to_the_only(addr("p0"), chain(members)),
                addr(client),
                "{members}"
            );
        }
    }
}
