//! What the heads of a request and its answer decide.

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES,
    LAST_MODIFIED, SET_COOKIE, TRAILER, UPGRADE, VARY,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};

use super::layer::{Options, Tags};
use crate::header::{ResponseDirectives, Scope};
use crate::precondition::{Conditions, Current, CurrentTag, Verdict, reads};

/// What a 304 keeps: the list of RFC 9110 §15.4.5 and the validator by date; cookies, which are for the client and not for its copy; and
/// what caches inside say of this very answer.
static IN_304: [HeaderName; 11] = [
    CACHE_CONTROL,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    VARY,
    SET_COOKIE,
    AGE,
    CACHE_STATUS,
    X_CACHE,
];

/// What a 412 keeps. It is about the request, so it must not inherit a lifetime with which a cache outside would keep it.
static IN_412: [HeaderName; 5] = [DATE, VARY, SET_COOKIE, CACHE_STATUS, X_CACHE];

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Types whose content is never whole.
const STREAMS: [&str; 2] = ["text/event-stream", "multipart/x-mixed-replace"];

/// What is remembered of a GET or HEAD until it is answered.
pub(super) struct Judge {
    pub(super) options: Options,
    method: Method,
    conditions: Conditions,
}

impl Judge {
    /// `None` for methods whose answers pass.
    pub(super) fn of<B>(request: &Request<B>, options: &Options) -> Option<Self> {
        let method = request.method();
        reads(method).then(|| Self {
            options: options.clone(),
            method: method.clone(),
            conditions: Conditions::of(request.headers()),
        })
    }

    /// Is this a head that gets a tag, if its body turns out whole and not empty?
    pub(super) fn wants_tag(&self, head: &Parts) -> bool {
        self.options.tags != Tags::None && is_taggable(head)
    }

    /// Is there a body to make a tag of? That of an answer to HEAD is not content.
    pub(super) fn has_content(&self) -> bool {
        self.method == Method::GET
    }

    /// What becomes of the answer. `tag` is what is known where the head has no `ETag`.
    pub(super) fn verdict(&self, head: &Parts, tag: CurrentTag<'_>) -> Verdict {
        // §13.2.1: without its conditions the answer would have been this one.
        if self.conditions.is_empty() || !head.status.is_success() {
            return Verdict::Proceed;
        }
        let now = self.options.clock.wall();
        let mut current = Current::of(&head.headers, tag, now);
        // A browser may hold what it was told for another person: dates do not tell them apart.
        if ResponseDirectives::parse(&head.headers).private != Scope::Absent {
            current.modified = None;
        }
        self.conditions.judge(&self.method, current, now)
    }
}

/// CO-01. A tag is never written over another, not even over one that cannot be read.
fn is_taggable(head: &Parts) -> bool {
    let headers = &head.headers;
    head.status == StatusCode::OK
        && ![ETAG, TRAILER, UPGRADE, CONTENT_RANGE]
            .iter()
            .any(|name| headers.contains_key(name))
        && !is_stream(headers)
        && !forbids_storing(headers)
}

fn is_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let essence = value.as_bytes().split(|&byte| byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    STREAMS
        .iter()
        .any(|stream| essence.eq_ignore_ascii_case(stream.as_bytes()))
}

/// What nobody may keep, nobody can ask about again. A member that cannot be read might have said so.
fn forbids_storing(headers: &HeaderMap) -> bool {
    let directives = ResponseDirectives::parse(headers);
    directives.no_store || directives.malformed
}

/// Makes the head a 304, with all its extensions.
pub(super) fn to_not_modified(head: &mut Parts) {
    head.status = StatusCode::NOT_MODIFIED;
    keep(&mut head.headers, &IN_304);
}

/// Makes the head a 412, likewise.
pub(super) fn to_precondition_failed(head: &mut Parts) {
    head.status = StatusCode::PRECONDITION_FAILED;
    keep(&mut head.headers, &IN_412);
}

fn keep(headers: &mut HeaderMap, kept: &[HeaderName]) {
    let all = std::mem::take(headers);
    for (name, value) in all.iter().filter(|(name, _)| kept.contains(name)) {
        headers.append(name, value.clone());
    }
}
