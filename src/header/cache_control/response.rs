//! The directives of a response (RFC 9111 §5.2.2, RFC 5861, RFC 8246).

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use super::{Lifetime, Scope};
use crate::header::directives::{Directive, Malformed, directives};

/// What a response allows caches to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseDirectives {
    pub(crate) max_age: Lifetime,
    pub(crate) s_maxage: Lifetime,
    pub(crate) no_store: bool,
    pub(crate) no_cache: Scope,
    pub(crate) private: Scope,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) no_transform: bool,
    pub(crate) immutable: bool,
    pub(crate) stale_while_revalidate: Option<u64>,
    pub(crate) stale_if_error: Option<u64>,
    /// Some member cannot be read, and might have forbidden to store: the caller takes the response for `no-store`.
    pub(crate) malformed: bool,
    /// The field has at least one member, known or not.
    pub(crate) present: bool,
}

impl ResponseDirectives {
    /// Reads all lines of the field. Directives without a meaning here are skipped (§5.2.3).
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let mut stale_while_revalidate = Lifetime::Absent;
        let mut stale_if_error = Lifetime::Absent;
        let mut must_understand_argument = false;

        for member in directives(headers, &CACHE_CONTROL) {
            found.present = true;
            let Directive { name, value } = match member {
                Ok(directive) => directive,
                Err(Malformed) => {
                    found.malformed = true;
                    continue;
                }
            };
            let value = value.as_deref();
            match &*name {
                "max-age" => found.max_age = found.max_age.and(value),
                "s-maxage" => found.s_maxage = found.s_maxage.and(value),
                "no-cache" => found.no_cache = found.no_cache.and(value),
                "private" => found.private = found.private.and(value),
                "stale-while-revalidate" => {
                    stale_while_revalidate = stale_while_revalidate.and(value);
                }
                "stale-if-error" => stale_if_error = stale_if_error.and(value),
                // An argument that should not be there leaves a restriction standing and takes a permission back.
                "no-store" => found.no_store = true,
                "must-revalidate" => found.must_revalidate = true,
                "proxy-revalidate" => found.proxy_revalidate = true,
                "no-transform" => found.no_transform = true,
                "public" => found.public |= value.is_none(),
                "must-understand" if value.is_some() => must_understand_argument = true,
                "must-understand" => found.must_understand = true,
                // RFC 8246 §2 has its arguments ignored.
                "immutable" => found.immutable = true,
                _ => {}
            }
        }

        // It restricts what may be stored, but beside `no-store` it permits storing (§5.2.2.3).
        found.must_understand |= must_understand_argument && !found.no_store;
        found.stale_while_revalidate = stale_while_revalidate.seconds();
        found.stale_if_error = stale_if_error.seconds();
        found
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;
    use crate::header::seconds::MAX_SECONDS;

    fn lines(lines: &[&str]) -> ResponseDirectives {
        ResponseDirectives::parse(&arbitrary::map(&CACHE_CONTROL, lines))
    }

    fn parse(line: &str) -> ResponseDirectives {
        lines(&[line])
    }

    fn fields(name: &'static str) -> Scope {
        Scope::Fields(vec![HeaderName::from_static(name)])
    }

    #[test]
    fn each_directive_is_read() {
        assert_eq!(
            lines(&[
                "max-age=1, S-MaxAge=2, no-store, no-cache=a, private=\"b\", public, must-revalidate",
                "proxy-revalidate, must-understand, no-transform, immutable, x",
                "stale-while-revalidate=3, stale-if-error=\"4\"",
            ]),
            ResponseDirectives {
                max_age: Lifetime::Seconds(1),
                s_maxage: Lifetime::Seconds(2),
                no_store: true,
                no_cache: fields("a"),
                private: fields("b"),
                public: true,
                must_revalidate: true,
                proxy_revalidate: true,
                must_understand: true,
                no_transform: true,
                immutable: true,
                stale_while_revalidate: Some(3),
                stale_if_error: Some(4),
                malformed: false,
                present: true,
            }
        );
    }

    #[test]
    fn a_field_without_members_says_nothing() {
        let nothing = ResponseDirectives::default();
        assert_eq!(ResponseDirectives::parse(&HeaderMap::new()), nothing);
        assert_eq!(lines(&["", " ,, "]), nothing);
        assert!(parse("unknown").present);
    }

    #[test]
    fn lifetimes_are_found_past_anything_tolerated() {
        for line in [
            "Max-Age=60",
            ",,max-age=60,",
            "max-age = 60",
            "max-age=\"60\"",
            "foo=1, max-age=60",
            "max-age=60, max-age=60",
            "x=\"no-store, max-age=0\", max-age=60",
        ] {
            let found = parse(line);
            assert_eq!(found.max_age, Lifetime::Seconds(60), "{line}");
            assert!(!found.no_store && !found.malformed, "{line}");
        }
        let found = parse("max-age=99999999999999999999");
        assert_eq!(found.max_age, Lifetime::Seconds(MAX_SECONDS));
    }

    #[test]
    fn lifetimes_that_cannot_be_trusted_are_invalid() {
        for line in [
            "max-age",
            "max-age=",
            "max-age=abc",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=1s",
            "max-age=\"1 0\"",
            "max-age=1, max-age=60",
            "max-age=60, max-age",
        ] {
            assert_eq!(parse(line).max_age, Lifetime::Invalid, "{line}");
        }
    }

    #[test]
    fn an_unparsable_member_marks_the_field() {
        for line in ["max-age=60, x=\"a", "max-age=60, a b", "max-age=6 0", "=1"] {
            let found = parse(line);
            assert!(found.malformed && found.present, "{line}");
        }
        assert!(lines(&["x=\"a", "no-store"]).no_store);
    }

    #[test]
    fn an_argument_takes_back_a_permission_and_no_restriction() {
        assert!(parse("no-store=1").no_store);
        assert!(parse("must-revalidate=x").must_revalidate);
        assert!(parse("proxy-revalidate=\"\"").proxy_revalidate);
        assert!(parse("no-transform=0").no_transform);
        assert!(!parse("public=1").public);
        assert!(parse("public=1, public").public);
        assert!(parse("immutable=0, immutable").immutable);
        assert!(parse("must-understand=1").must_understand);
        assert!(!parse("must-understand=1, no-store").must_understand);
        assert!(parse("must-understand, no-store").must_understand);
    }

    #[test]
    fn scopes_are_read_in_both_forms() {
        assert_eq!(parse("private=\"\"").private, Scope::All);
        assert_eq!(parse("no-cache=\"\"").no_cache, Scope::All);
        assert_eq!(parse("no-cache=Set-Cookie").no_cache, fields("set-cookie"));
        assert_eq!(parse("private=\"x-u\", private").private, Scope::All);
        assert_eq!(parse("private=\"x u\"").private, Scope::All);
    }

    #[test]
    fn stale_permissions_need_one_number() {
        for line in [
            "stale-if-error, stale-while-revalidate",
            "stale-if-error=x, stale-while-revalidate=x",
            "stale-if-error=5, stale-if-error=6, stale-while-revalidate=-1",
        ] {
            let found = parse(line);
            assert_eq!(found.stale_if_error, None, "{line}");
            assert_eq!(found.stale_while_revalidate, None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CACHE_CONTROL)) {
            let found = ResponseDirectives::parse(&headers);
            prop_assert!(found.present || found == ResponseDirectives::default());
        }
    }
}
