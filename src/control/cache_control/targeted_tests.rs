use http::header::CACHE_CONTROL;
use proptest::prelude::*;

use super::super::arbitrary::said;
use super::*;
use crate::control::CacheControl;
use crate::header::{Lifetime, Scope, arbitrary};
use crate::seconds;

fn cdn() -> HeaderName {
    HeaderName::from_static("cdn-cache-control")
}

fn written<K>(control: CacheControl<K>) -> Option<String> {
    let mut headers = HeaderMap::new();
    set(&mut headers, &cdn(), &control.said);
    Some(headers.get(cdn())?.to_str().unwrap().to_owned())
}

fn patched<K>(line: &str, control: CacheControl<K>) -> String {
    let mut headers = arbitrary::map(&cdn(), [line]);
    patch(&mut headers, &cdn(), &control.said, Conflict::LaterWins);
    headers[cdn()].to_str().unwrap().to_owned()
}

#[test]
fn arguments_have_the_types_of_a_dictionary() {
    let extended = |argument| CacheControl::new().extension_with("x", argument).unwrap();
    for (control, text) in [
        (
            CacheControl::new()
                .max_age(seconds(600))
                .stale_if_error(seconds(60))
                .no_cache_fields([http::header::SET_COOKIE])
                .finish(),
            "max-age=600, stale-if-error=60, no-cache=\"set-cookie\"",
        ),
        (CacheControl::no_store().finish(), "no-store"),
        (extended("5").finish(), "x=5"),
        (extended("-5").finish(), "x=-5"),
        (extended("05").finish(), "x=\"05\""),
        (
            extended("9999999999999999").finish(),
            "x=\"9999999999999999\"",
        ),
        (extended("a/b").finish(), "x=a/b"),
        (extended("a b\"\\").finish(), "x=\"a b\\\"\\\\\""),
        (extended("").finish(), "x=\"\""),
    ] {
        assert_eq!(written(control).as_deref(), Some(text));
    }
    assert_eq!(written(CacheControl::new()), None);
}

#[test]
fn what_stands_keeps_its_order_and_its_parameters() {
    let said = || CacheControl::private().max_age(seconds(60));
    for (line, after) in [
        ("max-age=9, a;b=1, public", "max-age=9, a;b=1, private"),
        ("x=(1 2), max-age=99", "x=(1 2), max-age=60, private"),
        ("max-age=\"9\"", "max-age=60, private"),
        ("none", "none, private, max-age=60"),
        // It counts as absent.
        ("max-age=9,", "private, max-age=60"),
        ("Max-Age=9", "private, max-age=60"),
        ("", "private, max-age=60"),
    ] {
        assert_eq!(patched(line, said()), after, "{line}");
    }
    assert_eq!(
        patched("must-understand, no-store", CacheControl::no_store()),
        "no-store"
    );
    assert_eq!(patched("private, a", CacheControl::public()), "a, public");
    assert_eq!(patched("a,", CacheControl::new()), "a,");
}

proptest! {
    #[test]
    fn both_grammars_say_the_same(said in said()) {
        let mut headers = HeaderMap::new();
        set(&mut headers, &cdn(), &said);
        let targeted = ResponseDirectives::parse_targeted(&headers, &cdn());
        if let Some(value) = said.value() {
            headers.insert(CACHE_CONTROL, value);
        }
        prop_assert_eq!(targeted.unwrap_or_default(), ResponseDirectives::parse(&headers));
    }

    #[test]
    fn patching_twice_is_patching_once_and_lowers(
        before in said(),
        noise in arbitrary::lines(cdn()),
        after in said(),
    ) {
        let mut headers = noise;
        patch(&mut headers, &cdn(), &before, Conflict::PrivateWins);
        patch(&mut headers, &cdn(), &after, Conflict::PrivateWins);
        let once = headers.clone();
        patch(&mut headers, &cdn(), &after, Conflict::PrivateWins);
        prop_assert_eq!(&headers, &once);

        let found = ResponseDirectives::parse_targeted(&headers, &cdn()).unwrap_or_default();
        prop_assert!(!(found.public && found.private == Scope::All));
        if let Some(most) = after.max_age {
            prop_assert!(matches!(found.max_age, Lifetime::Seconds(seconds) if seconds <= most));
        }
    }
}
