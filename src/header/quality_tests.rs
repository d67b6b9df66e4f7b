use http::header::ACCEPT_LANGUAGE;
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;
use crate::header::list::is_tchar;

fn token(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    (!text.is_empty() && text.bytes().all(is_tchar)).then(|| text.to_ascii_lowercase())
}

fn parse(lines: &[&str]) -> Preferences {
    Preferences::parse(
        &arbitrary::map(&ACCEPT_LANGUAGE, lines),
        &ACCEPT_LANGUAGE,
        token,
    )
}

fn form(lines: &[&str]) -> Option<String> {
    let headers = arbitrary::map(&ACCEPT_LANGUAGE, lines);
    normal(&headers, &ACCEPT_LANGUAGE, token).map(|form| String::from_utf8(form).unwrap())
}

#[test]
fn weights_are_read() {
    let table = [
        ("a", 1_000),
        ("a;q=1", 1_000),
        ("a;q=1.", 1_000),
        ("a;Q=1.000", 1_000),
        ("a \t; \tq=0.5", 500),
        ("a;q=0.05", 50),
        ("a;q=0.001", 1),
        ("a;q=0.", 0),
        ("A;q=0", 0),
    ];
    for (line, thousandths) in table {
        let member = Weighted {
            name: "a".to_owned(),
            quality: Quality(thousandths),
        };
        assert_eq!(parse(&[line]), Preferences::Members(vec![member]), "{line}");
    }
}

#[test]
fn one_member_that_breaks_the_grammar_spoils_the_field() {
    for member in [
        "a;",
        "a;q",
        "a;q=",
        "a;q=2",
        "a;q=1.001",
        "a;q=0.0000",
        "a;q=.5",
        "a;q=-1",
        "a;q=0,5x y",
        "a;q =1",
        "a;q= 1",
        "a;q=0.5;x=1",
        "a;x=1",
        "a b",
        ";q=1",
        "a;q=\"1\"",
        "\u{e9}",
        "\"a\"",
        "a;q=0.5 x",
    ] {
        let line = format!("b, {member}");
        assert_eq!(parse(&[&line]), Preferences::Unreadable, "{member}");
    }
}

#[test]
fn absent_empty_and_unreadable_are_three_things() {
    assert_eq!(parse(&[]), Preferences::Absent);
    for empty in [&[""][..], &[" , "], &["", ""]] {
        assert_eq!(parse(empty), Preferences::Members(Vec::new()), "{empty:?}");
    }
    assert_eq!(form(&[]), None);
    assert_eq!(form(&[",", " "]).as_deref(), Some(""));
    assert_eq!(form(&[" a;q=2 ", "b"]).as_deref(), Some("a;q=2, b"));
}

#[test]
fn more_members_than_the_limit_are_unreadable() {
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("a{n}")).collect();
        parse(&[&members.join(",")])
    };
    assert!(matches!(many(MOST_MEMBERS), Preferences::Members(_)));
    assert_eq!(many(MOST_MEMBERS + 1), Preferences::Unreadable);
    assert_eq!(
        parse(&[&",".repeat(1_000_000)]),
        Preferences::Members(Vec::new())
    );
}

#[test]
fn fields_that_mean_the_same_have_one_form() {
    let expected = Some("a, b, c;q=0.5, d;q=0.05, e;q=0".to_owned());
    for lines in [
        &["a, b, c;q=0.5, d;q=0.05, e;q=0"][..],
        &["e;q=0.000,d;q=0.050,C;q=0.500,B;q=1.0,A"],
        &["d ; Q=0.05", "", "b,, a,b", "c;q=0.50 , e;q=0."],
    ] {
        assert_eq!(form(lines), expected, "{lines:?}");
    }
}

#[test]
fn fields_that_mean_something_else_have_other_forms() {
    let values = [
        "a",
        "a, b",
        "a, b;q=0.9",
        "a, b;q=0",
        "a;q=0.9, b",
        "a;q=0.9",
        "a;q=0",
        "",
        "a, a;q=0.9",
        "a;q=5",
        "*",
        "*;q=0",
        "a;q=0.001",
        "a;q=0.01",
    ];
    for (index, one) in values.iter().enumerate() {
        for other in &values[index + 1..] {
            assert_ne!(form(&[one]), form(&[other]), "{one} / {other}");
        }
    }
}

/// Members that are read, however they are spelled.
fn members() -> impl Strategy<Value = Vec<String>> {
    let weight =
        prop::sample::select(["", ";q=1", ";q=0", ";q=0.5", " ; Q=0.50", ";q=0.123"].as_slice());
    let member = ("[a-cA-C*]{1,2}", weight).prop_map(|(name, weight)| name + weight);
    prop::collection::vec(member, 0..8)
}

proptest! {
    #[test]
    fn a_form_is_its_own(headers in arbitrary::lines(ACCEPT_LANGUAGE), members in members()) {
        for headers in [headers, arbitrary::map(&ACCEPT_LANGUAGE, [members.join(",")])] {
            let read = Preferences::parse(&headers, &ACCEPT_LANGUAGE, token);
            let form = normal(&headers, &ACCEPT_LANGUAGE, token);
            prop_assert_eq!(form.is_none(), read == Preferences::Absent);
            if let Some(form) = form {
                let again = arbitrary::map(&ACCEPT_LANGUAGE, [&form]);
                // An unreadable field stays so, and a readable one says what it said.
                prop_assert_eq!(Preferences::parse(&again, &ACCEPT_LANGUAGE, token), read.clone());
                if read != Preferences::Unreadable {
                    prop_assert_eq!(normal(&again, &ACCEPT_LANGUAGE, token), Some(form));
                }
            }
        }
    }

    #[test]
    fn order_and_lines_do_not_count(
        (members, shuffled) in members().prop_flat_map(|members| (Just(members.clone()), Just(members).prop_shuffle())),
    ) {
        let one = arbitrary::map(&ACCEPT_LANGUAGE, [members.join(", ")]);
        let mut other = arbitrary::map(&ACCEPT_LANGUAGE, &shuffled);
        other.append(ACCEPT_LANGUAGE, http::HeaderValue::from_static(""));
        prop_assert_eq!(
            normal(&one, &ACCEPT_LANGUAGE, token),
            normal(&other, &ACCEPT_LANGUAGE, token)
        );
    }
}
