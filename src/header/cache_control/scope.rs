//! The argument of `no-cache` and `private`: the whole response, or some of its fields.

use http::HeaderName;

use crate::header::list::non_empty_members;

/// The number of fields from which on a list is taken for the whole response, so that reading it stays cheap.
pub(crate) const MAX_FIELDS: usize = 64;

/// What part of the response a directive speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The directive does not occur.
    #[default]
    Absent,
    /// The whole response.
    All,
    /// These response fields, each once.
    Fields(Vec<HeaderName>),
}

impl Scope {
    /// Takes in one more occurrence. Whatever cannot be read as a list of fields means the whole response, as that is
    /// the more restrictive reading, and then the fields named elsewhere no longer matter.
    pub(super) fn and(self, argument: Option<&[u8]>) -> Self {
        match (self, argument) {
            (Self::All, _) | (_, None) => Self::All,
            (Self::Absent, Some(list)) => extend(Vec::new(), list),
            (Self::Fields(fields), Some(list)) => extend(fields, list),
        }
    }
}

fn extend(mut fields: Vec<HeaderName>, list: &[u8]) -> Scope {
    let mut empty = true;

    for member in non_empty_members(list) {
        empty = false;
        match HeaderName::from_bytes(member) {
            Ok(name) if fields.contains(&name) => {}
            Ok(name) if fields.len() < MAX_FIELDS => fields.push(name),
            _ => return Scope::All,
        }
    }
    if empty {
        Scope::All
    } else {
        Scope::Fields(fields)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn scope(arguments: &[Option<&str>]) -> Scope {
        arguments.iter().fold(Scope::Absent, |scope, argument| {
            scope.and(argument.map(str::as_bytes))
        })
    }

    fn fields(names: &[&'static str]) -> Scope {
        Scope::Fields(
            names
                .iter()
                .map(|name| HeaderName::from_static(name))
                .collect(),
        )
    }

    #[test]
    fn an_argument_names_fields() {
        assert_eq!(scope(&[]), Scope::Absent);
        assert_eq!(scope(&[Some("Set-Cookie")]), fields(&["set-cookie"]));
        assert_eq!(scope(&[Some(" a ,,B, a")]), fields(&["a", "b"]));
        assert_eq!(scope(&[Some("a"), Some("b, a")]), fields(&["a", "b"]));
    }

    #[test]
    fn no_or_an_unreadable_argument_is_the_whole_response() {
        assert_eq!(scope(&[None]), Scope::All);
        for argument in ["", " , ", "a b", "a, \"b\"", "a;b", "\u{e9}"] {
            assert_eq!(scope(&[Some(argument)]), Scope::All, "{argument}");
        }
    }

    #[test]
    fn the_whole_response_beats_fields() {
        assert_eq!(scope(&[None, Some("a")]), Scope::All);
        assert_eq!(scope(&[Some("a"), None]), Scope::All);
        assert_eq!(scope(&[Some("a"), Some("")]), Scope::All);
    }

    #[test]
    fn too_many_fields_are_the_whole_response() {
        let names = |count: usize| {
            (0..count)
                .map(|n| format!("f{n}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert!(matches!(
            scope(&[Some(&names(MAX_FIELDS))]),
            Scope::Fields(_)
        ));
        assert_eq!(scope(&[Some(&names(MAX_FIELDS + 1))]), Scope::All);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(first in arbitrary::bytes(), second in arbitrary::bytes()) {
            let scope = Scope::Absent.and(Some(&first)).and(Some(&second));
            prop_assert_ne!(scope, Scope::Absent);
        }
    }
}
