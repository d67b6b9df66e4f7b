//! Adding to a targeted field (RFC 9213), which is a Dictionary of RFC 9651.

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, FieldType, Item, Key, Token};

use super::directives::{Argument, Directives, Entry, comma_separated};
use super::merge::{Conflict, There, merge};
use crate::header::{ResponseDirectives, dictionary, replace};

/// Whether the field says something: one that is empty or cannot be read counts as absent (§2.1).
pub(super) fn is_present(headers: &HeaderMap, field: &HeaderName) -> bool {
    dictionary(headers, field).is_some()
}

/// Says this and nothing else.
pub(super) fn set(headers: &mut HeaderMap, field: &HeaderName, said: &Directives) {
    write(headers, field, Dictionary::new(), said);
}

/// Says this too: what is there keeps its order.
pub(super) fn patch(
    headers: &mut HeaderMap,
    field: &HeaderName,
    said: &Directives,
    conflict: Conflict,
) {
    let (Some(mut members), Some(there)) = (
        dictionary(headers, field),
        ResponseDirectives::parse_targeted(headers, field),
    ) else {
        return set(headers, field, said);
    };
    if said.is_empty() {
        return;
    }
    let merged = merge(&There::in_targeted(there), said, conflict);
    members.retain(|name, _| !merged.dropped.contains(&name.as_str()));
    write(headers, field, members, &merged.written);
}

fn write(headers: &mut HeaderMap, field: &HeaderName, mut members: Dictionary, said: &Directives) {
    for entry in said.entries() {
        // The names of directives are keys, those of extensions too.
        if let (Ok(key), Some(value)) = (Key::from_string(entry.name.to_owned()), item(entry)) {
            members.insert(key, Item::new(value).into());
        }
    }
    if let Some(value) = members
        .serialize()
        .and_then(|text| HeaderValue::try_from(text).ok())
    {
        replace(headers, field, value);
    }
}

/// What the argument is in the other grammar (§2.1): a number, a token, or a string.
fn item(entry: Entry<'_>) -> Option<BareItem> {
    match entry.argument {
        Argument::None => Some(BareItem::Boolean(true)),
        Argument::Seconds(seconds) => i64::try_from(seconds).ok()?.try_into().ok(),
        Argument::Fields(fields) => string(comma_separated(fields)),
        Argument::Text(text) => integer(text)
            .or_else(|| Some(Token::from_string(text.to_owned()).ok()?.into()))
            .or_else(|| string(text.to_owned())),
    }
}

/// A number that is written again as it stands here.
fn integer(text: &str) -> Option<BareItem> {
    let number: i64 = text.parse().ok()?;
    if number.to_string() == text {
        number.try_into().ok()
    } else {
        None
    }
}

fn string(text: String) -> Option<BareItem> {
    Some(sfv::String::from_string(text).ok()?.into())
}

#[cfg(test)]
#[path = "targeted_tests.rs"]
mod tests;
