//! The values that count, where a site knows them all.

use super::time_zone;

/// Which values of a field or cookie count. What does not, counts as absent, and the handler does not see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    #[default]
    Any,
    /// These, byte by byte.
    OneOf(Box<[Box<[u8]>]>),
    /// These time zones.
    Zones(Box<[Box<[u8]>]>),
}

impl Choice {
    pub(super) fn one_of<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::OneOf(boxed(values))
    }

    pub(super) fn zones<V: AsRef<[u8]>>(zones: impl IntoIterator<Item = V>) -> Self {
        Self::Zones(boxed(zones))
    }

    /// The value as it counts, if it does. What comes out comes out again as it is.
    pub(super) fn normal<'a>(&'a self, value: &'a [u8]) -> Option<&'a [u8]> {
        let known = match self {
            Self::Any => return Some(value),
            Self::OneOf(values) => values.iter().find(|one| ***one == *value),
            Self::Zones(zones) => zones.iter().find(|zone| time_zone::is(zone, value)),
        };
        known.map(AsRef::as_ref)
    }
}

fn boxed<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Box<[Box<[u8]>]> {
    let values = values.into_iter();
    values.map(|value| value.as_ref().into()).collect()
}
