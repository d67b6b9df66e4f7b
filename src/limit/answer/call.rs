//! The answer that refuses a gRPC call: a status in one block of fields (Trailers-Only), so that clients may retry it (gRFC A6).
//!
//! Nothing of the call is in it, and nothing that differs from one client to another but the policies and the wait.

use std::time::Duration;

use http::{HeaderMap, Response};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, QuotaViolation, StatusExt};

use super::{Told, Why, longest_wait};

/// The most that a refusal's block of fields takes, in bytes as HTTP/2 counts them (RFC 9113 §6.5.2). Clients take no more than 8 KiB of a status
/// (gRPC over HTTP/2, Responses); some of it is left for what servers and layers outside add.
const LARGEST_BLOCK: usize = 7 * 1_024;
/// How many policies are named, each of which takes some 150 bytes.
const MOST_POLICIES: usize = 8;
/// What is left of a message that is too long, in characters, each of which may take 12 bytes.
const SHORTENED: usize = 256;

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How a call is refused.
#[derive(Debug)]
pub(crate) struct CallRefusal {
    code: Code,
    message: &'static str,
    details: ErrorDetails,
    /// How long its client is told to wait. None where no wait is enough.
    pub(crate) wait: Option<Duration>,
}

/// How a call is refused by the policies among `told`, `spread` seconds later than it has to be.
///
/// `RetryInfo` and `grpc-retry-pushback-ms` tell the same, in whole milliseconds rounded up, and never end before a `t` or reset that
/// [`tell`](super::tell) adds for the same policies. Only the latter ends at 24.8 days, the most that it can hold.
pub(crate) fn call_refusal(why: Why, told: &[Told<'_>], spread: u64) -> CallRefusal {
    let refusing = told.iter().filter(|told| told.refuses());
    let wait = longest_wait(why, refusing.clone()).map(|micros| {
        let millis = micros.div_ceil(1_000).max(1);
        Duration::from_millis(millis).saturating_add(Duration::from_secs(spread))
    });
    let (code, message) = outcome(why, wait.is_some());
    let mut details = ErrorDetails::new();
    if let Some(wait) = wait {
        details.set_retry_info(Some(wait));
    }
    let violations: Vec<QuotaViolation> = refusing.take(MOST_POLICIES).map(violation).collect();
    if !violations.is_empty() {
        details.set_quota_failure(violations);
    }
    CallRefusal {
        code,
        message,
        details,
        wait,
    }
}

impl CallRefusal {
    /// The status.
    pub(crate) fn status(self) -> Status {
        let mut metadata = MetadataMap::new();
        metadata.insert(PUSHBACK, pushback(self.wait).into());
        Status::with_error_details_and_metadata(self.code, self.message, self.details, metadata)
    }

    /// The same in the application's own words: what `own` does not say is added. What says that it went well refuses nothing, and is not taken.
    pub(crate) fn worded(self, own: Status) -> Status {
        if own.code() == Code::Ok {
            return self.status();
        }
        let mut metadata = own.metadata().clone();
        if !metadata.contains_key(PUSHBACK) {
            metadata.insert(PUSHBACK, pushback(self.wait).into());
        }
        let (code, message) = (own.code(), own.message());
        match own.details() {
            [] => Status::with_error_details_and_metadata(code, message, self.details, metadata),
            details => {
                let details = bytes::Bytes::copy_from_slice(details);
                Status::with_details_and_metadata(code, message, details, metadata)
            }
        }
    }
}

/// The code, and what it says in words. Each is one of a few constants.
const fn outcome(why: Why, has_wait: bool) -> (Code, &'static str) {
    match (why, has_wait) {
        (Why::Quota | Why::SharedQuota, false) => (
            Code::ResourceExhausted,
            "the call costs more than the quota ever allows",
        ),
        (Why::Quota, true) => (Code::ResourceExhausted, "the quota is used up"),
        (Why::SharedQuota, true) => (
            Code::ResourceExhausted,
            "all clients together ask for too much",
        ),
        (Why::Away, _) => (Code::Unavailable, "calls cannot be counted at the moment"),
        (Why::DeniedAddress, _) => (
            Code::PermissionDenied,
            "calls from this address are not served",
        ),
        // Which that code is not for: it takes a caller who is known.
        (Why::MissingIdentity, _) => (Code::Unauthenticated, "the call does not say whose it is"),
    }
}

fn violation(told: &Told<'_>) -> QuotaViolation {
    let policy = told.policy;
    let mut violation = QuotaViolation::new(&*policy.name, "the quota is used up");
    violation.quota_id = policy.name.to_string();
    violation.quota_value = i64::try_from(policy.amount).unwrap_or(i64::MAX);
    violation
}

/// Milliseconds, or that no retry will help (gRFC A6, Pushback).
fn pushback(wait: Option<Duration>) -> i32 {
    wait.map_or(-1, |wait| {
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    })
}

/// The block of fields that a status is sent in.
#[derive(Debug)]
pub(crate) struct Block(HeaderMap);

impl Block {
    /// That of `status`. What is too much for clients goes without its details and metadata, and with the beginning of its message.
    pub(crate) fn of(status: &Status) -> Self {
        let whole = fields(status.clone());
        match size(&whole) <= LARGEST_BLOCK {
            true => Self(whole),
            false => {
                let message: String = status.message().chars().take(SHORTENED).collect();
                let pushback = whole.get(PUSHBACK).cloned();
                let mut rest = fields(Status::new(status.code(), message));
                rest.extend(pushback.map(|value| (http::HeaderName::from_static(PUSHBACK), value)));
                Self(rest)
            }
        }
    }

    /// Puts it into an answer, and beside it what `tell` adds, if there is room.
    pub(crate) fn put<B>(self, response: &mut Response<B>, tell: impl FnOnce(&mut HeaderMap)) {
        let mut told = self.0.clone();
        tell(&mut told);
        *response.headers_mut() = match size(&told) <= LARGEST_BLOCK {
            true => told,
            false => self.0,
        };
    }
}

fn fields(status: Status) -> HeaderMap {
    let response: Response<()> = status.into_http();
    response.into_parts().0.headers
}

fn size(headers: &HeaderMap) -> usize {
    let of = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + 32
    };
    headers.iter().map(of).sum()
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
