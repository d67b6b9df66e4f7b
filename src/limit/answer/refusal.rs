//! The answer that refuses: a problem document (RFC 9457), or a line of text for whom it says nothing.
//!
//! Nothing of the request is in it, and nothing that differs from one client to another but the policies and the wait.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use super::{SECOND, Told, longest_wait, wire};
use crate::header::accept;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A quota of this client is used up, or never holds what the request costs.
    Quota,
    /// A quota that all clients share is used up, for which none of them is to blame (RFC 6585 §4).
    SharedQuota,
    /// The limiter cannot be asked, and a quota refuses then.
    Away,
    /// The address is on a list of those that are denied.
    DeniedAddress,
    /// The request does not say whose it is.
    ///
    /// That is no 401, which had to tell how to authenticate (RFC 9110 §15.5.2), and the limit does not know.
    MissingIdentity,
}

impl Why {
    /// The status of a request that is refused for it.
    #[cfg_attr(not(feature = "tonic"), expect(dead_code))]
    pub(crate) fn status(self, may_come_back: bool) -> StatusCode {
        Problem::of(self, may_come_back.then_some(1)).status
    }
}

/// What a client learns of it. Each is one of a few constants.
#[derive(Clone, Copy)]
struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: &'static str,
}

/// The types that a problem document can be taken for: who reads JSON reads it, too.
const DOCUMENT: &[&str] = &["application/problem+json", "application/json"];
const TEXT: &[&str] = &["text/plain"];

/// The answer to a request with these fields, by the policies among `told` that refuse it.
///
/// `Retry-After` is late by `spread` seconds, so that clients who were refused together do not come back together.
/// It never ends before a `t` or reset that [`tell`](super::tell) adds for the same policies.
pub(crate) fn refusal(
    why: Why,
    told: &[Told<'_>],
    spread: u64,
    request: &HeaderMap,
) -> Response<Bytes> {
    let refusing = told.iter().filter(|told| told.refuses());
    let wait = longest_wait(why, refusing.clone()).map(|micros| micros.div_ceil(SECOND).max(1));
    let problem = Problem::of(why, wait);
    // A refusal is no place to negotiate: whom neither form suits gets the one that anybody can read.
    let is_document = accept::choose(request, &[DOCUMENT, TEXT]) == Some(0);

    let (body, content_type) = if is_document {
        let violated = refusing.map(|told| &*told.policy.name);
        (problem.document(violated), "application/problem+json")
    } else {
        (problem.text(), "text/plain; charset=utf-8")
    };
    let mut response = Response::new(body);
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // RFC 6585 §4 wants that of 429 alone; but no refusal is an answer to anybody else.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = wait {
        let seconds = wire::integer(seconds.saturating_add(spread));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl Problem {
    const QUOTA: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        kind: wire::QUOTA_EXCEEDED,
        title: "Request cannot be satisfied as assigned quota has been exceeded",
        detail: "The quota is used up. Retry-After tells when to try again.",
    };
    const TOO_COSTLY: Self = Self {
        detail: "The request costs more than the quota ever allows. Trying again will not help.",
        ..Self::QUOTA
    };
    const SHARED_QUOTA: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: wire::TEMPORARY_REDUCED_CAPACITY,
        title: "Request cannot be satisfied due to temporary server capacity constraints",
        detail: "All clients together ask for too much. Retry-After tells when to try again.",
    };
    const AWAY: Self = Self {
        detail: "Requests cannot be counted at the moment. Retry-After tells when to try again.",
        ..Self::SHARED_QUOTA
    };
    const DENIED_ADDRESS: Self = Self {
        status: StatusCode::FORBIDDEN,
        // Which says as much as the status does (RFC 9457 §4.2.1).
        kind: "about:blank",
        title: "Forbidden",
        detail: "Requests from this address are not served.",
    };
    const MISSING_IDENTITY: Self = Self {
        detail: "The request does not say whose it is.",
        ..Self::DENIED_ADDRESS
    };

    /// That of a request which has to wait so long, or for which no wait is enough.
    const fn of(why: Why, wait: Option<u64>) -> Self {
        match (why, wait) {
            // Whoever shares the quota: it is the request that is at fault.
            (Why::Quota | Why::SharedQuota, None) => Self::TOO_COSTLY,
            (Why::Quota, Some(_)) => Self::QUOTA,
            (Why::SharedQuota, Some(_)) => Self::SHARED_QUOTA,
            (Why::Away, _) => Self::AWAY,
            (Why::DeniedAddress, _) => Self::DENIED_ADDRESS,
            (Why::MissingIdentity, _) => Self::MISSING_IDENTITY,
        }
    }

    fn document<'a>(&self, violated: impl Iterator<Item = &'a str>) -> Bytes {
        let mut members = Map::new();
        members.insert("type".into(), self.kind.into());
        members.insert("title".into(), self.title.into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("detail".into(), self.detail.into());
        let violated: Vec<Value> = violated.map(Value::from).collect();
        if !violated.is_empty() {
            members.insert(wire::VIOLATED_POLICIES.into(), violated.into());
        }
        Bytes::from(Value::Object(members).to_string())
    }

    fn text(&self) -> Bytes {
        Bytes::from(format!("{}\n", self.detail))
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
