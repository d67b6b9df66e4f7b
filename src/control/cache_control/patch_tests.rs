use http::HeaderName;
use proptest::prelude::*;

use super::super::arbitrary::{lines, said};
use super::super::directives::Audience;
use super::*;
use crate::control::CacheControl;
use crate::header::directives::directives;
use crate::header::seconds::delta_seconds;
use crate::header::{Lifetime, ResponseDirectives, Scope, arbitrary};
use crate::{minutes, seconds};

fn patched<K>(lines: &[&str], said: CacheControl<K>, conflict: Conflict) -> String {
    let mut headers = arbitrary::map(&CACHE_CONTROL, lines);
    patch(&mut headers, &said.said, conflict);
    let lines: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
    assert_eq!(lines.len(), 1);
    lines[0].to_str().unwrap().to_owned()
}

fn later<K>(line: &str, said: CacheControl<K>) -> String {
    patched(&[line], said, Conflict::LaterWins)
}

fn private_wins<K>(line: &str, said: CacheControl<K>) -> String {
    patched(&[line], said, Conflict::PrivateWins)
}

fn field(name: &'static str) -> [HeaderName; 1] {
    [HeaderName::from_static(name)]
}

#[test]
fn golden_vectors_hold() {
    let new = CacheControl::new;
    assert_eq!(
        later("max-age=10", new().max_age(seconds(60))),
        "max-age=10"
    );
    assert_eq!(
        later("private, max-age=5", CacheControl::public()),
        "max-age=5, public"
    );
    assert_eq!(
        later("public, s-maxage=9", CacheControl::private()),
        "s-maxage=9, private"
    );
    assert_eq!(
        later("PRIVATE", new().max_age(seconds(1))),
        "private, max-age=1"
    );
    let said = new().must_revalidate().stale_while_revalidate(seconds(30));
    assert_eq!(
        patched(&[], said, Conflict::LaterWins),
        "stale-while-revalidate=30, must-revalidate"
    );
}

#[test]
fn never_cache_drops_public_and_lowers_max_age() {
    let never = "max-age=0, no-cache, no-store, must-revalidate, private";
    assert_eq!(
        patched(&[], CacheControl::never_cache(), Conflict::LaterWins),
        never
    );
    assert_eq!(
        later("max-age=60, public", CacheControl::never_cache()),
        never
    );
    assert_eq!(
        later("must-understand, no-store, x", CacheControl::never_cache()),
        "no-store, x, max-age=0, no-cache, must-revalidate, private"
    );
}

#[test]
fn of_two_lifetimes_the_lesser_counts() {
    let said = || {
        CacheControl::new()
            .max_age(seconds(50))
            .s_maxage(seconds(50))
            .stale_while_revalidate(seconds(50))
            .stale_if_error(seconds(50))
    };
    assert_eq!(
        later(
            "max-age=9, s-maxage=9, stale-while-revalidate=9, stale-if-error=9",
            said()
        ),
        "max-age=9, s-maxage=9, stale-while-revalidate=9, stale-if-error=9"
    );
    assert_eq!(
        later(
            "stale-if-error=60, s-maxage=60, stale-while-revalidate=x, max-age=60",
            said()
        ),
        "stale-if-error=50, s-maxage=50, stale-while-revalidate=50, max-age=50"
    );
    for (line, after) in [
        ("max-age=x", "max-age=50"),
        ("max-age", "max-age=50"),
        ("max-age=1.5", "max-age=50"),
        ("max-age=-1", "max-age=50"),
        ("max-age=\"20\"", "max-age=20"),
        ("max-age=99999999999999999999", "max-age=50"),
        ("max-age=60, a, MAX-AGE=40, max-age=x", "max-age=40, a"),
    ] {
        let said = CacheControl::new().max_age(seconds(50));
        assert_eq!(later(line, said), after, "{line}");
    }
}

#[test]
fn what_is_there_keeps_its_order_and_its_arguments() {
    let said = || CacheControl::new().immutable();
    for (lines, after) in [
        (
            &["Foo=Bar, MAX-AGE=60"][..],
            "foo=Bar, max-age=60, immutable",
        ),
        (&["a", "", ",b ,,c "], "a, b, c, immutable"),
        (&["x=\"a, \\\"B\", y = Z"], "x=\"a, \\\"B\", y=Z, immutable"),
        (&["a=1, a=2"], "a=1, a=2, immutable"),
        (
            &["max-age=x, no-cache=\"A\""],
            "max-age=x, no-cache=\"A\", immutable",
        ),
        (&["IMMUTABLE=1, a, immutable"], "immutable, a"),
    ] {
        assert_eq!(
            patched(lines, said(), Conflict::LaterWins),
            after,
            "{lines:?}"
        );
    }
}

#[test]
fn fields_accumulate_and_the_whole_response_replaces_them() {
    let new = CacheControl::new;
    let b = || field("b");
    assert_eq!(
        later("no-cache=Set-Cookie, max-age=5", new().no_cache_fields(b())),
        "no-cache=\"set-cookie, b\", max-age=5"
    );
    assert_eq!(
        later(
            "no-cache=a, x, no-cache=\"B, c\"",
            new().no_cache_fields(b())
        ),
        "no-cache=\"a, b, c\", x"
    );
    assert_eq!(
        later("no-cache=a, no-cache=c", CacheControl::no_cache()),
        "no-cache"
    );
    assert_eq!(
        later("no-cache =\"X\"", CacheControl::no_cache()),
        "no-cache"
    );
    assert_eq!(later("no-cache", new().no_cache_fields(b())), "no-cache");
    assert_eq!(
        later("no-cache=\"\"", new().no_cache_fields(b())),
        "no-cache"
    );
    assert_eq!(
        later("private=a", new().private_fields(b())),
        "private=\"a, b\""
    );
    assert_eq!(later("private", new().private_fields(b())), "private");
    assert_eq!(later("private=a", CacheControl::private()), "private");
}

#[test]
fn public_and_private_exclude_each_other() {
    let public = || CacheControl::public().s_maxage(seconds(9));
    assert_eq!(
        later("private, max-age=5", public()),
        "max-age=5, public, s-maxage=9"
    );
    assert_eq!(
        private_wins("private, max-age=5", public()),
        "private, max-age=5"
    );
    for after in [later, private_wins] {
        assert_eq!(
            after("x, Public", CacheControl::private().finish()),
            "x, private"
        );
        // Some fields are not the whole response.
        let public = CacheControl::public().finish();
        assert_eq!(after("private=\"a\"", public), "private=\"a\", public");
        let said = CacheControl::new().immutable().finish();
        assert_eq!(after("public, private", said), "private, immutable");
    }
    let but_for = || CacheControl::public().private_fields(field("a"));
    assert_eq!(later("private, x", but_for()), "private=\"a\", x, public");
    assert_eq!(private_wins("private, x", but_for()), "private, x");
}

#[test]
fn no_store_is_not_lifted_by_must_understand() {
    let understand = || CacheControl::public().must_understand();
    for after in [later, private_wins] {
        assert_eq!(after("no-store", understand().finish()), "no-store, public");
        assert_eq!(
            after("max-age=5", understand().finish()),
            "max-age=5, public, must-understand, no-store"
        );
        assert_eq!(
            after(
                "must-understand, max-age=5",
                CacheControl::no_store().finish()
            ),
            "max-age=5, no-store"
        );
    }
}

#[test]
fn what_cannot_be_read_becomes_no_store() {
    for (line, after) in [
        ("max-age=60; public", "no-store, max-age=50"),
        ("a, x=\"b, c", "a, no-store, max-age=50"),
        ("must-understand, =", "no-store, max-age=50"),
        ("=, \"x\", no-store", "no-store, max-age=50"),
    ] {
        let said = CacheControl::new().max_age(seconds(50));
        assert_eq!(later(line, said), after, "{line}");
    }
    let mut headers = arbitrary::map(&CACHE_CONTROL, ["x=\"", "\""]);
    patch(
        &mut headers,
        &CacheControl::public().said,
        Conflict::LaterWins,
    );
    assert_eq!(headers[CACHE_CONTROL], "no-store, public");
}

#[test]
fn who_says_nothing_touches_nothing() {
    for lines in [&[][..], &[""], &["A,,b", "c"], &["x=\"a"]] {
        let mut headers = arbitrary::map(&CACHE_CONTROL, lines);
        patch(&mut headers, &CacheControl::new().said, Conflict::LaterWins);
        assert_eq!(headers, arbitrary::map(&CACHE_CONTROL, lines));
    }
}

#[test]
fn hostile_fields_are_patched() {
    let said = CacheControl::private()
        .max_age(minutes(5))
        .no_cache_fields(field("a"));
    let names = (0..8_000).map(|n| format!("f{n}")).collect::<Vec<_>>();
    for lines in [
        vec!["a,".repeat(32 * 1024)],
        vec!["\"".repeat(64 * 1024)],
        vec!["x=\"\\".repeat(16 * 1024)],
        vec!["no-cache=a,public,max-age=9,".repeat(3_000)],
        vec![format!("no-cache=\"{}\"", names.join(","))],
        vec!["max-age=".to_owned() + &"9".repeat(64 * 1024)],
        vec![
            "private=\u{e9}".repeat(8 * 1024),
            "x=\"\u{e9}, \"".to_owned(),
        ],
        names,
    ] {
        let mut headers = arbitrary::map(&CACHE_CONTROL, &lines);
        patch(&mut headers, &said.said, Conflict::PrivateWins);
        let after = ResponseDirectives::parse(&headers);
        assert!(!after.malformed && !after.public);
        assert_eq!(after.private, Scope::All);
        assert!(matches!(after.max_age, Lifetime::Seconds(9 | 300)));
    }
}

#[test]
fn bytes_beyond_ascii_are_kept_in_quotes() {
    let mut headers = arbitrary::map(&CACHE_CONTROL, [b"x=\"\xff, \xe9\"".as_slice()]);
    patch(
        &mut headers,
        &CacheControl::public().said,
        Conflict::LaterWins,
    );
    assert_eq!(
        headers[CACHE_CONTROL].as_bytes(),
        b"x=\"\xff, \xe9\", public"
    );
}

fn conflicts() -> impl Strategy<Value = Conflict> {
    prop::sample::select(vec![Conflict::LaterWins, Conflict::PrivateWins])
}

/// Nothing that the first forbids is allowed by the second.
fn covers(strict: &Scope, scope: &Scope) -> bool {
    match (strict, scope) {
        (Scope::All, _) | (_, Scope::Absent) => true,
        (Scope::Fields(fields), Scope::Fields(all)) => all.iter().all(|f| fields.contains(f)),
        _ => false,
    }
}

fn forbids(found: &ResponseDirectives) -> bool {
    found.malformed || (found.no_store && !found.must_understand)
}

/// The arguments of all directives of a name, in order; of those without a name in this crate, if none is given.
fn arguments(headers: &HeaderMap, name: Option<&str>) -> Vec<(String, Option<Vec<u8>>)> {
    directives(headers, &CACHE_CONTROL)
        .flatten()
        .filter(|directive| match name {
            Some(name) => directive.name == name,
            None => {
                CacheControl::new().extension(&directive.name).is_ok() && directive.name != "x-y"
            }
        })
        .map(|found| {
            (
                found.name.into_owned(),
                found.value.map(|value| value.into_owned()),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn patching_twice_is_patching_once(mut headers in lines(), said in said(), conflict in conflicts()) {
        patch(&mut headers, &said, conflict);
        let once = headers.clone();
        patch(&mut headers, &said, conflict);
        prop_assert_eq!(headers, once);
    }

    #[test]
    fn what_was_said_is_said(mut headers in lines(), said in said(), conflict in conflicts()) {
        if said.is_empty() {
            return Ok(());
        }
        let before = ResponseDirectives::parse(&headers);
        let least = arguments(&headers, Some("max-age"))
            .into_iter()
            .filter_map(|(_, value)| delta_seconds(&value?))
            .chain(said.max_age)
            .min();
        patch(&mut headers, &said, conflict);
        let after = ResponseDirectives::parse(&headers);

        prop_assert_eq!(headers.get_all(CACHE_CONTROL).iter().count(), 1);
        prop_assert!(!after.malformed);
        if said.max_age.is_some() {
            prop_assert_eq!(after.max_age.seconds(), least);
        } else if !before.malformed {
            prop_assert_eq!(after.max_age, before.max_age);
        }
        prop_assert!(!(after.public && after.private == Scope::All));
        prop_assert!(after.no_store || !said.no_store);
        prop_assert!(forbids(&after) || !said.forbid());
        prop_assert!(after.no_cache == Scope::All || !said.no_cache);
        prop_assert!(covers(&after.no_cache, &scope(&said.no_cache_fields)));
        prop_assert!(covers(&after.private, &scope(&said.private_fields)));
        prop_assert!(after.must_revalidate || !said.must_revalidate);
        prop_assert!(after.immutable || !said.immutable);
        match said.audience {
            Some(Audience::Private) => prop_assert_eq!(after.private, Scope::All),
            Some(Audience::Public) if conflict == Conflict::LaterWins => prop_assert!(after.public),
            _ => prop_assert!(after.private == Scope::All || before.private != Scope::All),
        }
    }

    #[test]
    fn nothing_becomes_looser(mut headers in lines(), said in said()) {
        let before = ResponseDirectives::parse(&headers);
        patch(&mut headers, &said, Conflict::PrivateWins);
        let after = ResponseDirectives::parse(&headers);

        prop_assert!(forbids(&after) || !forbids(&before));
        prop_assert!(after.no_store || !before.no_store);
        prop_assert!(covers(&after.private, &before.private));
        prop_assert!(covers(&after.no_cache, &before.no_cache));
        prop_assert!(after.must_revalidate || !before.must_revalidate);
        prop_assert!(after.proxy_revalidate || !before.proxy_revalidate);
        prop_assert!(after.no_transform || !before.no_transform);
        for (after, before) in [(after.max_age, before.max_age), (after.s_maxage, before.s_maxage)] {
            if let Some(before) = before.seconds() {
                prop_assert!(after.seconds().is_some_and(|after| after <= before));
            }
        }
    }

    #[test]
    fn what_has_no_name_here_is_kept(mut headers in lines(), said in said(), conflict in conflicts()) {
        let before = arguments(&headers, None);
        patch(&mut headers, &said, conflict);
        prop_assert_eq!(arguments(&headers, None), before);
    }
}

fn scope(fields: &[HeaderName]) -> Scope {
    if fields.is_empty() {
        Scope::Absent
    } else {
        Scope::Fields(fields.to_vec())
    }
}
