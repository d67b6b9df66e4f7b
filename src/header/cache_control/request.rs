//! The directives of a request (RFC 9111 §5.2.1, RFC 5861 §4).

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use crate::header::directives::directives;
use crate::header::seconds::delta_seconds;

/// What a client asks of the cache. All but `no-store` is advice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestDirectives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<u64>,
    /// `Some(None)` is `max-stale` without a number: any staleness will do.
    pub(crate) max_stale: Option<Option<u64>>,
    pub(crate) min_fresh: Option<u64>,
    pub(crate) stale_if_error: Option<u64>,
}

impl RequestDirectives {
    /// Reads all lines of the field. What cannot be read is advice that cannot be followed, and skipped.
    ///
    /// `Pragma` is not consulted: RFC 9111 §5.4 deprecates it.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut found = Self::default();

        for directive in directives(headers, &CACHE_CONTROL).flatten() {
            let seconds = directive.value.as_deref().and_then(delta_seconds);
            match &*directive.name {
                "no-store" => found.no_store = true,
                "no-cache" => found.no_cache = true,
                "only-if-cached" => found.only_if_cached = true,
                "max-age" => found.max_age = least(found.max_age, seconds),
                "min-fresh" => found.min_fresh = found.min_fresh.max(seconds),
                "stale-if-error" => found.stale_if_error = least(found.stale_if_error, seconds),
                "max-stale" if directive.value.is_none() => {
                    found.max_stale.get_or_insert(None);
                }
                "max-stale" if seconds.is_some() => {
                    found.max_stale = Some(least(found.max_stale.flatten(), seconds));
                }
                _ => {}
            }
        }
        found
    }
}

/// The stricter of two bounds, of which each may be missing.
fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::PRAGMA;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn parse(line: &str) -> RequestDirectives {
        RequestDirectives::parse(&arbitrary::map(&CACHE_CONTROL, [line]))
    }

    #[test]
    fn each_directive_is_read() {
        assert_eq!(
            parse(
                "No-Store, no-cache, only-if-cached, max-age=\"5\", max-stale=6, min-fresh=7, stale-if-error=8, x=9"
            ),
            RequestDirectives {
                no_store: true,
                no_cache: true,
                only_if_cached: true,
                max_age: Some(5),
                max_stale: Some(Some(6)),
                min_fresh: Some(7),
                stale_if_error: Some(8),
            }
        );
        assert_eq!(
            RequestDirectives::parse(&HeaderMap::new()),
            RequestDirectives::default()
        );
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for line in [
            "max-age",
            "max-age=x",
            "max-age=-1",
            "min-fresh",
            "min-fresh=1.5",
            "max-stale=x",
            "max-stale=",
            "stale-if-error",
            "max-age=5 6",
            "a b",
            "x=\"no-store, no-cache",
            "immutable",
        ] {
            assert_eq!(parse(line), RequestDirectives::default(), "{line}");
        }
        assert!(parse("a b, no-cache").no_cache);
    }

    #[test]
    fn max_stale_without_a_number_is_unbounded() {
        assert_eq!(parse("max-stale").max_stale, Some(None));
        assert_eq!(parse("max-stale, max-stale=5").max_stale, Some(Some(5)));
        assert_eq!(parse("max-stale=5, max-stale").max_stale, Some(Some(5)));
    }

    #[test]
    fn of_several_bounds_the_strictest_holds() {
        let found = parse(
            "max-age=9, max-age=5, max-age=7, min-fresh=5, min-fresh=9, min-fresh=7, \
             max-stale=9, max-stale=5, stale-if-error=5, stale-if-error=9",
        );
        assert_eq!(found.max_age, Some(5));
        assert_eq!(found.min_fresh, Some(9));
        assert_eq!(found.max_stale, Some(Some(5)));
        assert_eq!(found.stale_if_error, Some(5));
    }

    #[test]
    fn pragma_is_not_consulted() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        assert_eq!(
            RequestDirectives::parse(&headers),
            RequestDirectives::default()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CACHE_CONTROL)) {
            let _ = RequestDirectives::parse(&headers);
        }
    }
}
