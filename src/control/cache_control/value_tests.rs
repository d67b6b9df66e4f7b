use http::header::{CACHE_CONTROL, SET_COOKIE};
use proptest::prelude::*;

use super::super::arbitrary::said;
use super::*;
use crate::header::{Lifetime, ResponseDirectives, Scope};
use crate::{days, hours, minutes, seconds};

const MENU: CacheControl<Public> = CacheControl::public()
    .max_age(minutes(5))
    .s_maxage(hours(1))
    .must_revalidate();

#[test]
fn each_directive_is_written() {
    let fields = || [SET_COOKIE, HeaderName::from_static("x-a"), SET_COOKIE];
    for (control, text) in [
        (
            MENU.finish(),
            "public, max-age=300, s-maxage=3600, must-revalidate",
        ),
        (
            CacheControl::private()
                .max_age(seconds(60))
                .immutable()
                .finish(),
            "private, max-age=60, immutable",
        ),
        (
            CacheControl::no_store().no_transform().finish(),
            "no-store, no-transform",
        ),
        (CacheControl::no_cache().finish(), "no-cache"),
        (
            CacheControl::private().and_no_cache().finish(),
            "private, no-cache",
        ),
        (
            CacheControl::never_cache().finish(),
            "max-age=0, no-cache, no-store, must-revalidate, private",
        ),
        (
            CacheControl::new()
                .stale_if_error(days(1))
                .stale_while_revalidate(minutes(1))
                .proxy_revalidate()
                .finish(),
            "stale-while-revalidate=60, stale-if-error=86400, proxy-revalidate",
        ),
        (
            CacheControl::public()
                .must_understand()
                .max_age(seconds(1))
                .finish(),
            "public, max-age=1, must-understand, no-store",
        ),
        (
            CacheControl::public()
                .private_fields(fields())
                .no_cache_fields(fields())
                .no_cache_fields([])
                .finish(),
            "public, private=\"set-cookie, x-a\", no-cache=\"set-cookie, x-a\"",
        ),
        (
            CacheControl::new()
                .no_cache_fields(fields())
                .and_no_cache()
                .finish(),
            "no-cache",
        ),
        (
            CacheControl::no_cache().no_cache_fields(fields()).finish(),
            "no-cache",
        ),
    ] {
        assert_eq!(control.to_string(), text);
        assert_eq!(control.to_value().unwrap(), text);
        assert_eq!(format!("{control:?}"), format!("CacheControl({text})"));
    }
}

#[test]
fn nothing_said_is_no_field() {
    assert_eq!(CacheControl::new().to_value(), None);
    assert_eq!(CacheControl::new().no_cache_fields([]).to_value(), None);
    let mut headers = HeaderMap::new();
    CacheControl::default().add_to(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn spans_are_whole_seconds_and_have_a_largest() {
    for (span, text) in [
        (Duration::ZERO, "max-age=0"),
        (Duration::from_millis(1_999), "max-age=1"),
        (Duration::from_secs((1 << 31) - 1), "max-age=2147483647"),
        (Duration::from_secs(1 << 31), "max-age=2147483647"),
        (Duration::MAX, "max-age=2147483647"),
    ] {
        assert_eq!(CacheControl::new().max_age(span).to_string(), text);
    }
}

#[test]
fn too_many_fields_are_the_whole_response() {
    let names = |count: usize| (0..count).map(|n| HeaderName::try_from(format!("f{n}")).unwrap());
    let all = CacheControl::public()
        .no_cache_fields(names(65))
        .private_fields(names(1_000))
        .to_string();
    assert_eq!(all, "private, no-cache");
    let most = CacheControl::new().no_cache_fields(names(64)).to_string();
    assert!(most.ends_with("f63\""));
}

#[test]
fn extensions_are_tokens_and_quoted_where_they_must_be() {
    for (argument, text) in [
        (None, "x"),
        (Some("UCI"), "x=UCI"),
        (Some("5"), "x=5"),
        (Some(""), "x=\"\""),
        (Some("a, b"), "x=\"a, b\""),
        (Some("a\"\\b"), "x=\"a\\\"\\\\b\""),
    ] {
        let control = CacheControl::no_store();
        let control = match argument {
            None => control.extension("X"),
            Some(argument) => control.extension_with("X", argument),
        };
        assert_eq!(control.unwrap().to_string(), format!("no-store, {text}"));
    }
    let twice = CacheControl::new()
        .extension_with("a", "1")
        .and_then(|control| control.extension("b"))
        .and_then(|control| control.extension("A"))
        .unwrap();
    assert_eq!(twice.to_string(), "b, a");
}

#[test]
fn extensions_that_cannot_be_said_are_errors() {
    for name in [
        "", "a b", "a=1", "a,b", "1a", "x!", "\u{e9}", "x\r\ny", "\"a\"",
    ] {
        let error = CacheControl::new().extension(name).unwrap_err();
        assert_eq!(error, DirectiveError::Name(name.to_owned()));
    }
    for name in KNOWN.iter().copied().chain(["Private", "MAX-AGE"]) {
        let error = CacheControl::new().extension_with(name, "1").unwrap_err();
        assert_eq!(error, DirectiveError::Known(name.to_ascii_lowercase()));
    }
    for argument in ["a\r\nb", "\t", "\u{e9}", "\0"] {
        let error = CacheControl::new()
            .extension_with("x", argument)
            .unwrap_err();
        assert_eq!(error, DirectiveError::Argument);
    }
}

#[test]
fn it_can_be_sent_shared_and_kept_in_a_constant() {
    fn is<T: Clone + Send + Sync + fmt::Debug + 'static>() {}
    is::<CacheControl>();
    is::<CacheControl<Private>>();
    assert_eq!(MENU, MENU.clone().finish());
}

fn lifetime(seconds: Option<u64>) -> Lifetime {
    seconds.map_or(Lifetime::Absent, Lifetime::Seconds)
}

fn scope(all: bool, fields: Vec<HeaderName>) -> Scope {
    match (all, fields) {
        (true, _) => Scope::All,
        (_, fields) if fields.is_empty() => Scope::Absent,
        (_, fields) => Scope::Fields(fields),
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(said in said()) {
        let mut headers = HeaderMap::new();
        if let Some(value) = said.value() {
            headers.insert(CACHE_CONTROL, value);
        }
        let expected = ResponseDirectives {
            max_age: lifetime(said.max_age),
            s_maxage: lifetime(said.s_maxage),
            no_store: said.no_store,
            no_cache: scope(said.no_cache, said.no_cache_fields.clone()),
            private: scope(said.audience == Some(Audience::Private), said.private_fields.clone()),
            public: said.audience == Some(Audience::Public),
            must_revalidate: said.must_revalidate,
            proxy_revalidate: said.proxy_revalidate,
            must_understand: said.must_understand,
            no_transform: said.no_transform,
            immutable: said.immutable,
            stale_while_revalidate: said.stale_while_revalidate,
            stale_if_error: said.stale_if_error,
            malformed: false,
            present: said.entries().next().is_some(),
        };
        prop_assert_eq!(ResponseDirectives::parse(&headers), expected);
    }

    #[test]
    fn any_name_and_argument_is_written_or_an_error(name in ".*", argument in ".*") {
        if let Ok(control) = CacheControl::new().extension_with(&name, &argument) {
            prop_assert!(control.to_value().is_some());
        }
    }
}
