//! The directives of a list field such as `Cache-Control`: `name [ "=" ( token / quoted-string ) ]` (RFC 9111 §5.2).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::list::{is_tchar, non_empty_members};

/// One directive, its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive<'a> {
    pub(crate) name: Cow<'a, str>,
    /// The argument with its quotes and quoted-pairs resolved; `name=` has an empty one, `name` has none.
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

/// A member that is no directive: its quote never closes, or it does not fit the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the directives of all lines of `field`, in order.
///
/// Lines are read one by one although RFC 9110 §5.3 would join them: a quote that is open at the end of a line is
/// malformed here, and must not swallow the directives of the next line.
pub(crate) fn directives<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = Result<Directive<'a>, Malformed>> + use<'a> {
    headers
        .get_all(field)
        .into_iter()
        .flat_map(|line| non_empty_members(line.as_bytes()))
        .map(directive)
}

/// Reads one member.
pub(crate) fn directive(member: &[u8]) -> Result<Directive<'_>, Malformed> {
    let end = member.iter().position(|&byte| !is_tchar(byte));
    let (name, rest) = member.split_at(end.unwrap_or(member.len()));

    let value = match rest.trim_ascii_start().split_first() {
        None => None,
        Some((b'=', rest)) => Some(argument(rest.trim_ascii_start())?),
        Some(_) => return Err(Malformed),
    };
    Ok(Directive {
        name: lower_case(name).ok_or(Malformed)?,
        value,
    })
}

fn lower_case(name: &[u8]) -> Option<Cow<'_, str>> {
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty())?;
    Some(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

// The grammar gives a directive one of the two forms, but §5.2 asks recipients to take both.
fn argument(text: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    match text.split_first() {
        Some((b'"', rest)) => quoted_string(rest),
        _ if text.iter().copied().all(is_tchar) => Ok(Cow::Borrowed(text)),
        _ => Err(Malformed),
    }
}

/// Reads what follows the opening quote; nothing may follow the closing one.
fn quoted_string(text: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    if let Some((b'"', plain)) = text.split_last()
        && !plain.iter().any(|byte| matches!(byte, b'"' | b'\\'))
    {
        return Ok(Cow::Borrowed(plain));
    }

    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    loop {
        match bytes.next().ok_or(Malformed)? {
            b'"' => break,
            b'\\' => value.push(bytes.next().ok_or(Malformed)?),
            byte => value.push(byte),
        }
    }
    match bytes.next() {
        None => Ok(Cow::Owned(value)),
        Some(_) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    type Read = Result<(String, Option<Vec<u8>>), Malformed>;

    fn read(lines: &[&[u8]]) -> Vec<Read> {
        directives(&arbitrary::map(&CACHE_CONTROL, lines), &CACHE_CONTROL)
            .map(|directive| directive.map(|d| (d.name.into_owned(), d.value.map(Cow::into_owned))))
            .collect()
    }

    fn bare(name: &str) -> Read {
        Ok((name.to_owned(), None))
    }

    fn with(name: &str, value: &[u8]) -> Read {
        Ok((name.to_owned(), Some(value.to_vec())))
    }

    #[test]
    fn tokens_and_quoted_strings_are_the_same_argument() {
        assert_eq!(read(&[b"max-age=60"]), [with("max-age", b"60")]);
        assert_eq!(read(&[b"max-age=\"60\""]), [with("max-age", b"60")]);
        assert_eq!(read(&[br#"x="a\"\\b\c""#]), [with("x", br#"a"\bc"#)]);
        assert_eq!(read(&[b"x=\"\", y="]), [with("x", b""), with("y", b"")]);
    }

    #[test]
    fn names_are_lower_case_and_whitespace_is_tolerated() {
        assert_eq!(
            read(&[b" No-Store\t, Max-Age = 60 ,x\t=\t\"a b\""]),
            [bare("no-store"), with("max-age", b"60"), with("x", b"a b")]
        );
    }

    #[test]
    fn lines_are_one_list_and_empty_members_are_skipped() {
        assert_eq!(read(&[b",,a,", b"", b" , b"]), [bare("a"), bare("b")]);
    }

    #[test]
    fn text_inside_quotes_is_never_a_directive() {
        assert_eq!(
            read(&[br#"x="no-store, max-age=0", max-age=60"#]),
            [with("x", b"no-store, max-age=0"), with("max-age", b"60")]
        );
        assert_eq!(
            read(&[br#"x="\", no-store", a"#]),
            [with("x", b"\", no-store"), bare("a")]
        );
    }

    #[test]
    fn bytes_beyond_ascii_stand_in_quoted_strings_only() {
        assert_eq!(read(&[b"x=\"\xff\xe9\""]), [with("x", b"\xff\xe9")]);
        assert_eq!(read(&[b"\xe9=1"]), [Err(Malformed)]);
        assert_eq!(read(&[b"x=\xe9"]), [Err(Malformed)]);
    }

    #[test]
    fn what_does_not_fit_the_grammar_is_malformed() {
        for member in [
            "x=\"a",
            "x=\"a\\",
            "x=\"",
            "x=\"a\\\"",
            "x=\"a\"b",
            "x=\"a\" \"b\"",
            "x=a b",
            "x=a\"b\"",
            "x y",
            "max-age=60; x",
            "=1",
            "\"x\"",
            "x==",
        ] {
            assert_eq!(read(&[member.as_bytes()]), [Err(Malformed)], "{member}");
        }
    }

    #[test]
    fn a_malformed_member_does_not_hide_its_neighbours() {
        assert_eq!(
            read(&[b"a, b c, d", b"e=\"f, g", b"no-store"]),
            [
                bare("a"),
                Err(Malformed),
                bare("d"),
                Err(Malformed),
                bare("no-store")
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CACHE_CONTROL)) {
            for directive in directives(&headers, &CACHE_CONTROL).flatten() {
                prop_assert!(!directive.name.is_empty());
                prop_assert!(!directive.name.bytes().any(|byte| byte.is_ascii_uppercase()));
            }
        }

        #[test]
        fn a_quoted_string_comes_back_as_it_was(value in prop::collection::vec(0x20u8..0x7f, 0..40)) {
            let escaped = value.iter().flat_map(|&byte| [b'\\', byte]);
            let line = b"x=\"".iter().copied().chain(escaped).chain([b'"']).collect::<Vec<_>>();
            prop_assert_eq!(read(&[&line]), [with("x", &value)]);
        }
    }
}
