use http::header::FORWARDED;
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;

const XFF: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Trusts 10.0.0.0/8 and 2001:db8:10::/48.
fn tens() -> TrustedProxies {
    "10.0.0.0/8 2001:db8:10::/48".parse().unwrap()
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn client(proxies: &TrustedProxies, peer: &str, lines: &[(HeaderName, &str)]) -> String {
    let headers = lines
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect();
    proxies.client(addr(peer), &headers).addr().to_string()
}

#[test]
fn a_field_from_a_peer_that_is_not_trusted_is_ignored() {
    let spoof = [
        (XFF, "6.6.6.6"),
        (FORWARDED, "for=6.6.6.6"),
        (X_REAL_IP, "6.6.6.6"),
    ];
    for proxies in [
        TrustedProxies::none(),
        TrustedProxies::default(),
        "".parse().unwrap(),
        TrustedProxies::none().hops(1),
        TrustedProxies::private_ranges(),
        tens(),
        tens().hops(1),
        tens().forwarded(),
        tens().field(X_REAL_IP),
    ] {
        assert_eq!(
            client(&proxies, "203.0.113.9", &spoof),
            "203.0.113.9",
            "{proxies:?}"
        );
    }
}

#[test]
fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
    let table = [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (&["6.6.6.6", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (&["10.0.0.9, 203.0.113.9, 10.0.0.2,10.0.0.3"], "203.0.113.9"),
        (&["6.6.6.6", "2001:db8::1, 2001:db8:10::7"], "2001:db8::1"),
        (&["203.0.113.9:4711, 10.0.0.2:80"], "203.0.113.9"),
        (&["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        // A client within: the last that the proxies know of.
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&[], "10.0.0.1"),
        (&[""], "10.0.0.1"),
    ];
    for (lines, expected) in table {
        let lines: Vec<_> = lines.iter().map(|line| (XFF, *line)).collect();
        assert_eq!(client(&tens(), "10.0.0.1", &lines), expected, "{lines:?}");
    }
}

#[test]
fn the_nth_from_the_right_is_the_client_where_their_number_is_known() {
    let chain = [(XFF, "6.6.6.6, 203.0.113.9"), (XFF, "198.51.100.7")];
    for (hops, expected) in [
        (0, "10.0.0.1"),
        (1, "198.51.100.7"),
        (2, "203.0.113.9"),
        (3, "6.6.6.6"),
        (4, "10.0.0.1"),
        (255, "10.0.0.1"),
    ] {
        let proxies = tens().hops(hops);
        assert_eq!(client(&proxies, "10.0.0.1", &chain), expected, "{hops}");
    }
    let anyone = TrustedProxies::any_peer(1);
    assert_eq!(client(&anyone, "192.0.2.1", &chain), "198.51.100.7");
    let anyone = anyone.also([addr("10.0.0.1")]).unwrap();
    assert_eq!(client(&anyone, "192.0.2.1", &chain), "198.51.100.7");
}

#[test]
fn only_the_configured_field_is_read() {
    let all = [
        (XFF, "203.0.113.1"),
        (FORWARDED, "for=203.0.113.2"),
        (X_REAL_IP, "203.0.113.3"),
    ];
    let others = |own: &HeaderName| -> Vec<_> {
        let lines = all.iter().filter(|(name, _)| name != own);
        lines.cloned().collect()
    };
    for (proxies, own, expected) in [
        (tens(), XFF, "203.0.113.1"),
        (tens().forwarded(), FORWARDED, "203.0.113.2"),
        (tens().field(X_REAL_IP), X_REAL_IP, "203.0.113.3"),
        (tens().forwarded().x_forwarded_for(), XFF, "203.0.113.1"),
    ] {
        assert_eq!(client(&proxies, "10.0.0.1", &all), expected);
        assert_eq!(client(&proxies, "10.0.0.1", &others(&own)), "10.0.0.1");
    }
}

#[test]
fn what_cannot_be_read_ends_the_walk_at_the_last_trusted_proxy() {
    let plain = [
        ("junk", "10.0.0.1"),
        ("203.0.113.9, junk", "10.0.0.1"),
        ("junk, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.9, unknown, 10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("203.0.113.9, 10.0.0.0/8, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.9, 10.0.0.2; 10.0.0.3", "10.0.0.1"),
    ];
    for (line, expected) in plain {
        assert_eq!(
            client(&tens(), "10.0.0.1", &[(XFF, line)]),
            expected,
            "{line}"
        );
    }
    let forwarded = [
        ("for=203.0.113.9, for=unknown", "10.0.0.1"),
        ("for=203.0.113.9, for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ("for=203.0.113.9, for=a;for=b, for=10.0.0.2", "10.0.0.2"),
        ("for=203.0.113.9, proto=https, for=10.0.0.2", "10.0.0.2"),
        ("for=203.0.113.9;for=6.6.6.6", "10.0.0.1"),
        ("for=203.0.113.9, for=10.0.0.2:80", "10.0.0.1"),
        (r#"for=6.6.6.6, for="203.0.113.9, for=10.0.0.2"#, "10.0.0.2"),
        (r#"for="203.0.113.9:80", for="10.0.0.2:81""#, "203.0.113.9"),
        (
            r#"for="[2001:db8::1]:80";proto=http;by="[2001:db8:10::1]", for="[2001:db8:10::7]""#,
            "2001:db8::1",
        ),
    ];
    for (line, expected) in forwarded {
        let proxies = tens().forwarded();
        assert_eq!(
            client(&proxies, "10.0.0.1", &[(FORWARDED, line)]),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_vendors_field_that_was_added_to_is_not_believed() {
    let proxies = tens().field(X_REAL_IP);
    let from = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| (X_REAL_IP, *line)).collect();
        client(&proxies, "10.0.0.1", &lines)
    };
    assert_eq!(from(&["203.0.113.9"]), "203.0.113.9");
    assert_eq!(from(&["2001:db8::1"]), "2001:db8::1");
    assert_eq!(from(&["10.0.0.7"]), "10.0.0.7");
    assert_eq!(from(&["6.6.6.6, 203.0.113.9"]), "10.0.0.1");
    assert_eq!(from(&["6.6.6.6", "203.0.113.9"]), "10.0.0.1");
    assert_eq!(from(&["junk"]), "10.0.0.1");
}

#[test]
fn private_ranges_are_trusted_to_their_edges() {
    let proxies = TrustedProxies::private_ranges();
    for (inside, outside) in [
        ("127.0.0.1", "126.255.255.255"),
        ("127.255.255.255", "128.0.0.0"),
        ("10.0.0.0", "9.255.255.255"),
        ("10.255.255.255", "11.0.0.0"),
        ("172.16.0.0", "172.15.255.255"),
        ("172.31.255.255", "172.32.0.0"),
        ("192.168.0.0", "192.167.255.255"),
        ("192.168.255.255", "192.169.0.0"),
        ("169.254.0.1", "169.255.0.0"),
        ("::1", "::2"),
        ("fc00::", "fbff::"),
        ("fdff::1", "fe00::"),
        ("fe80::1", "fe7f::1"),
        ("febf::1", "fec0::"),
        ("::ffff:10.0.0.1", "::ffff:11.0.0.1"),
        ("::ffff:127.0.0.1", "100.64.0.1"),
    ] {
        let lines = [(XFF, "203.0.113.9")];
        assert_eq!(client(&proxies, inside, &lines), "203.0.113.9", "{inside}");
        assert_ne!(
            client(&proxies, outside, &lines),
            "203.0.113.9",
            "{outside}"
        );
    }
}

#[test]
fn ranges_are_read_from_text_and_values() {
    let lines = [(XFF, "203.0.113.9")];
    let trusts = |proxies: &TrustedProxies, peer| client(proxies, peer, &lines) == "203.0.113.9";

    let mixed: TrustedProxies = " 192.0.2.7,\t10.1.2.3/8\n,2001:db8::/32 ".parse().unwrap();
    for peer in ["192.0.2.7", "10.0.0.0", "10.255.255.255", "2001:db8::1"] {
        assert!(trusts(&mixed, peer), "{peer}");
    }
    for peer in ["192.0.2.8", "11.0.0.0", "2001:db9::1"] {
        assert!(!trusts(&mixed, peer), "{peer}");
    }

    let mapped: TrustedProxies = "::ffff:10.0.0.0/104, ::ffff:192.0.2.7".parse().unwrap();
    assert!(trusts(&mapped, "10.255.0.1") && trusts(&mapped, "192.0.2.7"));
    assert!(!trusts(&mapped, "11.0.0.1") && !trusts(&mapped, "192.0.2.8"));

    let of_values = TrustedProxies::new([addr("192.0.2.7")]).unwrap();
    let more = of_values.also([Ipv4Net::new_assert([10, 0, 0, 0].into(), 8)]);
    let more = more.unwrap();
    assert!(trusts(&more, "192.0.2.7") && trusts(&more, "10.0.0.1"));
}

#[test]
fn nonsense_and_everybody_are_refused() {
    for text in [
        "10.0.0.0/33",
        "10.0.0",
        "localhost",
        "10.0.0.1:80",
        "::1%lo",
        "10.0.0.1;10.0.0.2",
    ] {
        let error = text.parse::<TrustedProxies>().unwrap_err();
        assert!(
            matches!(&error, TrustedProxiesError::Unreadable { text: named, .. } if text.contains(named.as_str())),
            "{error}"
        );
    }
    for text in [
        "0.0.0.0/0",
        "10.0.0.0/8, ::/0",
        "0.0.0.0/1 128.0.0.0/1",
        "::ffff:0.0.0.0/96",
    ] {
        let error = text.parse::<TrustedProxies>().unwrap_err();
        assert!(
            matches!(error, TrustedProxiesError::Everybody { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_translated_client_counts_as_its_ipv4_address_where_that_is_said() {
    let lines = [(XFF, "64:ff9b::203.0.113.9")];
    let six_to_four = [(XFF, "2002:cb00:7109::1")];
    assert_eq!(client(&tens(), "10.0.0.1", &lines), "64:ff9b::cb00:7109");
    let nat64 = tens().translator(Translator::Nat64);
    assert_eq!(client(&nat64, "10.0.0.1", &lines), "203.0.113.9");
    assert_eq!(
        client(&nat64, "10.0.0.1", &six_to_four),
        "2002:cb00:7109::1"
    );
    let both = nat64.translator(Translator::SixToFour);
    assert_eq!(client(&both, "10.0.0.1", &lines), "203.0.113.9");
    assert_eq!(client(&both, "10.0.0.1", &six_to_four), "203.0.113.9");
    assert_eq!(client(&both, "64:ff9b::203.0.113.9", &[]), "203.0.113.9");
}

#[test]
fn a_translated_address_is_not_trusted_as_the_one_within() {
    let public = "203.0.113.0/24".parse::<TrustedProxies>().unwrap();
    let proxies = public.translator(Translator::SixToFour);
    let lines = [(XFF, "6.6.6.6")];
    assert_eq!(client(&proxies, "2002:cb00:7109::1", &lines), "203.0.113.9");
    let private = TrustedProxies::private_ranges().translator(Translator::SixToFour);
    // 2002:a00:1::/48 would be 10.0.0.1, which nobody has.
    assert_eq!(client(&private, "2002:a00:1::1", &lines), "2002:a00:1::1");
}

#[test]
fn chains_of_thousands_are_walked_to_their_end() {
    let trusted = vec!["10.0.0.2"; 100_000].join(",");
    let chain = format!("203.0.113.9,{trusted}");
    assert_eq!(client(&tens(), "10.0.0.1", &[(XFF, &chain)]), "203.0.113.9");
    let forwarded = vec!["for=10.0.0.2"; 100_000].join(",");
    let chain = format!("for=203.0.113.9,{forwarded}");
    assert_eq!(
        client(&tens().forwarded(), "10.0.0.1", &[(FORWARDED, &chain)]),
        "203.0.113.9"
    );
    let many: Vec<_> = (0..20_000).map(|_| (XFF, "10.0.0.2")).collect();
    assert_eq!(client(&tens(), "10.0.0.1", &many), "10.0.0.2");
    assert_eq!(client(&tens().hops(255), "10.0.0.1", &many), "10.0.0.2");
}

/// A member of a chain: trusted, not trusted, or unreadable.
fn member() -> impl Strategy<Value = String> {
    let number = 0..=255_u8;
    prop_oneof![
        3 => number.clone().prop_map(|n| format!("10.0.0.{n}")),
        1 => number.clone().prop_map(|n| format!("::ffff:10.0.1.{n}")),
        1 => number.clone().prop_map(|n| format!("[2001:db8:10::{n:x}]:80")),
        2 => number.clone().prop_map(|n| format!("203.0.113.{n}")),
        1 => number.prop_map(|n| format!("2001:db8::{n:x}")),
        1 => "[a-z\"_=;]{1,6}",
    ]
}

fn is_ten(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.octets()[0] == 10,
        IpAddr::V6(addr) => addr.segments()[..3] == [0x2001, 0xdb8, 0x10],
    }
}

/// The addresses of these members by their plain reading.
fn read(members: &[String]) -> Vec<Option<IpAddr>> {
    let alone = |member: &String| {
        let bare = member.trim_start_matches('[').trim_end_matches("]:80");
        Some(bare.parse::<IpAddr>().ok()?.to_canonical())
    };
    members.iter().map(alone).collect()
}

/// What a client could put before all that proxies append, in a field of its own or in the same one.
fn spoof() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"for=6.6.6.6".to_vec()),
        Just(b"for=\"".to_vec()),
        Just(b"6.6.6.6, 10.0.0.7".to_vec()),
        Just(b", \"\\".to_vec()),
        prop::collection::vec(32..=126_u8, 0..12),
        prop::collection::vec(128..=255_u8, 0..4),
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_client_is_the_peer_or_stands_right_of_all_that_is_not_trusted(
        members in prop::collection::vec(member(), 0..8),
        peer in prop_oneof![Just("10.9.9.9"), Just("198.51.100.1")],
    ) {
        let headers = arbitrary::map(&XFF, [members.join(", ")]);
        let found = tens().client(addr(peer), &headers).addr();
        let chain = read(&members);
        let right_of_all = chain
            .iter()
            .rposition(|member| !member.is_some_and(is_ten))
            .unwrap_or(0);
        prop_assert!(
            found == addr(peer) || is_ten(addr(peer)) && chain[right_of_all..].contains(&Some(found)),
            "{} of {:?}", found, members
        );
    }

    #[test]
    fn nothing_on_the_left_of_x_forwarded_for_changes_who_the_client_is(
        spoof in spoof(),
        proxies in prop::collection::vec(0..=255_u8, 0..4),
        own_line in any::<bool>(),
    ) {
        let mut appended = vec!["203.0.113.9".to_owned()];
        appended.extend(proxies.iter().map(|n| format!("10.0.0.{n}")));
        let appended = appended.join(", ").into_bytes();
        let headers = match own_line {
            true => arbitrary::map(&XFF, [spoof, appended]),
            false => arbitrary::map(&XFF, [[spoof, b", ".to_vec(), appended].concat()]),
        };
        prop_assert_eq!(tens().client(addr("10.0.0.1"), &headers).addr(), addr("203.0.113.9"));
        let hops = tens().hops(u8::try_from(proxies.len() + 1).unwrap());
        prop_assert_eq!(hops.client(addr("10.0.0.1"), &headers).addr(), addr("203.0.113.9"));
    }

    #[test]
    fn nothing_on_the_left_of_forwarded_changes_who_the_client_is(
        spoof in spoof(),
        proxies in prop::collection::vec(0..=255_u8, 0..4),
        own_line in any::<bool>(),
    ) {
        let mut appended = vec!["for=\"[2001:db8::1]:80\";proto=http".to_owned()];
        appended.extend(proxies.iter().map(|n| format!("for=\"[2001:db8:10::{n:x}]\";host=\"a, b\"")));
        let appended = appended.join(", ").into_bytes();
        let headers = match own_line {
            true => arbitrary::map(&FORWARDED, [spoof, appended]),
            false => arbitrary::map(&FORWARDED, [[spoof, b", ".to_vec(), appended].concat()]),
        };
        let proxies = tens().forwarded();
        prop_assert_eq!(proxies.client(addr("10.0.0.1"), &headers).addr(), addr("2001:db8::1"));
    }

    #[test]
    fn any_bytes_never_panic(x in arbitrary::lines(XFF), forwarded in arbitrary::lines(FORWARDED)) {
        for (proxies, headers) in [
            (tens(), &x),
            (tens().hops(3), &x),
            (tens().field(XFF), &x),
            (tens().forwarded(), &forwarded),
            (tens().forwarded().hops(3), &forwarded),
        ] {
            let _ = proxies.client(addr("10.0.0.1"), headers);
        }
    }
}
