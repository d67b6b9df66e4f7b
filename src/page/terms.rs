//! On which terms a stored response may be used once it is stale (RFC 9111 §4.2.4, RFC 5861).

use std::time::Duration;

use super::policy::Policy;
use crate::header::{Lifetime, ResponseDirectives, Scope};

/// What a response, and the policy where the response is silent, say of the time after its lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// `no-cache`: never used without validation, fresh or not.
    pub(super) no_cache: bool,
    /// `must-revalidate` or `proxy-revalidate`: once stale, an error is better than this.
    pub(super) must_revalidate: bool,
    /// Neither a request nor an unreachable origin makes it usable once stale.
    pub(super) no_stale: bool,
    /// How long it may answer while it is refreshed.
    pub(super) while_revalidate: Duration,
    /// How long it may answer where the handler fails.
    pub(super) if_error: Duration,
    /// `immutable` (RFC 8246): while it is fresh, a reload is no reason to ask.
    pub(super) immutable: bool,
    /// Does the response itself allow a use that is stale?
    pub(super) says_stale: bool,
}

impl Terms {
    pub(super) fn of(directives: &ResponseDirectives, policy: &Policy) -> Self {
        let no_cache = directives.no_cache != Scope::Absent;
        let must_revalidate = directives.must_revalidate || directives.proxy_revalidate;
        // It implies `proxy-revalidate` (§5.2.2.10), and a field that speaks of staleness itself takes that back, as its authors expect.
        let s_maxage = directives.s_maxage != Lifetime::Absent;
        let window = |said: Option<u64>, policy: Duration| match said {
            _ if no_cache || must_revalidate => Duration::ZERO,
            Some(seconds) => Duration::from_secs(seconds),
            None if s_maxage => Duration::ZERO,
            None => policy,
        };
        let strict = policy.rules.strict_s_maxage && s_maxage;
        let said = |said: Option<u64>| said.filter(|_| !strict);
        let (swr, sie) = (
            said(directives.stale_while_revalidate),
            said(directives.stale_if_error),
        );
        let while_revalidate = window(swr, policy.while_revalidate);
        let if_error = window(sie, policy.if_error);
        let explicit = swr.is_some() || sie.is_some();
        Self {
            no_cache,
            must_revalidate,
            no_stale: no_cache || must_revalidate || s_maxage,
            while_revalidate,
            if_error,
            immutable: directives.immutable,
            says_stale: explicit && !(while_revalidate.is_zero() && if_error.is_zero()),
        }
    }

    /// The longest that it may be used, in some case, after its lifetime.
    pub(super) fn longest(&self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::CACHE_CONTROL;

    use super::*;
    use crate::ttl::{minutes, seconds};
    use crate::{Cache, NullStore};

    fn terms(said: &'static str, strict: bool) -> Terms {
        let cache = Cache::builder(NullStore).build().unwrap();
        let layer = cache.page(minutes(1)).grace(seconds(30));
        let layer = if strict {
            layer.strict_s_maxage()
        } else {
            layer
        };
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static(said));
        Terms::of(&ResponseDirectives::parse(&headers), layer.policy())
    }

    #[test]
    fn the_response_comes_before_the_policy() {
        let said = terms(
            "max-age=1, stale-while-revalidate=5, stale-if-error=9",
            false,
        );
        assert_eq!(said.while_revalidate, seconds(5));
        assert_eq!(said.if_error, seconds(9));
        assert!(!said.no_stale && said.says_stale);
        let silent = terms("max-age=1", false);
        assert_eq!(silent.while_revalidate, seconds(30));
        assert_eq!(silent.if_error, seconds(30));
        assert!(!silent.says_stale);
    }

    #[test]
    fn nothing_allows_what_must_be_revalidated() {
        for said in [
            "no-cache, stale-while-revalidate=5, stale-if-error=5",
            "max-age=1, must-revalidate, stale-while-revalidate=5, stale-if-error=5",
            "max-age=1, proxy-revalidate, stale-while-revalidate=5, stale-if-error=5",
            "s-maxage=1",
        ] {
            let terms = terms(said, false);
            assert_eq!(terms.longest(), Duration::ZERO, "{said}");
            assert!(terms.no_stale && !terms.says_stale, "{said}");
        }
    }

    #[test]
    fn s_maxage_beside_a_stale_window_is_read_as_meant_or_to_the_letter() {
        let said = "s-maxage=1, stale-while-revalidate=5";
        assert_eq!(terms(said, false).while_revalidate, seconds(5));
        assert_eq!(terms(said, false).if_error, Duration::ZERO);
        assert_eq!(terms(said, true).longest(), Duration::ZERO);
        assert_eq!(
            terms("max-age=1, stale-while-revalidate=5", true).while_revalidate,
            seconds(5)
        );
    }
}
