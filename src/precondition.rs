//! The conditions of a request, judged by whoever knows the current representation (RFC 9110 §13).
//!
//! What is stored is judged by the page cache, which has rules of its own for it (RFC 9111 §4.3.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, Method};

use crate::header::{EntityTag, TagList, date};

static CONDITIONS: [HeaderName; 4] = [
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
];

/// The conditions of one request: they are judged when the request itself is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions(HeaderMap);

/// The validators of what there is at the target, before the request does its work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current<'a> {
    pub(crate) tag: CurrentTag<'a>,
    pub(crate) modified: Option<SystemTime>,
}

/// The tag of the current representation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CurrentTag<'a> {
    Is(EntityTag<'a>),
    /// It has none, so that no list of tags names it.
    None,
    /// It has one, which nobody has made.
    Unknown,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They hold.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let mut conditions = HeaderMap::new();
        for name in &CONDITIONS {
            for line in request.get_all(name) {
                conditions.append(name, line.clone());
            }
        }
        Self(conditions)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Judges them in the order of §13.2.2. `now` only places years of two digits.
    pub(crate) fn judge(&self, method: &Method, current: Current<'_>, now: SystemTime) -> Verdict {
        if self.is_empty() || !selects(method) {
            return Verdict::Proceed;
        }
        let Current { tag, modified } = current;
        let modified = modified.and_then(to_second);

        let may_act = match TagList::parse(&self.0, &IF_MATCH) {
            TagList::Absent => self.is_unmodified(modified, now),
            // Whoever wants to write over one version only must not write over another for a slip in a field; a reader loses nothing.
            TagList::Malformed => reads(method),
            named => match tag {
                CurrentTag::Is(tag) => named.matches_strongly(Some(tag)),
                CurrentTag::None => named.matches_strongly(None),
                CurrentTag::Unknown => true,
            },
        };
        if !may_act {
            return Verdict::Failed;
        }

        let client_has_it = match TagList::if_none_match(&self.0) {
            // §13.1.3: a tag says more than a date, so the date is not even looked at beside it.
            TagList::Absent => reads(method) && self.is_not_modified(modified, now),
            named => named.matches_weakly(match tag {
                CurrentTag::Is(tag) => Some(tag),
                CurrentTag::None | CurrentTag::Unknown => None,
            }),
        };
        match (client_has_it, reads(method)) {
            (false, _) => Verdict::Proceed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Failed,
        }
    }

    /// Judges them where there is no representation: a star fails as every list does, and there is no date to compare with.
    #[cfg(any(feature = "axum", test))]
    pub(crate) fn judge_absent(&self, method: &Method) -> Verdict {
        // §13.2.1: without its conditions a read would be a 404, and so it stays one.
        match self.0.contains_key(IF_MATCH) && selects(method) && !reads(method) {
            true => Verdict::Failed,
            false => Verdict::Proceed,
        }
    }

    /// §13.1.4: without a date on either side there is no condition.
    fn is_unmodified(&self, modified: Option<SystemTime>, now: SystemTime) -> bool {
        match (date::only(&self.0, &IF_UNMODIFIED_SINCE, now), modified) {
            (Some(given), Some(modified)) => modified <= given,
            _ => true,
        }
    }

    /// §13.1.3, likewise.
    fn is_not_modified(&self, modified: Option<SystemTime>, now: SystemTime) -> bool {
        match (date::only(&self.0, &IF_MODIFIED_SINCE, now), modified) {
            (Some(given), Some(modified)) => modified <= given,
            _ => false,
        }
    }
}

impl<'a> Current<'a> {
    /// What the head of an answer says of it. `tag` stands in where it has none.
    pub(crate) fn of(answer: &'a HeaderMap, tag: CurrentTag<'a>, now: SystemTime) -> Self {
        Self {
            tag: EntityTag::of(answer).map_or(tag, CurrentTag::Is),
            modified: date::only(answer, &LAST_MODIFIED, now),
        }
    }
}

/// Does the method only read, so that it is answered with 304?
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Has the method to do with a representation at all (§13.2.1)?
fn selects(method: &Method) -> bool {
    !matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE)
}

/// The second that a date can say; `None` before 1970, which no date here can.
fn to_second(time: SystemTime) -> Option<SystemTime> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()))
}

#[cfg(test)]
#[path = "precondition_tests.rs"]
mod tests;
