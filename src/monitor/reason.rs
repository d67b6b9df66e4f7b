//! Why a request was answered as it was.

use std::fmt;

/// The one reason of an answer. It travels in the extensions of every response that was not a plain hit, and alone feeds `Cache-Status`,
/// `X-Cache` and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Answered from the store, fresh.
    Hit,
    /// Answered from the flight of another request that asked for the same.
    Collapsed(Absence),
    /// The handler answered, and its answer was stored (or will be, once its body has ended well).
    Stored(Absence),
    /// The same, after a wait for a flight that came to nothing for this request.
    StoredAlone(Absence),
    /// The handler answered, and its answer was not stored.
    Refused(Absence, NotStored),
    /// The same, after a wait for a flight that came to nothing for this request.
    RefusedAlone(Absence, NotStored),
    /// The request passed the cache by.
    Bypassed(Bypass),
    /// Answered from the store, stale, without asking the handler first.
    StaleHit(StaleUse),
    /// The handler said that what is stored still holds (304), and that answered.
    Validated(Absence),
    /// The handler failed, and what is stored answered, stale.
    StaleOnError(Failure),
    /// Answered here, with an error: nothing stored may be used, and the handler gave nothing to pass on.
    Unanswered(Unanswered),
}

macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $token:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them, in a fixed order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in `Cache-Status: …; detail=` and in counters.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $token,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

tokens! {
    /// What the store lacked (the `fwd` reasons of RFC 9211 §2.2).
    Absence {
        /// Nothing is stored for the address.
        Uri = "uri-miss",
        /// Something is, but not for these values of the fields that `Vary` names.
        Vary = "vary-miss",
        /// What is stored is stale.
        Stale = "stale",
        /// What is stored may be fresh, but the request does not want it so (`no-cache`, `max-age`, `min-fresh`).
        Request = "request",
        /// A part is stored, and not the one that was asked for.
        Partial = "partial",
    }
}

tokens! {
    /// Why a stale response was used (RFC 9111 §4.2.4).
    StaleUse {
        /// It is refreshed meanwhile (RFC 5861 §3).
        WhileRevalidated = "stale-while-revalidate",
        /// The request accepts it (`max-stale`).
        Accepted = "max-stale",
    }
}

tokens! {
    /// How a handler failed (RFC 5861 §4).
    Failure {
        /// 500, 502, 503 or 504.
        Status = "error-status",
        /// The origin could not be reached.
        Unreachable = "unreachable",
        /// No answer within the soft timeout; it is still waited for in the background.
        Slow = "soft-timeout",
    }
}

tokens! {
    /// Why the cache itself answered with an error.
    Unanswered {
        /// The request says `only-if-cached` (504).
        OnlyIfCached = "only-if-cached",
        /// What is stored must be revalidated, and the origin could not be reached (504).
        MustRevalidate = "must-revalidate",
        /// No answer within the hard timeout (504).
        TimedOut = "hard-timeout",
        /// A 304 that is about nothing that was asked for (502).
        NotModified = "unexpected-304",
        /// A part that does not continue what is stored (502).
        Part = "unexpected-part",
    }
}

tokens! {
    /// Why a request passed the cache by.
    Bypass {
        /// Neither GET nor HEAD.
        Method = "method",
        /// HEAD, and nothing stored to answer it from: forwarded as HEAD, which fills nothing.
        Head = "head",
        /// `Range` asks for a part.
        Range = "range",
        /// `If-Match` or `If-Unmodified-Since`: for the origin to judge.
        Precondition = "precondition",
        /// A GET with content.
        Content = "content",
        /// A request to change the protocol.
        Upgrade = "upgrade",
        /// Not exactly one valid host.
        Authority = "authority",
        /// A host that is not on the list.
        Host = "host",
        /// More forwarding fields than are keyed.
        Forwarding = "forwarding",
        /// A key beyond the bound in bytes.
        KeyLength = "key-length",
        /// A declared part of the key cannot be told: a cookie has two values, or a closure panics.
        KeyPart = "key-part",
        /// The request says `no-store`, and nothing was stored to answer it from.
        NoStore = "request-no-store",
        /// `Connection` names fields that a proxy within takes away, so that the handler does not see what would be keyed.
        Connection = "connection",
        /// More fields than are looked at.
        Fields = "request-fields",
        /// Who is asking cannot be told: two cookies of one name, a field that is too long, a closure that panics.
        Identity = "identity-unclear",
        /// Nobody in particular is asking, and the route keeps no page for nobody.
        Anonymous = "anonymous",
        /// Credentials that the key does not hold (gRPC).
        Credentials = "credentials",
        /// Metadata that are neither keyed nor declared to be inert (gRPC).
        Metadata = "metadata",
        /// Not exactly one message that can be read (gRPC).
        Message = "message",
        /// The store is unwell.
        Store = "store",
    }
}

tokens! {
    /// Why an answer was not stored, or not shared with those who waited for it.
    NotStored {
        /// Nothing permits it: neither the response nor the policy gives a lifetime for this status.
        NoLifetime = "no-lifetime",
        /// Its lifetime is over on arrival, or zero.
        Expired = "expired",
        /// A status code that is not stored.
        Status = "status",
        /// `no-store`.
        NoStore = "no-store",
        /// `no-cache`.
        NoCache = "no-cache",
        /// `private`.
        Private = "private",
        /// A `Cache-Control` that cannot be read.
        Malformed = "malformed",
        /// `must-understand` for a status that is not understood.
        MustUnderstand = "must-understand",
        /// The handler asked for it not to be stored.
        Handler = "handler",
        /// The request carried credentials, and the response does not say that it is for all.
        Credentials = "credentials",
        /// The handler read who was asking.
        Identity = "identity",
        /// `Set-Cookie`.
        SetCookie = "set-cookie",
        /// `Authentication-Info` or `Clear-Site-Data`.
        PerPerson = "per-person",
        /// An answer to one origin of a cross-origin request.
        Cors = "cors",
        /// A page layer within tells pages apart by what this one's key does not know.
        KeyParts = "key-parts",
        /// The answer to a HEAD, which has no body to store.
        Head = "head",
        /// A page layer within answered with something stale.
        Stale = "stale-within",
        /// More tags than are kept.
        Tags = "tags",
        /// More fields than are kept.
        Fields = "fields",
        /// `Vary: *`.
        VaryAny = "vary-any",
        /// More or longer selecting fields than are kept.
        VaryBounds = "vary-bounds",
        /// More variants than are kept.
        Variants = "variants",
        /// A stream of events, or a change of protocol.
        Stream = "stream",
        /// A length that is contradicted.
        Length = "length",
        /// A body above the size limit.
        TooLarge = "too-large",
        /// All recordings together are above their budget.
        Budget = "budget",
        /// The body failed, or ended early.
        Incomplete = "incomplete",
        /// Not exactly one message that can be read, or one beside an error (gRPC).
        Message = "message",
        /// A purge has outlawed it meanwhile.
        Outlawed = "outlawed",
        /// The store did not take it.
        Store = "store",
    }
}

impl NotStored {
    /// Is what was refused for one person, or for some, as far as that is the reason?
    pub(crate) const fn is_personal(self) -> bool {
        matches!(
            self,
            Self::Private
                | Self::Credentials
                | Self::Identity
                | Self::SetCookie
                | Self::PerPerson
                | Self::KeyParts
        )
    }
}

impl Reason {
    /// How many different reasons there are.
    pub(crate) const COUNT: usize = 1
        + 3 * Absence::ALL.len()
        + 2 * Absence::ALL.len() * NotStored::ALL.len()
        + Bypass::ALL.len()
        + StaleUse::ALL.len()
        + Absence::ALL.len()
        + Failure::ALL.len()
        + Unanswered::ALL.len();

    /// Its place among all reasons.
    pub(crate) const fn index(self) -> usize {
        let absences = Absence::ALL.len();
        let pairs = absences * NotStored::ALL.len();
        let stale = 1 + 3 * absences + 2 * pairs + Bypass::ALL.len();
        let validated = stale + StaleUse::ALL.len();
        let failed = validated + absences;
        match self {
            Self::Hit => 0,
            Self::Collapsed(absence) => 1 + absence as usize,
            Self::Stored(absence) => 1 + absences + absence as usize,
            Self::StoredAlone(absence) => 1 + 2 * absences + absence as usize,
            Self::Refused(absence, why) => {
                1 + 3 * absences + why as usize * absences + absence as usize
            }
            Self::RefusedAlone(absence, why) => {
                1 + 3 * absences + pairs + why as usize * absences + absence as usize
            }
            Self::Bypassed(why) => 1 + 3 * absences + 2 * pairs + why as usize,
            Self::StaleHit(why) => stale + why as usize,
            Self::Validated(absence) => validated + absence as usize,
            Self::StaleOnError(how) => failed + how as usize,
            Self::Unanswered(why) => failed + Failure::ALL.len() + why as usize,
        }
    }

    /// Every reason, in the order of their places.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let absences = || Absence::ALL.iter().copied();
        let refusals = || {
            NotStored::ALL
                .iter()
                .flat_map(move |why| absences().map(move |absence| (absence, *why)))
        };
        std::iter::once(Self::Hit)
            .chain(absences().map(Self::Collapsed))
            .chain(absences().map(Self::Stored))
            .chain(absences().map(Self::StoredAlone))
            .chain(refusals().map(|(absence, why)| Self::Refused(absence, why)))
            .chain(refusals().map(|(absence, why)| Self::RefusedAlone(absence, why)))
            .chain(Bypass::ALL.iter().copied().map(Self::Bypassed))
            .chain(StaleUse::ALL.iter().copied().map(Self::StaleHit))
            .chain(absences().map(Self::Validated))
            .chain(Failure::ALL.iter().copied().map(Self::StaleOnError))
            .chain(Unanswered::ALL.iter().copied().map(Self::Unanswered))
    }

    /// Why nothing was stored, or why something stale or an error answered, if that is what happened.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Hit
            | Self::Collapsed(_)
            | Self::Stored(_)
            | Self::StoredAlone(_)
            | Self::Validated(_) => None,
            Self::Refused(_, why) | Self::RefusedAlone(_, why) => Some(why.as_str()),
            Self::Bypassed(why) => Some(why.as_str()),
            Self::StaleHit(why) => Some(why.as_str()),
            Self::StaleOnError(how) => Some(how.as_str()),
            Self::Unanswered(why) => Some(why.as_str()),
        }
    }

    /// What the store lacked, where it was asked and lacked something.
    pub const fn absence(self) -> Option<Absence> {
        match self {
            Self::Collapsed(absence)
            | Self::Stored(absence)
            | Self::StoredAlone(absence)
            | Self::Refused(absence, _)
            | Self::RefusedAlone(absence, _)
            | Self::Validated(absence) => Some(absence),
            Self::Hit
            | Self::Bypassed(_)
            | Self::StaleHit(_)
            | Self::StaleOnError(_)
            | Self::Unanswered(_) => None,
        }
    }

    /// What became of the request, in one word: the `result` of metrics and events.
    pub const fn result(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Collapsed(_) => "collapsed",
            Self::Stored(_) | Self::StoredAlone(_) => "stored",
            Self::Refused(..) | Self::RefusedAlone(..) => "refused",
            Self::Bypassed(_) => "bypassed",
            Self::StaleHit(_) => "stale",
            Self::Validated(_) => "validated",
            Self::StaleOnError(_) => "stale-on-error",
            Self::Unanswered(_) => "unanswered",
        }
    }

    /// The word that goes with [`result`](Self::result): [`detail`](Self::detail), else what the store lacked; empty for a plain hit.
    pub fn word(self) -> &'static str {
        self.detail()
            .or(self.absence().map(Absence::as_str))
            .unwrap_or_default()
    }

    /// The word of `X-Cache`.
    pub(crate) const fn x_cache(self) -> &'static str {
        match self {
            Self::Hit | Self::Collapsed(_) => "HIT",
            Self::Stored(Absence::Stale)
            | Self::StoredAlone(Absence::Stale)
            | Self::Refused(Absence::Stale, _)
            | Self::RefusedAlone(Absence::Stale, _) => "EXPIRED",
            Self::Stored(_) | Self::StoredAlone(_) | Self::Refused(..) | Self::RefusedAlone(..) => {
                "MISS"
            }
            Self::Bypassed(_) => "BYPASS",
            Self::StaleHit(_) | Self::StaleOnError(_) => "STALE",
            Self::Validated(_) => "REVALIDATED",
            Self::Unanswered(_) => "ERROR",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        let mut count = 0;
        for (place, reason) in Reason::all().enumerate() {
            assert_eq!(reason.index(), place, "{reason:?}");
            count += 1;
        }
        assert_eq!(count, Reason::COUNT);
    }
}
