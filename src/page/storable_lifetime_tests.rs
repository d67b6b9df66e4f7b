//! How long a response is stored for, and on whose word (RFC 9111 §4.2).

use super::*;
use crate::ttl::days;

#[test]
fn a_lifetime_is_the_responses_then_the_handlers_then_the_routes() {
    let handler = || PageControl::new().ttl(seconds(30));
    assert_eq!(page().lifetime(), Ok(minutes(5)));
    assert_eq!(page().control(handler()).lifetime(), Ok(seconds(30)));
    assert_eq!(
        page()
            .control(PageControl::new().ttl(Ttl::Default))
            .lifetime(),
        Ok(minutes(7))
    );
    for (directives, lifetime) in [
        ("max-age=9", 9),
        ("s-maxage=8, max-age=9", 8),
        ("max-age=9, max-age=9", 9),
        ("Max-Age=\"9\"", 9),
        (",,max-age=9,", 9),
        ("x=\"no-store, max-age=0\", max-age=9", 9),
        ("foo=1, max-age=9", 9),
        ("max-age=900", 900),
    ] {
        let case = page().says(directives).control(handler());
        assert_eq!(case.lifetime(), Ok(seconds(lifetime)), "{directives}");
    }
    let expires = page().with("expires", "Thu, 01 Jan 1970 00:17:00 GMT");
    assert_eq!(expires.clone().lifetime(), Ok(seconds(20)));
    assert_eq!(expires.says("max-age=9").lifetime(), Ok(seconds(9)));
    assert_eq!(on(Ttl::Forever).lifetime(), Ok(crate::ttl::LONGEST));
    assert_eq!(
        on(Ttl::Default).lifetime(),
        Ok(minutes(5)),
        "the cache's own default"
    );
}

#[test]
fn a_lifetime_of_zero_or_one_that_cannot_be_read_is_a_no_for_any_route() {
    for directives in [
        "max-age=0",
        "s-maxage=0, max-age=60",
        "max-age",
        "max-age=abc, s-maxage=-1",
        "max-age=1.5",
        "max-age=1, max-age=60",
    ] {
        let case = page()
            .says(directives)
            .with("expires", "Thu, 01 Jan 2099 00:00:00 GMT");
        assert_eq!(case.refusal(), Some(NotStored::Expired), "{directives}");
    }
    for expires in [
        "0",
        "-1",
        "",
        "Thu, 01 Jan 1970 00:16:40 GMT",
        "2099-01-01T00:00:00Z",
    ] {
        let case = page().with("expires", expires);
        assert_eq!(case.refusal(), Some(NotStored::Expired), "{expires}");
    }
    assert_eq!(on(seconds(0)).refusal(), Some(NotStored::Expired));
    let zero = page().control(PageControl::new().ttl(seconds(0)));
    assert_eq!(zero.refusal(), Some(NotStored::Expired));
}

#[test]
fn a_policy_that_comes_first_overrides_lifetimes_and_nothing_else() {
    let first = || page().under(|layer| layer.ttl_order(TtlOrder::PolicyFirst));
    for directives in ["max-age=0", "s-maxage=0", "max-age=900", "max-age=abc"] {
        assert_eq!(
            first().says(directives).lifetime(),
            Ok(minutes(5)),
            "{directives}"
        );
    }
    let old = first().says("max-age=900").with("age", "800");
    assert_eq!(
        old.judge().unwrap().times.born,
        exchange().answered,
        "the age goes with its lifetime"
    );
    assert_eq!(first().with("expires", "0").lifetime(), Ok(minutes(5)));
    assert_eq!(first().says("no-store").refusal(), Some(NotStored::NoStore));
    assert_eq!(first().says("no-cache").refusal(), Some(NotStored::NoCache));
    assert_eq!(
        first().says("private, max-age=9").refusal(),
        Some(NotStored::Private)
    );
    assert_eq!(
        first().status(302).says("max-age=9").lifetime(),
        Ok(seconds(9)),
        "no policy for it"
    );
    let aged = first().status(302).says("max-age=9").with("age", "5");
    let born = aged.judge().unwrap().times.born;
    assert_eq!(
        exchange().answered.since(born),
        seconds(5),
        "nothing was overridden"
    );
    assert_eq!(
        first().status(302).says("max-age=0").refusal(),
        Some(NotStored::Expired)
    );
    assert_eq!(
        first().status(500).says("max-age=9").refusal(),
        Some(NotStored::Status)
    );
}

#[test]
fn an_age_counts_against_the_lifetime() {
    let aged = |age: &str| page().says("max-age=60").with("age", age);
    let plan = aged("59").judge().unwrap();
    assert_eq!(
        plan.times.fresh_until.since(exchange().answered),
        seconds(1)
    );
    assert_eq!(aged("60").refusal(), Some(NotStored::Expired));
    assert_eq!(
        page().with("age", "300").refusal(),
        Some(NotStored::Expired),
        "the route's too"
    );
    for invalid in ["-1", "x", "5, 6", ""] {
        assert_eq!(
            aged(invalid).refusal(),
            Some(NotStored::Expired),
            "{invalid}"
        );
    }
    assert_eq!(
        aged("10").with("age", "999").lifetime(),
        Ok(seconds(60)),
        "the first line counts"
    );
    let old = page()
        .says("max-age=60")
        .with("date", "Thu, 01 Jan 1970 00:15:00 GMT");
    assert_eq!(old.refusal(), Some(NotStored::Expired));
}

#[test]
fn long_lifetimes_are_capped() {
    assert_eq!(
        page().says("max-age=1000000000, immutable").lifetime(),
        Ok(days(365))
    );
    let capped = |case: Case| case.under(|layer| layer.max_ttl(hours(1)).unwrap());
    assert_eq!(
        capped(page())
            .says("s-maxage=99999999999999999999")
            .lifetime(),
        Ok(hours(1))
    );
    assert_eq!(
        capped(page()).says("max-age=3599").lifetime(),
        Ok(seconds(3_599))
    );
    assert_eq!(
        capped(page())
            .with("expires", "Thu, 01 Jan 2099 00:00:00 GMT")
            .lifetime(),
        Ok(hours(1))
    );
    assert_eq!(
        capped(page()).status(404).says("max-age=3600").lifetime(),
        Ok(seconds(60))
    );
    assert_eq!(
        capped(on(hours(2))).lifetime(),
        Ok(hours(2)),
        "the operator's own is not"
    );
}

#[test]
fn keeping_longer_does_not_make_fresher() {
    let kept = page()
        .says("max-age=60")
        .under(|layer| layer.keep(hours(1)).unwrap());
    let times = kept.judge().unwrap().times;
    assert_eq!(times.fresh_until.since(exchange().answered), minutes(1));
    assert_eq!(times.keep_until.since(exchange().answered), hours(1));
    let stale = page()
        .says("max-age=0")
        .under(|layer| layer.keep(hours(1)).unwrap());
    assert_eq!(stale.refusal(), Some(NotStored::Expired));
}
