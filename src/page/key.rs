//! The key of a page: every part typed and length-prefixed, so that distinct requests never share one.

use std::borrow::Cow;
use std::fmt;

use http::uri::Authority;
use http::{HeaderValue, Uri};

use super::asker::Owner;
use super::policy::{Forwarding, Policy};
use super::query::QueryRule;
use super::screen::{FORWARDING, Seen};
use crate::monitor::Bypass;
use crate::mutant::is_off;
use crate::request::RequestHead;

/// The most that all forwarding fields of a request may add to its key.
const MOST_FORWARDING: usize = 1_024;

/// The longest key; a target of 8 KiB, as servers commonly allow, fits twice.
const LONGEST: usize = 32 * 1_024;

/// The key of a page, for [`Cache::purge_key`](crate::Cache::purge_key). Made by [`CacheLayer::key`](crate::CacheLayer::key).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageKey(pub(super) Box<[u8]>);

impl PageKey {
    /// Its bytes, as the store sees them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys hold addresses, and addresses hold secrets.
        write!(f, "PageKey({} bytes)", self.0.len())
    }
}

/// Bytes on the stack while they are few.
#[derive(Clone)]
pub(super) struct KeyBuf {
    inline: [u8; Self::INLINE],
    len: usize,
    spilled: Vec<u8>,
    /// How much of it is the page's, without the depth of the layer.
    core: usize,
}

impl KeyBuf {
    const INLINE: usize = 256;

    pub(super) fn new() -> Self {
        Self {
            inline: [0; Self::INLINE],
            len: 0,
            spilled: Vec::new(),
            core: 0,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            &self.inline[..self.len]
        } else {
            &self.spilled
        }
    }

    pub(super) fn core(&self) -> usize {
        self.core
    }

    /// Adds bytes behind the key of a page.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if self.spilled.is_empty() && end <= Self::INLINE {
            self.inline[self.len..end].copy_from_slice(bytes);
            self.len = end;
            return;
        }
        if self.spilled.is_empty() {
            self.spilled.reserve(end.max(2 * Self::INLINE));
            self.spilled.extend_from_slice(&self.inline[..self.len]);
        }
        self.spilled.extend_from_slice(bytes);
    }

    /// One part: what it is, how long it is, and its bytes.
    fn part(&mut self, kind: Part, bytes: &[u8]) {
        let mut prefix = [kind as u8; 5];
        // Parts are bounded far below 4 GiB by `LONGEST`; a longer one is refused there.
        prefix[1..].copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.push(&prefix);
        self.push(bytes);
    }

    fn flag(&mut self, kind: Part) {
        self.push(&[kind as u8]);
    }
}

/// What a part is. A flag stands alone; all others are followed by a length and bytes.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Http = 1,
    Https,
    Host,
    Path,
    Query,
    InnerScheme,
    InnerHost,
    InnerPath,
    InnerQuery,
    NoInnerQuery,
    ForwardingName,
    ForwardingValue,
    Absent,
    Present,
    Depth,
    OfSome,
    OfPerson,
}

/// Writes the key of a request. `prefix` is that of the layer: the cache's space and the policy's fingerprint.
pub(super) fn key_of(
    key: &mut KeyBuf,
    prefix: &[u8],
    policy: &Policy,
    head: &RequestHead<'_>,
    seen: &Seen<'_>,
    owner: Owner,
    depth: u8,
) -> Result<(), Bypass> {
    let of = (seen, owner, depth);
    write(key, (prefix, policy), &policy.query, head, of)
}

/// The same without the query.
pub(super) fn path_key_of(
    key: &mut KeyBuf,
    prefix: &[u8],
    policy: &Policy,
    head: &RequestHead<'_>,
    seen: &Seen<'_>,
    owner: Owner,
    depth: u8,
) -> Result<(), Bypass> {
    let of = (seen, owner, depth);
    write(key, (prefix, policy), &QueryRule::Nothing, head, of)
}

fn write(
    key: &mut KeyBuf,
    (prefix, policy): (&[u8], &Policy),
    query: &QueryRule,
    head: &RequestHead<'_>,
    (seen, owner, depth): (&Seen<'_>, Owner, u8),
) -> Result<(), Bypass> {
    key.push(prefix);

    let authority = authority_of(policy, head, seen)?;
    key.flag(if authority.secure {
        Part::Https
    } else {
        Part::Http
    });
    push_host(key, authority.host, authority.secure)?;
    if let Some(hosts) = &policy.hosts {
        let host = normal_host(authority.host, authority.secure).ok_or(Bypass::Authority)?;
        if !hosts.contains(&host) {
            return Err(Bypass::Host);
        }
    }

    let target = head.target();
    key.part(Part::Path, target.path().as_bytes());
    if let Some(query) = query.apply(target.query()) {
        key.part(Part::Query, query.as_bytes());
    }
    if !std::ptr::eq(target, head.uri) {
        push_inner(key, query, target, head.uri);
    }

    match policy.forwarding {
        Forwarding::Keyed if seen.forwarding => push_forwarding(key, head)?,
        // The proxy's own name for this server, which the handler may read too.
        Forwarding::Trusted => {
            let addressed = head
                .target()
                .authority()
                .map(|host| host.as_str().as_bytes());
            let host = seen.host.map(HeaderValue::as_bytes).or(addressed);
            key.part(Part::ForwardingValue, host.unwrap_or_default());
        }
        Forwarding::Keyed => {}
    }
    for part in &policy.parts {
        match part.value(head)? {
            None => key.flag(Part::Absent),
            Some(value) => key.part(Part::Present, &value),
        }
    }
    match owner {
        Owner::Everyone => {}
        _ if is_off("identity") => {}
        Owner::Some(digest) => key.part(Part::OfSome, &digest.0),
        Owner::Person(digest) => key.part(Part::OfPerson, &digest.0),
    }

    if key.as_bytes().len() > LONGEST {
        return Err(Bypass::KeyLength);
    }
    key.core = key.as_bytes().len();
    // Last, so that a page is purged by its key whichever of several nested layers has stored it.
    if depth > 0 {
        key.part(Part::Depth, &[depth]);
    }
    Ok(())
}

struct Addressed<'a> {
    host: &'a str,
    secure: bool,
}

/// The one authority that the client addressed (SPEC KEY-02), or none.
fn authority_of<'a>(
    policy: &Policy,
    head: &RequestHead<'a>,
    seen: &Seen<'a>,
) -> Result<Addressed<'a>, Bypass> {
    let trusted = |name: &str| {
        (policy.forwarding == Forwarding::Trusted)
            .then(|| head.headers.get(name))
            .flatten()
            .and_then(|value| value.to_str().ok())
    };
    let target = head.target();
    let is_http = |uri: &Uri| {
        uri.scheme_str().is_none_or(|scheme| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        })
    };
    // A handler may write the scheme into its page, so none but these two is keyed as one of them.
    if !is_http(target) || !is_http(head.uri) {
        return Err(Bypass::Authority);
    }
    let scheme = trusted("x-forwarded-proto").or(target.scheme_str());
    let secure = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    if let Some(host) = trusted("x-forwarded-host") {
        return Ok(Addressed { host, secure });
    }
    let named = match seen.host {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| Bypass::Authority)?),
    };
    let addressed = target.authority().map(Authority::as_str);
    let host = match (addressed, named) {
        (Some(addressed), Some(named)) if !addressed.eq_ignore_ascii_case(named) => {
            return Err(Bypass::Authority);
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Bypass::Authority),
    };
    Ok(Addressed { host, secure })
}

/// Is this a host with an optional port, without user information (RFC 9110 §4.2.4, RFC 3986 §3.2.2)?
fn is_host(host: &str) -> bool {
    const NAME: &[u8] = b"-._~!$&'()*+,;=%";
    const LITERAL: &[u8] = b"-._~!$&'()*+,;=:";
    let made_of = |text: &str, marks: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
    };
    let (is_named, rest) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((literal, rest)) => (made_of(literal, LITERAL), rest),
            None => return false,
        },
        None => {
            let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
            (made_of(name, NAME), rest)
        }
    };
    let has_port = rest.strip_prefix(':').is_some_and(|port| {
        // The grammar allows an empty one.
        port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_named && host.len() <= 255 && (rest.is_empty() || has_port)
}

/// The host without a port that says nothing; `None` if it is no host. Only what is valid as a whole may lose a part.
fn without_default_port(host: &str, secure: bool) -> Option<&str> {
    let port = if secure { ":443" } else { ":80" };
    let shorter = host.strip_suffix(port).or(host.strip_suffix(':'));
    is_host(host).then(|| shorter.unwrap_or(host))
}

/// The host as keys hold it: lower case, without the default port; `None` if it is none.
pub(crate) fn normal_host(host: &str, secure: bool) -> Option<String> {
    without_default_port(host, secure).map(str::to_ascii_lowercase)
}

fn push_host(key: &mut KeyBuf, host: &str, secure: bool) -> Result<(), Bypass> {
    let host = without_default_port(host, secure).ok_or(Bypass::Authority)?;
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        key.part(Part::Host, host.to_ascii_lowercase().as_bytes());
    } else {
        key.part(Part::Host, host.as_bytes());
    }
    Ok(())
}

/// Within `nest`, or behind a layer that rewrites, the handler sees another target than the client sent: both count.
fn push_inner(key: &mut KeyBuf, query: &QueryRule, target: &Uri, inner: &Uri) {
    if inner.scheme() != target.scheme() || inner.authority() != target.authority() {
        let authority = inner.authority().map_or("", Authority::as_str);
        key.part(
            Part::InnerScheme,
            inner.scheme_str().unwrap_or("").as_bytes(),
        );
        key.part(Part::InnerHost, authority.as_bytes());
    }
    if inner.path() != target.path() {
        key.part(Part::InnerPath, inner.path().as_bytes());
    }
    if inner.query() != target.query() {
        match query.apply(inner.query()) {
            None => key.flag(Part::NoInnerQuery),
            Some(query) => key.part(Part::InnerQuery, query.as_bytes()),
        }
    }
}

fn push_forwarding(key: &mut KeyBuf, head: &RequestHead<'_>) -> Result<(), Bypass> {
    let mut total = 0;
    for name in FORWARDING {
        for value in head.headers.get_all(name) {
            total += name.len() + value.len();
            if total > MOST_FORWARDING {
                return Err(Bypass::Forwarding);
            }
            key.part(Part::ForwardingName, name.as_bytes());
            key.part(Part::ForwardingValue, value.as_bytes());
        }
    }
    Ok(())
}

/// The host of the key, where the request spells it otherwise: with a default port, or in capitals. The handler must see what is keyed.
pub(super) fn respelled_host(
    policy: &Policy,
    head: &RequestHead<'_>,
    seen: &Seen<'_>,
) -> Option<String> {
    if policy.forwarding == Forwarding::Trusted {
        return None;
    }
    let authority = authority_of(policy, head, seen).ok()?;
    let host = normal_host(authority.host, authority.secure)?;
    let spelled = |spelling: &str| spelling == host;
    let as_named = seen
        .host
        .is_none_or(|value| value.to_str().is_ok_and(spelled));
    // Another authority, which a layer outside has put there, is keyed as it is.
    let as_addressed = [head.target(), head.uri]
        .iter()
        .filter_map(|uri| uri.authority())
        .filter(|other| normal_host(other.as_str(), authority.secure).as_ref() == Some(&host))
        .all(|authority| spelled(authority.as_str()));
    (!as_named || !as_addressed).then_some(host)
}

/// The host and target under which the page of this request is purged: with the query of its key, which the handler saw.
pub(super) fn address_of(
    policy: &Policy,
    head: &RequestHead<'_>,
    seen: &Seen<'_>,
) -> Result<(String, String, Option<String>), Bypass> {
    let authority = authority_of(policy, head, seen)?;
    let host = normal_host(authority.host, authority.secure).ok_or(Bypass::Authority)?;
    let target = head.target();
    let query = policy.query.apply(target.query());
    Ok((host, target.path().to_owned(), query.map(Cow::into_owned)))
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
