//! Keys within a router, where the target that a service sees is not the one that the client sent.

use axum::extract::OriginalUri;

use super::*;
use crate::page::service::canonicalise;

/// A request as a service within `nest` sees it, or one behind a layer that rewrites.
fn within(original: &str, uri: &str) -> Request<()> {
    let mut request = ask(uri, &[("host", "shop.example")]);
    let original = OriginalUri(original.parse().unwrap());
    request.extensions_mut().insert(original);
    request
}

#[test]
fn one_layer_under_two_prefixes_has_two_pages() {
    let of = |original| key(&page(), &within(original, "/page")).unwrap();
    assert_ne!(of("/t/1/page"), of("/t/2/page"));
    assert_eq!(of("/t/1/page"), of("/t/1/page"));
    assert_ne!(of("/t/1/page"), of("/t/1/page?a"));
}

#[test]
fn a_target_that_nobody_changed_has_the_key_that_it_has_outside_a_router() {
    assert_eq!(
        key(&page(), &within("/page?a=1", "/page?a=1")).unwrap(),
        key_at("/page?a=1")
    );
}

#[test]
fn what_a_rewrite_makes_of_one_target_is_keyed() {
    let rewritten = [
        "/a/b",
        "/b",
        "/",
        "/c",
        "/c?x",
        "/b?x",
        "/a/b?x",
        "/a/b?",
        "http://t1/a/b",
        "http://t2/a/b",
        "https://t2/a/b",
    ];
    let keys: Vec<_> = rewritten
        .iter()
        .map(|uri| {
            (
                (*uri).to_owned(),
                key(&page(), &within("/a/b", uri)).unwrap(),
            )
        })
        .collect();
    assert_distinct(&keys);
    let slash = |uri| key(&page(), &within("/a/", uri)).unwrap();
    assert_ne!(
        slash("/a/"),
        slash("/"),
        "the root is the end of many paths"
    );
}

#[test]
fn a_query_rule_holds_for_the_target_and_for_a_rewrite() {
    let layer = page().query(QueryRule::only(["a"]));
    let of = |original, uri| key(&layer, &within(original, uri)).unwrap();
    assert_eq!(of("/t/p?b=1&a=1", "/p?b=1&a=1"), of("/t/p?a=1", "/p?a=1"));
    assert_eq!(of("/t/p?b=1", "/q?b=1&a=1"), of("/t/p", "/q?a=1"));
    assert_ne!(of("/t/p?a=1", "/q?a=1"), of("/t/p?a=1", "/q?a=2"));
}

#[test]
fn the_handler_sees_the_query_of_the_key_and_a_rewrite_keeps_its_own() {
    let layer = page().query(QueryRule::only(["a"]));
    let table = [
        ("/t/p?b=1&a=1", "/p?b=1&a=1", "/t/p?a=1", "/p?a=1"),
        ("/old?b=1&a=1", "/new?b=2&a=7", "/old?a=1", "/new?a=7"),
        ("/old?b=1", "/new?a=7", "/old", "/new?a=7"),
        ("/p", "/p", "/p", "/p"),
        ("/p?", "/p?", "/p", "/p"),
    ];
    for (original, uri, seen_original, seen_uri) in table {
        let mut request = within(original, uri);
        canonicalise(
            layer.page(),
            &mut request,
            crate::page::screen::Content::Absent,
        );
        let OriginalUri(of_client) = request.extensions().get().unwrap();
        assert_eq!(
            (of_client.to_string(), request.uri().to_string()),
            (seen_original.to_owned(), seen_uri.to_owned())
        );
    }
}
