use std::iter::once;

use http::HeaderValue;
use http::header::ETAG;
use proptest::prelude::*;

use super::Verdict::{Failed, NotModified, Proceed};
use super::*;
use crate::header::arbitrary;

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const THEN_SECONDS: u64 = 784_111_777;

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"];

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// The verdict on a representation with these fields.
fn verdict(name: &str, request: &[(HeaderName, &str)], answer: &[(HeaderName, &str)]) -> Verdict {
    let now = at(THEN_SECONDS + 1_000);
    let answer = map(answer);
    let current = Current::of(&answer, CurrentTag::None, now);
    Conditions::of(&map(request)).judge(&method(name), current, now)
}

/// What one field of a request comes to by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Absent,
    True,
    False,
    /// There, and no condition: what has no date to be compared, or is none.
    Ignored,
}
use Is::{Absent, False, Ignored, True};

/// What four values of one field come to.
type Truths = [Is; 4];

/// The steps of §13.2.2, word for word, for conditions whose truth is known.
fn steps(reads: bool, [match_, unmodified, none_match, modified]: [Is; 4]) -> Verdict {
    // 1. When recipient is the origin server and If-Match is present: if true, continue to step 3; if false, respond 412.
    if match_ == False {
        return Failed;
    }
    // 2. … If-Match is not present, and If-Unmodified-Since is present: if true, continue to step 3; if false, respond 412.
    if match_ == Absent && unmodified == False {
        return Failed;
    }
    // 3. When If-None-Match is present: if true, continue to step 5; if false for GET/HEAD, respond 304; if false for other methods, respond 412.
    if none_match == False {
        return if reads { NotModified } else { Failed };
    }
    // 4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present: … if false, respond 304.
    if reads && none_match == Absent && modified == False {
        return NotModified;
    }
    Proceed
}

/// CO-03: all orders of all conditions, for all methods, against a representation with all validators, with each, and with none.
#[test]
fn all_conditions_are_judged_in_their_order() {
    let both: &[(HeaderName, &str)] = &[(ETAG, "\"a\""), (LAST_MODIFIED, THEN)];
    // For each representation: the truth of the fields below, in their order.
    let tables: [(_, Truths, Truths, Truths, Truths); 4] = [
        (
            both,
            [True, False, True, Ignored],
            [True, True, False, Ignored],
            [False, False, False, True],
            [False, False, True, Ignored],
        ),
        (
            &both[..1],
            [True, False, True, Ignored],
            [Ignored, Ignored, Ignored, Ignored],
            [False, False, False, True],
            [Ignored, Ignored, Ignored, Ignored],
        ),
        (
            &both[1..],
            [False, False, True, Ignored],
            [True, True, False, Ignored],
            [True, True, False, True],
            [False, False, True, Ignored],
        ),
        (
            &[],
            [False, False, True, Ignored],
            [Ignored, Ignored, Ignored, Ignored],
            [True, True, False, True],
            [Ignored, Ignored, Ignored, Ignored],
        ),
    ];
    let if_match = ["\"b\", \"a\"", "W/\"a\"", "*", "a"];
    let dates = [THEN, LATER, EARLIER, "yesterday"];
    let if_none_match = ["\"a\"", "\"b\", W/\"a\"", "*", "\"b\""];

    for (answer, matches, unmodifieds, none_matches, modifieds) in tables {
        let choices = |values: [&'static str; 4], truths: Truths| {
            once((None, Absent)).chain(values.map(Some).into_iter().zip(truths))
        };
        for (im, im_is) in choices(if_match, matches) {
            for (ius, ius_is) in choices(dates, unmodifieds) {
                for (inm, inm_is) in choices(if_none_match, none_matches) {
                    for (ims, ims_is) in choices(dates, modifieds) {
                        let given = [
                            im.map(|value| (IF_MATCH, value)),
                            ius.map(|value| (IF_UNMODIFIED_SINCE, value)),
                            inm.map(|value| (IF_NONE_MATCH, value)),
                            ims.map(|value| (IF_MODIFIED_SINCE, value)),
                        ];
                        let request: Vec<_> = given.into_iter().flatten().collect();
                        for name in METHODS {
                            let reads = matches!(name, "GET" | "HEAD");
                            // A list that cannot be read forbids writing.
                            let im_is = if im_is == Ignored && !reads {
                                False
                            } else {
                                im_is
                            };
                            assert_eq!(
                                verdict(name, &request, answer),
                                steps(reads, [im_is, ius_is, inm_is, ims_is]),
                                "{name} {request:?} {answer:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// CO-04 and CO-05.
#[test]
fn none_match_compares_weakly_and_match_strongly() {
    for (given, current, weakly, strongly) in [
        ("W/\"1\"", "W/\"1\"", true, false),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", true, false),
        ("\"1\"", "W/\"1\"", true, false),
        ("\"1\"", "\"1\"", true, true),
        ("\"1,2\"", "\"1,2\"", true, true),
        ("\"2\", \"1\"", "\"1\"", true, true),
        ("\"1\"", "1", false, false),
    ] {
        for name in METHODS {
            let reads = matches!(name, "GET" | "HEAD");
            let found = if reads { NotModified } else { Failed };
            assert_eq!(
                verdict(name, &[(IF_NONE_MATCH, given)], &[(ETAG, current)]),
                if weakly { found } else { Proceed },
                "{name} {given} {current}"
            );
            assert_eq!(
                verdict(name, &[(IF_MATCH, given)], &[(ETAG, current)]),
                if strongly { Proceed } else { Failed },
                "{name} {given} {current}"
            );
        }
    }
}

#[test]
fn methods_without_a_representation_have_no_conditions() {
    for name in ["OPTIONS", "CONNECT", "TRACE"] {
        let request = [(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "*")];
        assert_eq!(verdict(name, &request, &[(ETAG, "\"a\"")]), Proceed);
        let absent = Conditions::of(&map(&request)).judge_absent(&method(name));
        assert_eq!(absent, Proceed);
    }
}

#[test]
fn what_is_absent_fails_if_match_alone_and_for_writers_alone() {
    for (request, writer) in [
        (&[][..], Proceed),
        (&[(IF_MATCH, "*")], Failed),
        (&[(IF_MATCH, "\"a\"")], Failed),
        (&[(IF_MATCH, "a")], Failed),
        (&[(IF_NONE_MATCH, "*")], Proceed),
        (&[(IF_NONE_MATCH, "\"a\"")], Proceed),
        (&[(IF_UNMODIFIED_SINCE, EARLIER)], Proceed),
        (&[(IF_MODIFIED_SINCE, LATER)], Proceed),
        (&[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")], Failed),
    ] {
        for name in METHODS {
            let reads = matches!(name, "GET" | "HEAD");
            let expected = if reads { Proceed } else { writer };
            let verdict = Conditions::of(&map(request)).judge_absent(&method(name));
            assert_eq!(verdict, expected, "{name} {request:?}");
        }
    }
}

#[test]
fn a_tag_that_nobody_has_made_is_not_held_against_the_client() {
    let now = at(THEN_SECONDS);
    for (request, expected) in [
        (&[(IF_MATCH, "\"a\"")][..], Proceed),
        (
            &[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, EARLIER)],
            Proceed,
        ),
        (&[(IF_UNMODIFIED_SINCE, EARLIER)], Failed),
        (&[(IF_NONE_MATCH, "\"a\"")], Proceed),
        (&[(IF_NONE_MATCH, "*")], NotModified),
        (
            &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, LATER)],
            Proceed,
        ),
        (&[(IF_MODIFIED_SINCE, LATER)], NotModified),
    ] {
        let answer = map(&[(LAST_MODIFIED, THEN)]);
        let current = Current::of(&answer, CurrentTag::Unknown, now);
        let verdict = Conditions::of(&map(request)).judge(&Method::HEAD, current, now);
        assert_eq!(verdict, expected, "{request:?}");
        // One that the answer has after all is known.
        let answer = map(&[(ETAG, "\"b\"")]);
        let current = Current::of(&answer, CurrentTag::Unknown, now);
        let verdict =
            Conditions::of(&map(&[(IF_MATCH, "\"a\"")])).judge(&Method::HEAD, current, now);
        assert_eq!(verdict, Failed);
    }
}

/// CO-06.
#[test]
fn what_cannot_be_read_holds_nothing_against_a_reader() {
    let answer = [(ETAG, "\"a\""), (LAST_MODIFIED, THEN)];
    for request in [
        &[(IF_NONE_MATCH, "a")][..],
        &[(IF_NONE_MATCH, "\"a\" \"b\"")],
        &[(IF_NONE_MATCH, "*, \"a\"")],
        &[(IF_NONE_MATCH, "*"), (IF_NONE_MATCH, "*")],
        &[(IF_NONE_MATCH, "a"), (IF_MODIFIED_SINCE, THEN)],
        &[(IF_NONE_MATCH, ""), (IF_MODIFIED_SINCE, THEN)],
        &[(IF_MATCH, "b")],
        &[(IF_MATCH, "b"), (IF_UNMODIFIED_SINCE, EARLIER)],
        &[(IF_MODIFIED_SINCE, "1994-11-06T08:49:37Z")],
        &[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 UTC")],
        &[(IF_MODIFIED_SINCE, THEN), (IF_MODIFIED_SINCE, THEN)],
        &[(IF_UNMODIFIED_SINCE, "0")],
        &[
            (IF_UNMODIFIED_SINCE, EARLIER),
            (IF_UNMODIFIED_SINCE, EARLIER),
        ],
    ] {
        assert_eq!(verdict("GET", request, &answer), Proceed, "{request:?}");
    }
}

#[test]
fn dates_have_three_forms_and_whole_seconds() {
    for date in [
        THEN,
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        let request = [(IF_MODIFIED_SINCE, date)];
        assert_eq!(
            verdict("GET", &request, &[(LAST_MODIFIED, THEN)]),
            NotModified
        );
    }
    let judge = |name: &str, field: HeaderName, modified: SystemTime| {
        let current = Current {
            tag: CurrentTag::None,
            modified: Some(modified),
        };
        Conditions::of(&map(&[(field, THEN)])).judge(&method(name), current, at(0))
    };
    let within = at(THEN_SECONDS) + Duration::from_nanos(999_999_999);
    assert_eq!(judge("GET", IF_MODIFIED_SINCE, within), NotModified);
    assert_eq!(judge("PUT", IF_UNMODIFIED_SINCE, within), Proceed);
    let after = at(THEN_SECONDS + 1);
    assert_eq!(judge("GET", IF_MODIFIED_SINCE, after), Proceed);
    assert_eq!(judge("PUT", IF_UNMODIFIED_SINCE, after), Failed);
    let before_all_dates = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(judge("GET", IF_MODIFIED_SINCE, before_all_dates), Proceed);
}

proptest! {
    #[test]
    fn any_bytes_never_panic(
        tags in arbitrary::lines(IF_NONE_MATCH),
        wanted in arbitrary::lines(IF_MATCH),
        dates in arbitrary::lines(IF_MODIFIED_SINCE),
        unmodified in arbitrary::lines(IF_UNMODIFIED_SINCE),
        tag in arbitrary::lines(ETAG),
        modified in arbitrary::lines(LAST_MODIFIED),
        method in prop::sample::select(METHODS.as_slice()),
    ) {
        let joined = |maps: &[HeaderMap]| -> HeaderMap {
            maps.iter().flat_map(HeaderMap::iter).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let conditions = Conditions::of(&joined(&[tags, wanted, dates, unmodified]));
        let answer = joined(&[tag, modified]);
        let current = Current::of(&answer, CurrentTag::None, at(THEN_SECONDS));
        let verdict = conditions.judge(&self::method(method), current, at(THEN_SECONDS));
        prop_assert!(!conditions.is_empty() || verdict == Proceed);
        prop_assert!(verdict != NotModified || matches!(method, "GET" | "HEAD"));
    }
}
