//! How the keys of the server are called.
//!
//! ```text
//! ns:#fence  ns:#marks  ns:#keys  ns:#soft  ns:#scratch     the fence of a namespace
//! ns:3:#3f86…                                               a page of version 3, by the digest of its full key
//! ns:3:user:7                                               a value, as it was named
//! ns:3:<first 100 bytes>:<digest>                           a value with a long name
//! ```
//!
//! No name holds a `#`, so none can be taken for another. On a cluster all keys of a group will carry its hash tag in front (`{17}ns:…`): a
//! group has a fence of its own, and everything that one script touches lies in one group.

use crate::store::Key;

/// From which length on a name is cut, in bytes as written.
const LONGEST_NAME: usize = 200;
/// How much of a long name is left.
const SHOWN: usize = 100;
/// How many hex digits stand for the whole of it.
const DIGEST: usize = 32;

/// The names of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    namespace: String,
}

impl Layout {
    pub(super) fn new(namespace: &str) -> Self {
        let mut encoded = String::new();
        encode(namespace.as_bytes(), |byte| byte != b':', &mut encoded);
        Self { namespace: encoded }
    }

    /// The keys of the fence, in the order in which scripts take them.
    pub(super) fn fence(&self) -> [Vec<u8>; 5] {
        ["fence", "marks", "keys", "soft", "scratch"]
            .map(|part| format!("{}:#{part}", self.namespace).into_bytes())
    }

    /// What all entries of a version begin with.
    pub(super) fn of_version(&self, version: u32) -> String {
        format!("{}:{version}:", self.namespace)
    }
}

/// The key of an entry, under the beginning of its version.
pub(super) fn entry_name(begin: &str, key: Key<'_>) -> Vec<u8> {
    let mut name = begin.to_owned();
    match key.name() {
        None => {
            name.push('#');
            name.push_str(&digest(key.as_bytes()));
        }
        Some(text) => {
            let mut encoded = String::new();
            encode(text, |_| true, &mut encoded);
            if encoded.len() <= LONGEST_NAME && !looks_cut(&encoded) {
                name.push_str(&encoded);
            } else {
                name.push_str(shown(&encoded));
                name.push(':');
                name.push_str(&digest(key.as_bytes()));
            }
        }
    }
    name.into_bytes()
}

/// The pattern of Redis that finds all entries whose names start with this.
pub(super) fn pattern(begin: &str, name: Option<&[u8]>) -> Vec<u8> {
    let mut encoded = String::new();
    encode(name.unwrap_or_default(), |_| true, &mut encoded);
    // Nothing that is written so has a meaning in a pattern.
    format!("{begin}{}*", shown(&encoded)).into_bytes()
}

/// The beginning of an encoded name, without half of an escape at its end.
fn shown(encoded: &str) -> &str {
    let Some(cut) = encoded.get(..SHOWN) else {
        return encoded;
    };
    match cut.bytes().rev().take(2).position(|byte| byte == b'%') {
        Some(behind) => &cut[..SHOWN - 1 - behind],
        None => cut,
    }
}

/// Is it written as a long name is? Then it is cut too: else whoever may choose a name could choose the place of another.
fn looks_cut(encoded: &str) -> bool {
    let Some((begin, end)) = encoded.rsplit_once(':') else {
        return false;
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (SHOWN - 2..=SHOWN).contains(&begin.len()) && end.len() == DIGEST && end.bytes().all(is_hex)
}

fn digest(key: &[u8]) -> String {
    let digest = blake3::hash(key);
    let mut text = String::with_capacity(DIGEST);
    for byte in &digest.as_bytes()[..DIGEST / 2] {
        push_hex(*byte, b"0123456789abcdef", &mut text);
    }
    text
}

/// Writes `bytes`, those percent-encoded that may not stand as they are.
fn encode(bytes: &[u8], may_stand: impl Fn(u8) -> bool, out: &mut String) {
    for &byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric() || b"_.~:/-".contains(&byte);
        if is_plain && may_stand(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            push_hex(byte, b"0123456789ABCDEF", out);
        }
    }
}

fn push_hex(byte: u8, digits: &[u8; 16], out: &mut String) {
    out.push(char::from(digits[usize::from(byte >> 4)]));
    out.push(char::from(digits[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(text: &[u8]) -> String {
        String::from_utf8(entry_name("shop:3:", Key::named(text, 0))).unwrap()
    }

    #[test]
    fn names_are_readable_and_cannot_be_mistaken() {
        assert_eq!(named(b"user:7"), "shop:3:user:7");
        assert_eq!(named(b"a b/#\xff"), "shop:3:a%20b/%23%FF");
        assert_eq!(named(b""), "shop:3:");
        let page = entry_name("shop:3:", Key::new(b"a page"));
        assert!(page.starts_with(b"shop:3:#") && page.len() == 8 + 32);
        assert_eq!(Layout::new("a:b").of_version(1), "a%3Ab:1:");
        assert_eq!(Layout::new("shop").fence()[0], b"shop:#fence");
    }

    #[test]
    fn a_long_name_shows_its_beginning() {
        let long = "x".repeat(200);
        assert_eq!(named(long.as_bytes()), format!("shop:3:{long}"));
        let longer = named("x".repeat(201).as_bytes());
        assert!(longer.starts_with(&format!("shop:3:{}:", "x".repeat(100))));
        assert_eq!(longer.len(), 7 + 100 + 1 + 32);
        // The hundredth byte falls into an escape.
        let cut = named(format!("{}{}", "x".repeat(98), "\u{e9}".repeat(60)).as_bytes());
        assert!(
            cut.starts_with(&format!("shop:3:{}:", "x".repeat(98))),
            "{cut}"
        );
    }

    #[test]
    fn no_name_can_be_chosen_that_stands_where_a_long_one_does() {
        let texts = [
            "x".repeat(300),
            // The hundredth byte falls into an escape.
            format!("{}{}", "x".repeat(98), "\u{e9}".repeat(60)),
        ];
        for long in texts {
            let written = named(long.as_bytes());
            let begin = &written["shop:3:".len()..];
            assert_ne!(named(begin.replace("%C3%A9", "\u{e9}").as_bytes()), written);
        }
    }

    proptest! {
        #[test]
        fn different_names_have_different_keys(one in proptest::collection::vec(any::<u8>(), 0..300), other in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(one == other, named(&one) == named(&other));
            prop_assert!(!named(&one).contains('#'));
        }

        #[test]
        fn a_pattern_finds_what_starts_so(name in proptest::collection::vec(any::<u8>(), 0..150), more in proptest::collection::vec(any::<u8>(), 0..150)) {
            let whole: Vec<u8> = name.iter().chain(&more).copied().collect();
            let pattern = pattern("shop:3:", Some(&name));
            prop_assert!(crate::store::glob::matches(&pattern, named(&whole).as_bytes()));
        }
    }
}
