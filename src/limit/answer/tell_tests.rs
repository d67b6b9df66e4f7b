use proptest::prelude::*;
use sfv::{Dictionary, Parser};

use super::*;
use crate::header::arbitrary;
use crate::limit::answer::{Why, refusal};
use crate::limit::decision::{Receipt, Standing, Wait};
use crate::limit::quota::Unit;

fn policy(name: &'static str, amount: u64, window: Option<u64>) -> Policy {
    Policy {
        name: name.into(),
        amount,
        window: window.map(|seconds| seconds * 1_000_000),
        unit: Unit::Requests,
        is_in_flight: false,
    }
}

fn in_flight(name: &'static str, amount: u64) -> Policy {
    Policy {
        is_in_flight: true,
        ..policy(name, amount, None)
    }
}

fn admitted(remaining: u64, next: u64) -> Standing {
    Standing {
        admitted: true,
        remaining,
        wait: Wait::NONE,
        next,
        full: next,
        receipt: Receipt::NONE,
    }
}

fn refused(remaining: u64, next: u64, wait: Wait) -> Standing {
    Standing {
        admitted: false,
        wait,
        ..admitted(remaining, next)
    }
}

const fn told<'a>(policy: &'a Policy, standing: &'a Standing) -> Told<'a> {
    Told {
        policy,
        standing,
        is_dry: false,
    }
}

/// The fields as lines, in the order of their names, after those that stood there.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort_by_key(|line| line.split(':').next().unwrap().to_owned());
    lines
}

fn telling(
    dialect: Dialect,
    there: &[(HeaderName, &str)],
    all: &[(Policy, Standing)],
) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in there {
        headers.append(name, value.parse().unwrap());
    }
    let policies: Vec<Policy> = all.iter().map(|(policy, _)| policy.clone()).collect();
    let told: Vec<Told<'_>> = all
        .iter()
        .map(|(policy, standing)| told(policy, standing))
        .collect();
    tell(dialect, &policies, &told, 1_000, &mut headers);
    lines(&headers)
}

fn two() -> [(Policy, Standing); 2] {
    [
        (policy("burst", 100, Some(60)), admitted(42, 600_000)),
        (
            policy("daily", 1_000, Some(86_400)),
            admitted(840, 3_599_000_001),
        ),
    ]
}

#[test]
fn each_dialect_tells_the_same_in_its_own_words() {
    assert_eq!(
        telling(Dialect::Draft11, &[], &two()),
        [
            r#"ratelimit: "burst";r=42;t=1, "daily";r=840;t=3600"#,
            r#"ratelimit-policy: "burst";q=100;w=60, "daily";q=1000;w=86400"#,
        ]
    );
    assert_eq!(
        telling(Dialect::Draft7, &[], &two()),
        [
            "ratelimit: limit=100, remaining=42, reset=1",
            "ratelimit-policy: 100;w=60, 1000;w=86400",
        ]
    );
    let x = |reset| telling(Dialect::XRateLimit(reset), &[], &two());
    let trio = |reset| {
        [
            "x-ratelimit-limit: 100".to_owned(),
            "x-ratelimit-remaining: 42".to_owned(),
            format!("x-ratelimit-reset: {reset}"),
        ]
    };
    assert_eq!(x(Reset::Seconds), trio("1"));
    assert_eq!(x(Reset::UnixTime), trio("1001"));
    assert!(telling(Dialect::None, &[], &two()).is_empty());
}

#[test]
fn units_and_windows_are_told_only_where_the_default_will_not_do() {
    let bytes = Policy {
        unit: Unit::ContentBytes,
        ..policy("bytes", 300, Some(60))
    };
    let short = Policy {
        window: Some(999_999),
        ..policy("short", 5, None)
    };
    let uneven = Policy {
        window: Some(1_000_001),
        ..policy("uneven", 5, None)
    };
    let all = [
        (bytes, admitted(300, 0)),
        (short, admitted(4, 1)),
        (uneven, admitted(4, 1)),
        (in_flight("flight", 7), admitted(6, 0)),
        (policy("none", 0, None), admitted(0, 0)),
    ];
    assert_eq!(
        telling(Dialect::Draft11, &[], &all),
        [
            r#"ratelimit: "bytes";r=300;t=0, "short";r=4;t=1, "uneven";r=4;t=1, "flight";r=6, "none";r=0"#,
            r#"ratelimit-policy: "bytes";q=300;w=60;qu="content-bytes", "short";q=5, "uneven";q=5;w=2, "flight";q=7;qu="concurrent-requests", "none";q=0"#,
        ]
        .map(|line| line.replace(r#"w=60;qu="content-bytes""#, r#"qu="content-bytes";w=60"#))
    );
    assert_eq!(
        telling(Dialect::Draft7, &[], &all),
        [
            "ratelimit: limit=5, remaining=4, reset=1",
            "ratelimit-policy: 300;w=60, 5;w=2"
        ]
    );
    let flight = [(in_flight("flight", 7), admitted(6, 0))];
    assert!(telling(Dialect::Draft7, &[], &flight).is_empty());
    assert!(telling(Dialect::XRateLimit(Reset::Seconds), &[], &flight).is_empty());
}

#[test]
fn without_a_policy_there_is_no_field() {
    for dialect in [
        Dialect::Draft11,
        Dialect::Draft7,
        Dialect::XRateLimit(Reset::Seconds),
    ] {
        assert!(telling(dialect, &[], &[]).is_empty());
    }
}

#[test]
fn a_refusal_tells_only_of_the_policies_that_refuse() {
    let all = [
        (
            policy("minute", 5, Some(60)),
            refused(0, 2_000_000, Wait::Micros(2_000_000)),
        ),
        (policy("hour", 10, Some(3_600)), admitted(0, 3_000_000_000)),
    ];
    assert_eq!(
        telling(Dialect::Draft11, &[], &all),
        [
            r#"ratelimit: "minute";r=0;t=2"#,
            r#"ratelimit-policy: "minute";q=5;w=60, "hour";q=10;w=3600"#,
        ]
    );
    assert_eq!(
        telling(Dialect::XRateLimit(Reset::Seconds), &[], &all),
        [
            "x-ratelimit-limit: 5",
            "x-ratelimit-remaining: 0",
            "x-ratelimit-reset: 2"
        ]
    );
}

#[test]
fn of_policies_with_the_same_left_the_legacy_fields_tell_of_the_longest_wait() {
    let all = [
        (policy("a", 5, Some(60)), admitted(1, 2_000_000)),
        (policy("b", 10, Some(3_600)), admitted(1, 9_000_000)),
        (policy("c", 15, Some(3_600)), admitted(2, 90_000_000)),
    ];
    assert_eq!(
        telling(Dialect::XRateLimit(Reset::Seconds), &[], &all),
        [
            "x-ratelimit-limit: 10",
            "x-ratelimit-remaining: 1",
            "x-ratelimit-reset: 9"
        ]
    );
}

#[test]
fn a_dry_run_says_so_and_refuses_nothing() {
    let (dry, other) = (policy("dry", 5, Some(60)), policy("other", 5, Some(60)));
    let (over, well) = (refused(0, 5, Wait::Micros(5)), admitted(3, 5));
    let dry = Told {
        is_dry: true,
        ..told(&dry, &over)
    };
    let mut headers = HeaderMap::new();
    tell(
        Dialect::Draft11,
        &[],
        &[dry, told(&other, &well)],
        0,
        &mut headers,
    );
    assert_eq!(
        lines(&headers),
        [r#"ratelimit: "dry";r=0;t=1;larder-dry-run, "other";r=3;t=1"#]
    );

    let mut headers = HeaderMap::new();
    tell(
        Dialect::Draft11,
        &[],
        &[dry, told(&other, &over)],
        0,
        &mut headers,
    );
    assert_eq!(lines(&headers), [r#"ratelimit: "other";r=0;t=1"#]);
}

#[test]
fn members_of_inner_services_are_kept_and_ours_come_last() {
    let there = [
        (wire::POLICY, r#""origin";q=7 , token;w=1"#),
        (wire::LIMIT, r#""origin";r=1;x"#),
    ];
    assert_eq!(
        telling(Dialect::Draft11, &there, &two()[..1]),
        [
            r#"ratelimit: "origin";r=1;x"#,
            r#"ratelimit: "burst";r=42;t=1"#,
            r#"ratelimit-policy: "origin";q=7 , token;w=1"#,
            r#"ratelimit-policy: "burst";q=100;w=60"#,
        ]
    );
    assert_eq!(
        telling(Dialect::Draft7, &[(wire::POLICY, "5;w=1")], &two()[..1])[1..],
        ["ratelimit-policy: 5;w=1", "ratelimit-policy: 100;w=60"]
    );
}

#[test]
fn a_member_of_our_name_is_not_doubled_and_never_loosened() {
    let policy_there = (wire::POLICY, r#""burst";q=50;w=60"#);
    let told = |limit| {
        telling(
            Dialect::Draft11,
            &[policy_there.clone(), (wire::LIMIT, limit)],
            &two()[..1],
        )
    };
    for (there, then) in [
        (r#""burst";r=41;t=0"#, r#""burst";r=41;t=0"#),
        (r#""burst";r=42;t=1"#, r#""burst";r=42;t=1"#),
        (r#""burst";r=42;t=2"#, r#""burst";r=42;t=2"#),
        (r#""burst";r=42"#, r#""burst";r=42;t=1"#),
        (
            r#""burst";r=43;t=2;x=y, "b";r=1"#,
            r#""burst";r=42;t=1;x=y, "b";r=1"#,
        ),
        (r#""burst""#, r#""burst";r=42;t=1"#),
    ] {
        let expected = [
            format!("ratelimit: {then}"),
            format!("ratelimit-policy: {}", policy_there.1),
        ];
        assert_eq!(told(there), expected, "{there}");
    }
}

#[test]
fn what_no_recipient_can_read_is_replaced() {
    for line in ["limit=100, remaining=5", "", "\"a", "a,", "\u{e9}"] {
        let there = [(wire::LIMIT, line), (wire::POLICY, line)];
        assert_eq!(
            telling(Dialect::Draft11, &there, &two()[..1]),
            [
                r#"ratelimit: "burst";r=42;t=1"#,
                r#"ratelimit-policy: "burst";q=100;w=60"#
            ],
            "{line}"
        );
    }
}

#[test]
fn legacy_fields_of_inner_services_are_tightened_but_not_loosened() {
    let there = |remaining| {
        let there = [
            (wire::X_LIMIT, "1000"),
            (wire::X_REMAINING, remaining),
            (wire::X_RESET, "77"),
        ];
        telling(Dialect::XRateLimit(Reset::Seconds), &there, &two()).join(" ")
    };
    let theirs = |left| {
        format!("x-ratelimit-limit: 1000 x-ratelimit-remaining: {left} x-ratelimit-reset: 77")
    };
    let ours = "x-ratelimit-limit: 100 x-ratelimit-remaining: 42 x-ratelimit-reset: 1";
    assert_eq!(there("41"), theirs("41"));
    assert_eq!(there("42"), theirs("42"));
    assert_eq!(there("43"), ours);
    assert_eq!(there("many"), ours);

    let draft_7 = |there| telling(Dialect::Draft7, &[(wire::LIMIT, there)], &two())[0].clone();
    assert_eq!(
        draft_7("limit=9, remaining=9, reset=9"),
        "ratelimit: limit=9, remaining=9, reset=9"
    );
    for there in ["limit=99, remaining=99, reset=9", "remaining=-1", "what?"] {
        assert_eq!(
            draft_7(there),
            "ratelimit: limit=100, remaining=42, reset=1",
            "{there}"
        );
    }
}

#[test]
fn the_policy_field_is_the_same_whatever_is_left() {
    let mut seen = Vec::new();
    for left in 0..100 {
        let all = [(policy("a", 100, Some(60)), admitted(left, left))];
        seen.push(telling(Dialect::Draft11, &[], &all)[1].clone());
    }
    seen.dedup();
    assert_eq!(seen, [r#"ratelimit-policy: "a";q=100;w=60"#]);
}

#[test]
fn a_map_without_room_does_not_panic() {
    let mut headers = HeaderMap::new();
    let name = |n: usize| HeaderName::try_from(format!("x-{n}")).unwrap();
    let mut n = 0;
    while headers
        .try_insert(name(n), HeaderValue::from_static(""))
        .is_ok()
    {
        n += 1;
    }
    let (policy, standing) = (policy("a", 1, None), admitted(1, 0));
    for dialect in [
        Dialect::Draft11,
        Dialect::Draft7,
        Dialect::XRateLimit(Reset::Seconds),
    ] {
        let told = [told(&policy, &standing)];
        tell(
            dialect,
            std::slice::from_ref(&policy),
            &told,
            0,
            &mut headers,
        );
    }
    assert_eq!(headers.len(), n);
}

prop_compose! {
    fn any_policy()(
        name in "[ -~]{1,12}",
        amount in prop_oneof![0..20_u64, any::<u64>()],
        window in prop::option::of(prop_oneof![0..5_000_000_u64, any::<u64>()]),
        kind in 0..3,
    ) -> Policy {
        Policy {
            name: name.into(),
            amount,
            window: window.filter(|_| kind != 2),
            unit: if kind == 1 { Unit::ContentBytes } else { Unit::Requests },
            is_in_flight: kind == 2,
        }
    }
}

prop_compose! {
    fn any_standing()(
        admitted in any::<bool>(),
        remaining in prop_oneof![0..20_u64, any::<u64>()],
        next in prop_oneof![0..5_000_000_u64, any::<u64>()],
        wait in prop_oneof![
            (0..5_000_000_u64).prop_map(Wait::Micros),
            any::<u64>().prop_map(Wait::Micros),
            Just(Wait::Unknown),
        ],
    ) -> Standing {
        Standing { admitted, wait, ..super::tests::admitted(remaining, next) }
    }
}

fn any_told() -> impl Strategy<Value = Vec<(Policy, Standing)>> {
    prop::collection::vec((any_policy(), any_standing()), 0..4)
}

/// The integers of the members, read by a parser that has no code in common with what wrote them.
fn parsed(
    headers: &HeaderMap,
    field: &HeaderName,
    keys: &[&str],
) -> Vec<(String, Vec<Option<i64>>)> {
    let lines: Vec<&[u8]> = headers
        .get_all(field)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let members: List = Parser::new(&lines.join(&b", "[..])).parse().unwrap();
    let read = |member: ListEntry| {
        let ListEntry::Item(item) = member else {
            panic!("an inner list");
        };
        let number = |key: &&str| Some(item.params.get(*key)?.as_integer().unwrap().into());
        let numbers = keys.iter().map(number).collect();
        (
            item.bare_item.as_string().unwrap().as_str().to_owned(),
            numbers,
        )
    };
    members.into_iter().map(read).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(all in any_told()) {
        let policies: Vec<Policy> = all.iter().map(|(policy, _)| policy.clone()).collect();
        let told: Vec<Told<'_>> = all.iter().map(|(policy, standing)| told(policy, standing)).collect();
        let mut headers = HeaderMap::new();
        tell(Dialect::Draft11, &policies, &told, 0, &mut headers);

        let most = 999_999_999_999_999_u64;
        let read = parsed(&headers, &wire::POLICY, &["q", "w"]);
        prop_assert_eq!(read.len(), policies.len());
        for ((name, numbers), policy) in read.iter().zip(&policies) {
            prop_assert_eq!(name, &*policy.name);
            prop_assert_eq!(numbers[0].unwrap() as u64, policy.amount.min(most));
            prop_assert!(numbers[1].is_none_or(|window| window > 0));
        }
        let is_refused = told.iter().any(Told::refuses);
        let listed: Vec<_> = told.iter().filter(|told| !is_refused || told.refuses()).collect();
        let read = parsed(&headers, &wire::LIMIT, &["r", "t"]);
        prop_assert_eq!(read.len(), listed.len());
        for ((name, numbers), told) in read.iter().zip(listed) {
            prop_assert_eq!(name, &*told.policy.name);
            let left = u64::try_from(numbers[0].unwrap()).unwrap();
            prop_assert!(left <= told.standing.remaining && left <= told.policy.amount);
            prop_assert!(numbers[1].is_none_or(|next| next >= 0));
        }
    }

    #[test]
    fn retry_after_never_ends_before_a_moment_that_is_told(all in any_told(), spread in 0..100_u64) {
        let policies: Vec<Policy> = all.iter().map(|(policy, _)| policy.clone()).collect();
        let told: Vec<Told<'_>> = all.iter().map(|(policy, standing)| told(policy, standing)).collect();
        let seconds = |spread| {
            let response = refusal(Why::Quota, &told, spread, &HeaderMap::new());
            response.headers()["retry-after"].to_str().unwrap().parse::<i64>().unwrap()
        };
        let exact = seconds(0);
        prop_assert_eq!(seconds(spread), (exact + spread as i64).min(999_999_999_999_999));
        if !told.iter().any(Told::refuses) {
            return Ok(());
        }
        let mut headers = HeaderMap::new();
        tell(Dialect::Draft11, &policies, &told, 0, &mut headers);
        for (_, numbers) in parsed(&headers, &wire::LIMIT, &["t"]) {
            prop_assert!(numbers[0].is_none_or(|next| next <= exact));
        }
        let mut headers = HeaderMap::new();
        tell(Dialect::XRateLimit(Reset::Seconds), &policies, &told, 0, &mut headers);
        if let Some(reset) = headers.get("x-ratelimit-reset") {
            prop_assert!(reset.to_str().unwrap().parse::<i64>().unwrap() <= exact);
        }
    }

    #[test]
    fn whatever_inner_services_said_the_fields_can_be_read(
        there in arbitrary::lines(wire::LIMIT),
        policy in any_policy(),
        standing in any_standing(),
    ) {
        let (told, policies) = ([told(&policy, &standing)], std::slice::from_ref(&policy));
        let mut headers = there.clone();
        tell(Dialect::Draft11, policies, &told, 0, &mut headers);
        prop_assert!(structured_list(&headers, &wire::LIMIT).is_some());

        let mut headers = there.clone();
        tell(Dialect::Draft7, policies, &told, 0, &mut headers);
        let read: Option<Dictionary> = dictionary(&headers, &wire::LIMIT);
        let lines = |headers: &HeaderMap| headers.get_all(wire::LIMIT).iter().cloned().collect::<Vec<_>>();
        prop_assert!(read.is_some() || lines(&headers) == lines(&there));

        let mut headers = there;
        let copy: Vec<_> = headers.get_all(wire::LIMIT).iter().cloned().collect();
        headers.extend(copy.into_iter().map(|line| (Some(wire::X_REMAINING), line)));
        tell(Dialect::XRateLimit(Reset::UnixTime), policies, &told, u64::MAX, &mut headers);
    }
}
