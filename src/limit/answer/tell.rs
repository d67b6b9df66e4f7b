//! Fields beside those of inner services, which are never loosened (draft-ietf-httpapi-ratelimit-headers-11 §7.2).

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, FieldType, Item, Key, List, ListEntry};

use super::dialect::{Dialect, Reset};
use super::{Policy, Told, wire};
use crate::header::{dictionary, replace, structured_list};

/// Adds what `dialect` tells to what inner services have said. `now` is in seconds since the Unix epoch.
///
/// Where a policy refuses, only those that do are told of: their `t` never ends after `Retry-After`.
pub(crate) fn tell(
    dialect: Dialect,
    policies: &[Policy],
    told: &[Told<'_>],
    now: u64,
    headers: &mut HeaderMap,
) {
    let is_refused = told.iter().any(Told::refuses);
    let told = told.iter().filter(|told| !is_refused || told.refuses());
    match dialect {
        Dialect::Draft11 => {
            let members = policies.iter();
            let members = members.map(|policy| (&*policy.name, wire::draft_11_policy(policy)));
            append(headers, wire::POLICY, members);
            let told = tighten_members(headers, told.collect());
            let members = told.iter();
            let members = members.map(|told| (&*told.policy.name, wire::draft_11_limit(told)));
            append(headers, wire::LIMIT, members);
        }
        Dialect::Draft7 => {
            // Members without names: none can be there already.
            let members = policies.iter().filter_map(wire::draft_7_policy);
            append(headers, wire::POLICY, members.map(|member| ("", member)));
            if let Some((told, next)) = tightest(told) {
                let value = wire::draft_7_limit(told, next);
                if is_tighter(told, draft_7_remaining(headers)) {
                    set(headers, wire::LIMIT, &value);
                }
            }
        }
        Dialect::XRateLimit(reset) => {
            if let Some((told, next)) = tightest(told)
                && is_tighter(told, number(headers, &wire::X_REMAINING))
            {
                let reset = match reset {
                    Reset::Seconds => next,
                    Reset::UnixTime => wire::integer(now.saturating_add(next)),
                };
                let limit = wire::integer(told.policy.amount);
                set(headers, wire::X_LIMIT, &limit.to_string());
                let remaining = wire::remaining(told);
                set(headers, wire::X_REMAINING, &remaining.to_string());
                set(headers, wire::X_RESET, &reset.to_string());
            }
        }
        Dialect::None => {}
    }
}

/// Adds members as a last line, but for those whose names are there.
///
/// What stands is kept if it is a List. If not, no recipient could read the field, whatever was added to it, so it is replaced.
fn append<'a>(
    headers: &mut HeaderMap,
    field: HeaderName,
    members: impl Iterator<Item = (&'a str, String)>,
) {
    let standing = structured_list(headers, &field);
    let is_there = |name: &str| {
        let mut names = standing.iter().flatten().filter_map(name_of);
        !name.is_empty() && names.any(|there| there == name)
    };
    let members = members.filter(|(name, _)| !is_there(name));
    let members: Vec<String> = members.map(|(_, member)| member).collect();
    let Some(line) = wire::value(&members.join(", ")).filter(|line| !line.is_empty()) else {
        return;
    };
    match standing {
        // A map that has no room for one more line is too large to be sent, and `append` would panic.
        Some(_) => drop(headers.try_append(field, line)),
        None => replace(headers, &field, line),
    }
}

/// Lowers the members of `RateLimit` that have the names of ours and leave more, and answers those that have none yet.
fn tighten_members<'t, 'a>(headers: &mut HeaderMap, told: Vec<&'t Told<'a>>) -> Vec<&'t Told<'a>> {
    let Some(mut members) = structured_list(headers, &wire::LIMIT) else {
        return told;
    };
    let mut is_changed = false;
    let mut new = Vec::new();
    for told in told {
        let mut is_there = false;
        for member in &mut members {
            if name_of(member) == Some(&*told.policy.name) {
                is_there = true;
                is_changed |= tighten(member, told);
            }
        }
        if !is_there {
            new.push(told);
        }
    }
    if is_changed && let Some(value) = serialized(&members) {
        replace(headers, &wire::LIMIT, value);
    }
    new
}

fn tighten(member: &mut ListEntry, told: &Told<'_>) -> bool {
    let ListEntry::Item(Item { params, .. }) = member else {
        return false;
    };
    let number = |key: &str| {
        let number = params.get(key).and_then(BareItem::as_integer);
        number.and_then(|number| u64::try_from(i64::from(number)).ok())
    };
    let (remaining, next) = (wire::remaining(told), wire::next(told));
    let there = number(wire::REMAINING).unwrap_or(u64::MAX);
    if (remaining, std::cmp::Reverse(next)) >= (there, std::cmp::Reverse(number(wire::NEXT))) {
        return false;
    }
    let mut put = |key: &str, number: Option<u64>| {
        let Ok(key) = Key::from_string(key.to_owned()) else {
            return;
        };
        match number.and_then(|number| i64::try_from(number).ok()?.try_into().ok()) {
            Some(number) => drop(params.insert(key, BareItem::Integer(number))),
            None => drop(params.shift_remove(&key)),
        }
    };
    put(wire::REMAINING, Some(remaining));
    put(wire::NEXT, next);
    true
}

fn serialized(members: &List) -> Option<HeaderValue> {
    members.serialize().and_then(|text| wire::value(&text))
}

fn name_of(member: &ListEntry) -> Option<&str> {
    match member {
        ListEntry::Item(item) => Some(item.bare_item.as_string()?.as_str()),
        ListEntry::InnerList(_) => None,
    }
}

/// The policy with the least remaining, and of those the one with the longest wait; none of what is counted in flight.
fn tightest<'t, 'a: 't>(told: impl Iterator<Item = &'t Told<'a>>) -> Option<(&'t Told<'a>, u64)> {
    told.filter_map(|told| Some((told, wire::next(told)?)))
        .min_by_key(|(told, next)| (wire::remaining(told), std::cmp::Reverse(*next)))
}

/// Would the field of an inner service that leaves so much be loosened by keeping it?
fn is_tighter(told: &Told<'_>, there: Option<u64>) -> bool {
    there.is_none_or(|there| wire::remaining(told) < there)
}

fn draft_7_remaining(headers: &HeaderMap) -> Option<u64> {
    let members = dictionary(headers, &wire::LIMIT)?;
    match members.get(wire::DRAFT_7_REMAINING)? {
        ListEntry::Item(item) => i64::from(item.bare_item.as_integer()?).try_into().ok(),
        ListEntry::InnerList(_) => None,
    }
}

/// The number of a field that is one line of digits.
fn number(headers: &HeaderMap, field: &HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(field).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    line.to_str().ok()?.trim().parse().ok()
}

fn set(headers: &mut HeaderMap, field: HeaderName, value: &str) {
    if let Some(value) = wire::value(value) {
        replace(headers, &field, value);
    }
}

#[cfg(test)]
#[path = "tell_tests.rs"]
mod tests;
