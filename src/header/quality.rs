//! Members with a weight (RFC 9110 §12.4.2), which the negotiation fields have in common.

use http::{HeaderMap, HeaderName};

use super::list::non_empty_members;
use super::vary::selecting_value;

/// The most members of a field. A longer one cannot be read, so that reading it stays cheap.
const MOST_MEMBERS: usize = 64;

/// What all lines of a negotiation field say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Preferences {
    /// No preference at all, which an empty field is not (RFC 9110 §12.4.1).
    Absent,
    /// Some member breaks the grammar, or there are too many.
    Unreadable,
    /// Most preferred first, then by name; each once.
    Members(Vec<Weighted>),
}

/// A member in lower case, and its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weighted {
    pub(super) name: String,
    pub(super) quality: Quality,
}

/// A weight in thousandths, 1000 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quality(u16);

impl Quality {
    pub(super) const MOST: Self = Self(1_000);
    pub(super) const NONE: Self = Self(0);
}

/// Reads a member without its weight; `None` where it breaks the grammar.
pub(super) type Name = fn(&[u8]) -> Option<String>;

impl Preferences {
    pub(super) fn parse(headers: &HeaderMap, field: &HeaderName, name: Name) -> Self {
        if !headers.contains_key(field) {
            return Self::Absent;
        }

        let mut members = Vec::new();
        for member in headers
            .get_all(field)
            .into_iter()
            .flat_map(|line| non_empty_members(line.as_bytes()))
        {
            match weighted(member, name) {
                Some(member) if members.len() < MOST_MEMBERS => members.push(member),
                _ => return Self::Unreadable,
            }
        }
        members.sort_unstable_by(|one, other| {
            let by_quality = other.quality.cmp(&one.quality);
            by_quality.then_with(|| one.name.cmp(&other.name))
        });
        members.dedup();
        Self::Members(members)
    }
}

/// The value of a negotiation field in a form that is equal for fields that mean the same, or `None` if the field is absent.
///
/// The order of members, letter case, blanks, the division into lines and the spelling of weights carry no meaning. The form is
/// a value of the field, and its own. A field that cannot be read is compared as it is, and equals none that can.
pub(super) fn normal(headers: &HeaderMap, field: &HeaderName, name: Name) -> Option<Vec<u8>> {
    match Preferences::parse(headers, field, name) {
        Preferences::Absent => None,
        Preferences::Unreadable => selecting_value(headers, field),
        Preferences::Members(members) => {
            let members: Vec<String> = members.iter().map(Weighted::to_text).collect();
            Some(members.join(", ").into_bytes())
        }
    }
}

impl Weighted {
    fn to_text(&self) -> String {
        let Self { name, quality } = self;
        match *quality {
            Quality::MOST => name.clone(),
            Quality::NONE => format!("{name};q=0"),
            Quality(thousandths) => {
                let fraction = format!("{thousandths:03}");
                format!("{name};q=0.{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

fn weighted(member: &[u8], name: Name) -> Option<Weighted> {
    let mut parts = member.splitn(2, |byte| *byte == b';');
    let name = name(parts.next()?.trim_ascii_end())?;
    let quality = match parts.next() {
        Some(weight) => weight_of(weight.trim_ascii_start())?,
        None => Quality::MOST,
    };
    Some(Weighted { name, quality })
}

/// `q=` and a number from 0 to 1 of at most three decimal places.
pub(super) fn weight_of(text: &[u8]) -> Option<Quality> {
    let [b'q' | b'Q', b'=', value @ ..] = text else {
        return None;
    };
    let (whole, fraction) = match value {
        [whole] => (whole, [].as_slice()),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = fraction
        .iter()
        .chain(b"000")
        .take(3)
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    match whole {
        b'0' => Some(Quality(thousandths)),
        b'1' if thousandths == 0 => Some(Quality::MOST),
        _ => None,
    }
}

#[cfg(test)]
#[path = "quality_tests.rs"]
mod tests;
