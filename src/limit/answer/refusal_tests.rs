use http::header::ACCEPT;
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;
use crate::limit::answer::Policy;
use crate::limit::decision::Wait;
use crate::limit::decision::{Receipt, Standing};
use crate::limit::quota::Unit;

fn policy(name: &'static str) -> Policy {
    Policy {
        name: name.into(),
        amount: 10,
        window: Some(60_000_000),
        unit: Unit::Requests,
        is_in_flight: false,
    }
}

fn refused(wait: Wait, next: u64) -> Standing {
    Standing {
        admitted: false,
        remaining: 0,
        wait,
        next,
        full: next,
        receipt: Receipt::NONE,
    }
}

fn accepting(accept: &str) -> HeaderMap {
    arbitrary::map(&ACCEPT, [accept])
}

/// The answer where policies of these names and waits refuse.
fn answer(why: Why, waits: &[(&'static str, Wait)], request: &HeaderMap) -> Response<Bytes> {
    let policies: Vec<(Policy, Standing)> = waits
        .iter()
        .map(|(name, wait)| (policy(name), refused(*wait, 0)))
        .collect();
    let told: Vec<Told<'_>> = policies
        .iter()
        .map(|(policy, standing)| Told {
            policy,
            standing,
            is_dry: false,
        })
        .collect();
    refusal(why, &told, 0, request)
}

/// Status, `Retry-After`, and the members of the document.
fn document(why: Why, waits: &[(&'static str, Wait)]) -> (u16, Option<String>, Value) {
    let response = answer(why, waits, &HeaderMap::new());
    let headers = response.headers();
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    let retry_after = headers.get(RETRY_AFTER);
    let retry_after = retry_after.map(|seconds| seconds.to_str().unwrap().to_owned());
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(document["status"], response.status().as_u16());
    (response.status().as_u16(), retry_after, document)
}

const SECOND_AND_A_BIT: Wait = Wait::Micros(1_000_001);

#[test]
fn a_client_over_its_quota_gets_429_with_every_policy_and_the_longest_wait() {
    let waits = [
        ("b \"c\"", SECOND_AND_A_BIT),
        ("a", Wait::Micros(60_000_000)),
    ];
    let (status, retry_after, document) = document(Why::Quota, &waits);
    assert_eq!((status, retry_after.as_deref()), (429, Some("60")));
    assert_eq!(
        document,
        serde_json::json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": 429,
            "detail": "The quota is used up. Retry-After tells when to try again.",
            "violated-policies": ["b \"c\"", "a"],
        })
    );
}

#[test]
fn waits_are_rounded_up_to_whole_seconds_and_are_at_least_one() {
    for (wait, seconds) in [
        (Wait::NONE, "1"),
        (Wait::Micros(1), "1"),
        (Wait::Micros(1_000_000), "1"),
        (SECOND_AND_A_BIT, "2"),
        (Wait::Unknown, "1"),
        (Wait::Micros(u64::MAX), "18446744073710"),
    ] {
        let (_, retry_after, _) = document(Why::Quota, &[("a", wait)]);
        assert_eq!(retry_after.as_deref(), Some(seconds), "{wait:?}");
    }
}

#[test]
fn a_wait_that_nobody_knows_does_not_hide_one_that_is_known() {
    let waits = [
        ("flight", Wait::Unknown),
        ("minute", Wait::Micros(30_000_000)),
    ];
    assert_eq!(document(Why::Quota, &waits).1.as_deref(), Some("30"));
}

#[test]
fn a_cost_beyond_the_quota_is_told_at_once_and_without_a_wait() {
    for why in [Why::Quota, Why::SharedQuota] {
        let waits = [("a", SECOND_AND_A_BIT), ("b", Wait::Never)];
        let (status, retry_after, document) = document(why, &waits);
        assert_eq!((status, retry_after), (429, None));
        assert_eq!(document["type"], wire::QUOTA_EXCEEDED);
        assert_eq!(
            document["detail"],
            "The request costs more than the quota ever allows. Trying again will not help."
        );
    }
}

#[test]
fn what_is_no_fault_of_the_client_is_503() {
    for (why, waits) in [
        (Why::SharedQuota, [("a", SECOND_AND_A_BIT)]),
        (Why::Away, [("a", Wait::Never)]),
    ] {
        let (status, retry_after, document) = document(why, &waits);
        assert_eq!(status, 503);
        assert!(retry_after.is_some());
        assert_eq!(
            document["type"],
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
        );
        assert_eq!(
            document["title"],
            "Request cannot be satisfied due to temporary server capacity constraints"
        );
    }
}

#[test]
fn whoever_may_not_ask_at_all_gets_403_and_no_wait() {
    for why in [Why::DeniedAddress, Why::MissingIdentity] {
        let (status, retry_after, document) = document(why, &[]);
        assert_eq!((status, retry_after), (403, None));
        // RFC 9457 §4.2.1: the title is the reason phrase then.
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["title"], "Forbidden");
        assert!(document.get("violated-policies").is_none());
    }
}

#[test]
fn whoever_does_not_take_problem_documents_gets_text_of_the_same_status() {
    let waits = [("a", SECOND_AND_A_BIT)];
    for accept in ["text/html", "text/plain, */*;q=0.5", "image/*", "*/*;q=0"] {
        let response = answer(Why::Quota, &waits, &accepting(accept));
        assert_eq!(response.status(), 429, "{accept}");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(
            response.body(),
            "The quota is used up. Retry-After tells when to try again.\n"
        );
    }
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8", "what?"] {
        let response = answer(Why::Quota, &waits, &accepting(accept));
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/problem+json",
            "{accept}"
        );
    }
}

#[test]
fn a_dry_run_is_no_reason() {
    let (dry, real) = (policy("dry"), policy("real"));
    let (long, short) = (refused(Wait::Never, 0), refused(Wait::Micros(1), 0));
    let told = [(&dry, &long, true), (&real, &short, false)];
    let told = told.map(|(policy, standing, is_dry)| Told {
        policy,
        standing,
        is_dry,
    });
    let response = refusal(Why::Quota, &told, 0, &HeaderMap::new());
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(document["violated-policies"], serde_json::json!(["real"]));
    assert_eq!(response.headers()[RETRY_AFTER], "1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_of_the_request_is_echoed(
        accept in arbitrary::lines(ACCEPT),
        more in arbitrary::lines(http::header::COOKIE),
    ) {
        let waits = [("a", SECOND_AND_A_BIT)];
        let mut request = accept;
        request.extend(more);
        let given = answer(Why::Quota, &waits, &request);
        // Whatever the bytes are, the answer is one of two.
        let (document, text) = (
            answer(Why::Quota, &waits, &HeaderMap::new()),
            answer(Why::Quota, &waits, &accepting("text/plain")),
        );
        let is = |other: &Response<Bytes>| {
            given.headers() == other.headers() && given.body() == other.body()
        };
        prop_assert!(is(&document) || is(&text));
    }
}
