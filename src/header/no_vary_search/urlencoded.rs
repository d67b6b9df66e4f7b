//! `application/x-www-form-urlencoded`, the way the URL Standard reads it.

use std::fmt::Write;

/// The pairs of a query: split at `&`, empty ones skipped, each at its first `=`. Neither part is decoded yet.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `+` is a space, `%` and two digits a byte, and what is no UTF-8 then is U+FFFD; a byte order mark is a character.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();

    while let Some((&byte, after)) = rest.split_first() {
        let (decoded, behind) = match (byte, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, behind @ ..]) => match digit(*high).zip(digit(*low)) {
                Some((high, low)) => (high << 4 | low, behind),
                // A `%` that escapes nothing stands for itself.
                None => (b'%', after),
            },
            _ => (byte, after),
        };
        bytes.push(decoded);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Appends a decoded text so that different texts stay different, and none holds a `&` or `=`.
pub(super) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_end_at_ampersands_and_names_at_the_first_equals_sign() {
        assert_eq!(
            pairs("a=1&&b&=2&c=3=4&").collect::<Vec<_>>(),
            [("a", "1"), ("b", ""), ("", "2"), ("c", "3=4")]
        );
        assert_eq!(pairs("").count(), 0);
        assert_eq!(pairs("a;b=1").collect::<Vec<_>>(), [("a;b", "1")]);
    }

    #[test]
    fn texts_are_decoded() {
        let table = [
            ("", ""),
            ("%C3%A9+%e6%b0%97", "é 気"),
            ("é", "é"),
            ("%2B%2b", "++"),
            ("%", "%"),
            ("%4", "%4"),
            ("%%41", "%A"),
            ("%zz%4g", "%zz%4g"),
            ("%+1", "% 1"),
            ("%FFa%C3", "\u{fffd}a\u{fffd}"),
            ("%EF%BB%BFa", "\u{feff}a"),
            ("%2541", "%41"),
        ];
        for (text, decoded) in table {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let mut encoded = String::new();
            encode(&text, &mut encoded);
            prop_assert!(!encoded.contains(['&', '=', '+']));
            prop_assert_eq!(decode(&encoded), text);
        }
    }
}
