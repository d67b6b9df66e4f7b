//! Turning a decision into a response: from the store, from a flight, or from the handler.

use std::fmt;
use std::sync::Arc;

use http::header::DATE;
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode};

use super::account::{Shown, Told};
use super::answer::say;
use super::complete::name_in_vary;
use super::layer::Page;
use crate::cache::Cache;
use crate::header::cache_control::keep_private;
use crate::header::{Collapsed, Forwarded, Fwd, Member, date};
use crate::monitor::{Absence, Bypass, Reason};
use crate::request::RequestHead;
use crate::store::Mark;

/// Who sees `Cache-Status`.
#[derive(Clone)]
pub(crate) enum StatusField {
    Off,
    /// Everyone, without `detail`.
    On,
    /// Whom the predicate picks, with `key` and `detail`.
    If(Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>),
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
    /// Was something stale made into it?
    pub(super) stale: bool,
}

impl Inherited {
    pub(super) fn of(page: &Page, marks: Arc<[Mark]>) -> Self {
        Self {
            marks,
            separated: page.policy.has_computed_parts(),
            stale: false,
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
                stale: inner.stale,
            },
        };
        extensions.insert(merged);
    }
}

/// Did a page layer answer a request that carried a trace?
pub(crate) fn is_answered_by_a_page_layer(extensions: &Extensions) -> bool {
    extensions.get::<Inherited>().is_some() || extensions.get::<Reason>().is_some()
}

/// Finishes what the handler answered: the reason goes into its fields, its extensions and the counters, and `marks` to the layers outside.
pub(super) fn forwarded<B>(
    page: &Page,
    response: &mut Response<B>,
    reason: Reason,
    told: Told<'_>,
    marks: &[Mark],
) {
    say(page, response, Outcome::of(reason), told);
    if reason != Reason::Bypassed(Bypass::Method) {
        // Also what is not stored here may be, by a cache outside.
        name_in_vary(response.headers_mut(), page.policy.key_fields());
    }
    // The answer to a POST may serve GETs elsewhere, too.
    if page.policy.identity.is_some() {
        keep_private(response.headers_mut());
    }
    Inherited::add(page, response.extensions_mut(), marks);
    response.extensions_mut().insert(reason);
    told.count(reason);
}

/// What became of a request, as `Cache-Status` tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) reason: Reason,
    /// The status of the handler's answer, where another one is sent.
    status: Option<StatusCode>,
    ttl: Option<i64>,
    /// Was what was confirmed filed again?
    stored: bool,
    /// What the store lacked, where the reason does not say.
    absence: Absence,
}

impl Outcome {
    pub(super) const fn of(reason: Reason) -> Self {
        Self {
            reason,
            status: None,
            ttl: None,
            stored: true,
            absence: Absence::Stale,
        }
    }

    pub(super) const fn with_stored(mut self, stored: bool) -> Self {
        self.stored = stored;
        self
    }

    /// What stood in for the handler was not fresh, or not fresh enough for the request.
    pub(super) const fn with_absence(mut self, absence: Absence) -> Self {
        self.absence = absence;
        self
    }

    /// The handler answered with this status, and the client gets another.
    pub(super) const fn with_status(mut self, status: Option<StatusCode>) -> Self {
        self.status = status;
        self
    }

    /// The client gets this status too, so that it need not be told (RFC 9211 §2.3).
    pub(super) fn without_status(mut self, sent: StatusCode) -> Self {
        self.status = self.status.filter(|status| *status != sent);
        self
    }

    /// What is left of the lifetime, in seconds.
    pub(super) const fn with_ttl(mut self, ttl: i64) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

pub(super) fn status_of(cache: &Cache, outcome: Outcome, told: Told<'_>) -> HeaderValue {
    let fwd = |absence| match absence {
        Absence::Uri => Fwd::UriMiss,
        Absence::Vary => Fwd::VaryMiss,
        Absence::Stale => Fwd::Stale,
        Absence::Request => Fwd::Request,
        Absence::Partial => Fwd::Partial,
    };
    let name = &cache.shared.name;
    let reason = outcome.reason;
    let forwarded = |reason, stored, collapsed| {
        Member::forwarded(
            name,
            Forwarded {
                reason,
                status: outcome.status,
                stored,
                collapsed,
            },
        )
    };
    let (member, ttl) = match reason {
        Reason::Hit | Reason::StaleHit(_) => (Member::hit(name), true),
        Reason::Validated(absence) => (forwarded(fwd(absence), outcome.stored, None), true),
        Reason::StaleOnError(_) => (forwarded(fwd(outcome.absence), false, None), true),
        Reason::Collapsed(absence) => {
            let shared = Some(Collapsed::Shared);
            (forwarded(fwd(absence), false, shared), false)
        }
        Reason::Stored(absence) => (forwarded(fwd(absence), true, None), false),
        Reason::StoredAlone(absence) => {
            let alone = Some(Collapsed::Alone);
            (forwarded(fwd(absence), true, alone), false)
        }
        Reason::Refused(absence, _) => (forwarded(fwd(absence), false, None), false),
        Reason::RefusedAlone(absence, _) => {
            let alone = Some(Collapsed::Alone);
            (forwarded(fwd(absence), false, alone), false)
        }
        Reason::Bypassed(Bypass::Method) => (forwarded(Fwd::Method, false, None), false),
        Reason::Bypassed(Bypass::Head) => (forwarded(Fwd::UriMiss, false, None), false),
        Reason::Bypassed(_) | Reason::Unanswered(_) => (forwarded(Fwd::Bypass, false, None), false),
    };
    let member = match outcome.ttl {
        Some(seconds) if ttl => member.ttl(seconds),
        _ => member,
    };
    if told.shown != Shown::Detail {
        return member.to_value();
    }
    let member = told.key.into_iter().fold(member, Member::key);
    let member = reason.detail().into_iter().fold(member, Member::detail);
    member.to_value()
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
