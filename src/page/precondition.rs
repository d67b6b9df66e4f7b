//! Conditional requests: what a selected stored response answers to them (RFC 9110 §13, RFC 9111 §4.3.2).
//!
//! `If-Match` and `If-Unmodified-Since` are for the origin (§4.3.2) and do not come this far.

use std::time::{Duration, SystemTime};

use http::header::{DATE, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::header::date;
use crate::header::etag::{EntityTag, TagList};

/// What is sent of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditional {
    /// All that was asked for.
    Full,
    /// 304: the client has it already.
    NotModified,
}

/// What the conditions of a request are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// When it came, for responses without any date of their own.
    pub(super) received: SystemTime,
}

impl Conditional {
    /// Decides for GET and HEAD, in the order of §13.2.2. `now` only places years of two digits.
    pub(super) fn of(request: &HeaderMap, selected: &Selected<'_>, now: SystemTime) -> Self {
        let by_tag = request.contains_key(IF_NONE_MATCH);
        if !by_tag && !request.contains_key(IF_MODIFIED_SINCE) {
            return Self::Full;
        }
        // §13.2.1: conditions are about a representation, and other statuses do not send one.
        if !selected.status.is_success() {
            return Self::Full;
        }
        // §13.1.3: a tag says more than a date, so the date is not even looked at, whatever the tags come to.
        let client_has_it = match by_tag {
            true => TagList::if_none_match(request).matches_weakly(EntityTag::of(selected.headers)),
            false => is_unmodified_since(request, selected, now),
        };
        match client_has_it {
            true => Self::NotModified,
            false => Self::Full,
        }
    }
}

/// Whether `Range` may be followed, as far as `If-Range` says (§13.1.5). Without a `Range` there is nothing to ask.
pub(super) fn if_range_holds(request: &HeaderMap, stored: &HeaderMap, now: SystemTime) -> bool {
    let mut lines = request.get_all(IF_RANGE).into_iter();
    let Some(validator) = lines.next() else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    if let Some(tag) = EntityTag::parse(validator) {
        return EntityTag::of(stored).is_some_and(|stored| stored.strong_eq(tag));
    }
    match (date::parse(validator, now), strong_date(stored, now)) {
        // Equal, not as early: the client's part may also be of a version that has since been taken back.
        (Some(given), Some(modified)) => given == modified,
        _ => false,
    }
}

fn is_unmodified_since(request: &HeaderMap, selected: &Selected<'_>, now: SystemTime) -> bool {
    let Some(given) = date::only(request, &IF_MODIFIED_SINCE, now) else {
        return false;
    };
    // RFC 9111 §4.3.2. What cannot be read is passed over too: each next date is later, so it can only make the answer full.
    let modified = date::only(selected.headers, &LAST_MODIFIED, now)
        .or_else(|| date::only(selected.headers, &DATE, now))
        .unwrap_or(selected.received);
    modified <= given
}

/// `Last-Modified`, if no second version can have the same (§8.8.2.2): it was over for a second when the response was made.
fn strong_date(stored: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let modified = date::only(stored, &LAST_MODIFIED, now)?;
    let made = date::only(stored, &DATE, now)?;
    let since = made.duration_since(modified).ok()?;
    (since >= Duration::from_secs(1)).then_some(modified)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::header::ETAG;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::Conditional::{Full, NotModified};
    use super::*;
    use crate::header::arbitrary;

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const THEN_SECONDS: u64 = 784_111_777;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn conditional(
        status: u16,
        request: &[(HeaderName, &str)],
        stored: &[(HeaderName, &str)],
    ) -> Conditional {
        let headers = map(stored);
        let selected = Selected {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            received: at(THEN_SECONDS + 100),
        };
        Conditional::of(&map(request), &selected, at(THEN_SECONDS + 1_000))
    }

    fn holds(request: &[&str], stored: &[(HeaderName, &str)]) -> bool {
        let request = arbitrary::map(&IF_RANGE, request);
        if_range_holds(&request, &map(stored), at(THEN_SECONDS + 1_000))
    }

    #[test]
    fn all_conditions_with_all_validators() {
        let tags: [(Option<&str>, bool); 6] = [
            (None, false),
            (Some("\"a\""), true),
            (Some("\"b\", W/\"a\""), true),
            (Some("*"), true),
            (Some("\"b\""), false),
            (Some("*, \"a\""), false),
        ];
        let dates: [(Option<&str>, bool); 5] = [
            (None, false),
            (Some(EARLIER), false),
            (Some(THEN), true),
            (Some(LATER), true),
            (Some("yesterday"), false),
        ];
        let stored = [
            (ETAG, "\"a\""),
            (LAST_MODIFIED, THEN),
            // Later than every date given: it is not looked at where there is a `Last-Modified`.
            (DATE, "Sun, 06 Nov 1994 09:00:00 GMT"),
        ];
        for (tag, tag_matches) in tags {
            for (date, date_matches) in dates {
                let mut request = Vec::new();
                request.extend(tag.map(|tag| (IF_NONE_MATCH, tag)));
                request.extend(date.map(|date| (IF_MODIFIED_SINCE, date)));
                let matches = match tag {
                    Some(_) => tag_matches,
                    None => date_matches,
                };
                let expected = if matches { NotModified } else { Full };
                for status in [200, 203, 206] {
                    assert_eq!(
                        conditional(status, &request, &stored),
                        expected,
                        "{status} {tag:?} {date:?}"
                    );
                }
                for status in [301, 304, 404, 410, 500] {
                    assert_eq!(
                        conditional(status, &request, &stored),
                        Full,
                        "{status} {tag:?} {date:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn tags_are_compared_weakly_with_the_one_tag_stored() {
        for (given, stored, expected) in [
            ("W/\"1\"", "W/\"1\"", NotModified),
            ("W/\"1\"", "W/\"2\"", Full),
            ("W/\"1\"", "\"1\"", NotModified),
            ("\"1\"", "W/\"1\"", NotModified),
            ("\"1\"", "\"1\"", NotModified),
            ("\"1\"", "1", Full),
            ("1", "1", Full),
        ] {
            let answer = conditional(200, &[(IF_NONE_MATCH, given)], &[(ETAG, stored)]);
            assert_eq!(answer, expected, "{given} {stored}");
        }
        let twice = [(ETAG, "\"1\""), (ETAG, "\"1\"")];
        assert_eq!(conditional(200, &[(IF_NONE_MATCH, "\"1\"")], &twice), Full);
        assert_eq!(conditional(200, &[(IF_NONE_MATCH, "*")], &[]), NotModified);
        assert_eq!(conditional(200, &[(IF_NONE_MATCH, "\"1\"")], &[]), Full);
    }

    #[test]
    fn an_empty_list_of_tags_still_hides_the_date() {
        let request = [(IF_NONE_MATCH, ""), (IF_MODIFIED_SINCE, LATER)];
        assert_eq!(conditional(200, &request, &[(LAST_MODIFIED, THEN)]), Full);
    }

    #[test]
    fn without_last_modified_the_date_counts_and_without_both_the_reception() {
        let since = |date| [(IF_MODIFIED_SINCE, date)];
        let received = "Sun, 06 Nov 1994 08:51:17 GMT";
        let before = "Sun, 06 Nov 1994 08:51:16 GMT";
        for (given, stored, expected) in [
            (THEN, &[(DATE, THEN)][..], NotModified),
            (EARLIER, &[(DATE, THEN)], Full),
            (received, &[], NotModified),
            (before, &[], Full),
            // Unreadable: the next one, which is later.
            (THEN, &[(LAST_MODIFIED, "0"), (DATE, THEN)], NotModified),
            (EARLIER, &[(LAST_MODIFIED, "0"), (DATE, THEN)], Full),
            (before, &[(LAST_MODIFIED, "0"), (DATE, "0")], Full),
            (
                before,
                &[(LAST_MODIFIED, EARLIER), (LAST_MODIFIED, EARLIER)],
                Full,
            ),
        ] {
            let answer = conditional(200, &since(given), stored);
            assert_eq!(answer, expected, "{given} {stored:?}");
        }
    }

    #[test]
    fn a_reception_within_a_second_is_later_than_the_second() {
        let headers = HeaderMap::new();
        let selected = Selected {
            status: StatusCode::OK,
            headers: &headers,
            received: at(THEN_SECONDS) + Duration::from_millis(1),
        };
        let answer = |given| {
            let request = map(&[(IF_MODIFIED_SINCE, given)]);
            Conditional::of(&request, &selected, at(THEN_SECONDS))
        };
        assert_eq!(answer(THEN), Full);
        assert_eq!(answer(LATER), NotModified);
    }

    #[test]
    fn a_date_to_compare_with_is_one_valid_date() {
        let stored = [(LAST_MODIFIED, EARLIER)];
        for request in [
            &[(IF_MODIFIED_SINCE, "")][..],
            &[(IF_MODIFIED_SINCE, "1994-11-06T08:49:37Z")],
            &[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 UTC")],
            &[(IF_MODIFIED_SINCE, THEN), (IF_MODIFIED_SINCE, THEN)],
        ] {
            assert_eq!(conditional(200, request, &stored), Full, "{request:?}");
        }
        for date in [
            THEN,
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let request = [(IF_MODIFIED_SINCE, date)];
            assert_eq!(conditional(200, &request, &stored), NotModified, "{date}");
        }
    }

    #[test]
    fn if_range_by_tag_wants_the_same_bytes() {
        assert!(holds(&[], &[]));
        assert!(holds(&["\"a\""], &[(ETAG, "\"a\"")]));
        for (given, stored) in [
            ("\"a\"", "\"b\""),
            ("\"a\"", "W/\"a\""),
            ("W/\"a\"", "W/\"a\""),
            ("W/\"a\"", "\"a\""),
            ("a", "a"),
            ("*", "\"a\""),
            ("\"a\", \"b\"", "\"a\""),
        ] {
            assert!(!holds(&[given], &[(ETAG, stored)]), "{given} {stored}");
        }
        assert!(!holds(&["\"a\"", "\"a\""], &[(ETAG, "\"a\"")]));
        assert!(!holds(&["\"a\""], &[]));
    }

    #[test]
    fn if_range_by_date_wants_the_very_date_and_a_strong_one() {
        let modified_then = |made| [(LAST_MODIFIED, THEN), (DATE, made)];
        assert!(holds(&[THEN], &modified_then(LATER)));
        assert!(!holds(&[EARLIER], &modified_then(LATER)));
        assert!(!holds(&[LATER], &modified_then(LATER)));
        // Made within the second: the page may have changed again in it.
        assert!(!holds(&[THEN], &modified_then(THEN)));
        assert!(!holds(&[THEN], &modified_then(EARLIER)));
        assert!(!holds(&[THEN], &[(LAST_MODIFIED, THEN)]));
        assert!(!holds(&[LATER], &[(DATE, LATER)]));
        assert!(!holds(&["0"], &[(LAST_MODIFIED, "0"), (DATE, LATER)]));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(
            tags in arbitrary::lines(IF_NONE_MATCH),
            dates in arbitrary::lines(IF_MODIFIED_SINCE),
            range in arbitrary::lines(IF_RANGE),
            tag in arbitrary::lines(ETAG),
            modified in arbitrary::lines(LAST_MODIFIED),
        ) {
            let conditional = !tags.is_empty() || !dates.is_empty();
            let ranged = !range.is_empty();
            let request: HeaderMap = [tags, dates, range].iter().flat_map(HeaderMap::iter)
                .map(|(name, value)| (name.clone(), value.clone())).collect();
            let headers: HeaderMap = [tag, modified].iter().flat_map(HeaderMap::iter)
                .map(|(name, value)| (name.clone(), value.clone())).collect();
            let selected = Selected { status: StatusCode::OK, headers: &headers, received: at(0) };
            let answer = Conditional::of(&request, &selected, at(THEN_SECONDS));
            prop_assert!(conditional || answer == Full);
            let holds = if_range_holds(&request, &headers, at(THEN_SECONDS));
            prop_assert!(ranged || holds);
        }
    }
}
