//! May this response be stored for others? (RFC 9111 §3, and SPEC section 6 where it is stricter.)

use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION,
    CONTENT_ENCODING, CONTENT_TYPE, COOKIE, ETAG, HOST, LAST_MODIFIED, ORIGIN, PROXY_AUTHORIZATION,
    SET_COOKIE, UPGRADE,
};
use http::{HeaderMap, HeaderName, StatusCode};

use super::control::PageControl;
use super::freshness::{Exchange, Explicit, born, explicit_lifetime, heuristic_lifetime, lifetime};
use super::part;
use super::policy::{Policy, TtlOrder};
use super::preset::STALE_KEPT;
use super::terms::Terms;
use crate::clock::Now;
use crate::header::{ContentLength, Lifetime, ResponseDirectives, Scope, Vary};
use crate::monitor::NotStored;
use crate::store::Times;

/// The fields that a handler on a shared route does not see.
pub(super) const WITHHELD: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// The most field names in a `Vary` that is kept (SEC-DOS-07).
const MOST_VARY_NAMES: usize = 8;

/// The most field lines of a response that is stored, and the most bytes of all of them.
const MOST_FIELDS: usize = 512;
const LARGEST_HEAD: usize = 64 * 1_024;

/// The longest that an error is stored, whoever gave it its lifetime (SEC-DOS-01).
const LONGEST_ERROR: Duration = Duration::from_secs(60);

/// What of the request bears on storing its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// It carries credentials that the handler saw.
    pub(super) credentials: bool,
    /// Further fields that the handlers of shared routes do not see.
    pub(super) withheld: &'a [HeaderName],
    /// They are an `Authorization` field alone (RFC 9111 §3.5).
    pub(super) authorization_alone: bool,
    /// The key holds the person who asked, so that what is stored is that person's.
    pub(super) for_one_person: bool,
    /// The handler, or an extractor, read who was asking, and the key does not hold that.
    pub(super) identity_read: bool,
    /// Can its path be read in one way only? See [`is_plain_path`].
    pub(super) plain_path: bool,
    /// The layer's lifetime when the handler gives none of its own.
    pub(super) default_ttl: Duration,
}

/// A response that may be stored, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) times: Times,
    pub(super) lifetime: Duration,
    pub(super) terms: Terms,
    /// The request fields that select it, sorted.
    pub(super) vary: Vec<HeaderName>,
    /// The length of the body, where it is known.
    pub(super) length: Option<u64>,
}

/// Decides from the heads alone. `length` is what the body says of its own length.
pub(super) fn storable(
    status: StatusCode,
    headers: &HeaderMap,
    control: PageControl,
    length: Option<u64>,
    asked: Asked<'_>,
    policy: &Policy,
    exchange: &Exchange,
) -> Result<Plan, NotStored> {
    let (directives, targeted) = ResponseDirectives::of(headers, &policy.rules.targets);
    permitted_by_directives(status, &directives, asked, policy)?;
    if !control.stores() {
        return Err(NotStored::Handler);
    }
    permitted_for_everyone(headers, &directives, asked, policy)?;
    let mut vary = permitted_by_vary(headers, &directives, asked)?;
    // They are in the key, as the handler saw them.
    vary.retain(|name| name != HOST && !part::holds(&policy.parts, name));
    if policy.shared {
        // The handler saw none of them, so they select nothing.
        vary.retain(|name| !WITHHELD.contains(name) && !asked.withheld.contains(name));
    }
    let length = permitted_by_form(status, headers, length, policy)?;

    let explicit = explicit_lifetime(&directives, headers, targeted, exchange);
    let class = class_of(status, policy);
    let own = match class {
        Class::Never => return Err(NotStored::Status),
        _ if !asked.plain_path => None,
        Class::Page => policy.ttl.or(policy.ttl_of(status)),
        Class::Redirect | Class::Error => policy.ttl_of(status),
    };
    let longest = match class {
        // Who names a lifetime for a status knows better.
        Class::Error if policy.ttl_of(status).is_none() => LONGEST_ERROR,
        _ => Duration::MAX,
    };
    let handler = control
        .lifetime(asked.default_ttl)
        .map(|span| span.min(longest));
    let order = match own.or(handler) {
        Some(_) => policy.order,
        None => TtlOrder::ResponseFirst,
    };
    let most = policy.max_ttl.min(longest);
    let guess = || {
        let may_guess = is_heuristically_cacheable(status) || directives.public;
        let heuristic = policy.rules.heuristic.filter(|_| may_guess)?;
        Some(heuristic_lifetime(headers, heuristic, exchange).min(most))
    };
    let lifetime = lifetime(explicit, handler, own, order, most)
        .or_else(guess)
        .ok_or(NotStored::NoLifetime)?;
    let overridden = order == TtlOrder::PolicyFirst && explicit != Explicit::Absent;
    let born = match born(headers, policy.rules.lenient_age, exchange) {
        // The age that a response came with belongs to the lifetime that it came with.
        _ if overridden => Some(exchange.answered),
        born => born,
    };
    let terms = Terms::of(&directives, policy);
    let validates = policy.rules.validates && has_validator(headers);
    let (lifetime, born) = match born {
        Some(born) => (lifetime, born),
        // An age that cannot be read is more than any lifetime.
        None => (Duration::ZERO, exchange.answered),
    };
    let fresh_until = born + lifetime;
    let is_stale = fresh_until <= exchange.answered || lifetime.is_zero();
    // What came too late to be fresh may still be wanted: by `max-stale`, or while nobody can be reached.
    let has_use = policy.rules.unreachable && !terms.no_stale && !lifetime.is_zero();
    if (is_stale && !terms.says_stale && !validates && !has_use) || (terms.no_cache && !validates) {
        return Err(match terms.no_cache {
            true => NotStored::NoCache,
            false => NotStored::Expired,
        });
    }
    let times = Times {
        born,
        fresh_until,
        keep_until: keep_until(headers, fresh_until, &terms, policy, exchange),
    };
    if times.keep_until <= exchange.answered {
        return Err(NotStored::Expired);
    }
    Ok(Plan {
        times,
        lifetime,
        terms,
        vary,
        length,
    })
}

/// Until when it is kept: while it is fresh, while its terms let it answer, and for a while longer if it can be validated.
fn keep_until(
    headers: &HeaderMap,
    fresh_until: Now,
    terms: &Terms,
    policy: &Policy,
    exchange: &Exchange,
) -> Now {
    if let Some(keep) = policy.keep {
        return (exchange.answered + keep).max(fresh_until);
    }
    let is_worth_keeping = has_validator(headers) || (policy.rules.unreachable && !terms.no_stale);
    let stale = match is_worth_keeping {
        true => terms.longest().max(STALE_KEPT),
        false => terms.longest(),
    };
    fresh_until + stale
}

/// Can the handler be asked whether it still holds?
pub(super) fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED)
}

/// Does every router and every cache read this path alike?
///
/// Where one decodes what another does not, a private page stands under an address that looks public. Such a page is stored only for a
/// lifetime that the response or its handler gives, not for that of the policy (SEC-DEC-03): encoded `/ \ . ? # ;` and NUL, dot segments,
/// empty segments, and escapes that are none.
pub(super) fn is_plain_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment == "." || segment == ".." || (segment.is_empty() && !is_last) {
            return false;
        }
    }
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let escape = rest
            .get(at + 1..at + 3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = escape
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if byte.is_none_or(|byte| b"/\\.?#;\0".contains(&byte)) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

/// How a status code is stored.
enum Class {
    /// For the policy's lifetime, or its own.
    Page,
    /// For a lifetime of its own alone.
    Redirect,
    /// For a lifetime of its own alone, and not for long.
    Error,
    /// Not at all.
    Never,
}

/// The final status codes that are understood here (RFC 9110 §15.1). 206 and 304 are parts of something else; 428, 429, 431 and 511 are never
/// stored (RFC 6585); other errors by one request's fault must not be everybody's (SEC-DOS-01).
fn class_of(status: StatusCode, policy: &Policy) -> Class {
    match status.as_u16() {
        200 | 203 | 204 | 300 | 301 | 308 => Class::Page,
        302 | 303 | 307 => Class::Redirect,
        // A part is a page of its own kind where parts are stored; see `parts`.
        206 if policy.rules.parts => Class::Redirect,
        // What is about one request's conditions, range or expectations is for nobody else.
        100..=199 | 206 | 304 | 412 | 416 | 417 | 428 | 429 | 431 | 511 => Class::Never,
        // Whatever it means, it says how long.
        _ if policy.rules.any_status => Class::Redirect,
        404 | 405 | 410 | 414 | 451 | 501 => Class::Error,
        _ if policy.ttl_of(status).is_some() => Class::Error,
        _ => Class::Never,
    }
}

/// RFC 9110 §15.1, RFC 7725 §3.
fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 451 | 501
    )
}

/// Is the status code one of those that RFC 9110 §15 defines, so that its rules are known (RFC 9111 §5.2.2.3)?
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 451 | 500..=505
    )
}

fn permitted_by_directives(
    status: StatusCode,
    directives: &ResponseDirectives,
    asked: Asked<'_>,
    policy: &Policy,
) -> Result<(), NotStored> {
    if directives.malformed {
        return Err(NotStored::Malformed);
    }
    let understood = !matches!(class_of(status, policy), Class::Never) && is_understood(status);
    if directives.must_understand && !understood {
        return Err(NotStored::MustUnderstand);
    }
    // With `must-understand`, `no-store` is for caches that do not understand the status (§5.2.2.3).
    if directives.no_store && !directives.must_understand {
        return Err(NotStored::NoStore);
    }
    // The qualified forms count as the whole: the safer reading that §5.2.2.4 and §5.2.2.7 allow.
    if directives.private != Scope::Absent && !asked.for_one_person {
        return Err(NotStored::Private);
    }
    if directives.no_cache != Scope::Absent && !policy.rules.validates {
        return Err(NotStored::NoCache);
    }
    Ok(())
}

/// Nothing that one person caused may be answered to another, unless the response says that it is for all.
fn permitted_for_everyone(
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    asked: Asked<'_>,
    policy: &Policy,
) -> Result<(), NotStored> {
    if headers.contains_key(SET_COOKIE) {
        return Err(NotStored::SetCookie);
    }
    if headers.contains_key("authentication-info") || headers.contains_key("clear-site-data") {
        return Err(NotStored::PerPerson);
    }
    if asked.identity_read {
        return Err(NotStored::Identity);
    }
    if asked.credentials && !shares(directives, asked.authorization_alone, policy) {
        return Err(NotStored::Credentials);
    }
    Ok(())
}

/// Does an answer to credentials say that it is for all?
pub(super) fn shares(
    directives: &ResponseDirectives,
    authorization_alone: bool,
    policy: &Policy,
) -> bool {
    // A lifetime of zero for shared caches, or one that cannot be read, is no permission, whatever lifetime the policy gives instead.
    directives.public
        || matches!(directives.s_maxage, Lifetime::Seconds(1..))
        // To the letter of §3.5, which is about `Authorization` and nothing else.
        || (policy.rules.authorization && authorization_alone && directives.must_revalidate)
}

fn permitted_by_vary(
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    asked: Asked<'_>,
) -> Result<Vec<HeaderName>, NotStored> {
    let vary = match Vary::parse(headers, MOST_VARY_NAMES) {
        Vary::None => Vec::new(),
        Vary::Fields(names) => names,
        Vary::Any => return Err(NotStored::VaryAny),
        Vary::TooMany => return Err(NotStored::VaryBounds),
    };
    let mut vary = vary;
    // A coding is never answered to a client that may not accept it, also if the handler forgot to say so (RFC 9110 §12.5.3).
    if headers.contains_key(CONTENT_ENCODING) && !vary.contains(&ACCEPT_ENCODING) {
        vary.push(ACCEPT_ENCODING);
        vary.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    }
    // An answer to one origin must be selected by it (SEC-COOKIE-04).
    let mut origins = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    if origins.any(|origin| origin != "*") && !vary.contains(&ORIGIN) {
        return Err(NotStored::Cors);
    }
    let is_for_many = !directives.public && !asked.for_one_person;
    if headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS) && is_for_many {
        return Err(NotStored::Cors);
    }
    Ok(vary)
}

/// More fields, or more of them in bytes, than are kept.
pub(super) fn is_too_large(headers: &HeaderMap) -> bool {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    headers.len() > MOST_FIELDS || size > LARGEST_HEAD
}

fn permitted_by_form(
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
    policy: &Policy,
) -> Result<Option<u64>, NotStored> {
    if is_too_large(headers) {
        return Err(NotStored::Fields);
    }
    let is_event_stream = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| starts_with_ignoring_case(kind.as_bytes(), b"text/event-stream"));
    if is_event_stream || headers.contains_key(UPGRADE) || status.is_informational() {
        return Err(NotStored::Stream);
    }
    let length = match (ContentLength::parse(headers), length) {
        (ContentLength::Invalid, _) => return Err(NotStored::Length),
        (ContentLength::Bytes(said), Some(is)) if said != is => return Err(NotStored::Length),
        (ContentLength::Bytes(said), _) => Some(said),
        (ContentLength::Absent, length) => length,
    };
    if length.is_some_and(|length| length > policy.max_body as u64) {
        return Err(NotStored::TooLarge);
    }
    Ok(length)
}

fn starts_with_ignoring_case(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

#[cfg(test)]
#[path = "storable_tests.rs"]
mod tests;
