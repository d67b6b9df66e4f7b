use proptest::prelude::*;

use super::*;
use crate::header::list;

fn addr(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// All of a line's addresses, the rightmost first.
fn addresses(line: &str) -> Vec<Option<IpAddr>> {
    elements_from_right(line.as_bytes()).map(address).collect()
}

#[test]
fn the_examples_of_rfc_7239_are_read() {
    let table = [
        // §4
        (r#"for="_gazonk""#, vec![None]),
        (
            r#"For="[2001:db8:cafe::17]:4711""#,
            vec![addr("2001:db8:cafe::17")],
        ),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            vec![addr("192.0.2.60")],
        ),
        (
            "for=192.0.2.43, for=198.51.100.17",
            vec![addr("198.51.100.17"), addr("192.0.2.43")],
        ),
        // §6.3
        ("for=_hidden, for=_SEVKISEK", vec![None, None]),
        // §7.1
        (
            r#"for=192.0.2.43, for="[2001:db8:cafe::17]""#,
            vec![addr("2001:db8:cafe::17"), addr("192.0.2.43")],
        ),
        (
            r#"for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown"#,
            vec![None, addr("2001:db8:cafe::17"), addr("192.0.2.43")],
        ),
        // §7.4
        (
            r#"for=192.0.2.43, for="[2001:db8:cafe::17]";by=203.0.113.60;proto=http;host=example.com"#,
            vec![addr("2001:db8:cafe::17"), addr("192.0.2.43")],
        ),
    ];
    for (line, expected) in table {
        assert_eq!(addresses(line), expected, "{line}");
    }
}

#[test]
fn an_element_is_read_in_any_case_order_and_quoting() {
    for element in [
        "for=192.0.2.43",
        "FOR=192.0.2.43",
        r#"for="192.0.2.43""#,
        r#"for="192.0.2.43:80""#,
        r#"for="\1\9\2.0.2.43""#,
        r#"proto=https;host="a, b; c=\"d\" \\";for=192.0.2.43"#,
        ";;for=192.0.2.43;",
        "for=192.0.2.43; proto=http",
        "for=192.0.2.43 ;proto=http",
        "x-own=1;for=192.0.2.43",
    ] {
        assert_eq!(addresses(element), [addr("192.0.2.43")], "{element}");
    }
}

#[test]
fn what_breaks_the_grammar_has_no_address() {
    for element in [
        "",
        ";",
        "for",
        "for=",
        "=192.0.2.43",
        "192.0.2.43",
        "for =192.0.2.43",
        "for= 192.0.2.43",
        "for = 192.0.2.43",
        "for=192.0.2.43 proto=http",
        r#"for="192.0.2.43"#,
        r#"for="192.0.2.43\""#,
        r#"for=192.0.2.43""#,
        r#"for="192.0.2.43"x"#,
        r#"for="192.0.2.43";proto="#,
        r#"for="192.0.2.43";"proto"=http"#,
        "for=192.0.2.43;proto=ht tp",
        "for=192.0.2.43;prot\u{f6}=http",
        // `:` and `[` need quotes.
        "for=192.0.2.43:80",
        "for=[2001:db8::1]",
        r#"for="2001:db8::1""#,
        r#"for=" 192.0.2.43""#,
        "for='192.0.2.43'",
        "proto=http;by=192.0.2.43",
    ] {
        assert_eq!(address(element.as_bytes()), None, "{element}");
    }
}

#[test]
fn a_repeated_parameter_makes_its_element_none() {
    for element in [
        "for=192.0.2.43;for=192.0.2.44",
        "for=192.0.2.43;for=192.0.2.43",
        "for=192.0.2.43;FOR=192.0.2.44",
        "for=192.0.2.43;proto=http;Proto=https",
        "by=_a;by=_b;for=192.0.2.43",
    ] {
        assert_eq!(address(element.as_bytes()), None, "{element}");
    }
    // But each element has its own.
    assert_eq!(
        addresses("for=192.0.2.43;proto=http, for=192.0.2.44;proto=http"),
        [addr("192.0.2.44"), addr("192.0.2.43")]
    );
}

#[test]
fn what_stands_in_quotes_separates_nothing() {
    assert_eq!(
        addresses(r#"for=192.0.2.43;host="a, for=6.6.6.6", for=192.0.2.44;host="b;for=6.6.6.6""#),
        [addr("192.0.2.44"), addr("192.0.2.43")]
    );
    assert_eq!(
        addresses(r#"host="\", for=6.6.6.6;a=\"";for=192.0.2.43"#),
        [addr("192.0.2.43")]
    );
}

#[test]
fn an_open_quote_on_the_left_takes_nothing_from_the_right() {
    for spoof in [
        r#"""#,
        r#"for=""#,
        r#"for="6.6.6.6"#,
        r#"for=6.6.6.6;host="\"#,
        r#"for=6.6.6.6, for=""#,
    ] {
        let line = format!(r#"{spoof}, for=192.0.2.43, for="[2001:db8::1]""#);
        assert_eq!(
            addresses(&line)[..2],
            [addr("2001:db8::1"), addr("192.0.2.43")],
            "{line}"
        );
    }
}

#[test]
fn long_lines_are_read_in_linear_time() {
    const LONG: usize = 1 << 18;
    let quotes = "\\\"".repeat(LONG / 2);
    for line in [
        ",".repeat(LONG),
        "\"".repeat(LONG),
        "\\".repeat(LONG),
        format!("\"{}\"", "\\".repeat(LONG)),
        quotes.clone(),
        format!("for=\"{quotes}\""),
        "a=b;".repeat(LONG / 4),
        ";".repeat(LONG),
        format!("for={}", "1".repeat(LONG)),
        (0..LONG / 16).map(|i| format!("a{i}=b;")).collect(),
    ] {
        assert!(
            addresses(&line).iter().all(Option::is_none),
            "{}",
            &line[..9]
        );
    }
}

/// Elements that follow the grammar.
fn element() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-z0-9._-]{1,8}",
        r#"([ -!#-\[\]-~]|\\[ -~]){0,12}"#.prop_map(|inner| format!("\"{inner}\"")),
    ];
    prop::collection::vec(("[a-zA-Z]{1,6}", value), 0..5).prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join(";")
    })
}

proptest! {
    #[test]
    fn what_follows_the_grammar_is_split_alike_from_both_ends(
        elements in prop::collection::vec(element(), 1..6),
        comma in "[ \t]{0,2},[ \t]{0,2}",
    ) {
        let line = elements.join(&comma);
        let mut from_right: Vec<&[u8]> = elements_from_right(line.as_bytes()).collect();
        from_right.reverse();
        let from_left: Vec<&[u8]> = list::members(line.as_bytes()).collect();
        prop_assert_eq!(&from_right, &from_left);
        let written: Vec<&[u8]> = elements.iter().map(String::as_bytes).collect();
        prop_assert_eq!(&from_right, &written);
    }

    #[test]
    fn what_stands_on_the_left_never_changes_what_stands_on_the_right(
        left in prop::collection::vec(any::<u8>(), 0..64),
        elements in prop::collection::vec(element(), 1..4),
    ) {
        let right = elements.join(", ");
        let line = [&left, b",".as_slice(), right.as_bytes()].concat();
        let expected: Vec<&[u8]> = elements_from_right(right.as_bytes()).collect();
        let found: Vec<&[u8]> = elements_from_right(&line).take(elements.len()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_never_panic(line in prop::collection::vec(prop_oneof![
        3 => prop::sample::select(b"for=\",;\\ []:.1%_".as_slice()),
        1 => any::<u8>(),
    ], 0..96)) {
        let _ = elements_from_right(&line).map(address).count();
    }
}
