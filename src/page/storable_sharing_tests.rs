//! What one person caused, and whom it may be answered to (RFC 9111 §3.5, SPEC section 6.3).

use super::*;

#[test]
fn an_answer_to_credentials_is_stored_only_if_it_says_that_it_is_for_all() {
    let asked = || page().asked_with_credentials();
    for directives in [
        "",
        "max-age=60",
        "must-revalidate, max-age=60",
        "proxy-revalidate, max-age=60",
        "immutable, max-age=60",
        "public=1, max-age=60",
        "x=\"public\", max-age=60",
        "mypublic, max-age=60",
        "s-maxage, max-age=60",
        "s-maxage=abc, max-age=60",
        "s-maxage=0, max-age=60",
        "s-maxage=1, s-maxage=60",
    ] {
        let case = asked().says(directives);
        assert_eq!(case.refusal(), Some(NotStored::Credentials), "{directives}");
        let first = case.under(|layer| layer.ttl_order(TtlOrder::PolicyFirst));
        assert_eq!(
            first.refusal(),
            Some(NotStored::Credentials),
            "{directives}"
        );
    }
    assert_eq!(asked().says("public").lifetime(), Ok(minutes(5)));
    assert_eq!(
        asked().says("Public, max-age=60").lifetime(),
        Ok(minutes(1))
    );
    assert_eq!(asked().says("s-maxage=60").lifetime(), Ok(minutes(1)));
    assert_eq!(
        asked().says("public, private").refusal(),
        Some(NotStored::Private)
    );
    for vary in ["cookie", "authorization", "cookie, authorization"] {
        let case = asked().says("max-age=60").with("vary", vary);
        assert_eq!(case.refusal(), Some(NotStored::Credentials), "{vary}");
    }
    let handler = asked().control(PageControl::new().ttl(hours(1)));
    assert_eq!(
        handler.refusal(),
        Some(NotStored::Credentials),
        "a lifetime is no permission"
    );
}

#[test]
fn what_a_handler_made_for_the_one_who_asked_is_never_stored() {
    for directives in [
        "",
        "public, max-age=60",
        "s-maxage=60",
        "public, must-revalidate",
    ] {
        let case = page().asked_by_somebody().says(directives);
        assert_eq!(case.refusal(), Some(NotStored::Identity), "{directives}");
        let shared = case.under(CacheLayer::shared);
        assert_eq!(shared.refusal(), Some(NotStored::Identity), "{directives}");
    }
}

#[test]
fn a_cookie_that_is_set_is_never_stored() {
    for cookie in [
        "id=1",
        "id=; Max-Age=0",
        "",
        "sessionid=1; HttpOnly; Path=/",
    ] {
        let plain = page().with("set-cookie", cookie);
        let cases = [
            plain.clone(),
            plain.clone().says("public, max-age=60"),
            plain.clone().says("s-maxage=60"),
            plain.clone().with("vary", "Cookie"),
            plain
                .clone()
                .asked_with_credentials()
                .says("public, max-age=60"),
            plain.clone().control(PageControl::new().ttl(hours(1))),
            plain.clone().under(CacheLayer::shared),
            plain.under(|layer| layer.ttl_order(TtlOrder::PolicyFirst)),
        ];
        for case in cases {
            assert_eq!(
                case.refusal(),
                Some(NotStored::SetCookie),
                "{cookie} {:?}",
                case.headers
            );
        }
    }
}

#[test]
fn what_signs_somebody_in_or_out_is_never_stored() {
    for (name, value) in [
        ("authentication-info", "nextnonce=\"x\""),
        ("clear-site-data", "\"cookies\""),
        ("clear-site-data", ""),
    ] {
        let case = page().says("public, max-age=60").with(name, value);
        assert_eq!(case.refusal(), Some(NotStored::PerPerson), "{name}");
    }
}

#[test]
fn an_answer_to_one_origin_is_stored_only_under_that_origin() {
    let to = |origin: &str| {
        page()
            .says("max-age=60")
            .with("access-control-allow-origin", origin)
    };
    for origin in ["https://a.example", "null", "", "* ", "*, *"] {
        assert_eq!(to(origin).refusal(), Some(NotStored::Cors), "{origin}");
        let other = to(origin).with("vary", "accept");
        assert_eq!(other.refusal(), Some(NotStored::Cors), "{origin}");
        let selected = to(origin).with("vary", "accept, ORIGIN").judge().unwrap();
        assert!(selected.vary.contains(&ORIGIN), "{origin}");
    }
    assert!(to("*").judge().is_ok());
    let two = to("*").with("access-control-allow-origin", "https://a.example");
    assert_eq!(two.refusal(), Some(NotStored::Cors));
    let credentials = |case: Case| case.with("access-control-allow-credentials", "true");
    assert_eq!(
        credentials(to("https://a.example").with("vary", "origin")).refusal(),
        Some(NotStored::Cors)
    );
    assert!(
        credentials(
            to("https://a.example")
                .with("vary", "origin")
                .says("public")
        )
        .judge()
        .is_ok()
    );
    assert_eq!(
        credentials(to("https://a.example").says("public")).refusal(),
        Some(NotStored::Cors)
    );
}

#[test]
fn what_a_shared_handler_never_saw_selects_nothing() {
    let selected = |case: Case| {
        case.with("vary", "Cookie, Accept, authorization, proxy-authorization")
            .judge()
            .unwrap()
            .vary
    };
    assert_eq!(selected(page().under(CacheLayer::shared)), ["accept"]);
    assert_eq!(
        selected(page()),
        ["accept", "authorization", "cookie", "proxy-authorization"]
    );
}
