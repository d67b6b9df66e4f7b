use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;

const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");
const OWN: HeaderName = HeaderName::from_static("larder-cache-control");

fn lines(lines: &[&str]) -> Option<ResponseDirectives> {
    ResponseDirectives::parse_targeted(&arbitrary::map(&CDN, lines), &CDN)
}

fn parse(line: &str) -> ResponseDirectives {
    lines(&[line]).unwrap_or_else(|| panic!("{line} is absent"))
}

fn fields(names: &[&'static str]) -> Scope {
    Scope::Fields(
        names
            .iter()
            .map(|name| HeaderName::from_static(name))
            .collect(),
    )
}

fn headers(fields: &[(&HeaderName, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value)))
        .collect()
}

fn nothing() -> ResponseDirectives {
    ResponseDirectives {
        present: true,
        ..ResponseDirectives::default()
    }
}

#[test]
fn each_directive_is_read() {
    assert_eq!(
        lines(&[
            "max-age=1, s-maxage=2, no-store, no-cache=a, private=\"b, c\", public, must-revalidate",
            "proxy-revalidate, must-understand, no-transform, immutable, x=(1 2), y=1.5",
            "stale-while-revalidate=3,\tstale-if-error=4",
        ]),
        Some(ResponseDirectives {
            max_age: Lifetime::Seconds(1),
            s_maxage: Lifetime::Seconds(2),
            no_store: true,
            no_cache: fields(&["a"]),
            private: fields(&["b", "c"]),
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
        })
    );
}

#[test]
fn an_empty_or_unreadable_field_is_absent() {
    for line in [
        "",
        " ",
        "max-age=60,",
        "Max-Age=60",
        "max-age = 60",
        "max-age=60 s",
        "no-store, x=\"",
        "max-age=9999999999999999",
    ] {
        assert_eq!(lines(&[line]), None, "{line}");
    }
    assert_eq!(lines(&[]), None);
    assert_eq!(lines(&["max-age=60", ""]), None);
}

#[test]
fn of_a_repeated_key_the_last_stands() {
    let seconds = |line| parse(line).max_age;
    assert_eq!(seconds("max-age=1, max-age=9"), Lifetime::Seconds(9));
    assert_eq!(seconds("max-age=x, max-age=9"), Lifetime::Seconds(9));
    assert_eq!(seconds("max-age=9, max-age"), Lifetime::Invalid);
    assert!(!parse("no-store, no-store=?0").no_store);
}

#[test]
fn parameters_mean_nothing() {
    assert_eq!(parse("max-age=60;x=1").max_age, Lifetime::Seconds(60));
    assert!(parse("no-store;max-age=5").no_store);
    assert_eq!(
        parse("private=(\"a\";x b);y=?0").private,
        fields(&["a", "b"])
    );
}

#[test]
fn a_lifetime_of_the_wrong_type_is_invalid() {
    for value in [
        "", "=1.5", "=\"60\"", "=-1", "=x", "=?1", "=?0", "=(60)", "=()", "=:YQ==:", "=@60",
    ] {
        let found = parse(&format!(
            "max-age{value}, s-maxage{value}, stale-if-error{value}, stale-while-revalidate{value}"
        ));
        assert_eq!(found.max_age, Lifetime::Invalid, "{value}");
        assert_eq!(found.s_maxage, Lifetime::Invalid, "{value}");
        assert_eq!(found.stale_if_error, None, "{value}");
        assert_eq!(found.stale_while_revalidate, None, "{value}");
    }
}

#[test]
fn numbers_are_clamped() {
    assert_eq!(parse("max-age=0").max_age, Lifetime::Seconds(0));
    assert_eq!(
        parse("max-age=999999999999999").max_age,
        Lifetime::Seconds(MAX_SECONDS)
    );
}

#[test]
fn false_is_not_set() {
    assert_eq!(
        parse(
            "no-store=?0, no-cache=?0, private=?0, public=?0, must-revalidate=?0, proxy-revalidate=?0, \
             must-understand=?0, no-transform=?0, immutable=?0"
        ),
        nothing()
    );
}

#[test]
fn the_wrong_type_restricts_and_permits_nothing() {
    for value in ["1", "x", "\"x\"", "()", "1.5"] {
        let found = parse(&format!(
            "no-store={value}, must-revalidate={value}, proxy-revalidate={value}, no-transform={value}, \
             public={value}, immutable={value}, must-understand={value}"
        ));
        assert!(found.no_store && found.must_revalidate, "{value}");
        assert!(found.proxy_revalidate && found.no_transform, "{value}");
        assert!(!found.public && !found.immutable, "{value}");
        assert!(!found.must_understand, "{value}");
    }
    assert!(parse("must-understand=1").must_understand);
    assert!(parse("must-understand, no-store").must_understand);
}

#[test]
fn a_scope_that_cannot_be_read_is_the_whole_response() {
    let table = [
        ("", Scope::All),
        ("=?1", Scope::All),
        ("=\"Set-Cookie\"", fields(&["set-cookie"])),
        ("=Set-Cookie", fields(&["set-cookie"])),
        ("=\"a, b\"", fields(&["a", "b"])),
        ("=(\"a\" b \"a\")", fields(&["a", "b"])),
        ("=()", Scope::All),
        ("=\"\"", Scope::All),
        ("=\"a b\"", Scope::All),
        ("=(\"a\" 1)", Scope::All),
        ("=(\"a\" ?0)", Scope::All),
        ("=a/b", Scope::All),
        ("=1", Scope::All),
        ("=:YQ==:", Scope::All),
    ];
    for (value, scope) in table {
        let found = parse(&format!("no-cache{value}, private{value}"));
        assert_eq!(found.no_cache, scope, "{value}");
        assert_eq!(found.private, scope, "{value}");
    }
}

#[test]
fn the_first_field_that_says_something_decides() {
    let all = headers(&[
        (&CDN, "max-age=600"),
        (&OWN, "max-age=5"),
        (&CACHE_CONTROL, "no-store"),
    ]);
    let decided = |targets: &[HeaderName]| {
        let (found, targeted) = ResponseDirectives::of(&all, targets);
        (found.max_age, found.no_store, targeted)
    };
    assert_eq!(decided(&[CDN, OWN]), (Lifetime::Seconds(600), false, true));
    assert_eq!(decided(&[OWN, CDN]), (Lifetime::Seconds(5), false, true));
    // Without a list nothing is recognised, whatever its name ends with (§2.4, §3).
    assert_eq!(decided(&[]), (Lifetime::Absent, true, false));
}

#[test]
fn a_field_that_says_nothing_falls_through() {
    for unreadable in ["", "max-age=1,", "Max-Age=1"] {
        let next = headers(&[
            (&CDN, unreadable),
            (&OWN, "max-age=5"),
            (&CACHE_CONTROL, "max-age=60"),
        ]);
        let (found, targeted) = ResponseDirectives::of(&next, &[CDN, OWN]);
        assert_eq!(found.max_age, Lifetime::Seconds(5), "{unreadable}");
        assert!(targeted, "{unreadable}");

        let (found, targeted) = ResponseDirectives::of(&next, &[CDN]);
        assert_eq!(found.max_age, Lifetime::Seconds(60), "{unreadable}");
        assert!(!targeted, "{unreadable}");
    }
}

#[test]
fn an_invalid_lifetime_does_not_fall_through() {
    let both = headers(&[(&CDN, "max-age=1.5"), (&CACHE_CONTROL, "max-age=60")]);
    let (found, targeted) = ResponseDirectives::of(&both, &[CDN]);
    assert_eq!((found.max_age, targeted), (Lifetime::Invalid, true));
}

#[test]
fn none_decides_and_sets_nothing() {
    let both = headers(&[(&CDN, "none"), (&CACHE_CONTROL, "no-store")]);
    assert_eq!(ResponseDirectives::of(&both, &[CDN]), (nothing(), true));
}

#[test]
fn cache_control_is_no_targeted_field() {
    let one = headers(&[(&CACHE_CONTROL, "Max-Age=60")]);
    let (found, targeted) = ResponseDirectives::of(&one, &[CACHE_CONTROL]);
    assert_eq!((found.max_age, targeted), (Lifetime::Seconds(60), false));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(headers in arbitrary::lines(CDN)) {
        let (found, targeted) = ResponseDirectives::of(&headers, &[CDN]);
        prop_assert_eq!(found.present, targeted);
        prop_assert_eq!(ResponseDirectives::parse_targeted(&headers, &CDN).is_some(), targeted);
    }

    #[test]
    fn what_both_grammars_have_reads_the_same(
        members in prop::collection::btree_set(
            prop::sample::select(["max-age=60", "s-maxage=0", "no-store", "private", "no-cache=\"a, b\"", "public",
                "must-revalidate", "must-understand", "stale-if-error=5", "unknown=x", "immutable"].as_slice()),
            1..8,
        )
    ) {
        let line = members.into_iter().collect::<Vec<_>>().join(", ");
        prop_assert_eq!(
            lines(&[&line]),
            Some(ResponseDirectives::parse(&arbitrary::map(&CACHE_CONTROL, [&line])))
        );
    }
}
