//! Asking the handler whether what is stored still holds, and what its answer changes (RFC 9111 §4.3, §3.2).

use std::time::SystemTime;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::stored::{StoredPage, strip_what_passes};
use crate::header::{ContentLength, EntityTag, TagList, date};

/// Fields that describe the body that is stored, and so stay what they are (§3.2).
const OF_THE_BODY: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE];

/// Adds the validators of what is stored to a request that carries those of its client: the tags of both, and the stored date.
///
/// Whether there was anything to add.
pub(super) fn add_validators<'a>(
    request: &mut HeaderMap,
    stored: impl Iterator<Item = &'a StoredPage> + Clone,
) -> bool {
    let mut tags: Vec<&HeaderValue> = Vec::new();
    for tag in stored.clone().filter_map(|page| entity_tag(page.headers())) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let modified = stored
        .clone()
        .find_map(|page| page.headers().get(LAST_MODIFIED));
    let any = !tags.is_empty() || modified.is_some();
    if !any {
        return false;
    }
    // A star asks for another thing than whether our copy holds, and what cannot be read must not take its effect from our tag.
    if !matches!(TagList::if_none_match(request), TagList::Tags(_)) {
        request.remove(IF_NONE_MATCH);
    }
    for tag in tags {
        if let Some(line) = joined(request, tag) {
            request.insert(IF_NONE_MATCH, line);
        }
    }
    match modified {
        Some(modified) => {
            request.insert(IF_MODIFIED_SINCE, modified.clone());
        }
        // What the client has may be older than what is stored.
        None => {
            request.remove(IF_MODIFIED_SINCE);
        }
    }
    true
}

/// The lines of `If-None-Match` and one more tag, as one line.
fn joined(request: &HeaderMap, tag: &HeaderValue) -> Option<HeaderValue> {
    let mut line = Vec::new();
    for part in request.get_all(IF_NONE_MATCH).iter().chain([tag]) {
        if !line.is_empty() {
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(part.as_bytes());
    }
    HeaderValue::from_bytes(&line).ok()
}

/// The one `ETag`, as it came.
fn entity_tag(headers: &HeaderMap) -> Option<&HeaderValue> {
    EntityTag::of(headers)?;
    headers.get(ETAG)
}

/// What a 304 says about what is stored (§4.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Confirmed {
    /// It is about these, which it updates.
    Updates(Vec<usize>),
    /// It names no validator: it confirms the one that was asked about, and updates nothing.
    Holds,
    /// It is about nothing that is stored.
    Nothing,
}

/// Which of the stored responses, newest first, a 304 with these fields is about.
pub(super) fn confirmed(stored: &[&StoredPage], answer: &HeaderMap) -> Confirmed {
    let tag = EntityTag::of(answer);
    let modified = answer.get(LAST_MODIFIED);
    let matching = |matches: &dyn Fn(&HeaderMap) -> bool| -> Vec<usize> {
        let all = stored.iter().enumerate();
        all.filter(|(_, page)| matches(page.headers()))
            .map(|(place, _)| place)
            .collect()
    };
    let found = match (&tag, modified) {
        (Some(tag), _) if !tag.is_weak() => {
            matching(&|headers| EntityTag::of(headers).is_some_and(|stored| stored.strong_eq(*tag)))
        }
        (Some(tag), _) => {
            let mut weak = matching(&|headers| {
                EntityTag::of(headers).is_some_and(|stored| stored.weak_eq(*tag))
            });
            weak.truncate(1);
            weak
        }
        (None, Some(modified)) => {
            let mut dated = matching(&|headers| headers.get(LAST_MODIFIED) == Some(modified));
            dated.truncate(1);
            dated
        }
        (None, None) => {
            let lacks = |headers: &HeaderMap| {
                !headers.contains_key(ETAG) && !headers.contains_key(LAST_MODIFIED)
            };
            return match stored {
                [one] if lacks(one.headers()) => Confirmed::Updates(vec![0]),
                [_] => Confirmed::Holds,
                _ => Confirmed::Nothing,
            };
        }
    };
    match found.is_empty() {
        true => Confirmed::Nothing,
        false => Confirmed::Updates(found),
    }
}

/// Does the answer claim another length than that of the stored body? (RFC 9110 §8.6)
///
/// Zero is taken as silence: a server that knows no better writes it below an empty body.
pub(super) fn contradicts_length(answer: &HeaderMap, stored: usize) -> bool {
    match ContentLength::parse(answer) {
        ContentLength::Absent | ContentLength::Bytes(0) => false,
        ContentLength::Bytes(length) => length != stored as u64,
        ContentLength::Invalid => true,
    }
}

/// The fields of a stored response after an answer has updated it (§3.2): each field of the answer replaces all lines of its name.
pub(super) fn merged(stored: HeaderMap, answer: &HeaderMap, wall: SystemTime) -> HeaderMap {
    let mut answer = answer.clone();
    strip_what_passes_but_age(&mut answer);
    for name in OF_THE_BODY {
        answer.remove(name);
    }
    let mut merged = stored;
    // The age counts from the validating answer (§4.2.3), so its date is the one that counts.
    merged.remove(DATE);
    for name in answer.keys() {
        merged.remove(name);
    }
    for (name, value) in &answer {
        if merged.try_append(name.clone(), value.clone()).is_err() {
            break;
        }
    }
    if !merged.contains_key(DATE)
        && let Some(now) = date::format(wall)
    {
        // A map that has no room for one more field is too large to be sent.
        let _ = merged.try_insert(DATE, now);
    }
    merged
}

/// The answer's age belongs to the exchange that is judged next.
fn strip_what_passes_but_age(headers: &mut HeaderMap) {
    let age: Vec<_> = headers.get_all(http::header::AGE).iter().cloned().collect();
    strip_what_passes(headers);
    for line in age {
        headers.append(http::header::AGE, line);
    }
}

/// May the answer to a HEAD freshen what is stored, or does it show that it no longer holds? (§4.3.5)
pub(super) fn head_confirms(stored: &StoredPage, length: usize, answer: &HeaderMap) -> bool {
    let same = |name: &HeaderName| match answer.get(name) {
        None => true,
        said => said == stored.headers().get(name),
    };
    let length = match ContentLength::parse(answer) {
        ContentLength::Absent => true,
        ContentLength::Bytes(said) => said == length as u64,
        ContentLength::Invalid => false,
    };
    same(&ETAG) && same(&LAST_MODIFIED) && length
}

/// Is the one `ETag` among those that a request has?
pub(super) fn is_listed(answer: &HeaderMap, request: &HeaderMap) -> bool {
    let Some(tag) = EntityTag::of(answer) else {
        return false;
    };
    match TagList::if_none_match(request) {
        TagList::Tags(tags) => tags.iter().any(|listed| listed.weak_eq(tag)),
        TagList::Any | TagList::Absent | TagList::Malformed => false,
    }
}
