//! Whose page a request asks for, on a route that varies on who is asking.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::layer::Page;
use super::policy::{Anonymous, Policy};
use super::screen::Seen;
use crate::cache::{Cache, Shared};
use crate::identity::{Identify, Identity, IdentityDigest, Trace};
use crate::monitor::Bypass;
use crate::mutant::is_off;
use crate::request::RequestHead;
use crate::store::Mark;

/// Whose a stored response is. It is in the key and in the entry, and both are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    /// Everyone's.
    #[default]
    Everyone,
    /// Of those who are told apart so, and who may be many: an address, a tenant, or nobody in particular.
    Some(IdentityDigest),
    /// One person's.
    Person(IdentityDigest),
}

impl Owner {
    /// What [`Cache::purge_identity`] strikes.
    pub(super) fn mark(self, shared: &Shared) -> Option<Mark> {
        match self {
            Self::Everyone => None,
            Self::Some(digest) | Self::Person(digest) => Some(shared.identity_mark(digest)),
        }
    }

    /// May what is meant for one person alone be stored under it?
    pub(super) const fn is_one_person(self) -> bool {
        matches!(self, Self::Person(_))
    }
}

/// Who is asking, as far as the key holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    pub(super) owner: Owner,
    identity: Option<Identity>,
}

impl Asker {
    /// Asks what the policy asks by. It may be the application's own code, and what that cannot tell is nobody's page.
    pub(super) fn of(
        cache: &Cache,
        policy: &Policy,
        head: &RequestHead<'_>,
    ) -> Result<Self, Bypass> {
        let Some(by) = &policy.identity else {
            return Ok(Self::default());
        };
        let trace = Trace::of(head.extensions);
        let told = catch_unwind(AssertUnwindSafe(|| by.identify(head)));
        let Some(identity) = told.ok().filter(|identity| !identity.is_unclear()) else {
            // A page layer outside must know that it was asked, and no key holds what cannot be told.
            if let Some(trace) = trace {
                trace.read(Identity::unclear(by.name()));
            }
            return Err(Bypass::Identity);
        };
        if let Some(trace) = trace {
            trace.read(identity.clone());
        }
        let digest = cache.shared.secret.digest(&identity);
        let owner = match identity.is_anonymous() {
            false => Owner::Person(digest),
            true if policy.anonymous == Anonymous::Bypass && identity.is_of_a_person() => {
                return Err(Bypass::Anonymous);
            }
            true => Owner::Some(digest),
        };
        Ok(Self {
            owner,
            identity: Some(identity),
        })
    }

    /// Does the key hold everybody by whom the application knows its users, as far as this request tells?
    pub(super) fn holds_the_user(&self, page: &Page, head: &RequestHead<'_>) -> bool {
        let Some(user) = &page.cache.shared.user else {
            return true;
        };
        let is_keyed = |by: &Arc<dyn Identify>| Arc::ptr_eq(by, user);
        if is_off("identity") || page.policy.identity.as_ref().is_some_and(is_keyed) {
            return true;
        }
        let told = catch_unwind(AssertUnwindSafe(|| user.identify(head)));
        told.is_ok_and(|who| {
            let is_held = || {
                let keyed = self.identity.as_ref();
                keyed.is_some_and(|keyed| keyed.covers(&who))
            };
            !who.is_unclear() && (!who.names_somebody() || is_held())
        })
    }

    /// Do all extensions that say who is asking speak of what the key holds?
    fn holds_extensions(&self, page: &Page, head: &RequestHead<'_>) -> bool {
        let keyed = page.policy.identity.as_ref().map(|by| by.types());
        let keyed = keyed.unwrap_or_default();
        let registered = page.cache.shared.identities.iter();
        registered
            .filter(|one| one.is_present(head.extensions))
            .all(|one| keyed.iter().any(|keyed| keyed.is(one)))
    }

    /// What the handler sees of who is asking, and the key does not hold.
    pub(super) fn unkeyed(&self, page: &Page, head: &RequestHead<'_>, seen: &Seen<'_>) -> Unkeyed {
        let is_held = self.holds_the_user(page, head);
        let credentials = match self.owner.is_one_person() {
            // Whatever else the owner sends along.
            true => !self.holds_extensions(page, head),
            false => seen.credentials,
        };
        Unkeyed {
            credentials: !page.policy.shared && (credentials || !is_held),
            authorization_alone: seen.authorization_alone && is_held,
        }
    }
}

/// Credentials that are in the request, and not in the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unkeyed {
    pub(super) credentials: bool,
    /// They are an `Authorization` field, and nothing else (RFC 9111 §3.5).
    pub(super) authorization_alone: bool,
}

/// What is read of who is asking, from this layer inward. What layers outside have read is theirs to declare, as far as they pass it on.
#[derive(Clone, Debug)]
pub(super) struct Read {
    trace: Trace,
    since: usize,
    holds_the_user: bool,
}

impl Read {
    /// Nothing yet.
    pub(super) fn of(trace: &Trace, holds_the_user: bool) -> Self {
        Self {
            since: trace.count_reads(),
            trace: trace.clone(),
            holds_the_user,
        }
    }

    /// Does the key know everything that was read?
    pub(super) fn is_known_to(&self, asker: &Asker) -> bool {
        let keyed = asker.identity.as_ref();
        is_off("identity")
            || self
                .trace
                .is_covered_by(keyed, self.holds_the_user, self.since)
    }
}
