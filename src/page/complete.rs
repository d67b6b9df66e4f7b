//! Completing the fields of a page that is stored, in a way that can be undone.

use http::header::{CACHE_CONTROL, DATE, EXPIRES, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::policy::Policy;
use super::stored::shared_value;
use crate::header::cache_control::{is_targeted, keep_private};
use crate::header::{Lifetime, ResponseDirectives, Scope, cache_control, date, has_token};

/// What was added to the fields of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Completed {
    /// What clients are told after each answer, where that is the layer's to say.
    pub(super) client: Option<ClientTtl>,
    /// The lines of `Cache-Control`, `Vary` and their like as the handler sent them, where they are others now.
    pub(super) said: Option<Box<[(HeaderName, HeaderValue)]>>,
}

impl Completed {
    /// What it takes in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let said = self.said.iter().flat_map(|said| said.iter());
        let said: usize = said.map(|line| size_of_val(line) + line.1.len()).sum();
        said + self.client.as_ref().map_or(0, |client| client.before.len())
    }

    /// Puts back what the handler said.
    pub(super) fn undo(&self, headers: &mut HeaderMap) {
        let Some(said) = &self.said else {
            return;
        };
        headers.remove(CACHE_CONTROL);
        headers.remove(VARY);
        for (name, _) in said {
            headers.remove(name);
        }
        for (name, line) in said {
            headers.append(name.clone(), line.clone());
        }
    }
}

/// How long clients may keep an answer after it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientTtl {
    /// The response's own directives.
    pub(super) before: String,
    pub(super) seconds: u64,
}

impl ClientTtl {
    /// `max-age` counts from when the page was made, so that a client's copy lives as long whenever it was fetched.
    pub(super) fn at(&self, age: u64) -> HeaderValue {
        let max_age = age.saturating_add(self.seconds);
        let comma = if self.before.is_empty() { "" } else { ", " };
        shared_value(format!("{}{comma}max-age={max_age}", self.before))
    }
}

/// Completes the fields of a page that is stored, as everyone gets them from now on.
///
/// `Date` is when the response came, if it does not say (RFC 9110 §6.6.1). Fields that select it are in `Vary`. And a client that is
/// told nothing is told to ask each time, since its copy cannot be purged, or to keep it as long as the policy allows.
pub(super) fn complete_fields(
    headers: &mut HeaderMap,
    policy: &Policy,
    vary: &[HeaderName],
    wall: std::time::SystemTime,
) -> Completed {
    let targeted = headers.keys().filter(|name| is_targeted(name)).cloned();
    let names: Vec<_> = [CACHE_CONTROL, VARY].into_iter().chain(targeted).collect();
    let own: Vec<_> = names
        .iter()
        .flat_map(|name| {
            let lines = headers.get_all(name).iter();
            // Copies: a value can be a slice that pins a whole read buffer.
            lines
                .filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok())
                .map(|line| (name.clone(), line))
                .collect::<Vec<_>>()
        })
        .collect();
    if headers
        .get(DATE)
        .and_then(|value| date::parse(value, wall))
        .is_none()
        && let Some(now) = date::format(wall)
    {
        headers.insert(DATE, now);
    }
    name_in_vary(headers, policy.key_fields().chain(vary));
    if policy.identity.is_some() {
        keep_private(headers);
    }
    let client = tell_clients(headers, policy);
    let is_as_said = names
        .iter()
        .flat_map(|name| headers.get_all(name))
        .eq(own.iter().map(|(_, line)| line));
    Completed {
        client,
        said: (!is_as_said).then(|| own.into()),
    }
}

fn tell_clients(headers: &mut HeaderMap, policy: &Policy) -> Option<ClientTtl> {
    if policy.rules.transparent {
        return None;
    }
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
        let says_so = directives.public || directives.private == Scope::All;
        if policy.has_computed_parts() && !says_so {
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

pub(super) fn name_in_vary<'a>(
    headers: &mut HeaderMap,
    names: impl Iterator<Item = &'a HeaderName>,
) {
    for name in names {
        if !has_token(headers, &VARY, name.as_str()) {
            // A map that has no room for one more line is too large to be sent.
            let _ = headers.try_append(VARY, HeaderValue::from(name.clone()));
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
