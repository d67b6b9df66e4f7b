//! What a field says once more is said: decided on values, for `Cache-Control` and for targeted fields alike.

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use super::directives::{Audience, Directives};
use crate::header::directives::directives;
use crate::header::seconds::delta_seconds;
use crate::header::{Lifetime, ResponseDirectives, Scope};

/// Who wins where one says `public` and the other `private`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// What is said now.
    LaterWins,
    PrivateWins,
}

/// What a field says already, as far as it matters to what is added.
#[derive(Debug)]
pub(super) struct There {
    said: ResponseDirectives,
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    stale_while_revalidate: Option<u64>,
    stale_if_error: Option<u64>,
}

impl There {
    /// Reads `Cache-Control`. Of a repeated lifetime the least counts, and one that cannot be read does not.
    pub(super) fn in_cache_control(headers: &HeaderMap) -> Self {
        let mut there = Self {
            said: ResponseDirectives::parse(headers),
            max_age: None,
            s_maxage: None,
            stale_while_revalidate: None,
            stale_if_error: None,
        };
        for directive in directives(headers, &CACHE_CONTROL).flatten() {
            let least = match &*directive.name {
                "max-age" => &mut there.max_age,
                "s-maxage" => &mut there.s_maxage,
                "stale-while-revalidate" => &mut there.stale_while_revalidate,
                "stale-if-error" => &mut there.stale_if_error,
                _ => continue,
            };
            let seconds = directive.value.as_deref().and_then(delta_seconds);
            *least = [*least, seconds].into_iter().flatten().min();
        }
        there
    }

    /// Takes what was read from a targeted field, where no name is repeated.
    pub(super) fn in_targeted(said: ResponseDirectives) -> Self {
        Self {
            max_age: Lifetime::seconds(said.max_age),
            s_maxage: Lifetime::seconds(said.s_maxage),
            stale_while_revalidate: said.stale_while_revalidate,
            stale_if_error: said.stale_if_error,
            said,
        }
    }

    fn forbids(&self) -> bool {
        self.said.malformed || (self.said.no_store && !self.said.must_understand)
    }
}

/// What is to be written, and what else has to go. All that neither names stays.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) written: Directives,
    pub(super) dropped: Vec<&'static str>,
}

/// Adds `said` to what is there.
pub(super) fn merge(there: &There, said: &Directives, conflict: Conflict) -> Merged {
    let mut written = said.clone();
    let mut dropped = Vec::new();

    shorten(&mut written.max_age, there.max_age);
    shorten(&mut written.s_maxage, there.s_maxage);
    shorten(
        &mut written.stale_while_revalidate,
        there.stale_while_revalidate,
    );
    shorten(&mut written.stale_if_error, there.stale_if_error);

    if !said.no_cache && !said.no_cache_fields.is_empty() {
        match &there.said.no_cache {
            Scope::Absent => {}
            Scope::Fields(fields) => {
                written.no_cache_fields.clone_from(fields);
                written.add_no_cache_fields(said.no_cache_fields.iter().cloned());
            }
            Scope::All => {
                written.no_cache = true;
                written.no_cache_fields.clear();
            }
        }
    }

    let was_private = there.said.private == Scope::All;
    let becomes_public = said.audience == Some(Audience::Public)
        && (!was_private || conflict == Conflict::LaterWins);
    if was_private && !becomes_public {
        written.audience = Some(Audience::Private);
        written.private_fields.clear();
    } else if !said.private_fields.is_empty()
        && let Scope::Fields(fields) = &there.said.private
    {
        written.private_fields.clone_from(fields);
        written.add_private_fields(said.private_fields.iter().cloned());
    }
    if written.audience == Some(Audience::Private) {
        dropped.push("public");
        // Shared caches have nothing left to keep.
        written.s_maxage = None;
        written.proxy_revalidate = false;
    } else if was_private {
        dropped.push("private");
    }

    // What cannot be read might have forbidden to store, and is said plainly from here on (RFC 9111 §4.2.1).
    written.no_store |= there.said.malformed;
    // `must-understand` beside `no-store` permits storing (§5.2.2.3), which none may who is joined by one that forbids it.
    if said.forbid() || there.forbids() {
        written.must_understand = false;
        dropped.push("must-understand");
    }
    Merged { written, dropped }
}

/// The least of two lifetimes, where one is said.
fn shorten(said: &mut Option<u64>, there: Option<u64>) {
    if let (Some(said), Some(there)) = (said, there) {
        *said = there.min(*said);
    }
}
