//! What a layer's pages may do: lifetimes, keys, bounds.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use xxhash_rust::xxh3::Xxh3;

use super::part::KeyPart;
use super::preset::Rules;
use super::query::QueryRule;
use crate::content::ContentRule;
use crate::identity::Identify;
use crate::store::Mark;

/// Options of a page layer that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Nothing fits.
    #[error(
        "a body limit of 0 bytes stores nothing: set .max_body() above zero, or leave the layer out"
    )]
    ZeroBody,
    /// The store would refuse such bodies.
    #[error(
        "bodies of up to {asked} bytes do not fit a store whose entries are at most {largest} bytes: lower .max_body(), or raise the store's largest entry"
    )]
    BodyAboveStore {
        /// The limit asked for.
        asked: usize,
        /// The store's bound.
        largest: u64,
    },
    /// The second horizon lies before the first.
    #[error(
        "pages would be kept {keep:?} and be fresh for {ttl:?}: .keep() counts from the response and must not be shorter than the lifetime"
    )]
    KeepShorterThanTtl {
        /// How long they would be kept.
        keep: Duration,
        /// How long they would be fresh.
        ttl: Duration,
    },
    /// Not even one variant may be stored.
    #[error("a limit of 0 variants stores nothing: set .max_variants() to 1 or more")]
    ZeroVariants,
    /// No host is served.
    #[error("an empty list of hosts caches nothing: name a host in .hosts(), or leave it out")]
    NoHosts,
    /// Not a host.
    #[error("{0:?} is not a host: say \"shop.example\" or \"shop.example:8443\"")]
    Host(String),
    /// No language is spoken.
    #[error(
        "an empty list of languages answers nobody: name the site's in KeyPart::language(), its default first"
    )]
    NoLanguages,
    /// Not a language tag.
    #[error("{0:?} is not a language tag: say \"de\" or \"pt-BR\" in KeyPart::language()")]
    Language(String),
    /// No coding is offered.
    #[error("an empty list of codings offers nothing: name one in KeyPart::encoding()")]
    NoCodings,
    /// Not a coding to offer.
    #[error(
        "{0:?} is not a coding to offer: say \"br\" or \"gzip\" in KeyPart::encoding(); identity is always offered"
    )]
    Coding(String),
    /// Longer than RFC 9111 suggests, or nothing.
    #[error("a heuristic of {0} % is not one: say 1 to 10 in .heuristic()")]
    Heuristic(u8),
    /// Not a status code whose answers are stored.
    #[error("answers of status {0} are never stored: leave it out of .ttl_for()")]
    Status(StatusCode),
    /// Nothing would be stored.
    #[error(
        "a lifetime of zero for status {0} stores nothing: set it above zero in .ttl_for(), or leave it out"
    )]
    ZeroStatusTtl(StatusCode),
    /// Handlers would have no time.
    #[error(
        "a timeout of zero answers nothing: set .soft_timeout() and .hard_timeout() above zero"
    )]
    ZeroTimeout,
    /// The soft timeout would never be reached.
    #[error(
        "a soft timeout of {soft:?} is not shorter than the hard one of {hard:?}: lower .soft_timeout(), or leave one of them out"
    )]
    SoftAboveHard {
        /// When something stale would answer.
        soft: Duration,
        /// When an error would answer.
        hard: Duration,
    },
    /// No content fits a key.
    #[error(
        "a content limit of {0} bytes: a QUERY is keyed by its content; set 1 to 16384 in .query_method()"
    )]
    QueryContent(usize),
    /// Nobody said how to tell who the user is.
    #[error(
        "nothing says who the user is: name it with .user() on the cache's builder, or use .vary_on_identity()"
    )]
    NoUser,
    /// What the keys of other nodes hold could not be found.
    #[error(
        "identities in a store that nodes share need a secret that they share: give one to .secret() on the cache's builder"
    )]
    NoSecret,
    /// The handler would not see whose page it makes.
    #[error(
        "a .shared() page is the same for everyone and cannot vary on who is asking: leave out one of the two"
    )]
    SharedIdentity,
    /// A cap of zero.
    #[error("a lifetime cap of zero stores nothing: set .max_ttl() above zero")]
    ZeroMaxTtl,
}

/// Which lifetime comes first where both the response and the policy give one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TtlOrder {
    /// The response's own directives (RFC 9111 §4.2.1), and a lifetime of zero there means no. The default.
    #[default]
    ResponseFirst,
    /// The policy's, whatever `max-age`, `s-maxage` and `Expires` say: Django's order. `no-store`, `no-cache` and `private` still mean no.
    PolicyFirst,
}

/// What fields such as `X-Forwarded-Host` mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// Anyone may have sent them: they are parts of the key, so that a page that they steer is only answered to those who send the same.
    #[default]
    Keyed,
    /// A proxy in front overwrites them all on every request: `X-Forwarded-Proto` and `X-Forwarded-Host` give the scheme and host, and
    /// the others are not looked at. Choose this only where no client can reach the server past that proxy.
    Trusted,
}

/// What becomes of requests from nobody in particular, on a route that varies on who is asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Anonymous {
    /// They share one page, by the rules of pages for everyone. The default.
    #[default]
    Share,
    /// They pass the cache by.
    Bypass,
}

#[derive(Clone)]
pub(super) struct Policy {
    /// The lifetime of pages that name none; a gateway has none to give.
    pub(super) ttl: Option<Duration>,
    pub(super) order: TtlOrder,
    pub(super) max_ttl: Duration,
    pub(super) keep: Option<Duration>,
    pub(super) client_ttl: Option<Duration>,
    pub(super) tags: Vec<Mark>,
    /// Do the groups that a response names count?
    pub(super) groups: bool,
    pub(super) shared: bool,
    pub(super) query: QueryRule,
    pub(super) parts: Vec<KeyPart>,
    /// Who is asking, where pages are one person's.
    pub(super) identity: Option<Arc<dyn Identify>>,
    pub(super) anonymous: Anonymous,
    pub(super) forwarding: Forwarding,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) max_body: usize,
    pub(super) max_variants: usize,
    pub(super) x_cache: bool,
    pub(super) label: Option<String>,
    pub(super) rules: Rules,
    /// The lifetimes of other status codes, where the response names none.
    pub(super) statuses: Vec<(StatusCode, Duration)>,
    /// How long what is stale may answer while it is refreshed, and where the handler fails.
    pub(super) while_revalidate: Duration,
    pub(super) if_error: Duration,
    /// After how long something stale is better, and after how long an error is.
    pub(super) soft_timeout: Option<Duration>,
    pub(super) hard_timeout: Option<Duration>,
    /// Does a page without `ETag` get one?
    pub(super) etag: bool,
    /// Are clients told by `No-Vary-Search` what the query rule drops?
    pub(super) says_query_rule: bool,
    pub(super) content: Option<ContentRule>,
    /// Can a body be read that is more than bytes? What cannot is foreign, and is not answered.
    pub(super) legible: Option<fn(&[u8]) -> bool>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("ttl", &self.ttl)
            .field("label", &self.label)
            .field("shared", &self.shared)
            .field("identity", &self.identity.as_ref().map(|by| by.name()))
            .field("parts", &self.parts)
            .field("query", &self.query)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Policy {
    /// A digest of all settings that decide which requests share a key: a deploy that changes one never reads the entries of another.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = Xxh3::new();
        self.label.hash(&mut hasher);
        self.shared.hash(&mut hasher);
        self.query.hash(&mut hasher);
        self.forwarding.hash(&mut hasher);
        for part in &self.parts {
            part.digest(&mut hasher);
        }
        let by = self.identity.as_ref().map(|identity| identity.name());
        by.hash(&mut hasher);
        // What else stands in a cache's space begins with a byte below 128.
        hasher.finish() | 1 << 63
    }

    /// The lifetime of answers with this status that name none.
    pub(super) fn ttl_of(&self, status: StatusCode) -> Option<Duration> {
        self.statuses
            .iter()
            .find(|(other, _)| *other == status)
            .map(|(_, ttl)| *ttl)
    }

    /// Does the key depend on what no `Vary` can say?
    pub(super) fn has_computed_parts(&self) -> bool {
        self.identity.is_some() || self.parts.iter().any(KeyPart::is_computed)
    }

    /// The fields that the key depends on, for the `Vary` that caches outside must see.
    pub(super) fn key_fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(KeyPart::field)
    }
}
