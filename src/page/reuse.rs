//! May a stored response answer this request, now? (RFC 9111 §4, §4.2.4, §5.2.1)

use std::time::Duration;

use super::freshness::is_fresh;
use super::stored::StoredPage;
use super::terms::Terms;
use crate::clock::Now;
use crate::header::RequestDirectives;
use crate::monitor::{Absence, StaleUse};
use crate::store::Times;

/// How a stored response may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    Fresh,
    Stale(StaleUse),
    /// Only once the handler has confirmed it.
    Validate(Absence),
}

/// Decides from what is stored and from those directives of the request that count.
pub(super) fn reuse(times: &Times, terms: &Terms, advice: &RequestDirectives, now: Now) -> Reuse {
    let fresh = is_fresh(times, now) && !terms.no_cache;
    if advice.no_cache {
        return Reuse::Validate(if fresh {
            Absence::Request
        } else {
            Absence::Stale
        });
    }
    let age = now.since(times.born);
    let too_old = advice
        .max_age
        .is_some_and(|most| most == 0 || age > Duration::from_secs(most));
    if fresh {
        let left = times.fresh_until.since(now);
        let not_for_long = advice
            .min_fresh
            .is_some_and(|least| left < Duration::from_secs(least));
        // A fresh response that never changes need not be asked for anew because somebody reloads (RFC 8246 §2.1).
        if not_for_long || (too_old && !terms.immutable) {
            return Reuse::Validate(Absence::Request);
        }
        return Reuse::Fresh;
    }
    let staleness = now.since(times.fresh_until);
    if terms.no_cache || too_old || advice.min_fresh.is_some() {
        return Reuse::Validate(Absence::Stale);
    }
    // Without `max-stale`, `max-age` means that nothing stale is wanted (§5.2.1.1).
    if advice.max_age.is_some() && advice.max_stale.is_none() {
        return Reuse::Validate(Absence::Stale);
    }
    if within(staleness, terms.while_revalidate) {
        return Reuse::Stale(StaleUse::WhileRevalidated);
    }
    let accepted = advice
        .max_stale
        .is_some_and(|most| most.is_none_or(|most| staleness <= Duration::from_secs(most)));
    if accepted && !terms.no_stale {
        return Reuse::Stale(StaleUse::Accepted);
    }
    Reuse::Validate(Absence::Stale)
}

/// May a stored response stand in where the handler failed?
pub(super) fn stands_in(
    times: &Times,
    terms: &Terms,
    advice: &RequestDirectives,
    unreachable: bool,
    now: Now,
) -> bool {
    if terms.no_cache || advice.no_cache || terms.must_revalidate {
        return false;
    }
    let staleness = now.since(times.fresh_until);
    let asked = advice
        .stale_if_error
        .filter(|_| !terms.no_stale)
        .map_or(Duration::ZERO, Duration::from_secs);
    within(staleness, terms.if_error.max(asked)) || (unreachable && !terms.no_stale)
}

/// May it answer instead of a handler that is slow?
pub(super) fn is_better_than_waiting(
    times: &Times,
    terms: &Terms,
    advice: &RequestDirectives,
    now: Now,
) -> bool {
    !terms.no_cache
        && !advice.no_cache
        && advice.max_age.is_none()
        && advice.min_fresh.is_none()
        && within(now.since(times.fresh_until), terms.longest())
}

/// A window of no length is none.
fn within(staleness: Duration, window: Duration) -> bool {
    !window.is_zero() && staleness <= window
}

impl StoredPage {
    /// See [`reuse`].
    pub(super) fn reuse(&self, times: &Times, advice: &RequestDirectives, now: Now) -> Reuse {
        reuse(times, self.terms(), advice, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl::{hours, seconds};

    const START: Now = Now::from_millis(1_000_000);

    /// Fresh for ten seconds.
    fn times() -> Times {
        Times {
            born: START,
            fresh_until: START + seconds(10),
            keep_until: START + hours(1),
        }
    }

    fn at(age: u64, terms: Terms, advice: RequestDirectives) -> Reuse {
        reuse(&times(), &terms, &advice, START + seconds(age))
    }

    const SAYS_NOTHING: Terms = Terms {
        no_cache: false,
        must_revalidate: false,
        no_stale: false,
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
        immutable: false,
        says_stale: false,
    };

    fn advice() -> RequestDirectives {
        RequestDirectives::default()
    }

    #[test]
    fn what_is_fresh_is_used_and_what_is_stale_validated() {
        assert_eq!(at(9, SAYS_NOTHING, advice()), Reuse::Fresh);
        assert_eq!(
            at(10, SAYS_NOTHING, advice()),
            Reuse::Validate(Absence::Stale)
        );
    }

    #[test]
    fn no_cache_on_either_side_is_validated_first() {
        let stored = Terms {
            no_cache: true,
            while_revalidate: seconds(100),
            ..SAYS_NOTHING
        };
        assert_eq!(at(1, stored, advice()), Reuse::Validate(Absence::Stale));
        let asked = RequestDirectives {
            no_cache: true,
            max_stale: Some(None),
            ..advice()
        };
        assert_eq!(
            at(1, SAYS_NOTHING, asked),
            Reuse::Validate(Absence::Request)
        );
        assert_eq!(at(11, SAYS_NOTHING, asked), Reuse::Validate(Absence::Stale));
    }

    #[test]
    fn a_request_bounds_age_and_time_left() {
        let older = |most| RequestDirectives {
            max_age: Some(most),
            ..advice()
        };
        assert_eq!(at(5, SAYS_NOTHING, older(5)), Reuse::Fresh);
        assert_eq!(
            at(6, SAYS_NOTHING, older(5)),
            Reuse::Validate(Absence::Request)
        );
        assert_eq!(
            at(0, SAYS_NOTHING, older(0)),
            Reuse::Validate(Absence::Request)
        );
        let longer = |least| RequestDirectives {
            min_fresh: Some(least),
            ..advice()
        };
        assert_eq!(at(6, SAYS_NOTHING, longer(4)), Reuse::Fresh);
        assert_eq!(
            at(6, SAYS_NOTHING, longer(5)),
            Reuse::Validate(Absence::Request)
        );
    }

    #[test]
    fn max_stale_is_a_bound_that_no_stale_overrules() {
        let accepts = |most| RequestDirectives {
            max_stale: Some(most),
            ..advice()
        };
        let accepted = Reuse::Stale(StaleUse::Accepted);
        let validate = Reuse::Validate(Absence::Stale);
        assert_eq!(at(16, SAYS_NOTHING, accepts(Some(7))), accepted);
        assert_eq!(at(16, SAYS_NOTHING, accepts(Some(5))), validate);
        assert_eq!(at(3_000, SAYS_NOTHING, accepts(None)), accepted);
        let forbidden = Terms {
            no_stale: true,
            ..SAYS_NOTHING
        };
        assert_eq!(at(11, forbidden, accepts(None)), validate);
        let too_old = RequestDirectives {
            max_age: Some(5),
            ..accepts(None)
        };
        assert_eq!(at(11, SAYS_NOTHING, too_old), validate);
        let young_enough = RequestDirectives {
            max_age: Some(60),
            ..accepts(None)
        };
        assert_eq!(at(11, SAYS_NOTHING, young_enough), accepted);
    }

    #[test]
    fn a_stale_response_answers_within_its_window_while_it_is_refreshed() {
        let terms = Terms {
            while_revalidate: seconds(5),
            no_stale: true,
            ..SAYS_NOTHING
        };
        let refreshed = Reuse::Stale(StaleUse::WhileRevalidated);
        assert_eq!(at(15, terms, advice()), refreshed);
        assert_eq!(at(16, terms, advice()), Reuse::Validate(Absence::Stale));
        let fresh_wanted = RequestDirectives {
            max_age: Some(60),
            ..advice()
        };
        assert_eq!(at(12, terms, fresh_wanted), Reuse::Validate(Absence::Stale));
    }

    #[test]
    fn what_never_changes_is_not_asked_for_again_by_a_reload() {
        let terms = Terms {
            immutable: true,
            ..SAYS_NOTHING
        };
        let reload = RequestDirectives {
            max_age: Some(0),
            ..advice()
        };
        assert_eq!(at(1, terms, reload), Reuse::Fresh);
        assert_eq!(at(11, terms, reload), Reuse::Validate(Absence::Stale));
        let forced = RequestDirectives {
            no_cache: true,
            ..advice()
        };
        assert_eq!(at(1, terms, forced), Reuse::Validate(Absence::Request));
    }

    #[test]
    fn an_error_is_covered_within_its_window_or_while_nobody_can_be_reached() {
        let stands = |age, terms: Terms, advice: RequestDirectives, unreachable| {
            stands_in(&times(), &terms, &advice, unreachable, START + seconds(age))
        };
        let terms = Terms {
            if_error: seconds(5),
            ..SAYS_NOTHING
        };
        assert!(stands(15, terms, advice(), false));
        assert!(!stands(16, terms, advice(), false));
        assert!(!stands(11, SAYS_NOTHING, advice(), false));
        assert!(stands(3_000, SAYS_NOTHING, advice(), true));
        let asked = RequestDirectives {
            stale_if_error: Some(5),
            ..advice()
        };
        assert!(stands(15, SAYS_NOTHING, asked, false));
        for forbidden in [
            Terms {
                no_cache: true,
                ..terms
            },
            Terms {
                must_revalidate: true,
                no_stale: true,
                ..terms
            },
        ] {
            assert!(!stands(11, forbidden, asked, true), "{forbidden:?}");
        }
        let s_maxage = Terms {
            no_stale: true,
            ..SAYS_NOTHING
        };
        assert!(!stands(11, s_maxage, asked, true));
    }
}
