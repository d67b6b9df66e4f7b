//! The members of a list field (RFC 9110 §5.6.1), as bytes.

/// The members of one line: split at commas outside quotes, without the whitespace round them, empty ones included.
///
/// A quote that never closes makes the rest of the line one member; whoever reads the member finds it unparsable.
pub(crate) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;

    line.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => return byte == b',' && !quoted,
        }
        false
    })
    // A field value holds no other ASCII whitespace than SP and HTAB, which is OWS.
    .map(<[u8]>::trim_ascii)
}

/// The members a recipient has to read: RFC 9110 §5.6.1.2 wants empty ones ignored.
pub(crate) fn non_empty_members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    members(line).filter(|member| !member.is_empty())
}

/// Whether the byte may stand in a token (RFC 9110 §5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn texts(line: &str) -> Vec<&str> {
        members(line.as_bytes())
            .map(|member| std::str::from_utf8(member).unwrap())
            .collect()
    }

    #[test]
    fn commas_outside_quotes_separate_members() {
        assert_eq!(texts("a,b"), ["a", "b"]);
        assert_eq!(texts(" a \t,\tb c "), ["a", "b c"]);
        assert_eq!(texts(r#"a="1,2", b"#), [r#"a="1,2""#, "b"]);
        assert_eq!(texts(r#"a="\",", b"#), [r#"a="\",""#, "b"]);
        assert_eq!(texts(r#"a="\\", b"#), [r#"a="\\""#, "b"]);
    }

    #[test]
    fn a_backslash_outside_quotes_is_an_ordinary_byte() {
        assert_eq!(texts(r"a\,b"), [r"a\", "b"]);
    }

    #[test]
    fn empty_members_are_told_apart_from_none() {
        assert_eq!(texts(""), [""]);
        assert_eq!(texts(",a, ,"), ["", "a", "", ""]);
        assert_eq!(non_empty_members(b",a, ,").count(), 1);
    }

    #[test]
    fn an_open_quote_takes_the_rest_of_the_line() {
        assert_eq!(texts(r#"a, b="c, d"#), ["a", r#"b="c, d"#]);
    }

    proptest! {
        #[test]
        fn members_lose_nothing_but_commas_and_whitespace(line in arbitrary::bytes()) {
            let solid = |bytes: &[u8]| {
                bytes.iter().copied().filter(|b| *b != b',' && !b.is_ascii_whitespace()).collect::<Vec<_>>()
            };
            let joined: Vec<u8> = members(&line).flatten().copied().collect();
            prop_assert_eq!(solid(&joined), solid(&line));
        }
    }
}
