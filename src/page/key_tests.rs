use http::header::{HOST, HeaderName};
use http::{HeaderValue, Request};

use super::*;
use crate::page::screen::{Content, screen};
use crate::page::{CacheLayer, KeyPart, QueryRule};
use crate::store::NullStore;
use crate::{Cache, minutes};

#[path = "key_authority_tests.rs"]
mod authority;
#[cfg(feature = "axum")]
#[path = "key_nested_tests.rs"]
mod nested;
#[path = "key_property_tests.rs"]
mod properties;

/// A request as HTTP/2 and proxies write it, or as HTTP/1.1 does.
fn ask(target: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap()
}

fn page() -> CacheLayer {
    Cache::builder(NullStore).build().unwrap().page(minutes(5))
}

fn key(layer: &CacheLayer, request: &Request<()>) -> Result<PageKey, Bypass> {
    layer.key(&RequestHead::of(request))
}

/// The key of a request for `target` at one host, without policy.
fn key_at(target: &str) -> PageKey {
    key(&page(), &ask(target, &[("host", "shop.example")])).unwrap()
}

/// All of these have keys, and no two have the same.
fn assert_distinct(keys: &[(String, PageKey)]) {
    for (i, (one_name, one)) in keys.iter().enumerate() {
        for (other_name, other) in &keys[i + 1..] {
            assert_ne!(one, other, "{one_name} / {other_name}");
        }
    }
}

#[test]
fn targets_that_differ_in_one_byte_have_different_keys() {
    let targets = "/ // /a /A /a/ /a// //a /%61 /a? /a?? /a/? /a%3F /a%3f /a/b /a%2Fb /a%2fb /a%5Cb /./a /a/. /b/../a \
        /%2e%2e/a /a%00 /a%23b /a;b /a; /a%3Bb /a.css /a%2Ecss /a%20b /a+b /a?x /a?x= /a?X= /a?x=1 /a?x=%31 \
        /a?x=1& /a?&x=1 /a?x=1&y=2 /a?y=2&x=1 /a?x=1;y=2 /a?x=1&x=2 /a?x=2&x=1 /a?x=1&x=1 \
        /a?x=1&utm_source=z /a?x=1;utm_source=z /a?x=a+b /a?x=a%20b /a?x=1%26y=2 /a?/b /a?x=1?";
    let keys: Vec<_> = targets
        .split(' ')
        .map(|target| (target.to_owned(), key_at(target)))
        .collect();
    assert_distinct(&keys);
}

#[test]
fn fragments_never_enter() {
    assert_eq!(key_at("/a#b"), key_at("/a"));
    assert_eq!(key_at("/a?x#b"), key_at("/a?x"));
}

#[test]
fn absent_and_empty_declared_fields_have_different_keys() {
    let layer = page()
        .vary_on_header(HeaderName::from_static("x-region"))
        .vary_on_header(HeaderName::from_static("x-plan"));
    let with = |fields: &[(&str, &str)]| {
        let all: Vec<_> = [("host", "shop.example")]
            .iter()
            .chain(fields)
            .copied()
            .collect();
        (
            format!("{fields:?}"),
            key(&layer, &ask("/p", &all)).unwrap(),
        )
    };
    // CVE-2026-113593, and Django's ticket that values were joined bare.
    assert_distinct(&[
        with(&[]),
        with(&[("x-region", "")]),
        with(&[("x-plan", "")]),
        with(&[("x-region", ""), ("x-plan", "")]),
        with(&[("x-region", "EU")]),
        with(&[("x-plan", "EU")]),
        with(&[("x-region", "EU"), ("x-plan", "")]),
        with(&[("x-region", ""), ("x-plan", "EU")]),
        with(&[("x-region", "E"), ("x-plan", "U")]),
        with(&[("x-region", "EU"), ("x-plan", "EU")]),
        with(&[("x-region", "eu")]),
        with(&[("x-region", "b"), ("x-region", "a")]),
        with(&[("x-region", "a"), ("x-region", "b")]),
    ]);
}

#[test]
fn a_computed_part_tells_nothing_from_an_empty_value() {
    let layer = page().vary_on(KeyPart::computed("part", |head| {
        Some(head.headers.get("x-part")?.as_bytes().to_vec())
    }));
    let with =
        |fields: &[(&str, &str)]| key(&layer, &ask("http://shop.example/p", fields)).unwrap();
    assert_ne!(with(&[]), with(&[("x-part", "")]));
    assert_ne!(with(&[("x-part", "a")]), with(&[("x-part", "b")]));
    assert_eq!(
        with(&[("x-part", "a")]),
        with(&[("x-part", "a"), ("x-other", "b")])
    );
}

#[test]
fn a_change_of_the_policy_never_reads_old_pages() {
    let region = || HeaderName::from_static("x-region");
    let nothing = |_: &RequestHead<'_>| None;
    let cookie = || KeyPart::cookie("x-region");
    let extension = KeyPart::extension("x-region", |part: &u8| [*part]);
    let language = |tags: &[&str]| KeyPart::language(tags).unwrap();
    let encoding = |codings: &[&str]| KeyPart::encoding(codings).unwrap();
    let layers = [
        ("plain", page()),
        ("shared", page().shared()),
        ("sorted", page().query(QueryRule::Sorted)),
        ("only", page().query(QueryRule::only(["a"]))),
        ("only b", page().query(QueryRule::only(["b"]))),
        ("except", page().query(QueryRule::except(["a"]))),
        ("trusted", page().forwarding(Forwarding::Trusted)),
        ("header", page().vary_on_header(region())),
        (
            "headers",
            page().vary_on_header(region()).vary_on_header(HOST),
        ),
        (
            "computed",
            page().vary_on(KeyPart::computed("x-region", nothing)),
        ),
        (
            "other computed",
            page().vary_on(KeyPart::computed("language", nothing)),
        ),
        (
            "both",
            page()
                .vary_on(KeyPart::computed("a", nothing))
                .vary_on(KeyPart::computed("b", nothing)),
        ),
        ("joined", page().vary_on(KeyPart::computed("ab", nothing))),
        ("extension", page().vary_on(extension)),
        ("cookie", page().vary_on(cookie())),
        ("cookies", page().vary_on(cookie().one_of(["x"]))),
        ("other cookies", page().vary_on(cookie().one_of(["x", "y"]))),
        (
            "zone",
            page().vary_on(KeyPart::time_zone("x-region", ["x"])),
        ),
        (
            "regions",
            page().vary_on(KeyPart::header(region()).one_of(["x"])),
        ),
        (
            "classes",
            page().vary_on(KeyPart::classes(region(), |_| "x")),
        ),
        ("user agent", page().vary_on(KeyPart::user_agent())),
        ("language", page().vary_on(language(&["de"]))),
        ("languages", page().vary_on(language(&["de", "en"]))),
        ("other default", page().vary_on(language(&["en", "de"]))),
        ("encoding", page().vary_on(encoding(&["br"]))),
        ("encodings", page().vary_on(encoding(&["br", "gzip"]))),
    ];
    let request = ask("/p", &[("host", "shop.example")]);
    let keys: Vec<_> = layers
        .iter()
        .map(|(name, layer)| ((*name).to_owned(), key(layer, &request).unwrap()))
        .collect();
    assert_distinct(&keys);
    assert_eq!(
        key(&page().tag("menu").x_cache(), &request).as_ref(),
        Ok(&keys[0].1),
        "what does not tell pages apart is no part of the key",
    );
}

#[test]
fn namespaces_and_versions_share_nothing() {
    let request = ask("/p", &[("host", "shop.example")]);
    let with = |namespace: &str, version| {
        let cache = Cache::builder(NullStore)
            .namespace(namespace)
            .version(version)
            .build()
            .unwrap();
        let key = key(&cache.page(minutes(5)), &request).unwrap();
        (format!("{namespace} {version}"), key)
    };
    assert_distinct(&[
        with("a", 1),
        with("a", 2),
        with("b", 1),
        with("a\0", 1),
        with("ab", 1),
    ]);
}

#[test]
fn pages_within_pages_have_keys_of_their_own() {
    let layer = page();
    let request = ask("/p", &[("host", "shop.example")]);
    let head = RequestHead::of(&request);
    let seen = screen(&head, Content::Absent, &[]).unwrap();
    let at = |depth| {
        let key = layer.key_at(&head, &seen, depth).unwrap();
        (depth.to_string(), PageKey(key.as_bytes().into()))
    };
    assert_distinct(&[at(0), at(1), at(2), at(255)]);
}

#[test]
fn a_query_rule_decides_what_is_one_page() {
    let with = |rule: &QueryRule, target: &str| {
        key(
            &page().query(rule.clone()),
            &ask(target, &[("host", "shop.example")]),
        )
        .unwrap()
    };
    let same = [
        (QueryRule::Sorted, "/p?b=2&a=1", "/p?a=1&b=2"),
        (QueryRule::only(["a"]), "/p?a=1&b=2", "/p?b=3&a=1"),
        (
            QueryRule::except(["utm_*"]),
            "/p?a=1",
            "/p?utm_source=x&a=1",
        ),
        (QueryRule::except(["utm_*"]), "/p", "/p?utm_source=x"),
        (QueryRule::Nothing, "/p", "/p?a=1"),
    ];
    for (rule, one, other) in same {
        assert_eq!(
            with(&rule, one),
            with(&rule, other),
            "{rule:?}: {one} {other}"
        );
    }
    let different = [
        (QueryRule::AsSent, "/p?b=2&a=1", "/p?a=1&b=2"),
        (QueryRule::Sorted, "/p?a=1&a=2", "/p?a=2&a=1"),
        (QueryRule::only(["a"]), "/p?a=1", "/p?a=1;utm=x"),
        (QueryRule::only(["a"]), "/p?a=1", "/p?A=1"),
        (QueryRule::except(["a"]), "/p?b=1", "/p?a;b=1"),
        (QueryRule::Nothing, "/p", "/p%3Fa=1"),
    ];
    for (rule, one, other) in different {
        assert_ne!(
            with(&rule, one),
            with(&rule, other),
            "{rule:?}: {one} {other}"
        );
    }
}

#[test]
fn the_address_to_purge_has_the_query_of_the_key() {
    let layer = page().query(QueryRule::except(["utm_*"]));
    let request = ask("/p?b=2&utm_source=x&a=1", &[("host", "Shop.example:80")]);
    let head = RequestHead::of(&request);
    let seen = screen(&head, Content::Absent, &[]).unwrap();
    let (host, path, query) = address_of(layer.policy(), &head, &seen).unwrap();
    assert_eq!((&*host, &*path), ("shop.example", "/p"));
    assert_eq!(query.as_deref(), Some("a=1&b=2"));
}

#[test]
fn a_key_beyond_the_bound_is_none() {
    let fits = LONGEST - key_at("/").as_bytes().len() + 1;
    let layer = page().vary_on_header(HeaderName::from_static("x-part"));
    let target = |length: usize| format!("/{}", "a".repeat(length - 1));
    assert!(key(&page(), &ask(&target(fits), &[("host", "shop.example")])).is_ok());
    assert_eq!(
        key(
            &page(),
            &ask(&target(fits + 1), &[("host", "shop.example")])
        ),
        Err(Bypass::KeyLength)
    );
    let part = "a".repeat(LONGEST);
    let request = ask("/", &[("host", "shop.example"), ("x-part", &part)]);
    assert_eq!(key(&layer, &request), Err(Bypass::KeyLength));
}

#[test]
fn a_key_in_a_log_shows_nothing_of_the_request() {
    let key = key_at("/reset?token=secret");
    assert_eq!(
        format!("{key:?}"),
        format!("PageKey({} bytes)", key.as_bytes().len())
    );
}
