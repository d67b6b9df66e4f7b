//! What `Cache-Control` permits and forbids (RFC 9111 §3 and §5.2.2).

use super::*;

#[test]
fn each_prohibition_holds_in_any_case_and_form() {
    let table = [
        (NotStored::NoStore, "no-store"),
        (NotStored::NoStore, "NO-STORE"),
        (NotStored::NoStore, "No-Store"),
        (NotStored::NoStore, "no-store=1"),
        (NotStored::NoStore, "no-store=\"\""),
        (NotStored::NoStore, " ,, no-store ,"),
        (NotStored::NoStore, "public, s-maxage=60, no-store"),
        (NotStored::NoStore, "x=\"a\\\"\", no-store"),
        (NotStored::Private, "private"),
        (NotStored::Private, "Private"),
        (NotStored::Private, "PRIVATE"),
        (NotStored::Private, "private=\"x-user\""),
        (NotStored::Private, "private=x-user"),
        (NotStored::Private, "private=\"\""),
        (NotStored::Private, "private = \"x-user\""),
        (NotStored::Private, "public, private, s-maxage=60"),
        (NotStored::NoCache, "no-cache"),
        (NotStored::NoCache, "No-Cache"),
        (NotStored::NoCache, "no-cache=\"set-cookie\""),
        (NotStored::NoCache, "no-cache=Set-Cookie"),
        (NotStored::NoCache, "no-cache=\"\""),
        (NotStored::NoCache, "public, no-cache, max-age=60"),
    ];
    for (why, directives) in table {
        for case in [
            page().says(directives),
            page().says("max-age=60").says(directives),
        ] {
            assert_eq!(case.refusal(), Some(why), "{directives}");
        }
        let on_shared = page().says(directives).under(CacheLayer::shared);
        assert_eq!(on_shared.refusal(), Some(why), "{directives}");
    }
}

#[test]
fn directives_that_only_look_like_prohibitions_are_none() {
    for directives in [
        "myprivate",
        "nopublic",
        "private-ish",
        "no-storex",
        "xno-cache=1",
        "x=\"no-store\"",
        "x=\"private, no-cache\"",
        "ext=private",
        "only-if-cached",
        "proxy-revalidate",
        "must-revalidate",
        "no-transform",
    ] {
        let case = page().says(directives);
        assert_eq!(case.lifetime(), Ok(minutes(5)), "{directives}");
        let case = page().says("max-age=60").says(directives);
        assert_eq!(case.lifetime(), Ok(minutes(1)), "{directives}");
    }
}

#[test]
fn what_cannot_be_read_is_no_store() {
    for directives in [
        "max-age=60, x=\"a",
        "public, s-maxage=60, x=\"",
        "max-age=60, a b",
        "max-age=6 0",
        "=1",
        "max-age=60; no-store",
        "max-age=60, caf\u{e9}",
    ] {
        assert_eq!(
            page().says(directives).refusal(),
            Some(NotStored::Malformed),
            "{directives}"
        );
    }
}

#[test]
fn must_understand_lifts_no_store_for_an_understood_status_alone() {
    let both = |status| {
        page()
            .status(status)
            .says("must-understand, no-store, max-age=60")
    };
    for status in [
        200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 501,
    ] {
        assert_eq!(both(status).lifetime(), Ok(minutes(1)), "{status}");
    }
    for status in [
        201, 206, 299, 304, 400, 401, 403, 428, 429, 431, 500, 503, 511, 599,
    ] {
        assert_eq!(
            both(status).refusal(),
            Some(NotStored::MustUnderstand),
            "{status}"
        );
        let alone = page().status(status).says("must-understand, max-age=60");
        assert_eq!(alone.refusal(), Some(NotStored::MustUnderstand), "{status}");
    }
    let argument = page().says("must-understand=1, no-store, max-age=60");
    assert_eq!(
        argument.refusal(),
        Some(NotStored::NoStore),
        "an argument takes a permission back"
    );
    let private = page().says("must-understand, no-store, private, max-age=60");
    assert_eq!(private.refusal(), Some(NotStored::Private));
}

#[test]
fn rejections_by_rate_and_size_are_never_stored() {
    for status in [425, 428, 429, 431, 511] {
        let case = page()
            .status(status)
            .says("public, s-maxage=60, max-age=60")
            .control(PageControl::new().ttl(hours(1)))
            .under(|layer| layer.shared().ttl_order(TtlOrder::PolicyFirst));
        assert_eq!(case.refusal(), Some(NotStored::Status), "{status}");
    }
}

#[test]
fn parts_and_confirmations_never_become_pages() {
    for status in [206, 304] {
        let case = page()
            .status(status)
            .says("public, max-age=60")
            .with("content-range", "bytes 0-4/10")
            .with("etag", "\"a\"");
        assert_eq!(case.refusal(), Some(NotStored::Status), "{status}");
    }
}

#[test]
fn pragma_and_warning_in_a_response_say_nothing() {
    let case = page()
        .says("max-age=60")
        .with("pragma", "no-cache, no-store")
        .with("warning", "110 - \"stale\"");
    assert_eq!(case.lifetime(), Ok(minutes(1)));
}

#[test]
fn lines_are_one_list() {
    assert_eq!(
        page().says("max-age=60").says("no-store").refusal(),
        Some(NotStored::NoStore)
    );
    assert_eq!(
        page().says("max-age=60").says("s-maxage=9").lifetime(),
        Ok(seconds(9))
    );
    assert_eq!(
        page().says("max-age=60").says("max-age=9").refusal(),
        Some(NotStored::Expired)
    );
    assert_eq!(
        page().says("x=\"a").says("no-store\"").refusal(),
        Some(NotStored::Malformed)
    );
}

#[test]
fn vary_with_a_star_is_not_stored() {
    for line in ["*", " * ", "\t*", "x-a, *", "*, x-a", "x-a,* ,x-b", ",*"] {
        let case = page().says("public, max-age=60").with("vary", line);
        assert_eq!(case.refusal(), Some(NotStored::VaryAny), "{line}");
        let later = page().with("vary", "x-a").with("vary", line);
        assert_eq!(later.refusal(), Some(NotStored::VaryAny), "{line}");
    }
    for unreadable in ["x a", "\"x\"", "x-\u{e9}", "a;b", "(a)"] {
        let case = page().with("vary", unreadable);
        assert_eq!(case.refusal(), Some(NotStored::VaryAny), "{unreadable}");
    }
}

#[test]
fn vary_selects_by_a_bounded_sorted_list_of_names() {
    let names = |count: usize| {
        let names: Vec<_> = (0..count).rev().map(|n| format!("X-{n}")).collect();
        page()
            .with("vary", &names.join(" ,"))
            .with("vary", "x-0, X-0,")
    };
    let plan = names(3).judge().unwrap();
    assert_eq!(plan.vary, ["x-0", "x-1", "x-2"]);
    assert_eq!(names(8).judge().unwrap().vary.len(), 8);
    assert_eq!(names(9).refusal(), Some(NotStored::VaryBounds));
    assert_eq!(names(10_000).refusal(), Some(NotStored::VaryBounds));
    assert_eq!(page().judge().unwrap().vary, [] as [HeaderName; 0]);
}
