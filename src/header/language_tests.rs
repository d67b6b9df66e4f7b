use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;

fn selects(accept: &str, languages: &[&str]) -> bool {
    let headers = arbitrary::map(&ACCEPT_LANGUAGE, [accept]);
    AcceptLanguage::parse(&headers).is_some_and(|accept| accept.selects(languages))
}

fn form(lines: &[&str]) -> Option<String> {
    normal(&arbitrary::map(&ACCEPT_LANGUAGE, lines)).map(|form| String::from_utf8(form).unwrap())
}

fn languages(lines: &[&str]) -> Option<Vec<String>> {
    content_languages(&arbitrary::map(&CONTENT_LANGUAGE, lines))
}

#[test]
fn the_most_preferred_language_selects() {
    for (accept, language) in [
        ("en", "en"),
        ("EN", "en"),
        ("en", "En-us"),
        ("en-us", "en-US-x-twain"),
        ("de, en;q=0.9", "de-AT"),
        ("de;q=0.5, en;q=0.4", "de"),
        ("*;q=0.5, de", "de"),
        ("en-US, en", "en-US"),
        ("en, *", "en"),
        ("en, *;q=0", "en"),
        ("*", "de"),
        ("en, en-US;q=0.5", "en-GB"),
    ] {
        assert!(selects(accept, &[language]), "{accept} / {language}");
    }
}

#[test]
fn what_might_be_beaten_does_not_select() {
    for (accept, language) in [
        ("en", "de"),
        ("en", "eng"),
        ("en-US", "en"),
        ("en-US, en;q=0.9", "en"),
        ("en-US, en;q=0.9", "en-GB"),
        ("de, en;q=0.9", "en"),
        // Either would do, and which of them there is only the origin knows.
        ("de, en", "en"),
        ("en-US, en", "en"),
        ("de, *", "en"),
        // `*` is what no other range matches.
        ("*, en;q=0.5", "en"),
        ("en, en-US;q=0.5", "en-US"),
        ("en, en-US;q=0", "en-US"),
        ("en, en;q=0.5", "en"),
        ("en;q=0", "en"),
        ("en;q=0", "de"),
        ("*;q=0", "de"),
        ("", "en"),
        ("en;q=x", "en"),
    ] {
        assert!(!selects(accept, &[language]), "{accept} / {language}");
    }
}

#[test]
fn a_response_in_several_languages_is_in_each_of_them() {
    assert!(selects("en", &["mi", "en"]));
    assert!(selects("en, mi", &["mi", "en"]));
    assert!(selects("en, mi;q=0.5", &["mi", "en"]));
    assert!(!selects("en, mi;q=0", &["mi", "en"]));
    assert!(!selects("en, *;q=0", &["mi", "en"]));
    assert!(!selects("de", &["mi", "en"]));
    assert!(!selects("*", &[]));
}

#[test]
fn without_a_readable_field_nothing_is_preferred() {
    let parse = |lines: &[&str]| AcceptLanguage::parse(&arbitrary::map(&ACCEPT_LANGUAGE, lines));
    assert_eq!(parse(&[]), None);
    for line in [
        "en_US",
        "e1",
        "-",
        "en-",
        "toolongtag",
        "en-*",
        "a.b",
        "en;level=1",
        "\u{e9}",
    ] {
        assert_eq!(parse(&[line]), None, "{line}");
    }
    assert!(parse(&[""]).is_some());
    assert!(parse(&["x-klingon, de-1996, *"]).is_some());
}

#[test]
fn requests_that_prefer_the_same_have_one_form() {
    let expected = Some("de-at, en;q=0.7, *;q=0".to_owned());
    for lines in [
        &["de-AT,en;q=0.7,*;q=0"][..],
        &["*;q=0.0", "EN;q=0.70", "De-at ; Q=1.0"],
    ] {
        assert_eq!(form(lines), expected, "{lines:?}");
    }
    assert_eq!(form(&["en, de"]), form(&["de, en"]));
}

#[test]
fn absent_empty_and_unreadable_select_by_themselves() {
    assert_eq!(form(&[]), None);
    assert_eq!(form(&[" "]).as_deref(), Some(""));
    assert_eq!(form(&["en_US,de"]).as_deref(), Some("en_US, de"));
}

#[test]
fn content_languages_are_read_in_lower_case() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(languages(&[]), names(&[]));
    assert_eq!(
        languages(&["mi, en-NZ", "DE"]),
        names(&["mi", "en-nz", "de"])
    );
    for unreadable in ["*", "en_US", "en;q=1", "en fr"] {
        assert_eq!(languages(&[unreadable]), None, "{unreadable}");
    }
    assert!(languages(&[&vec!["en"; MOST_LANGUAGES].join(",")]).is_some());
    assert_eq!(
        languages(&[&vec!["en"; MOST_LANGUAGES + 1].join(",")]),
        None
    );
}

fn accept() -> impl Strategy<Value = Vec<String>> {
    let range = prop::sample::select(["en", "en-US", "EN-us-x-a", "de", "*"].as_slice());
    let weight = prop::sample::select(["", ";q=1.0", ";q=0", ";q=0.5", ";q=0.50"].as_slice());
    prop::collection::vec(
        (range, weight).prop_map(|(range, weight)| range.to_owned() + weight),
        0..5,
    )
}

proptest! {
    #[test]
    fn any_bytes_never_panic(accept in arbitrary::lines(ACCEPT_LANGUAGE), content in arbitrary::lines(CONTENT_LANGUAGE)) {
        let languages = content_languages(&content).unwrap_or_default();
        if let Some(accept) = AcceptLanguage::parse(&accept) {
            let _ = accept.selects(&languages);
        }
        let _ = accept.is_empty() || normal(&accept).is_some();
    }

    #[test]
    fn requests_of_one_form_select_the_same(
        (accept, shuffled) in accept().prop_flat_map(|accept| (Just(accept.clone()), Just(accept).prop_shuffle())),
        language in prop::sample::select(["en", "en-US", "en-GB", "de", "fr"].as_slice()),
    ) {
        let (one, other) = (accept.join(","), shuffled.join(" , "));
        let normal = form(&[&one]).unwrap();
        prop_assert_eq!(form(&[&other]), Some(normal.clone()));
        prop_assert_eq!(selects(&one, &[language]), selects(&normal, &[language]));
        prop_assert_eq!(selects(&one, &[language]), selects(&other, &[language]));
    }

    #[test]
    fn what_is_selected_matches_a_range_of_the_highest_weight(accept in accept(), language in prop::sample::select(
        ["en", "en-US", "de"].as_slice()
    )) {
        let line = accept.join(",");
        if selects(&line, &[language]) {
            let AcceptLanguage(ranges) = AcceptLanguage::parse(&arbitrary::map(&ACCEPT_LANGUAGE, [&line])).unwrap();
            let top = ranges.iter().map(|range| range.quality).max().unwrap();
            prop_assert!(top > Quality::NONE);
            prop_assert!(ranges.iter().any(|range| range.quality == top && matches(&range.name, language)));
        }
    }
}
