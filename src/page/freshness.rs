//! How long a response is fresh, and how old it is (RFC 9111 §4.2).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, LAST_MODIFIED};

use super::policy::TtlOrder;
use super::preset::Heuristic;
use crate::clock::Now;
use crate::header::{Age, Expires, Lifetime, ResponseDirectives, date};
use crate::store::Times;

/// What the response itself says of its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explicit {
    /// Nothing.
    Absent,
    /// This long; zero also for what cannot be read, which counts as stale (RFC 9111 §4.2.1).
    For(Duration),
}

/// When a response was asked for and when its head came, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) asked: Now,
    pub(super) answered: Now,
    pub(super) wall: SystemTime,
}

/// The freshness lifetime that a response states for a shared cache: `s-maxage`, else `max-age`, else `Expires` less `Date`.
/// Where a targeted field has decided, `Expires` is ignored too (RFC 9213 §2.2).
pub(super) fn explicit_lifetime(
    directives: &ResponseDirectives,
    headers: &HeaderMap,
    targeted: bool,
    exchange: &Exchange,
) -> Explicit {
    for lifetime in [directives.s_maxage, directives.max_age] {
        match lifetime {
            Lifetime::Absent => {}
            // Unreadable freshness makes the response stale; it does not fall through to the next source.
            Lifetime::Invalid => return Explicit::For(Duration::ZERO),
            Lifetime::Seconds(seconds) => return Explicit::For(Duration::from_secs(seconds)),
        }
    }
    if targeted {
        return Explicit::Absent;
    }
    match Expires::parse(headers, exchange.wall) {
        Expires::Absent => Explicit::Absent,
        Expires::Invalid => Explicit::For(Duration::ZERO),
        Expires::At(expires) => {
            let from = date_of(headers, exchange.wall).unwrap_or(exchange.wall);
            Explicit::For(expires.duration_since(from).unwrap_or_default())
        }
    }
}

/// The lifetime that counts. `handler` is what the handler gave for this page, `None` where the policy has none for such a response.
pub(super) fn lifetime(
    explicit: Explicit,
    handler: Option<Duration>,
    policy: Option<Duration>,
    order: TtlOrder,
    most: Duration,
) -> Option<Duration> {
    let own = handler.or(policy);
    match (order, explicit, own) {
        (TtlOrder::PolicyFirst, _, Some(own)) | (_, Explicit::Absent, Some(own)) => Some(own),
        (_, Explicit::For(span), _) => Some(span.min(most)),
        (_, Explicit::Absent, None) => None,
    }
}

/// A guess at the lifetime of a response that names none: a part of how long it has not changed (§4.2.2); nothing to guess from is zero.
pub(super) fn heuristic_lifetime(
    headers: &HeaderMap,
    heuristic: Heuristic,
    exchange: &Exchange,
) -> Duration {
    let modified = headers
        .get(LAST_MODIFIED)
        .and_then(|value| date::parse(value, exchange.wall));
    let date = date_of(headers, exchange.wall).unwrap_or(exchange.wall);
    let unchanged = modified
        .and_then(|modified| date.duration_since(modified).ok())
        .unwrap_or_default();
    let part = unchanged.as_secs() * u64::from(heuristic.percent) / 100;
    Duration::from_secs(part).min(heuristic.most)
}

/// When the age of a response was zero, by the cache's own time; `None` if its `Age` cannot be read, which counts as stale.
///
/// `lenient` reads the field as §5.1 suggests: what cannot be read is ignored.
pub(super) fn born(headers: &HeaderMap, lenient: bool, exchange: &Exchange) -> Option<Now> {
    let age = match lenient {
        true => Age::first(headers),
        false => Age::parse(headers),
    };
    let age_value = match age {
        Age::Absent => 0,
        Age::Invalid => return None,
        Age::Seconds(seconds) => seconds,
    };
    let apparent_age = date_of(headers, exchange.wall)
        .and_then(|date| exchange.wall.duration_since(date).ok())
        .unwrap_or_default();
    // Dates have whole seconds: a response of this very second is not half a second old for that.
    let apparent_age = Duration::from_secs(apparent_age.as_secs());
    let response_delay = exchange.answered.since(exchange.asked);
    let corrected = apparent_age.max(Duration::from_secs(age_value) + response_delay);
    Some(exchange.answered.before(corrected))
}

/// Is it fresh? The comparison in §4.2 is strict: a lifetime equal to the age is over.
pub(super) fn is_fresh(times: &Times, now: Now) -> bool {
    now < times.fresh_until
}

fn date_of(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    headers.get(DATE).and_then(|value| date::parse(value, now))
}

impl Times {
    /// What is left of the freshness, in seconds; what is stale has less than none.
    pub(super) fn left(&self, now: Now) -> i64 {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        seconds(self.fresh_until.since(now)) - seconds(now.since(self.fresh_until))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;
    use http::header::{AGE, CACHE_CONTROL, EXPIRES};
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Asked at 1,000 s, answered `delay` later.
    fn exchange(delay: Duration) -> Exchange {
        let asked = Now::from_millis(1_000_000);
        Exchange {
            asked,
            answered: asked + delay,
            wall: UNIX_EPOCH + Duration::from_secs(1_000) + delay,
        }
    }

    fn headers(fields: &[(http::HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn stated(fields: &[(http::HeaderName, &str)]) -> Explicit {
        let headers = headers(fields);
        explicit_lifetime(
            &ResponseDirectives::parse(&headers),
            &headers,
            false,
            &exchange(Duration::ZERO),
        )
    }

    fn fresh_for(born: Now, lifetime: Duration) -> Times {
        Times {
            born,
            fresh_until: born + lifetime,
            keep_until: Now::NEVER,
        }
    }

    const fn for_seconds(seconds: u64) -> Explicit {
        Explicit::For(Duration::from_secs(seconds))
    }

    #[test]
    fn s_maxage_comes_before_max_age_before_expires() {
        let expires = (EXPIRES, "Thu, 01 Jan 1970 01:00:00 GMT");
        assert_eq!(
            stated(&[(CACHE_CONTROL, "s-maxage=0, max-age=60"), expires.clone()]),
            for_seconds(0)
        );
        assert_eq!(
            stated(&[(CACHE_CONTROL, "max-age=60"), expires.clone()]),
            for_seconds(60)
        );
        assert_eq!(stated(&[expires]), for_seconds(2_600));
        assert_eq!(stated(&[(CACHE_CONTROL, "public")]), Explicit::Absent);
    }

    #[test]
    fn expires_counts_from_date_whatever_our_clock_says() {
        let fields = [
            (DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (EXPIRES, "Sun, 06 Nov 1994 08:49:47 GMT"),
        ];
        assert_eq!(stated(&fields), for_seconds(10));
        let fields = [
            (DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (EXPIRES, "Sun, 06 Nov 1994 08:49:27 GMT"),
        ];
        assert_eq!(stated(&fields), for_seconds(0));
    }

    #[test]
    fn unreadable_freshness_is_stale_and_does_not_fall_through() {
        let future = (EXPIRES, "Thu, 01 Jan 2099 00:00:00 GMT");
        assert_eq!(
            stated(&[(CACHE_CONTROL, "max-age=abc"), future]),
            for_seconds(0)
        );
        for invalid in ["0", "-1", "", "2026-01-01T00:00:00Z"] {
            assert_eq!(stated(&[(EXPIRES, invalid)]), for_seconds(0), "{invalid}");
        }
    }

    #[test]
    fn a_lifetime_of_any_length_is_a_lifetime() {
        for digits in [
            "2147483648",
            "9999999999",
            "9999999999999999999",
            &"9".repeat(400),
        ] {
            let stated = stated(&[(CACHE_CONTROL, &format!("max-age={digits}"))]);
            assert_eq!(stated, for_seconds(1 << 31), "{digits}");
        }
    }

    #[test]
    fn a_guess_is_a_tenth_of_how_long_nothing_has_changed_and_a_day_at_most() {
        let heuristic = Heuristic {
            percent: 10,
            most: Duration::from_secs(86_400),
        };
        let guess = |modified: &str| {
            let fields = [
                (DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
                (LAST_MODIFIED, modified),
            ];
            heuristic_lifetime(&headers(&fields), heuristic, &exchange(Duration::ZERO)).as_secs()
        };
        assert_eq!(guess("Sun, 06 Nov 1994 08:47:57 GMT"), 10);
        assert_eq!(guess("Sun, 06 Nov 1994 08:49:38 GMT"), 0, "in the future");
        assert_eq!(guess("Thu, 01 Jan 1970 00:00:00 GMT"), 86_400);
        assert_eq!(guess("yesterday"), 0);
        let none = heuristic_lifetime(&HeaderMap::new(), heuristic, &exchange(Duration::ZERO));
        assert_eq!(none, Duration::ZERO);
    }

    #[test]
    fn the_response_comes_before_the_policy_unless_told_otherwise() {
        let minute = Some(60 * SECOND);
        let most = Duration::MAX;
        use TtlOrder::{PolicyFirst, ResponseFirst};
        assert_eq!(
            lifetime(for_seconds(5), None, minute, ResponseFirst, most),
            Some(5 * SECOND)
        );
        assert_eq!(
            lifetime(for_seconds(0), None, minute, ResponseFirst, most),
            Some(Duration::ZERO)
        );
        assert_eq!(
            lifetime(for_seconds(0), None, minute, PolicyFirst, most),
            minute
        );
        assert_eq!(
            lifetime(Explicit::Absent, None, minute, ResponseFirst, most),
            minute
        );
        assert_eq!(
            lifetime(Explicit::Absent, Some(SECOND), minute, ResponseFirst, most),
            Some(SECOND)
        );
        assert_eq!(
            lifetime(Explicit::Absent, None, None, ResponseFirst, most),
            None
        );
        assert_eq!(
            lifetime(for_seconds(900), None, minute, ResponseFirst, 300 * SECOND),
            Some(300 * SECOND)
        );
    }

    #[test]
    fn a_slow_answer_is_as_old_as_it_was_slow() {
        let exchange = exchange(3 * SECOND);
        let born = born(&HeaderMap::new(), false, &exchange).unwrap();
        assert_eq!(exchange.answered.since(born), 3 * SECOND);
    }

    #[test]
    fn an_answer_through_another_cache_is_as_old_as_it_says_or_looks() {
        let exchange = exchange(SECOND);
        let age = |fields: &[(http::HeaderName, &str)]| {
            born(&headers(fields), false, &exchange)
                .map(|born| exchange.answered.since(born).as_secs())
        };
        assert_eq!(age(&[(AGE, "10")]), Some(11));
        assert_eq!(age(&[(AGE, "10"), (AGE, "999")]), Some(11));
        assert_eq!(age(&[(DATE, "Thu, 01 Jan 1970 00:15:00 GMT")]), Some(101));
        assert_eq!(
            age(&[(DATE, "Thu, 01 Jan 2099 00:00:00 GMT")]),
            Some(1),
            "no negative age"
        );
        for invalid in ["5, 6", "-1", "x"] {
            assert_eq!(age(&[(AGE, invalid)]), None, "{invalid}");
        }
    }

    #[test]
    fn an_age_equal_to_the_lifetime_is_stale() {
        let start = Now::from_millis(1_000);
        let times = fresh_for(start, 5 * SECOND);
        assert!(is_fresh(&times, start + Duration::from_millis(4_999)));
        assert!(!is_fresh(&times, start + 5 * SECOND));
    }

    proptest! {
        #[test]
        fn fresh_means_younger_than_the_lifetime(age in 0_u64..1_000_000, span in 0_u64..1_000_000) {
            let start = Now::from_millis(5_000_000);
            let times = fresh_for(start, Duration::from_millis(span));
            prop_assert_eq!(is_fresh(&times, start + Duration::from_millis(age)), age < span);
        }

        #[test]
        fn no_age_is_negative_and_none_overflows(age in "[0-9]{1,40}", delay in 0_u64..u64::from(u32::MAX)) {
            let exchange = exchange(Duration::from_millis(delay));
            let born = born(&headers(&[(AGE, &age)]), false, &exchange).unwrap();
            prop_assert!(born <= exchange.answered);
        }
    }
}
