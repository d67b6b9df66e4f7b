//! Whose page a request asks for, on a route that varies on who is asking.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::policy::{Anonymous, Policy};
use crate::cache::{Cache, Shared};
use crate::identity::{Identity, IdentityDigest, Trace};
use crate::monitor::Bypass;
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

    /// Does the key know everything that was read of who is asking?
    pub(super) fn knows_what_was_read(&self, trace: &Trace) -> bool {
        cfg!(larder_without_identity) || trace.is_covered_by(self.identity.as_ref())
    }
}
