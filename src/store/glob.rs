//! Globs over names, as Redis reads them: `*` is any bytes, `?` one byte, `[a-c]` and `[^a-c]` one of a set, `\` takes the next byte as it is.
//!
//! A glob must match the whole name. Time grows with the length of the one times that of the other at most: no glob can be written that takes
//! for ever, so they may come from people.
//!
//! ```
//! use larder::store::glob;
//!
//! assert!(glob::matches(b"menu:*:[0-9]", b"menu:soups:7"));
//! assert!(!glob::matches(b"menu:*:[0-9]", b"menu:soups:77"));
//! assert_eq!(glob::literal_prefix(b"menu:*"), b"menu:");
//! assert_eq!(glob::escape(b"what?"), br"what\?");
//! ```

/// Does `name` match `glob`, from its first byte to its last?
///
/// Bytes are compared as they are: `?` is one byte of a longer character, and ranges are in the order of unsigned bytes. A set that does not end
/// ends with the glob, and a `\` at the end stands for itself.
pub fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut rest, mut left) = (glob, name);
    // What follows the last star, and where in the name it was tried last: if it fails there, it is tried one byte later. Earlier stars need
    // not be tried again, since what stands between them was found as early as it could be.
    let mut last_star = None;
    loop {
        if let [b'*', after @ ..] = rest {
            last_star = Some((after, left));
            rest = after;
            continue;
        }
        if rest.is_empty() && left.is_empty() {
            return true;
        }
        if let (Some((one, after)), Some((byte, following))) = (One::of(rest), left.split_first())
            && one.is(*byte)
        {
            (rest, left) = (after, following);
            continue;
        }
        match last_star {
            Some((after, [_, later @ ..])) => {
                last_star = Some((after, later));
                (rest, left) = (after, later);
            }
            _ => return false,
        }
    }
}

/// What every name starts with that matches `glob`.
pub fn literal_prefix(glob: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(glob.len());
    let mut rest = glob;
    while rest.first() != Some(&b'*')
        && let Some((One::Byte(byte), after)) = One::of(rest)
    {
        prefix.push(byte);
        rest = after;
    }
    prefix
}

/// The glob that `text` alone matches.
pub fn escape(text: &[u8]) -> Vec<u8> {
    let mut glob = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            glob.push(b'\\');
        }
        glob.push(*byte);
    }
    glob
}

/// What a glob says of one byte.
#[derive(Clone, Copy)]
enum One<'a> {
    Byte(u8),
    Any,
    /// What stands between the brackets, without a `^`.
    Set(&'a [u8]),
    NotInSet(&'a [u8]),
}

impl<'a> One<'a> {
    /// The first of a glob that does not start with a star, and what follows it.
    fn of(glob: &'a [u8]) -> Option<(Self, &'a [u8])> {
        Some(match glob {
            [] => return None,
            [b'?', after @ ..] => (Self::Any, after),
            [b'\\', byte, after @ ..] => (Self::Byte(*byte), after),
            [b'[', b'^', inside @ ..] => {
                let (set, after) = split_set(inside);
                (Self::NotInSet(set), after)
            }
            [b'[', inside @ ..] => {
                let (set, after) = split_set(inside);
                (Self::Set(set), after)
            }
            [byte, after @ ..] => (Self::Byte(*byte), after),
        })
    }

    fn is(self, byte: u8) -> bool {
        match self {
            Self::Byte(one) => one == byte,
            Self::Any => true,
            Self::Set(set) => Members(set).any(|member| member.holds(byte)),
            Self::NotInSet(set) => !Members(set).any(|member| member.holds(byte)),
        }
    }
}

/// A set up to its bracket, and what follows that.
fn split_set(inside: &[u8]) -> (&[u8], &[u8]) {
    let mut members = Members(inside);
    while members.next().is_some() {}
    let end = inside.len() - members.0.len();
    (&inside[..end], members.0.get(1..).unwrap_or_default())
}

/// The members of a set, up to its bracket.
struct Members<'a>(&'a [u8]);

#[derive(Clone, Copy)]
struct Member {
    first: u8,
    last: u8,
}

impl Member {
    fn holds(self, byte: u8) -> bool {
        // Redis takes the ends of a range in either order.
        (self.first..=self.last).contains(&byte) || (self.last..=self.first).contains(&byte)
    }
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let (first, last, after) = match self.0 {
            [] | [b']', ..] => return None,
            [b'\\', byte, after @ ..] => (*byte, *byte, after),
            [first, b'-', last, after @ ..] => (*first, *last, after),
            [byte, after @ ..] => (*byte, *byte, after),
        };
        self.0 = after;
        Some(Member { first, last })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the book: every way is tried.
    fn by_trying(glob: &[u8], name: &[u8]) -> bool {
        let first_is = |is: &dyn Fn(u8) -> bool, after: &[u8]| match name {
            [byte, rest @ ..] => is(*byte) && by_trying(after, rest),
            [] => false,
        };
        match glob {
            [] => name.is_empty(),
            [b'*', after @ ..] => (0..=name.len()).any(|n| by_trying(after, &name[n..])),
            [b'?', after @ ..] => first_is(&|_| true, after),
            [b'\\', one, after @ ..] => first_is(&|byte| byte == *one, after),
            [b'[', inside @ ..] => {
                let (is_not, mut at) = match inside {
                    [b'^', ..] => (true, 1),
                    _ => (false, 0),
                };
                let mut set = Vec::new();
                while at < inside.len() && inside[at] != b']' {
                    if inside[at] == b'\\' && at + 1 < inside.len() {
                        set.push(inside[at + 1]);
                        at += 2;
                    } else if at + 2 < inside.len() && inside[at + 1] == b'-' {
                        let (a, b) = (inside[at], inside[at + 2]);
                        set.extend(a.min(b)..=a.max(b));
                        at += 3;
                    } else {
                        set.push(inside[at]);
                        at += 1;
                    }
                }
                let after = inside.get(at + 1..).unwrap_or_default();
                first_is(&|byte| set.contains(&byte) != is_not, after)
            }
            [one, after @ ..] => first_is(&|byte| byte == *one, after),
        }
    }

    #[test]
    fn globs_are_read_as_redis_reads_them() {
        // From Redis's own tests and from its `stringmatchlen`.
        let table: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b\0c", true),
            ("**a**", "bab", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "b", false),
            ("[a-]", "`", true),
            ("[a-]", "-", false),
            ("[-a]", "-", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[\\]]", "]", true),
            ("[abc", "b", true),
            ("[a-", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("*[0-9]", "a1b2", true),
        ];
        for (glob, name, expected) in table {
            let (glob, name) = (glob.as_bytes(), name.as_bytes());
            assert_eq!(matches(glob, name), *expected, "{glob:?} {name:?}");
            assert_eq!(by_trying(glob, name), *expected, "{glob:?} {name:?}");
        }
        assert!(matches(b"[\x7f-\xff]", b"\x80"), "bytes are unsigned");
    }

    /// By trying every way, this takes longer than there is time.
    #[test]
    fn no_glob_takes_for_ever() {
        let name = vec![b'a'; 2_000];
        for part in ["*a", "*[a-z]", "*?", "**a"] {
            let mut glob = part.repeat(200).into_bytes();
            assert!(matches(&glob, &name));
            glob.push(b'b');
            assert!(!matches(&glob, &name));
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop::sample::select(b"ab-c]\\[*?^\xff".as_slice());
        prop::collection::vec(byte, 0..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn it_is_as_by_trying_every_way(glob in bytes(), name in bytes()) {
            prop_assert_eq!(matches(&glob, &name), by_trying(&glob, &name));
        }

        #[test]
        fn what_matches_starts_with_the_literal_prefix(glob in bytes(), name in bytes()) {
            let prefix = literal_prefix(&glob);
            if matches(&glob, &name) {
                prop_assert!(name.starts_with(&prefix));
            }
            let everything = [&escape(&prefix)[..], b"*"].concat();
            prop_assert_eq!(matches(&everything, &name), name.starts_with(&prefix));
        }

        #[test]
        fn what_is_escaped_matches_itself_alone(text in bytes(), other in bytes()) {
            let glob = escape(&text);
            prop_assert!(matches(&glob, &text));
            prop_assert_eq!(matches(&glob, &other), text == other);
            prop_assert_eq!(literal_prefix(&glob), text);
        }
    }
}
