//! Who is asking, as a value.

use std::borrow::Cow;
use std::fmt;

/// The longest value that says who somebody is, in bytes; a longer one is none.
const LONGEST: usize = 4 * 1_024;

/// Who is asking: one or several parts, each of a kind, each of which may be absent.
///
/// Absent is a value of its own: nobody in particular is somebody else than everybody. What cannot be told (two cookies of one name, a
/// value beyond 4 KiB) is [`unclear`](Self::unclear), and makes a request pass the cache by.
///
/// ```
/// use larder::Identity;
///
/// let alice = Identity::known("user", "alice");
/// assert!(!alice.is_anonymous());
/// assert_ne!(alice, Identity::known("guest", "alice"));
/// assert!(Identity::anonymous("user").is_anonymous());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    parts: Vec<Part>,
    unclear: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Part {
    kind: Cow<'static, str>,
    value: Option<Box<[u8]>>,
    /// Is it a person, or merely something that tells requests apart?
    person: bool,
}

impl Identity {
    /// Somebody. The kind keeps values of different origin apart: a user, the holder of a key.
    pub fn known(kind: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        Self {
            unclear: value.len() > LONGEST,
            parts: vec![Part {
                kind: kind.into(),
                value: Some(value.into()),
                person: true,
            }],
        }
    }

    /// Nobody in particular.
    pub fn anonymous(kind: impl Into<Cow<'static, str>>) -> Self {
        Self {
            unclear: false,
            parts: vec![Part {
                kind: kind.into(),
                value: None,
                person: true,
            }],
        }
    }

    /// It cannot be told who.
    pub fn unclear(kind: impl Into<Cow<'static, str>>) -> Self {
        Self {
            unclear: true,
            ..Self::anonymous(kind)
        }
    }

    /// The same, where it is no person: an address, a tenant. Nothing is stored for it that is meant for one person alone.
    #[must_use]
    pub fn of_no_person(mut self) -> Self {
        for part in &mut self.parts {
            part.person = false;
        }
        self
    }

    /// Both at once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.unclear |= other.unclear;
        self
    }

    /// Is no person known, or not every person that it takes? A tenant does not make one person of all its visitors.
    pub fn is_anonymous(&self) -> bool {
        let mut persons = self.parts.iter().filter(|part| part.person).peekable();
        persons.peek().is_none() || persons.any(|part| part.value.is_none())
    }

    /// Can it not be told?
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Is any part of it present?
    pub fn is_known(&self) -> bool {
        !self.unclear && self.parts.iter().any(|part| part.value.is_some())
    }

    /// The kinds of the parts that are present.
    pub(crate) fn known_kinds(&self) -> impl Iterator<Item = &str> {
        let known = self.parts.iter().filter(|part| part.value.is_some());
        known.map(|part| &*part.kind)
    }

    /// Is everything that `read` says said here too?
    pub(crate) fn covers(&self, read: &Self) -> bool {
        !read.unclear
            && !self.unclear
            && read.parts.iter().all(|part| {
                let mut own = self.parts.iter();
                own.any(|own| own.kind == part.kind && own.value == part.value)
            })
    }

    /// Is some person known of those that it takes?
    pub(crate) fn names_somebody(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.person && part.value.is_some())
    }

    /// Does it say who the person is, or that there is none?
    pub(crate) fn is_of_a_person(&self) -> bool {
        self.parts.iter().any(|part| part.person)
    }

    /// Its parts with their lengths, so that no two identities are the same bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// The same behind what is there already. Short, so that limits can keep most names as they are.
    pub(crate) fn encode_into(&self, bytes: &mut impl Extend<u8>) {
        let mut push = |part: &[u8]| {
            // Seven bits at a time, the lowest first; the last byte is the one below 128.
            let mut length = part.len();
            while length >= 0x80 {
                bytes.extend([(length & 0x7F) as u8 | 0x80]);
                length >>= 7;
            }
            bytes.extend([length as u8]);
            bytes.extend(part.iter().copied());
        };
        for part in &self.parts {
            push(part.kind.as_bytes());
            push(&[u8::from(part.person) | u8::from(part.value.is_some()) << 1]);
            push(part.value.as_deref().unwrap_or_default());
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whose it is must not stand in a log.
        let mut list = f.debug_list();
        for part in &self.parts {
            let what = if part.value.is_some() {
                "known"
            } else {
                "anonymous"
            };
            list.entry(&format_args!("{}: {what}", part.kind));
        }
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_identities_are_the_same_bytes() {
        let all = [
            Identity::known("a", "b"),
            Identity::known("a", ""),
            Identity::anonymous("a"),
            Identity::known("ab", ""),
            Identity::known("a", "b").of_no_person(),
            Identity::known("a", "b").and(Identity::anonymous("c")),
            Identity::known("a", "b").and(Identity::known("c", "")),
            Identity::known("a", vec![b'b'; 172]),
            Identity::known("a", vec![b'b'; 300]),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one.encode() == other.encode(), i == j, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_was_read_is_covered_only_by_the_same_value() {
        let alice = Identity::known("user", "alice");
        let both = alice.clone().and(Identity::known("tenant", "t"));
        assert!(both.covers(&alice) && alice.covers(&alice));
        assert!(!alice.covers(&both));
        assert!(!alice.covers(&Identity::known("user", "bob")));
        assert!(!alice.covers(&Identity::anonymous("user")));
        assert!(!alice.covers(&Identity::unclear("user")));
        let nobody = Identity::anonymous("user");
        assert!(nobody.covers(&nobody));
        assert!(!nobody.covers(&Identity::anonymous("key")));
    }

    #[test]
    fn a_person_is_what_makes_it_known() {
        assert!(Identity::known("ip", "1").of_no_person().is_anonymous());
        assert!(!Identity::known("user", "").is_anonymous());
        assert!(Identity::known("user", vec![0; LONGEST + 1]).is_unclear());
        let tenant = Identity::known("tenant", "t");
        assert!(
            Identity::anonymous("user")
                .and(tenant.clone())
                .is_anonymous()
        );
        assert!(!Identity::known("user", "u").and(tenant).is_anonymous());
    }

    #[test]
    fn a_log_never_says_who() {
        assert!(!format!("{:?}", Identity::known("user", "alice")).contains("alice"));
    }
}
