//! How keys are called in Redis.
//!
//! `namespace:{group}:rule:digest`. The braces are the hash tag by which a cluster chooses the node: all quotas of a group lie together. Spread
//! over a cluster, it is `namespace:{digest}:group:rule`: what one name uses lies together. The digest is of the group and the name, so that
//! whose it is cannot be read in the database.

use std::fmt::Write;

use super::super::ask::LimitKey;
use super::super::rule::{Alignment, Rule};

/// How keys are called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    namespace: Box<str>,
    spread: bool,
}

/// How one key is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    /// Keys with the same tag lie together.
    pub(super) tag: Tag,
    /// By which staggered windows are set off.
    pub(super) offset: u64,
}

/// Where in `text` the hash tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    from: usize,
    to: usize,
}

impl Name {
    pub(super) fn tag(&self) -> &str {
        self.text.get(self.tag.from..self.tag.to).unwrap_or("")
    }
}

impl Names {
    pub(super) fn new(namespace: impl Into<Box<str>>, spread: bool) -> Self {
        Self {
            namespace: namespace.into(),
            spread,
        }
    }

    pub(super) const fn spread(&self) -> bool {
        self.spread
    }

    /// The name of what `key` uses by `rule`.
    pub(super) fn name(&self, key: &LimitKey<'_>, rule: &Rule) -> Name {
        let mut hasher = blake3::Hasher::new();
        // With its length, no end of a group is the beginning of a name.
        hasher.update(&(key.group().len() as u64).to_le_bytes());
        hasher.update(key.group().as_bytes());
        hasher.update(key.name());
        let hash = hasher.finalize();
        let (digest, _) = hash.as_bytes().split_at(16);
        let mut text = String::with_capacity(self.namespace.len() + key.group().len() + 96);
        text.push_str(&self.namespace);
        text.push_str(":{");
        let from = text.len();
        let to = if self.spread {
            hex(&mut text, digest);
            let to = text.len();
            text.push_str("}:");
            group(&mut text, key.group());
            text.push(':');
            self::rule(&mut text, rule);
            to
        } else {
            group(&mut text, key.group());
            let to = text.len();
            text.push_str("}:");
            self::rule(&mut text, rule);
            text.push(':');
            hex(&mut text, digest);
            to
        };
        let mut offset = [0; 8];
        for (byte, of) in offset.iter_mut().zip(hash.as_bytes().iter().skip(16)) {
            *byte = *of;
        }
        Name {
            text,
            tag: Tag { from, to },
            offset: u64::from_le_bytes(offset),
        }
    }
}

/// A group as it is, or, where it would be long or end the tag early, its digest.
fn group(text: &mut String, group: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if (1..=64).contains(&group.len()) && group.bytes().all(plain) {
        text.push_str(group);
    } else {
        text.push('#');
        let hash = blake3::hash(group.as_bytes());
        hex(text, hash.as_bytes().split_at(16).0);
    }
}

/// The parameters of a rule: another amount, window or burst counts anew.
fn rule(text: &mut String, rule: &Rule) {
    let written = match rule {
        Rule::Unlimited | Rule::Denied => Ok(()),
        Rule::Gcra(rule) => write!(text, "g{}/{}/{}", rule.rate, rule.period, rule.burst),
        Rule::Fixed(rule) => {
            let kind = match rule.alignment {
                Alignment::Epoch => 'w',
                Alignment::Staggered => 's',
                Alignment::FirstRequest => 'f',
            };
            write!(text, "{kind}{}/{}", rule.amount, rule.window)
        }
        Rule::Counter(rule) => write!(text, "c{}/{}", rule.amount, rule.window),
        Rule::Log(rule) => write!(text, "l{}/{}", rule.amount, rule.window),
        Rule::InFlight(rule) => write!(text, "p{}", rule.most),
    };
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(half.into(), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Quota;

    fn named(names: &Names, group: &str, name: &[u8], quota: &str) -> Name {
        let quota: Quota = quota.parse().unwrap();
        names.name(&LimitKey::new(group, name), &quota.rule().unwrap())
    }

    #[test]
    fn a_group_is_the_tag_and_the_name_cannot_be_read() {
        let names = Names::new("shop", false);
        let name = named(&names, "search", b"alice", "100/m");
        assert!(
            name.text.starts_with("shop:{search}:g100/60000000/100:"),
            "{}",
            name.text
        );
        assert!(!name.text.contains("alice"));
        assert_eq!(name.tag(), "search");
        let other = named(&names, "search", b"bob", "5/s");
        assert_eq!(name.tag(), other.tag());
    }

    #[test]
    fn spread_keys_of_one_name_lie_together() {
        let names = Names::new("shop", true);
        let name = named(&names, "search", b"alice", "100/m");
        let same = named(&names, "search", b"alice", "5/s");
        assert_eq!(name.tag(), same.tag());
        assert_ne!(name.text, same.text);
        assert_ne!(name.tag(), named(&names, "search", b"bob", "100/m").tag());
        assert_ne!(name.tag(), named(&names, "other", b"alice", "100/m").tag());
    }

    #[test]
    fn no_two_pairs_are_taken_for_one_another() {
        let names = Names::new("shop", false);
        for (one, other) in [
            (("a", "bc"), ("ab", "c")),
            (("", "abc"), ("abc", "")),
            (("a}", "b"), ("a", "}b")),
        ] {
            let [one, other] =
                [one, other].map(|(group, name)| named(&names, group, name.as_bytes(), "1/s"));
            assert_ne!(one.text, other.text);
        }
    }

    #[test]
    fn no_group_is_long_or_ends_the_tag() {
        let names = Names::new("shop", false);
        for group in ["", "a}b", "a{", "a:b", "Köche", &"x".repeat(1 << 20)] {
            let name = named(&names, group, b"alice", "1/s");
            assert_eq!(name.tag().len(), 33, "{}", name.text);
            assert!(name.text.len() < 128, "{}", name.text);
        }
    }
}
