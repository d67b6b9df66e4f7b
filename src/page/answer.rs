//! Answering from what is stored: in full, in part, or by saying that the client has it (304).

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::account::{Shown, Told};
use super::body::PageBody;
use super::excerpt::not_modified;
use super::layer::Page;
use super::partial::Part;
use super::precondition::{Conditional, Selected};
use super::respond::{Inherited, Outcome, status_of};
use super::share::SharedPage;
use super::stored::{StoredPage, X_CACHE};
use crate::between::AsksReason;
use crate::clock::Now;
use crate::header::cache_status;
use crate::identity::Trace;
use crate::monitor::{Reason, Unanswered};
use crate::store::Record;

/// What a client wants of a stored response.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The request's fields, or those of them that bear on the answer.
    pub(super) headers: &'a HeaderMap,
    /// Is one of `If-None-Match`, `If-Modified-Since` among them?
    pub(super) conditional: bool,
    /// Is `Range`?
    pub(super) ranged: bool,
    pub(super) head_only: bool,
    pub(super) told: Told<'a>,
}

/// Answers from a record; `None` if its head is not one of ours.
pub(super) fn from_record<B>(
    page: &Page,
    record: &Record,
    wish: Wish<'_>,
    outcome: Outcome,
    now: Now,
) -> Option<Response<PageBody<B>>> {
    let stored = record.head.downcast::<StoredPage>()?;
    let cache = &page.cache.shared;
    let age = now.since(record.times.born).as_secs();
    let shown = wish.told.shown;
    let shows = shown != Shown::Nothing;
    let is_held = wish.conditional && holds(page, stored, record, wish);
    let outcome = match is_held {
        true => outcome.without_status(StatusCode::NOT_MODIFIED),
        false => outcome,
    };
    let is_plain = match outcome.reason {
        Reason::Hit => shown != Shown::Detail,
        Reason::StaleHit(_) => shown != Shown::Detail && !stored.is_cut_short(&record.times),
        _ => false,
    };
    let mut headers = if is_plain {
        stored.hit_headers(age, &cache.name, shows)
    } else {
        let ttl = match stored.is_cut_short(&record.times) {
            true => record.times.left(now),
            false => stored.ttl(age),
        };
        let status = status_of(&page.cache, outcome.with_ttl(ttl), wish.told);
        stored.shared_headers(Some(age), status, shows)
    };
    if page.policy.x_cache {
        headers.insert(X_CACHE, HeaderValue::from_static(outcome.reason.x_cache()));
    }
    let mut response = Response::new(PageBody::omitted());
    *response.status_mut() = stored.status();
    if is_held {
        headers = not_modified(&headers);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if wish.ranged && !wish.head_only && stored.status() == StatusCode::OK {
        let wall = cache.clock.wall();
        match Part::of(&Method::GET, wish.headers, &headers, &record.body, wall) {
            Part::Whole => *response.body_mut() = whole(stored, record),
            Part::One { headers: of, body } => {
                headers = of;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                *response.body_mut() = PageBody::stored(body, None);
            }
            Part::Many {
                headers: of,
                chunks,
                length,
            } => {
                headers = of;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                *response.body_mut() = PageBody::parts(chunks, length);
            }
            Part::Unsatisfiable { headers: of } => {
                headers = of;
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                *response.body_mut() = PageBody::stored(Bytes::new(), None);
            }
        }
    } else if !wish.head_only {
        *response.body_mut() = whole(stored, record);
    }
    *response.headers_mut() = headers;
    if outcome.reason != Reason::Hit {
        let extensions = response.extensions_mut();
        extensions.insert(outcome.reason);
        let mut inherited = Inherited::of(page, record.marks.clone());
        inherited.stale = matches!(
            outcome.reason,
            Reason::StaleHit(_) | Reason::StaleOnError(_)
        );
        extensions.insert(inherited);
    }
    let bytes = response.body().held();
    let took = stored.took_micros();
    match outcome.reason {
        Reason::Hit => wish.told.hit(bytes, took),
        Reason::StaleHit(_) => {
            wish.told.route.served(bytes, took);
            wish.told.count(outcome.reason);
        }
        // The handler was asked all the same.
        _ => {
            wish.told.route.served(bytes, 0);
            wish.told.count(outcome.reason);
        }
    }
    Some(response)
}

/// What layers further out want to know beside a plain hit: rare, and dear.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    /// What the answer depends on: a page layer.
    pub(super) for_marks: bool,
    /// That it is a hit: a limit that counts hits otherwise.
    pub(super) for_reason: bool,
}

impl Beside {
    pub(super) fn of(extensions: &http::Extensions) -> Self {
        Self::traced(Trace::of(extensions).is_some(), extensions)
    }

    /// The same where it is known whether the request carries a trace.
    pub(super) fn traced(is_traced: bool, extensions: &http::Extensions) -> Self {
        Self {
            for_marks: is_traced,
            for_reason: extensions.get::<AsksReason>().is_some(),
        }
    }
}

/// A plain hit.
pub(super) fn hit<B>(
    page: &Page,
    record: &Arc<Record>,
    wish: Wish<'_>,
    beside: Beside,
    now: Now,
) -> Option<Response<PageBody<B>>> {
    let mut response = from_record(page, record, wish, Outcome::of(Reason::Hit), now)?;
    if beside.for_marks {
        response
            .extensions_mut()
            .insert(Inherited::of(page, record.marks.clone()));
    }
    if beside.for_reason {
        response.extensions_mut().insert(Reason::Hit);
    }
    Some(response)
}

fn whole<B>(stored: &StoredPage, record: &Record) -> PageBody<B> {
    PageBody::stored(record.body.clone(), stored.trailers().cloned())
}

/// Does the client have already what is stored?
fn holds(page: &Page, stored: &StoredPage, record: &Record, wish: Wish<'_>) -> bool {
    let clock = &page.cache.shared.clock;
    let wall = clock.wall();
    // Without any date of its own the response counts from when it came (RFC 9111 §4.3.2).
    let since = clock.now().since(record.times.born);
    let received = wall.checked_sub(since).unwrap_or(wall);
    is_unmodified(
        wish.headers,
        stored.status(),
        stored.headers(),
        received,
        wall,
    )
}

fn is_unmodified(
    request: &HeaderMap,
    status: StatusCode,
    headers: &HeaderMap,
    received: SystemTime,
    now: SystemTime,
) -> bool {
    let selected = Selected {
        status,
        headers,
        received,
    };
    Conditional::of(request, &selected, now) == Conditional::NotModified
}

/// Answers from another request's flight; `None` if it can no longer be read from the beginning.
pub(super) fn from_flight<B>(
    page: &Page,
    shared: &SharedPage,
    wish: Wish<'_>,
    reason: Reason,
    now: Now,
) -> Option<Response<PageBody<B>>> {
    let cache = &page.cache.shared;
    let age = now.since(shared.times.born).as_secs();
    let status = status_of(&page.cache, Outcome::of(reason), wish.told);
    let mut headers = shared.head.shared_headers(
        (age > 0).then_some(age),
        status,
        wish.told.shown != Shown::Nothing,
    );
    if page.policy.x_cache {
        headers.insert(X_CACHE, HeaderValue::from_static(reason.x_cache()));
    }
    let wall = cache.clock.wall();
    let (code, body) = if wish.conditional
        && is_unmodified(
            wish.headers,
            shared.head.status(),
            shared.head.headers(),
            wall,
            wall,
        ) {
        headers = not_modified(&headers);
        (StatusCode::NOT_MODIFIED, PageBody::omitted())
    } else {
        (shared.head.status(), PageBody::recorded(shared.reader()?))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    let extensions = response.extensions_mut();
    extensions.insert(reason);
    extensions.insert(Inherited::of(page, shared.marks.clone()));
    wish.told.count(reason);
    Some(response)
}

/// An error of the cache's own. It is about no stored response, so it says nothing of one (RFC 9211 §2).
pub(super) fn unanswered<B>(page: &Page, why: Unanswered, told: Told<'_>) -> Response<PageBody<B>> {
    let (status, text) = match why {
        Unanswered::OnlyIfCached => (StatusCode::GATEWAY_TIMEOUT, "not stored here\n"),
        Unanswered::MustRevalidate => (
            StatusCode::GATEWAY_TIMEOUT,
            "what is stored must be validated, and the origin cannot be reached\n",
        ),
        Unanswered::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "no answer in time\n"),
        Unanswered::NotModified => (
            StatusCode::BAD_GATEWAY,
            "the origin confirms what was not asked about\n",
        ),
        Unanswered::Part => (
            StatusCode::BAD_GATEWAY,
            "the origin sends a part that was not asked for\n",
        ),
    };
    let reason = Reason::Unanswered(why);
    let mut response = Response::new(PageBody::stored(Bytes::from_static(text.as_bytes()), None));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if page.policy.x_cache {
        headers.insert(X_CACHE, HeaderValue::from_static(reason.x_cache()));
    }
    response.extensions_mut().insert(reason);
    told.count(reason);
    response
}

/// Turns a whole answer into a 304 where its client has it already. The body goes on being recorded, unread.
pub(super) fn spare_the_body<B>(
    page: &Page,
    mut response: Response<PageBody<B>>,
    conditions: &HeaderMap,
) -> Response<PageBody<B>> {
    let wall = page.cache.shared.clock.wall();
    if is_unmodified(
        conditions,
        response.status(),
        response.headers(),
        wall,
        wall,
    ) {
        let mut headers = not_modified(response.headers());
        // What one answer says of itself is for this client alone, and stays.
        for line in response.headers().get_all(http::header::SET_COOKIE) {
            headers.append(http::header::SET_COOKIE, line.clone());
        }
        *response.headers_mut() = headers;
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = PageBody::omitted();
    }
    response
}

/// Adds this cache's member to what an answer says.
pub(super) fn say<B>(page: &Page, response: &mut Response<B>, outcome: Outcome, told: Told<'_>) {
    if told.shown != Shown::Nothing {
        let status = status_of(&page.cache, outcome, told);
        cache_status::append(response.headers_mut(), status);
    }
    if page.policy.x_cache {
        // A map that has no room for one more line is too large to be sent.
        let _ = response
            .headers_mut()
            .try_insert(X_CACHE, HeaderValue::from_static(outcome.reason.x_cache()));
    }
}
