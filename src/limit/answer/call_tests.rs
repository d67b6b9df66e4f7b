use proptest::prelude::*;

use super::*;
use crate::limit::answer::{Dialect, Policy, refusal, tell};
use crate::limit::decision::{Receipt, Standing, Wait};
use crate::limit::quota::Unit;

fn policy(name: impl Into<String>) -> Policy {
    Policy {
        name: name.into().into(),
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

/// Refused by policies of these names, that wait and have more at that time.
fn refused_by(why: Why, spread: u64, policies: &[(String, Wait, u64)]) -> CallRefusal {
    with_told(policies, |told| call_refusal(why, told, spread))
}

fn with_told<T>(policies: &[(String, Wait, u64)], use_them: impl FnOnce(&[Told<'_>]) -> T) -> T {
    let all: Vec<_> = policies
        .iter()
        .map(|(name, wait, next)| (policy(name), refused(*wait, *next)))
        .collect();
    let told: Vec<_> = all
        .iter()
        .map(|(policy, standing)| Told {
            policy,
            standing,
            is_dry: false,
        })
        .collect();
    use_them(&told)
}

fn of(why: Why, wait: Wait) -> Status {
    refused_by(why, 0, &[("search".to_owned(), wait, 0)]).status()
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

fn pushed_back(status: &Status) -> &str {
    status.metadata().get(PUSHBACK).unwrap().to_str().unwrap()
}

#[test]
fn each_reason_has_a_code_and_a_wait_that_are_told_alike_everywhere() {
    let second = Duration::from_secs(1);
    let table = [
        (
            Why::Quota,
            Wait::Micros(1_000_001),
            Code::ResourceExhausted,
            Some(Duration::from_millis(1_001)),
        ),
        (
            Why::Quota,
            Wait::Micros(1),
            Code::ResourceExhausted,
            Some(Duration::from_millis(1)),
        ),
        (
            Why::Quota,
            Wait::Unknown,
            Code::ResourceExhausted,
            Some(second),
        ),
        (Why::Quota, Wait::Never, Code::ResourceExhausted, None),
        (
            Why::SharedQuota,
            Wait::Micros(1_000_000),
            Code::ResourceExhausted,
            Some(second),
        ),
        (Why::SharedQuota, Wait::Never, Code::ResourceExhausted, None),
        (
            Why::Away,
            Wait::Micros(30_000_000),
            Code::Unavailable,
            Some(second),
        ),
        (
            Why::DeniedAddress,
            Wait::Unknown,
            Code::PermissionDenied,
            None,
        ),
        (
            Why::MissingIdentity,
            Wait::Unknown,
            Code::Unauthenticated,
            None,
        ),
    ];
    for (why, wait, code, told) in table {
        let status = of(why, wait);
        assert_eq!(status.code(), code, "{why:?}");
        assert_eq!(retry_delay(&status), told, "{why:?} {wait:?}");
        let millis = told.map_or("-1".to_owned(), |told| told.as_millis().to_string());
        assert_eq!(pushed_back(&status), millis, "{why:?} {wait:?}");
    }
}

#[test]
fn details_have_the_code_and_the_message_of_the_status_and_name_the_policies() {
    let by = |name: &str, wait| (name.to_owned(), Wait::Micros(wait), 0);
    let refusal = refused_by(
        Why::Quota,
        0,
        &[by("a", 5_000_000), by("b \"c\"", 7_000_000)],
    );
    let status = refusal.status();
    let outer = tonic_types::pb::Status::default();
    let decoded: tonic_types::pb::Status = prost::Message::decode(status.details()).unwrap();
    assert_ne!(decoded, outer);
    assert_eq!((decoded.code, &*decoded.message), (8, status.message()));
    assert_eq!(retry_delay(&status), Some(Duration::from_secs(7)));
    let violations = status.get_details_quota_failure().unwrap().violations;
    let named: Vec<_> = violations
        .iter()
        .map(|it| (&*it.quota_id, it.quota_value))
        .collect();
    assert_eq!(named, [("a", 10), ("b \"c\"", 10)]);
}

#[test]
fn a_wait_beyond_what_pushback_holds_ends_there_and_is_whole_in_the_details() {
    let month = Duration::from_secs(31 * 86_400);
    let status = of(
        Why::Quota,
        Wait::Micros(u64::try_from(month.as_micros()).unwrap()),
    );
    assert_eq!(pushed_back(&status), i32::MAX.to_string());
    assert_eq!(retry_delay(&status), Some(month));
    // Nor is any other too long.
    assert_eq!(
        pushed_back(&of(Why::Quota, Wait::Micros(u64::MAX))),
        i32::MAX.to_string()
    );
    let spread = refused_by(Why::Quota, u64::MAX, &[("a".to_owned(), Wait::Unknown, 0)]);
    assert_eq!(pushed_back(&spread.status()), i32::MAX.to_string());
}

#[test]
fn the_applications_words_are_kept_and_what_they_leave_out_is_added() {
    let usual = || {
        refused_by(
            Why::Quota,
            0,
            &[("a".to_owned(), Wait::Micros(2_000_000), 0)],
        )
    };
    let own = usual().worded(Status::aborted("caf\u{e9} is 100% full\nsorry"));
    assert_eq!(
        (own.code(), own.message()),
        (Code::Aborted, "caf\u{e9} is 100% full\nsorry")
    );
    assert_eq!(retry_delay(&own), Some(Duration::from_secs(2)));
    assert_eq!(pushed_back(&own), "2000");
    let Block(fields) = Block::of(&own);
    assert_eq!(fields["grpc-message"], "caf%C3%A9 is 100%25 full%0Asorry");
    assert_eq!(fields["grpc-status"], "10");

    let mut metadata = MetadataMap::new();
    metadata.insert(PUSHBACK, "-1".parse().unwrap());
    let details = ErrorDetails::with_help_link("more", "https://shop.example/quotas");
    let full =
        Status::with_error_details_and_metadata(Code::ResourceExhausted, "m", details, metadata);
    let worded = usual().worded(full);
    assert_eq!(pushed_back(&worded), "-1");
    assert_eq!(retry_delay(&worded), None);
    assert_eq!(worded.get_details_help().unwrap().links.len(), 1);

    // It went not well.
    let ok = usual().worded(Status::ok("fine"));
    assert_eq!(
        (ok.code(), ok.message()),
        (Code::ResourceExhausted, "the quota is used up")
    );
}

#[test]
fn a_block_stays_below_what_clients_take() {
    let many: Vec<_> = (0..500)
        .map(|n| (format!("{n:064}"), Wait::Micros(1_000_000), 0))
        .collect();
    let status = refused_by(Why::Quota, 0, &many).status();
    let Block(fields) = Block::of(&status);
    assert!(size(&fields) <= LARGEST_BLOCK, "{}", size(&fields));
    assert!(fields.contains_key("grpc-status-details-bin"));

    // What others tell of a quota goes without saying, and what refuses it does not.
    let policies: Vec<_> = many.iter().map(|(name, ..)| policy(name)).collect();
    let mut response = http::Response::new(());
    with_told(&many, |told| {
        Block::of(&status).put(&mut response, |headers| {
            tell(Dialect::Draft11, &policies, told, 0, headers);
        });
    });
    assert!(size(response.headers()) <= LARGEST_BLOCK);
    assert!(!response.headers().contains_key("ratelimit"));
    assert_eq!(response.headers()["grpc-status"], "8");

    let wordy = refused_by(Why::Quota, 0, &[("a".to_owned(), Wait::Never, 0)])
        .worded(Status::resource_exhausted("\u{1F600}".repeat(10_000)));
    let Block(fields) = Block::of(&wordy);
    assert!(size(&fields) <= LARGEST_BLOCK, "{}", size(&fields));
    assert_eq!(
        (&fields["grpc-status"], &fields[PUSHBACK]),
        (&"8".parse().unwrap(), &"-1".parse().unwrap())
    );
}

fn waits() -> impl Strategy<Value = Wait> {
    prop_oneof![
        4 => (0..100_000_000_u64).prop_map(Wait::Micros),
        1 => any::<u64>().prop_map(Wait::Micros),
        1 => Just(Wait::Unknown),
        1 => Just(Wait::Never),
    ]
}

proptest! {
    #[test]
    fn pushback_details_fields_and_retry_after_agree(
        waits in prop::collection::vec((waits(), 0..100_000_000_u64), 1..5),
        why in prop::sample::select(vec![Why::Quota, Why::SharedQuota, Why::Away]),
        spread in 0..100_u64,
    ) {
        let policies: Vec<_> = waits
            .iter()
            .enumerate()
            .map(|(n, (wait, next))| (format!("p{n}"), *wait, *next))
            .collect();
        let all: Vec<_> = policies.iter().map(|(name, ..)| policy(name)).collect();
        let status = refused_by(why, spread, &policies).status();
        let (http, fields) = with_told(&policies, |told| {
            let mut fields = HeaderMap::new();
            tell(Dialect::XRateLimit(crate::limit::Reset::Seconds), &all, told, 0, &mut fields);
            (refusal(why, told, spread, &HeaderMap::new()), fields)
        });
        let retry_after = http.headers().get("retry-after");
        let retry_after: Option<u64> = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
        let pushback: i64 = pushed_back(&status).parse().unwrap();
        match retry_delay(&status) {
            None => prop_assert_eq!((pushback, retry_after), (-1, None)),
            Some(delay) => {
                let millis = i64::try_from(delay.as_millis()).unwrap();
                prop_assert_eq!(pushback, millis.min(i64::from(i32::MAX)));
                let seconds = delay.as_millis().div_ceil(1_000).min(999_999_999_999_999);
                prop_assert_eq!(Some(seconds), retry_after.map(u128::from));
                let reset: u128 = fields["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
                prop_assert!(reset <= seconds, "{} {}", reset, seconds);
            }
        }
    }
}
