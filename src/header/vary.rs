//! `Vary`, and the request fields it selects by (RFC 9111 §4.1, RFC 9110 §12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderName};

use super::list::{members, non_empty_members};

/// What a response was selected by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vary {
    /// The target alone.
    None,
    /// `*` or something unreadable: no later request matches.
    Any,
    /// These request fields, sorted and each once.
    Fields(Vec<HeaderName>),
    /// More fields than the caller is ready to compare.
    TooMany,
}

impl Vary {
    /// Reads all lines. `limit` is the number of different fields from which on the answer is [`Vary::TooMany`]; it
    /// bounds the memory, whatever the length of the list.
    pub(crate) fn parse(headers: &HeaderMap, limit: usize) -> Self {
        let mut fields: Vec<HeaderName> = Vec::new();
        let mut too_many = false;

        for member in headers
            .get_all(VARY)
            .into_iter()
            .flat_map(|line| non_empty_members(line.as_bytes()))
        {
            // `*` is a token too, but no field has that name.
            let name = match HeaderName::from_bytes(member) {
                Ok(name) if name != "*" => name,
                _ => return Self::Any,
            };
            match fields.binary_search_by(|field| field.as_str().cmp(name.as_str())) {
                Ok(_) => {}
                // A `*` may still follow, so the list is read to its end.
                Err(_) if fields.len() >= limit => too_many = true,
                Err(index) => fields.insert(index, name),
            }
        }

        match fields {
            _ if too_many => Self::TooMany,
            fields if fields.is_empty() => Self::None,
            fields => Self::Fields(fields),
        }
    }
}

/// The value of a request field in the form in which two requests are compared, or `None` if the field is absent.
///
/// §4.1 lets a cache ignore optional whitespace and the division into lines for any field; order and letter case may
/// carry meaning and stay. An absent field matches only an absent one, so an empty value is `Some`.
pub(crate) fn selecting_value(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut value: Option<Vec<u8>> = None;

    for member in headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| members(line.as_bytes()))
    {
        match &mut value {
            None => value = Some(member.to_vec()),
            Some(value) => {
                value.extend_from_slice(b", ");
                value.extend_from_slice(member);
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT_LANGUAGE;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn vary(lines: &[&str]) -> Vary {
        Vary::parse(&arbitrary::map(&VARY, lines), 3)
    }

    fn fields(names: &[&'static str]) -> Vary {
        Vary::Fields(
            names
                .iter()
                .map(|name| HeaderName::from_static(name))
                .collect(),
        )
    }

    fn selecting(lines: &[&str]) -> Option<String> {
        selecting_value(&arbitrary::map(&ACCEPT_LANGUAGE, lines), &ACCEPT_LANGUAGE)
            .map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn names_of_all_lines_are_sorted_and_unique() {
        assert_eq!(vary(&[]), Vary::None);
        assert_eq!(vary(&["", " , "]), Vary::None);
        assert_eq!(vary(&["x-m, X-L", "x-l"]), fields(&["x-l", "x-m"]));
        assert_eq!(vary(&["c,,b , a, A"]), fields(&["a", "b", "c"]));
    }

    #[test]
    fn a_star_anywhere_is_any() {
        for line in ["*", " * ", "x-a, *", "*,x-a", "a, b, c, d, *"] {
            assert_eq!(vary(&[line]), Vary::Any, "{line}");
        }
        assert_eq!(vary(&["x-a", "*"]), Vary::Any);
    }

    #[test]
    fn what_cannot_be_read_is_any() {
        for line in ["x a", "\"x-a\"", "x-a; q=1", "x-\u{e9}", "\"", "a, (b)"] {
            assert_eq!(vary(&[line]), Vary::Any, "{line}");
        }
        let long = "a".repeat(1 << 17);
        assert_eq!(vary(&[&long]), Vary::Any);
    }

    #[test]
    fn more_names_than_the_limit_are_too_many() {
        assert_eq!(vary(&["a, b, c, c, A"]), fields(&["a", "b", "c"]));
        assert_eq!(vary(&["a, b, c, d"]), Vary::TooMany);
        let one = arbitrary::map(&VARY, ["a"]);
        assert_eq!(Vary::parse(&one, 0), Vary::TooMany);
        assert_eq!(Vary::parse(&HeaderMap::new(), 0), Vary::None);
    }

    #[test]
    fn a_million_commas_are_read_in_linear_time() {
        let commas = ",".repeat(1_000_000);
        let names: String = (0..200_000).map(|n| format!("n{n},")).collect();
        assert_eq!(vary(&[&commas]), Vary::None);
        assert_eq!(vary(&[&names]), Vary::TooMany);
        assert_eq!(
            selecting(&[&commas]).map(|value| value.len()),
            Some(2_000_000)
        );
    }

    #[test]
    fn whitespace_and_lines_do_not_select() {
        let expected = Some("a, b".to_owned());
        assert_eq!(selecting(&["a, b"]), expected);
        assert_eq!(selecting(&["a,b"]), expected);
        assert_eq!(selecting(&[" a\t ,  b "]), expected);
        assert_eq!(selecting(&["a", "b"]), expected);
    }

    #[test]
    fn order_case_and_inner_whitespace_select() {
        let values = ["a, b", "b, a", "A, b", "a b", "ab", "a  b", "a,, b", "a"];
        for (index, one) in values.iter().enumerate() {
            for other in &values[index + 1..] {
                assert_ne!(selecting(&[one]), selecting(&[other]), "{one} / {other}");
            }
        }
    }

    #[test]
    fn an_empty_field_is_not_an_absent_one() {
        assert_eq!(selecting(&[]), None);
        assert_eq!(selecting(&[""]), Some(String::new()));
        assert_eq!(selecting(&[" "]), Some(String::new()));
    }

    #[test]
    fn commas_inside_quotes_are_part_of_the_value() {
        assert_eq!(
            selecting(&[r#"a="x ,y",b"#]),
            Some(r#"a="x ,y", b"#.to_owned())
        );
        assert_ne!(selecting(&[r#"a="x ,y""#]), selecting(&[r#"a="x, y""#]));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(VARY), limit in 0usize..5) {
            if let Vary::Fields(fields) = Vary::parse(&headers, limit) {
                prop_assert!(!fields.is_empty() && fields.len() <= limit);
                prop_assert!(fields.is_sorted_by(|a, b| a.as_str() < b.as_str()));
            }
        }

        #[test]
        fn the_selecting_value_is_its_own_canonical_form(headers in arbitrary::lines(VARY)) {
            let value = selecting_value(&headers, &VARY);
            prop_assert_eq!(value.is_none(), headers.is_empty());
            if let Some(value) = value {
                let mut canonical = HeaderMap::new();
                canonical.insert(VARY, HeaderValue::from_bytes(&value).unwrap());
                let joined_quotes = headers.get_all(VARY).iter().any(|line| line.as_bytes().contains(&b'"'));
                if !joined_quotes {
                    prop_assert_eq!(selecting_value(&canonical, &VARY), Some(value));
                }
            }
        }
    }
}
