//! Turning a decision into a response: from the store, from a flight, or from the handler.

use std::fmt;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, DATE, EXPIRES, VARY};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response};

use super::body::PageBody;
use super::layer::Page;
use super::policy::Policy;
use super::request::RequestHead;
use super::share::SharedPage;
use super::stored::{ClientTtl, StoredPage, X_CACHE};
use crate::cache::Cache;
use crate::clock::Now;
use crate::header::{
    Collapsed, Forwarded, Fwd, Lifetime, Member, ResponseDirectives, Scope, cache_control,
    cache_status, date, has_token,
};
use crate::identity::Trace;
use crate::monitor::{Absence, Bypass, Reason};
use crate::store::{Mark, Record};

/// Who sees `Cache-Status`.
#[derive(Clone)]
pub(crate) enum StatusField {
    Off,
    /// Everyone, without `detail`.
    On,
    /// Whom the predicate picks, with `detail`.
    If(Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>),
}

/// What one request may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Status,
    Detail,
}

impl StatusField {
    pub(super) fn shown_to(&self, head: &RequestHead<'_>) -> Shown {
        match self {
            Self::Off => Shown::Nothing,
            Self::On => Shown::Status,
            Self::If(admits) if admits(head) => Shown::Detail,
            Self::If(_) => Shown::Nothing,
        }
    }
}

impl fmt::Debug for StatusField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::On => "On",
            Self::If(_) => "If",
        })
    }
}

/// What a page layer round this one must know of an answer.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    /// Which purges strike it.
    pub(super) marks: Arc<[Mark]>,
    /// Does it depend on what only this layer's key knows?
    pub(super) separated: bool,
}

impl Inherited {
    fn of(page: &Page, marks: Arc<[Mark]>) -> Self {
        Self {
            marks,
            separated: page.policy.has_computed_parts(),
        }
    }

    /// Adds what this layer knows to what layers within have said.
    pub(super) fn add(page: &Page, extensions: &mut Extensions, marks: &[Mark]) {
        let own = Self::of(page, marks.into());
        let merged = match extensions.get::<Self>() {
            None if own.marks.is_empty() && !own.separated => return,
            None => own,
            Some(inner) => Self {
                marks: inner.marks.iter().chain(marks).copied().collect(),
                separated: inner.separated || own.separated,
            },
        };
        extensions.insert(merged);
    }
}

/// Answers from the store.
pub(super) fn hit<B>(
    page: &Page,
    record: &Arc<Record>,
    head: &RequestHead<'_>,
    head_only: bool,
    now: Now,
) -> Option<Response<PageBody<B>>> {
    let cache = &page.cache.shared;
    let stored = record.head.downcast::<StoredPage>()?;
    let shows = cache.status.shown_to(head) != Shown::Nothing;
    let age = now.since(record.times.born).as_secs();
    let mut headers = stored.hit_headers(age, &cache.name, shows);
    if page.policy.x_cache {
        headers.insert(X_CACHE, HeaderValue::from_static("HIT"));
    }
    let body = if head_only {
        PageBody::omitted()
    } else {
        PageBody::stored(record.body.clone(), stored.trailers().cloned())
    };
    let mut response = Response::new(body);
    *response.status_mut() = stored.status();
    *response.headers_mut() = headers;
    // Rare, and dear: only a page layer further out needs to know what this answer depends on.
    if Trace::of(head.extensions).is_some() {
        response
            .extensions_mut()
            .insert(Inherited::of(page, record.marks.clone()));
    }
    cache.counters.count(Reason::Hit);
    Some(response)
}

/// Answers from another request's flight; `None` if it can no longer be read from the beginning.
pub(super) fn collapsed<B>(
    page: &Page,
    shared: &SharedPage,
    shown: Shown,
    absence: Absence,
    now: Now,
) -> Option<Response<PageBody<B>>> {
    let reader = shared.reader()?;
    let cache = &page.cache.shared;
    let reason = Reason::Collapsed(absence);
    let age = now.since(shared.times.born).as_secs();
    let status = status_of(&page.cache, reason, shown);
    let mut headers = shared
        .head
        .shared_headers(age, status, shown != Shown::Nothing);
    if page.policy.x_cache {
        headers.insert(X_CACHE, HeaderValue::from_static(reason.x_cache()));
    }
    let mut response = Response::new(PageBody::recorded(reader));
    *response.status_mut() = shared.head.status();
    *response.headers_mut() = headers;
    let extensions = response.extensions_mut();
    extensions.insert(reason);
    extensions.insert(Inherited::of(page, shared.marks.clone()));
    cache.counters.count(reason);
    Some(response)
}

/// Finishes what the handler answered: the reason goes into its fields, its extensions and the counters, and `marks` to the layers outside.
pub(super) fn forwarded<B>(
    page: &Page,
    response: &mut Response<B>,
    reason: Reason,
    shown: Shown,
    marks: &[Mark],
) {
    if shown != Shown::Nothing {
        let status = status_of(&page.cache, reason, shown);
        cache_status::append(response.headers_mut(), status);
    }
    if page.policy.x_cache {
        response
            .headers_mut()
            .insert(X_CACHE, HeaderValue::from_static(reason.x_cache()));
    }
    if reason != Reason::Bypassed(Bypass::Method) {
        // Also what is not stored here may be, by a cache outside.
        name_in_vary(response.headers_mut(), page.policy.key_fields());
    }
    Inherited::add(page, response.extensions_mut(), marks);
    response.extensions_mut().insert(reason);
    page.cache.shared.counters.count(reason);
}

fn status_of(cache: &Cache, reason: Reason, shown: Shown) -> HeaderValue {
    let fwd = |absence| match absence {
        Absence::Uri => Fwd::UriMiss,
        Absence::Vary => Fwd::VaryMiss,
        Absence::Stale => Fwd::Stale,
    };
    let (reason_token, stored, collapsed) = match reason {
        Reason::Hit => return Member::hit(&cache.shared.name).to_value(),
        Reason::Collapsed(absence) => (fwd(absence), false, Some(Collapsed::Shared)),
        Reason::Stored(absence) => (fwd(absence), true, None),
        Reason::StoredAlone(absence) => (fwd(absence), true, Some(Collapsed::Alone)),
        Reason::Refused(absence, _) => (fwd(absence), false, None),
        Reason::RefusedAlone(absence, _) => (fwd(absence), false, Some(Collapsed::Alone)),
        Reason::Bypassed(Bypass::Method) => (Fwd::Method, false, None),
        Reason::Bypassed(Bypass::Head) => (Fwd::UriMiss, false, None),
        Reason::Bypassed(_) => (Fwd::Bypass, false, None),
    };
    let member = Member::forwarded(
        &cache.shared.name,
        Forwarded {
            reason: reason_token,
            status: None,
            stored,
            collapsed,
        },
    );
    match (shown, reason.detail()) {
        (Shown::Detail, Some(detail)) => member.detail(detail).to_value(),
        _ => member.to_value(),
    }
}

/// Completes the fields of a page that is stored, as everyone gets them from now on.
///
/// `Date` is when the response came, if it does not say (RFC 9110 §6.6.1). Fields that select it are in `Vary`. And a client that is
/// told nothing is told to ask each time, since its copy cannot be purged, or to keep it as long as the policy allows; that is returned, since
/// hits say it anew.
pub(super) fn complete_fields(
    headers: &mut HeaderMap,
    policy: &Policy,
    vary: &[HeaderName],
    wall: std::time::SystemTime,
) -> Option<ClientTtl> {
    if headers
        .get(DATE)
        .and_then(|value| date::parse(value, wall))
        .is_none()
        && let Some(now) = date::format(wall)
    {
        headers.insert(DATE, now);
    }
    name_in_vary(headers, policy.key_fields().chain(vary));
    let directives = ResponseDirectives::parse(headers);
    let for_clients = directives.max_age != Lifetime::Absent
        || directives.no_cache != Scope::Absent
        || headers.contains_key(EXPIRES);
    if for_clients {
        return None;
    }
    if let Some(ttl) = policy.client_ttl {
        let mut before = joined(headers);
        // Caches outside cannot know what the key depends on.
        if policy.has_computed_parts() && !directives.public {
            before = if before.is_empty() {
                "private".to_owned()
            } else {
                format!("private, {before}")
            };
        }
        let client = ClientTtl {
            before,
            seconds: ttl.as_secs(),
        };
        headers.insert(CACHE_CONTROL, client.at(0));
        return Some(client);
    }
    if directives.s_maxage == Lifetime::Absent {
        cache_control::append(headers, HeaderValue::from_static("no-cache"));
    }
    None
}

fn name_in_vary<'a>(headers: &mut HeaderMap, names: impl Iterator<Item = &'a HeaderName>) {
    for name in names {
        if !has_token(headers, &VARY, name.as_str()) {
            headers.append(VARY, HeaderValue::from(name.clone()));
        }
    }
}

/// The directives there are, as one line.
fn joined(headers: &HeaderMap) -> String {
    let lines: Vec<_> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    lines.join(", ")
}

/// What a complete answer's `Date` says, in seconds since the epoch.
pub(super) fn date_seconds(headers: &HeaderMap, wall: std::time::SystemTime) -> u64 {
    headers
        .get(DATE)
        .and_then(|value| date::parse(value, wall))
        .unwrap_or(wall)
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
