//! From a request to who sent it.

use std::sync::Arc;

use http::HeaderName;

use super::IdentityType;
use super::value::Identity;
use crate::request::RequestHead;

/// Tells who sent a request. Used by pages that [vary on the user](crate::CacheLayer::vary_on_user) and by rate limits alike.
///
/// It is asked for every request, before the handler, so it must be quick, and say the same for the same request. What panics is taken for
/// [unclear](Identity::unclear).
///
/// What these tell apart is taken for a person, unless it says otherwise ([`of_no_person`](Self::of_no_person)): `private` pages are stored
/// for it. Together, they are one person only where each of them is known.
///
/// Ready-made: [`extension`](super::extension), [`cookie`](super::cookie), [`header`](super::header), [`closure`](super::closure),
/// [`path_param`](super::path_param), [`client_ip`](super::client_ip), and with the feature `tonic-tls` `tls_peer` and `tls_peer_by`.
pub trait Identify: Send + Sync + 'static {
    /// Who sent it.
    fn identify(&self, request: &RequestHead<'_>) -> Identity;

    /// What it goes by, the same as long as its meaning is; part of the fingerprint of keys.
    fn name(&self) -> String;

    /// The extension types that it reads, so that they are registered as identities.
    #[doc(hidden)]
    fn types(&self) -> Vec<IdentityType> {
        Vec::new()
    }

    /// The request fields that name somebody, so that a [shared](crate::CacheLayer::shared) page does not see them.
    #[doc(hidden)]
    fn fields(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// Does it read a form that a rate limit has read ahead?
    #[doc(hidden)]
    fn reads_form(&self) -> bool {
        false
    }

    /// The same, where it tells requests apart and no person: a tenant, a shop. Nothing is stored for it that is meant for one person alone.
    fn of_no_person(self) -> OfNoPerson<Self>
    where
        Self: Sized,
    {
        OfNoPerson(self)
    }

    /// This, or the other where this says that there is nobody: a user, or else an address.
    fn or<O: Identify>(self, other: O) -> Or<Self, O>
    where
        Self: Sized,
    {
        Or(self, other)
    }

    /// This and the other together.
    fn and<O: Identify>(self, other: O) -> And<Self, O>
    where
        Self: Sized,
    {
        And(self, other)
    }
}

/// The same one, to be asked outside of the cache too.
impl<I: Identify + ?Sized> Identify for Arc<I> {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        (**self).identify(request)
    }

    fn name(&self) -> String {
        (**self).name()
    }

    fn types(&self) -> Vec<IdentityType> {
        (**self).types()
    }

    fn fields(&self) -> Vec<HeaderName> {
        (**self).fields()
    }

    fn reads_form(&self) -> bool {
        (**self).reads_form()
    }
}

/// See [`Identify::of_no_person`].
#[derive(Clone, Debug)]
pub struct OfNoPerson<A>(A);

impl<A: Identify> Identify for OfNoPerson<A> {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        self.0.identify(request).of_no_person()
    }

    fn name(&self) -> String {
        format!("({} of no person)", self.0.name())
    }

    fn types(&self) -> Vec<IdentityType> {
        self.0.types()
    }

    fn fields(&self) -> Vec<HeaderName> {
        self.0.fields()
    }

    fn reads_form(&self) -> bool {
        self.0.reads_form()
    }
}

/// See [`Identify::or`].
#[derive(Clone, Debug)]
pub struct Or<A, B>(A, B);

/// See [`Identify::and`].
#[derive(Clone, Debug)]
pub struct And<A, B>(A, B);

impl<A: Identify, B: Identify> Identify for Or<A, B> {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let first = self.0.identify(request);
        match first.is_known() || first.is_unclear() {
            true => first,
            // That there is nobody is a part of it: who signs in becomes somebody else.
            false => first.of_no_person().and(self.1.identify(request)),
        }
    }

    fn name(&self) -> String {
        format!("({} or {})", self.0.name(), self.1.name())
    }

    fn types(&self) -> Vec<IdentityType> {
        [self.0.types(), self.1.types()].concat()
    }

    fn fields(&self) -> Vec<HeaderName> {
        [self.0.fields(), self.1.fields()].concat()
    }

    fn reads_form(&self) -> bool {
        self.0.reads_form() || self.1.reads_form()
    }
}

impl<A: Identify, B: Identify> Identify for And<A, B> {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        self.0.identify(request).and(self.1.identify(request))
    }

    fn name(&self) -> String {
        format!("({} and {})", self.0.name(), self.1.name())
    }

    fn types(&self) -> Vec<IdentityType> {
        [self.0.types(), self.1.types()].concat()
    }

    fn fields(&self) -> Vec<HeaderName> {
        [self.0.fields(), self.1.fields()].concat()
    }

    fn reads_form(&self) -> bool {
        self.0.reads_form() || self.1.reads_form()
    }
}
