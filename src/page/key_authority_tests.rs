//! The host that a client addressed, and the fields that say that it was another.

use super::*;

#[test]
fn hosts_and_schemes_have_pages_of_their_own() {
    let targets = [
        "http://a.example/p",
        "https://a.example/p",
        "http://b.example/p",
        "http://a.example./p",
        "http://a.example:8080/p",
        "http://a.example:443/p",
        "https://a.example:80/p",
        "http://a.example:8081/p",
        "http://[::1]/p",
        "http://[::1]:8080/p",
        "http://[::2]/p",
    ];
    let keys: Vec<_> = targets
        .iter()
        .map(|target| {
            let request = ask(target, &[]);
            ((*target).to_owned(), key(&page(), &request).unwrap())
        })
        .collect();
    assert_distinct(&keys);
}

#[test]
fn one_host_written_differently_has_one_page() {
    let layer = page();
    let plain = key(&layer, &ask("/p", &[("host", "shop.example")]));
    assert!(plain.is_ok());
    for host in [
        "SHOP.example",
        "shop.example:80",
        "Shop.Example:80",
        "shop.example:",
    ] {
        assert_eq!(key(&layer, &ask("/p", &[("host", host)])), plain, "{host}");
    }
    for target in ["http://shop.example/p", "HTTP://SHOP.EXAMPLE:80/p"] {
        assert_eq!(key(&layer, &ask(target, &[])), plain, "{target}");
        let authority = ask(target, &[]).uri().authority().unwrap().to_string();
        let both = ask(target, &[("host", &authority.to_uppercase())]);
        assert_eq!(key(&layer, &both), plain, "{target} with Host");
    }
    assert_eq!(
        key(&layer, &ask("https://shop.example:443/p", &[])),
        key(&layer, &ask("https://shop.example/p", &[])),
    );
}

#[test]
fn without_exactly_one_valid_host_a_request_passes_by() {
    let long = "a".repeat(256);
    let hosts = [
        "",
        ":80",
        ":",
        "user@shop.example",
        "user:password@shop.example",
        "shop.example/p",
        "shop.example?",
        "shop.example#",
        "shop.example, other.example",
        "shop.example other.example",
        "shop.ex\u{e4}mple",
        "shop\t",
        "\"shop\"",
        "shop\\example",
        &long,
        "shop.example::80",
        "shop.example:80:80",
        "shop.example:8o",
        "shop.example:123456",
        "shop:example",
        "::1",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:x",
        "[]",
    ];
    for host in hosts {
        let request = ask("/p", &[("host", host)]);
        assert_eq!(key(&page(), &request), Err(Bypass::Authority), "{host}");
    }
    let requests = [
        ask("/p", &[]),
        ask("/p", &[("host", "a"), ("host", "a")]),
        ask("/p", &[("host", "a"), ("host", "b")]),
        ask("http://user@a/p", &[]),
        ask("http://a/p", &[("host", "b")]),
        ask("http://a:80/p", &[("host", "a:81")]),
        ask("http://a/p", &[("host", "")]),
    ];
    for request in requests {
        assert_eq!(
            key(&page(), &request),
            Err(Bypass::Authority),
            "{request:?}"
        );
    }
}

#[test]
fn only_listed_hosts_have_pages() {
    let layer = page()
        .hosts(["Shop.example", "other.example:8080"])
        .unwrap();
    let with = |host: &str| key(&layer, &ask("/p", &[("host", host)])).map(drop);
    assert_eq!(with("shop.EXAMPLE:80"), Ok(()));
    assert_eq!(with("other.example:8080"), Ok(()));
    for host in [
        "other.example",
        "shop.example:8080",
        "a.shop.example",
        "shop.example.",
    ] {
        assert_eq!(with(host), Err(Bypass::Host), "{host}");
    }
    assert_eq!(with("user@shop.example"), Err(Bypass::Authority));
}

#[test]
fn steering_fields_are_parts_of_the_key() {
    let layer = page();
    let mut keys = vec![("none".to_owned(), key_at("/p"))];
    for name in FORWARDING {
        for value in ["", "a", "b"] {
            let request = ask("/p", &[("host", "shop.example"), (name, value)]);
            keys.push((format!("{name}: {value}"), key(&layer, &request).unwrap()));
        }
    }
    assert_distinct(&keys);
}

#[test]
fn steering_fields_are_bounded_together() {
    let layer = page();
    let with = |count: usize, length: usize| {
        let value = "a".repeat(length);
        let mut fields = vec![("host", "shop.example")];
        fields.extend(std::iter::repeat_n(("x-host", &*value), count));
        key(&layer, &ask("/p", &fields)).map(drop)
    };
    let name = "x-host".len();
    assert_eq!(with(1, MOST_FORWARDING - name), Ok(()));
    assert_eq!(with(1, MOST_FORWARDING - name + 1), Err(Bypass::Forwarding));
    assert_eq!(with(2, MOST_FORWARDING / 2 - name), Ok(()));
    assert_eq!(with(3, MOST_FORWARDING / 2 - name), Err(Bypass::Forwarding));
    assert_eq!(with(MOST_FORWARDING, 0), Err(Bypass::Forwarding));
}

#[test]
fn trusted_fields_give_scheme_and_host_and_nothing_else() {
    let layer = page().forwarding(Forwarding::Trusted);
    let direct = key(&layer, &ask("https://shop.example/p", &[])).unwrap();
    let forwarded = |fields: &[(&str, &str)]| {
        let all: Vec<_> = [("host", "10.0.0.1:3000")]
            .iter()
            .chain(fields)
            .copied()
            .collect();
        key(&layer, &ask("/p", &all))
    };
    let proto = ("x-forwarded-proto", "HTTPS");
    let host = ("x-forwarded-host", "Shop.example:443");
    assert_eq!(forwarded(&[proto, host]).as_ref(), Ok(&direct));
    assert_eq!(
        forwarded(&[proto, host, ("x-forwarded-prefix", "/x")]).as_ref(),
        Ok(&direct)
    );
    assert_ne!(forwarded(&[host]).as_ref(), Ok(&direct));
    assert_ne!(forwarded(&[proto]).as_ref(), Ok(&direct));
    assert_eq!(
        forwarded(&[("x-forwarded-host", "u@h")]),
        Err(Bypass::Authority)
    );
    assert_eq!(
        forwarded(&[("x-forwarded-host", "a, b")]),
        Err(Bypass::Authority)
    );
}
