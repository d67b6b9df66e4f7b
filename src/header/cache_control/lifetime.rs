//! The argument of `max-age` and its kin.

use crate::header::seconds::delta_seconds;

/// What all occurrences of a directive with a number of seconds say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifetime {
    #[default]
    Absent,
    /// No number, or several that differ: RFC 9111 §4.2.1 encourages to take the response for stale, and not to look
    /// for a lifetime elsewhere.
    Invalid,
    Seconds(u64),
}

impl Lifetime {
    pub(crate) fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Takes in one more occurrence. One that repeats the value changes nothing.
    pub(super) fn and(self, argument: Option<&[u8]>) -> Self {
        let next = argument
            .and_then(delta_seconds)
            .map_or(Self::Invalid, Self::Seconds);
        match self {
            Self::Absent => next,
            first if first == next => first,
            _ => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(arguments: &[Option<&str>]) -> Lifetime {
        arguments
            .iter()
            .fold(Lifetime::Absent, |lifetime, argument| {
                lifetime.and(argument.map(str::as_bytes))
            })
    }

    #[test]
    fn equal_repeats_are_one_lifetime() {
        assert_eq!(lifetime(&[]), Lifetime::Absent);
        assert_eq!(lifetime(&[Some("60")]), Lifetime::Seconds(60));
        assert_eq!(lifetime(&[Some("60"), Some("060")]), Lifetime::Seconds(60));
    }

    #[test]
    fn different_or_unreadable_values_are_invalid_for_good() {
        for arguments in [
            [Some("1"), Some("60")],
            [None, Some("60")],
            [Some("60"), None],
            [Some("x"), Some("x")],
        ] {
            assert_eq!(lifetime(&arguments), Lifetime::Invalid, "{arguments:?}");
        }
        assert_eq!(
            lifetime(&[Some("1"), Some("60"), Some("60")]),
            Lifetime::Invalid
        );
    }
}
