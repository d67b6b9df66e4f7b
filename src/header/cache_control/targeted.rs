//! Targeted cache control (RFC 9213): the directives of a field that speaks to this cache and not to all.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, InnerList, ListEntry};

use super::{Lifetime, ResponseDirectives, Scope};
use crate::header::seconds::MAX_SECONDS;
use crate::header::structured::dictionary;

impl ResponseDirectives {
    /// The directives that hold for a cache with this target list, and whether a targeted field decided: the caller then
    /// ignores `Expires` too (§2.2).
    ///
    /// The first field of the list that can be read and has a member decides alone. `Cache-Control` is no targeted field and
    /// is skipped in the list: it is read, by its own rules, where none decides.
    pub(crate) fn of(headers: &HeaderMap, targets: &[HeaderName]) -> (Self, bool) {
        targets
            .iter()
            .filter(|field| **field != CACHE_CONTROL)
            .find_map(|field| Self::parse_targeted(headers, field))
            .map_or_else(|| (Self::parse(headers), false), |found| (found, true))
    }

    /// Reads a targeted field; `None` where it counts as absent, which is so for an empty and for an unreadable one (§2.1).
    ///
    /// A member of the wrong type is not taken for what it might have meant: a lifetime is [`Lifetime::Invalid`], a permission
    /// is not given, and a restriction stands.
    pub(crate) fn parse_targeted(headers: &HeaderMap, field: &HeaderName) -> Option<Self> {
        let members = dictionary(headers, field)?;
        let mut found = Self {
            present: true,
            ..Self::default()
        };
        let mut must_understand = None;

        for (name, member) in &members {
            match name.as_str() {
                "max-age" => found.max_age = lifetime(member),
                "s-maxage" => found.s_maxage = lifetime(member),
                "no-cache" => found.no_cache = scope(member),
                "private" => found.private = scope(member),
                "stale-while-revalidate" => found.stale_while_revalidate = seconds(member),
                "stale-if-error" => found.stale_if_error = seconds(member),
                "no-store" => found.no_store = restricts(member),
                "must-revalidate" => found.must_revalidate = restricts(member),
                "proxy-revalidate" => found.proxy_revalidate = restricts(member),
                "no-transform" => found.no_transform = restricts(member),
                "public" => found.public = permits(member),
                "immutable" => found.immutable = permits(member),
                "must-understand" => must_understand = Some(member),
                // `none` is such a member: it is there so that the field is not empty, and sets nothing.
                _ => {}
            }
        }

        // It restricts what may be stored, but beside `no-store` it permits storing (RFC 9111 §5.2.2.3).
        let holds = if found.no_store { permits } else { restricts };
        found.must_understand = must_understand.is_some_and(holds);
        Some(found)
    }
}

fn lifetime(member: &ListEntry) -> Lifetime {
    seconds(member).map_or(Lifetime::Invalid, Lifetime::Seconds)
}

fn seconds(member: &ListEntry) -> Option<u64> {
    let seconds = bare(member)?.as_integer()?;
    u64::try_from(seconds)
        .ok()
        .map(|seconds| seconds.min(MAX_SECONDS))
}

fn permits(member: &ListEntry) -> bool {
    matches!(bare(member), Some(BareItem::Boolean(true)))
}

fn restricts(member: &ListEntry) -> bool {
    !matches!(bare(member), Some(BareItem::Boolean(false)))
}

fn scope(member: &ListEntry) -> Scope {
    match member {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::Boolean(false) => Scope::Absent,
            item => Scope::Absent.and(names(item)),
        },
        ListEntry::InnerList(InnerList { items, .. }) if items.is_empty() => Scope::All,
        ListEntry::InnerList(InnerList { items, .. }) => {
            items.iter().fold(Scope::Absent, |scope, item| {
                scope.and(names(&item.bare_item))
            })
        }
    }
}

/// The text that names fields. `Cache-Control` has it as a token or quoted, which are a Token and a String here.
fn names(item: &BareItem) -> Option<&[u8]> {
    match item {
        BareItem::String(text) => Some(text.as_str().as_bytes()),
        BareItem::Token(text) => Some(text.as_str().as_bytes()),
        _ => None,
    }
}

/// The value without its parameters, which mean nothing (§2.1).
fn bare(member: &ListEntry) -> Option<&BareItem> {
    match member {
        ListEntry::Item(item) => Some(&item.bare_item),
        ListEntry::InnerList(_) => None,
    }
}

#[cfg(test)]
#[path = "targeted_tests.rs"]
mod tests;
