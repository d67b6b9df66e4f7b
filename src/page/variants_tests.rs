use http::HeaderValue;
use http::header::VARY;
use proptest::prelude::*;

use super::*;
use crate::header::Vary;
use crate::store::HeadObject;
use crate::ttl::seconds;

const BASE: &[u8] = b"page";
const NOW: Now = Now::from_millis(1_000_000);
const MOST: usize = 16;

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
}

/// The names that a response with this `Vary` is selected by.
fn names(vary: &str) -> Vec<HeaderName> {
    let mut headers = HeaderMap::new();
    headers.insert(VARY, HeaderValue::from_str(vary).unwrap());
    match Vary::parse(&headers, 8) {
        Vary::None => Vec::new(),
        Vary::Fields(names) => names,
        other => panic!("{vary}: {other:?}"),
    }
}

fn key(vary: &str, request: &[(&'static str, &str)]) -> Vec<u8> {
    variant_key(BASE, &names(vary), &fields(request)).unwrap()
}

/// An index as responses with these `Vary`, `Date` and request fields left it.
#[derive(Clone, Default)]
struct Index(Variants);

impl Index {
    fn filed(&self, vary: &str, date: u64, request: &[(&'static str, &str)]) -> Self {
        self.filed_at(NOW, vary, date, request)
    }

    fn filed_at(&self, now: Now, vary: &str, date: u64, request: &[(&'static str, &str)]) -> Self {
        let names = names(vary);
        let key = key(vary, request);
        let keep_until = now + seconds(60);
        Self(self.0.with(&names, &key, date, keep_until, now, MOST).0)
    }

    fn candidates(&self, request: &[(&'static str, &str)]) -> Vec<Vec<u8>> {
        self.0.candidates(BASE, &fields(request))
    }
}

#[test]
fn a_variant_is_found_by_the_values_it_was_made_for_and_no_others() {
    let index = Index::default().filed("x-l", 1, &[("x-l", "de")]);
    let de = key("x-l", &[("x-l", "de")]);
    assert!(index.candidates(&[("x-l", "de")]).contains(&de));
    assert!(
        index
            .candidates(&[("x-l", "de"), ("x-other", "1")])
            .contains(&de)
    );
    for other in ["", "DE", "en", "d", "de, en", "de-DE"] {
        assert!(
            !index.candidates(&[("x-l", other)]).contains(&de),
            "{other}"
        );
    }
    assert!(!index.candidates(&[]).contains(&de));
}

#[test]
fn absent_matches_only_absent() {
    let absent = key("x-l", &[]);
    let empty = key("x-l", &[("x-l", "")]);
    assert_ne!(absent, empty);
    assert_eq!(empty, key("x-l", &[("x-l", " ")]));
    assert_eq!(absent, key("x-l", &[("x-other", "")]));
}

#[test]
fn values_do_not_run_into_each_other() {
    let requests: [&[(&'static str, &str)]; 10] = [
        &[],
        &[("x-a", "")],
        &[("x-b", "")],
        &[("x-a", ""), ("x-b", "")],
        &[("x-a", "EU")],
        &[("x-b", "EU")],
        &[("x-a", "EU"), ("x-b", "")],
        &[("x-a", ""), ("x-b", "EU")],
        &[("x-a", "E"), ("x-b", "U")],
        &[("x-a", "EU"), ("x-b", "EU")],
    ];
    for (i, one) in requests.iter().enumerate() {
        for (j, other) in requests.iter().enumerate() {
            let same = key("x-a, x-b", one) == key("x-a, x-b", other);
            assert_eq!(same, i == j, "{one:?} / {other:?}");
        }
    }
    assert_ne!(key("x-a", &[("x-a", "1")]), key("x-b", &[("x-b", "1")]));
    assert_ne!(key("x-a", &[]), key("x-a, x-b", &[]));
}

#[test]
fn only_whitespace_and_lines_are_ignored_in_a_value() {
    let plain = key("x-l", &[("x-l", "a, b")]);
    for same in ["a,b", " a ,\tb ", "a ,b"] {
        assert_eq!(key("x-l", &[("x-l", same)]), plain, "{same}");
    }
    assert_eq!(key("x-l", &[("x-l", "a"), ("x-l", "b")]), plain);
    assert_ne!(key("x-l", &[("x-l", "b"), ("x-l", "a")]), plain);
    for other in ["b, a", "A, b", "a b", "a,, b", "a, b, b"] {
        assert_ne!(key("x-l", &[("x-l", other)]), plain, "{other}");
    }
}

#[test]
fn the_order_and_the_letter_case_of_names_do_not_matter() {
    let request = [("x-a", "1"), ("x-b", "2")];
    let plain = key("x-a, x-b", &request);
    for vary in [
        "x-b, x-a",
        "X-B,X-A",
        "\tx-a ,\tx-B\t",
        "x-a, x-b, X-A",
        ",x-b,,x-a,",
    ] {
        assert_eq!(key(vary, &request), plain, "{vary}");
    }
    let index = Index::default().filed("x-b, x-a", 1, &request);
    assert_eq!(
        index.filed("X-A, X-B", 2, &request).candidates(&request),
        [plain]
    );
}

#[test]
fn every_variant_is_selected_by_its_own_vary() {
    let german = [("x-l", "de"), ("x-d", "phone")];
    let phone = [("x-l", "fr"), ("x-d", "phone")];
    let index = Index::default()
        .filed("x-l", 1, &german)
        .filed("x-d", 2, &phone);
    let by_language = key("x-l", &german);
    let by_device = key("x-d", &phone);
    let desk = [("x-l", "de"), ("x-d", "desk")];
    assert_eq!(index.candidates(&desk), std::slice::from_ref(&by_language));
    let italian = [("x-l", "it"), ("x-d", "phone")];
    assert_eq!(index.candidates(&italian), std::slice::from_ref(&by_device));
    let neither = [("x-l", "it"), ("x-d", "desk")];
    assert!(index.candidates(&neither).is_empty());
    assert_eq!(
        index.candidates(&german),
        [by_device, by_language],
        "the newest first"
    );
}

#[test]
fn the_newest_selection_comes_first_whatever_the_order_of_arrival() {
    let request = [("x-a", "1"), ("x-b", "1"), ("x-c", "1")];
    let index = Index::default()
        .filed("x-a", 20, &request)
        .filed("x-b", 30, &request)
        .filed("x-c", 10, &request);
    let order = |index: &Index| index.candidates(&request);
    let of = |vary| key(vary, &request);
    assert_eq!(order(&index), [of("x-b"), of("x-a"), of("x-c")]);
    assert_eq!(index.0.newest(), Some(&*names("x-b")));
    let renewed = index.filed("x-c", 40, &request);
    assert_eq!(order(&renewed), [of("x-c"), of("x-b"), of("x-a")]);
    let late = renewed.filed("x-b", 5, &[("x-b", "2")]);
    assert_eq!(late.0.newest(), Some(&*names("x-c")));
    assert_eq!(
        order(&late),
        order(&renewed),
        "a late old response makes nothing older"
    );
}

#[test]
fn a_page_without_vary_is_not_used_blindly_once_a_younger_one_varies() {
    let plain = key("", &[]);
    let old_plain = Index::default()
        .filed("", 10, &[])
        .filed("x-l", 20, &[("x-l", "de")]);
    for request in [&[("x-l", "en")][..], &[("x-l", "de")], &[]] {
        assert!(
            !old_plain.candidates(request).contains(&plain),
            "{request:?}"
        );
    }
    let same_second = Index::default().filed("x-l", 20, &[]).filed("", 20, &[]);
    assert!(!same_second.candidates(&[]).contains(&plain));
    let default = Index::default()
        .filed("x-l", 20, &[("x-l", "de")])
        .filed("", 30, &[]);
    assert!(
        default.candidates(&[("x-l", "en")]).contains(&plain),
        "a default response"
    );
    assert_eq!(
        default.candidates(&[("x-l", "de")])[0],
        key("x-l", &[("x-l", "de")])
    );
}

#[test]
fn an_index_without_variants_selects_nothing() {
    let none = Index(Variants::none());
    assert_eq!(none.candidates(&[("x-l", "de")]), [] as [Vec<u8>; 0]);
    assert_eq!(none.0.newest(), None);
    assert_eq!(none.0.keep_until(), Now::from_millis(0));
}

#[test]
fn variants_are_bounded_and_the_one_that_ends_first_makes_room() {
    let languages: Vec<String> = (0..=MOST).map(|n| format!("l{n}")).collect();
    let listed = |index: &Index, language: &str| !index.candidates(&[("x-l", language)]).is_empty();
    let mut index = Index::default();
    for (at, language) in languages[..MOST].iter().enumerate() {
        let now = NOW + seconds(at as u64);
        index = index.filed_at(now, "x-l", 1, &[("x-l", language)]);
    }
    assert!(
        languages[..MOST]
            .iter()
            .all(|language| listed(&index, language))
    );
    let now = NOW + seconds(MOST as u64);
    let renewed = index.filed_at(now, "x-l", 1, &[("x-l", &languages[0])]);
    assert!(
        listed(&renewed, &languages[1]),
        "one that is there already takes no more room"
    );
    let full = index.filed_at(now, "x-l", 1, &[("x-l", &languages[MOST])]);
    assert!(listed(&full, &languages[MOST]) && !listed(&full, &languages[0]));
    assert_eq!(full.0.len(), MOST);
    let other = full.filed_at(now, "x-other", 1, &[]);
    assert_eq!(other.0.len(), MOST, "all fields count together");
}

#[test]
fn lists_of_fields_are_bounded() {
    let lists: Vec<String> = (0..=MOST_SELECTIONS).map(|n| format!("x-{n}")).collect();
    let mut index = Index::default();
    for (date, list) in (1..).zip(&lists) {
        index = index.filed(list, date, &[]);
    }
    let found = index.candidates(&[]);
    assert_eq!(found.len(), MOST_SELECTIONS);
    assert_eq!(
        found[0],
        key(&lists[MOST_SELECTIONS], &[]),
        "the newest is kept"
    );
}

#[test]
fn variants_whose_time_is_over_free_their_places() {
    let mut index = Index::default();
    for n in 0..MOST {
        index = index.filed("x-l", 1, &[("x-l", &n.to_string())]);
    }
    let last_moment = NOW
        + seconds(60)
            .checked_sub(std::time::Duration::from_millis(1))
            .unwrap();
    assert_eq!(index.filed_at(last_moment, "x-d", 2, &[]).0.len(), MOST);
    let later = index.filed_at(NOW + seconds(60), "x-d", 2, &[("x-l", "1")]);
    assert_eq!(later.0.len(), 1);
    assert_eq!(
        later.candidates(&[("x-l", "1")]),
        [key("x-d", &[])],
        "nobody asks for the others"
    );
    assert_eq!(later.0.keep_until(), NOW + seconds(120));
}

#[test]
fn an_index_lives_as_long_as_the_last_of_its_variants() {
    let names = names("x-l");
    let with = |index: &Variants, value: &str, keep: u64| {
        let key = key("x-l", &[("x-l", value)]);
        index
            .with(&names, &key, 1, NOW + seconds(keep), NOW, MOST)
            .0
    };
    let two = with(&with(&Variants::none(), "a", 60), "b", 30);
    assert_eq!(two.keep_until(), NOW + seconds(60));
    let renewed = with(&two, "a", 10);
    assert_eq!(
        renewed.keep_until(),
        NOW + seconds(30),
        "its own earlier life does not count"
    );
}

#[test]
fn values_that_are_too_long_together_select_nothing() {
    let names = names("x-a, x-b");
    let with = |a: usize, b: usize| {
        let request = fields(&[
            ("x-a", &"a".repeat(a)),
            ("x-b", &"b".repeat(b)),
            ("x-c", &"c".repeat(9_999)),
        ]);
        variant_key(BASE, &names, &request)
    };
    assert!(with(MOST_SELECTING, 0).is_some());
    assert!(with(MOST_SELECTING / 2, MOST_SELECTING / 2).is_some());
    assert!(with(MOST_SELECTING, 1).is_none());
    assert!(with(MOST_SELECTING + 1, 0).is_none());
    let index = Index::default().filed("x-a", 1, &[]).filed("x-b", 2, &[]);
    let long = "a".repeat(MOST_SELECTING + 1);
    assert_eq!(index.candidates(&[("x-a", &long)]), [key("x-b", &[])]);
}

#[test]
fn an_index_weighs_all_that_it_holds() {
    let one = Index::default().filed("x-l", 1, &[("x-l", "a")]).0;
    let mut many = Index::default();
    for n in 0..MOST {
        many = many.filed("x-l", 1, &[("x-l", &n.to_string())]);
    }
    assert!(Variants::none().weight() < one.weight());
    // The list of one has room for four.
    let entries = (MOST - 4) * size_of::<(u128, Now)>();
    assert!(many.0.weight() >= one.weight() + entries);
    let named = Index::default()
        .filed(&format!("x-{}", "l".repeat(1_000)), 1, &[])
        .0;
    assert!(named.weight() >= one.weight() + 900);
}

/// A response of an arbitrary history: the list that it varied on, its date, and the values that were asked with.
type Filed = (Vec<usize>, u64, [Option<&'static str>; 3]);

fn any_filed() -> impl Strategy<Value = Filed> {
    let value = || prop::option::of(prop::sample::select(["", "a", "b", "a,b"].as_slice()));
    let list = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    (list, 0..4_u64, [value(), value(), value()])
}

const FIELDS: [&str; 3] = ["x-a", "x-b", "x-c"];

fn asked(values: [Option<&'static str>; 3]) -> HeaderMap {
    let present = FIELDS.into_iter().zip(values);
    let present: Vec<_> = present
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    fields(&present)
}

proptest! {
    #[test]
    fn a_request_finds_the_key_that_it_stored_under(history in prop::collection::vec(any_filed(), 1..12)) {
        let mut index = Variants::none();
        let mut filed: Vec<(Vec<HeaderName>, Vec<u8>, HeaderMap)> = Vec::new();
        for (list, date, values) in history {
            let names: Vec<_> = list.iter().map(|at| HeaderName::from_static(FIELDS[*at])).collect();
            let request = asked(values);
            let key = variant_key(BASE, &names, &request).unwrap();
            index = index.with(&names, &key, date, NOW + seconds(60), NOW, 6).0;
            filed.push((names, key, request));
        }
        let dates = |plain: bool| {
            let of_kind = index.selections.iter().filter(|selection| selection.names.is_empty() == plain);
            of_kind.map(|selection| selection.date).max()
        };
        for (names, key, request) in &filed {
            let found = index.candidates(BASE, request).contains(key);
            let listed = index.selections.iter().any(|selection| {
                selection.names == *names && selection.keeps(key)
            });
            // What is listed and varies is always found; what does not vary, while nothing as young does.
            let expected = listed && (!names.is_empty() || dates(false).is_none_or(|varied| Some(varied) < dates(true)));
            prop_assert_eq!(found, expected);
        }
        let kept: usize = index.selections.iter().map(|selection| selection.kept.len()).sum();
        prop_assert!(kept <= 6 && index.selections.len() <= MOST_SELECTIONS);
        prop_assert!(index.selections.is_sorted_by(|one, next| one.date >= next.date));
    }

    #[test]
    fn a_request_finds_nothing_that_was_made_for_other_values(one in any_filed(), other in any_filed()) {
        let (list, date, values) = one;
        let names: Vec<_> = list.iter().map(|at| HeaderName::from_static(FIELDS[*at])).collect();
        let key = variant_key(BASE, &names, &asked(values)).unwrap();
        let index = Variants::none().with(&names, &key, date, NOW + seconds(60), NOW, 6).0;
        let found = index.candidates(BASE, &asked(other.2)).contains(&key);
        let agree = list.iter().all(|at| values[*at] == other.2[*at]);
        prop_assert_eq!(found, agree);
    }

    #[test]
    fn any_bytes_make_a_key_or_none(lines in crate::header::arbitrary::lines(HeaderName::from_static("x-a"))) {
        let names = names("x-a");
        if let Some(key) = variant_key(BASE, &names, &lines) {
            prop_assert!(key.starts_with(BASE));
            prop_assert!(key.len() <= BASE.len() + MOST_SELECTING + 32);
        }
    }
}
