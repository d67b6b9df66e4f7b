//! `Expires` in step with `max-age` (RFC 9111 §5.3): for those who know only the older field.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, EXPIRES};

use crate::header::{Expires, ResponseDirectives, date, replace};

/// What becomes of an `Expires` that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Stays,
    /// It stays unless it promises more than `max-age` does.
    Lowered,
    Replaced,
}

/// Writes when `max-age` ends, where `Cache-Control` has one that can be read: counted from `Date`, or from now.
pub(super) fn keep_in_step(headers: &mut HeaderMap, now: SystemTime, standing: Standing) {
    let directives = ResponseDirectives::parse(headers);
    let Some(seconds) = directives.max_age.seconds() else {
        return;
    };
    if directives.malformed {
        return; // Its reader takes it for `no-store`.
    }
    let date = headers.get(DATE).and_then(|date| date::parse(date, now));
    let Some(end) = date
        .unwrap_or(now)
        .checked_add(Duration::from_secs(seconds))
    else {
        return;
    };

    let due = match (Expires::parse(headers, now), standing) {
        (Expires::Absent, _) | (_, Standing::Replaced) => true,
        (Expires::At(there), Standing::Lowered) => there > end,
        (Expires::At(_), Standing::Stays) | (Expires::Invalid, _) => false,
    };
    if let Some(value) = date::format(end).filter(|_| due) {
        replace(headers, &EXPIRES, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    use super::*;

    const NOON: &str = "Thu, 01 Jan 2026 12:00:00 GMT";
    const MINUTE_PAST: &str = "Thu, 01 Jan 2026 12:01:00 GMT";
    const LATER: &str = "Thu, 01 Jan 2026 13:00:00 GMT";

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_268_800)
    }

    fn after(
        control: &'static str,
        expires: Option<&'static str>,
        standing: Standing,
    ) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
        if let Some(expires) = expires {
            headers.insert(EXPIRES, HeaderValue::from_static(expires));
        }
        keep_in_step(&mut headers, noon(), standing);
        headers
            .get(EXPIRES)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn it_is_the_end_of_max_age() {
        use Standing::*;
        for (control, expires, standing, expected) in [
            ("max-age=60", None, Stays, Some(MINUTE_PAST)),
            ("max-age=0, no-store", None, Stays, Some(NOON)),
            ("max-age=60", Some(LATER), Stays, Some(LATER)),
            ("max-age=60", Some(LATER), Lowered, Some(MINUTE_PAST)),
            ("max-age=60", Some(LATER), Replaced, Some(MINUTE_PAST)),
            ("max-age=60", Some(NOON), Lowered, Some(NOON)),
            ("max-age=60", Some(NOON), Replaced, Some(MINUTE_PAST)),
            ("max-age=60", Some("0"), Lowered, Some("0")),
            ("max-age=60", Some("0"), Replaced, Some(MINUTE_PAST)),
        ] {
            let found = after(control, expires, standing);
            assert_eq!(
                found.as_deref(),
                expected,
                "{control} {expires:?} {standing:?}"
            );
        }
    }

    #[test]
    fn without_a_readable_max_age_it_is_left_alone() {
        for control in [
            "no-store",
            "s-maxage=60",
            "max-age=x",
            "max-age=1, max-age=2",
            "max-age=60, x=\"a",
        ] {
            assert_eq!(after(control, None, Standing::Replaced), None, "{control}");
            let standing = after(control, Some(LATER), Standing::Replaced);
            assert_eq!(standing.as_deref(), Some(LATER), "{control}");
        }
    }

    #[test]
    fn it_counts_from_the_date_of_the_response() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        headers.insert(DATE, HeaderValue::from_static(NOON));
        keep_in_step(
            &mut headers,
            noon() + Duration::from_secs(30),
            Standing::Stays,
        );
        assert_eq!(headers[EXPIRES], MINUTE_PAST);
    }

    #[test]
    fn times_without_a_date_write_none() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        for now in [
            UNIX_EPOCH - Duration::from_secs(1 << 40),
            UNIX_EPOCH + Duration::from_secs(1 << 40),
        ] {
            keep_in_step(&mut headers, now, Standing::Stays);
            assert!(!headers.contains_key(EXPIRES));
        }
    }
}
