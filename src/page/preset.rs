//! The rules in which a page cache of an application and a gateway differ. Each can be set alone.

use std::time::Duration;

use http::HeaderName;

use crate::header::RequestDirectives;
use crate::ttl::{days, hours};

/// How long what is stale is kept to be validated, unless set.
pub(super) const STALE_KEPT: Duration = hours(1);

/// Which directives of a request's `Cache-Control` count (RFC 9111 §5.2.1). All but `no-store` are advice, and `no-store` always counts.
///
/// ```
/// use larder::{Cache, NullStore, RequestRules, minutes};
///
/// # let cache = Cache::builder(NullStore).build().unwrap();
/// // A reload in the browser brings a page anew.
/// let page = cache.page(minutes(5)).request_rules(RequestRules::NONE.no_cache(true).max_age(true));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestRules {
    no_cache: bool,
    max_age: bool,
    min_fresh: bool,
    max_stale: bool,
    only_if_cached: bool,
    stale_if_error: bool,
}

impl RequestRules {
    /// None counts: no client can force work, or learn what is stored. The default of pages.
    pub const NONE: Self = Self {
        no_cache: false,
        max_age: false,
        min_fresh: false,
        max_stale: false,
        only_if_cached: false,
        stale_if_error: false,
    };

    /// All count. The default of gateways.
    pub const ALL: Self = Self {
        no_cache: true,
        max_age: true,
        min_fresh: true,
        max_stale: true,
        only_if_cached: true,
        stale_if_error: true,
    };

    /// `no-cache`: nothing is answered that was not validated for this request.
    #[must_use]
    pub const fn no_cache(mut self, counts: bool) -> Self {
        self.no_cache = counts;
        self
    }

    /// `max-age`: nothing is answered that is older.
    #[must_use]
    pub const fn max_age(mut self, counts: bool) -> Self {
        self.max_age = counts;
        self
    }

    /// `min-fresh`: nothing is answered that is not fresh for so much longer.
    #[must_use]
    pub const fn min_fresh(mut self, counts: bool) -> Self {
        self.min_fresh = counts;
        self
    }

    /// `max-stale`: what is stale may be answered, where the response does not forbid it.
    #[must_use]
    pub const fn max_stale(mut self, counts: bool) -> Self {
        self.max_stale = counts;
        self
    }

    /// `only-if-cached`: what is not stored is answered 504.
    #[must_use]
    pub const fn only_if_cached(mut self, counts: bool) -> Self {
        self.only_if_cached = counts;
        self
    }

    /// `stale-if-error` of a request (RFC 5861 §4).
    #[must_use]
    pub const fn stale_if_error(mut self, counts: bool) -> Self {
        self.stale_if_error = counts;
        self
    }

    /// What is left of a request's directives.
    pub(super) fn of(self, said: RequestDirectives) -> RequestDirectives {
        RequestDirectives {
            no_store: said.no_store,
            no_cache: said.no_cache && self.no_cache,
            only_if_cached: said.only_if_cached && self.only_if_cached,
            max_age: said.max_age.filter(|_| self.max_age),
            max_stale: said.max_stale.filter(|_| self.max_stale),
            min_fresh: said.min_fresh.filter(|_| self.min_fresh),
            stale_if_error: said.stale_if_error.filter(|_| self.stale_if_error),
        }
    }
}

/// A guess at the lifetime of responses that name none, from their `Last-Modified` (RFC 9111 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heuristic {
    pub(super) percent: u8,
    pub(super) most: Duration,
}

/// What a layer's preset decides.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) request: RequestRules,
    pub(super) heuristic: Option<Heuristic>,
    /// Is any final status stored that names a lifetime (RFC 9111 §3)?
    pub(super) any_status: bool,
    /// Is also stored what must be validated before each use?
    pub(super) validates: bool,
    /// Are parts (206) stored?
    pub(super) parts: bool,
    /// May the answer to a POST serve later GETs (RFC 9110 §9.3.3)?
    pub(super) posts: bool,
    /// The fields that come before `Cache-Control`, most preferable first (RFC 9213 §2.2).
    pub(super) targets: Vec<HeaderName>,
    /// May what is stale answer while the origin cannot be reached (RFC 9111 §4.2.4)?
    pub(super) unreachable: bool,
    /// Does `s-maxage` forbid what is stale also beside `stale-while-revalidate` and `stale-if-error`?
    pub(super) strict_s_maxage: bool,
    /// Does `must-revalidate` allow to store answers to `Authorization` (RFC 9111 §3.5)?
    pub(super) authorization: bool,
    /// Is an `Age` that cannot be read ignored (RFC 9111 §5.1), rather than taken for more than any lifetime?
    pub(super) lenient_age: bool,
    /// Is `Cache-Control` left as it came?
    pub(super) transparent: bool,
    /// Is `No-Vary-Search` of responses honoured, and which parameters does it never ignore?
    pub(super) no_vary_search: Option<Vec<String>>,
}

impl Rules {
    /// A cache within the application: what is stored is the route's to say, and no client can force work.
    pub(super) const fn origin() -> Self {
        Self {
            request: RequestRules::NONE,
            heuristic: None,
            any_status: false,
            validates: false,
            parts: false,
            posts: false,
            targets: Vec::new(),
            unreachable: false,
            strict_s_maxage: false,
            authorization: false,
            lenient_age: false,
            transparent: false,
            no_vary_search: None,
        }
    }

    /// A shared cache in front of an origin, by RFC 9111. `own` is the field that speaks to this cache alone.
    pub(super) fn gateway(own: Option<HeaderName>) -> Self {
        let cdn = HeaderName::from_static("cdn-cache-control");
        Self {
            request: RequestRules::ALL,
            heuristic: Some(Heuristic {
                percent: 10,
                most: days(1),
            }),
            any_status: true,
            validates: true,
            parts: true,
            posts: true,
            targets: own.into_iter().chain([cdn]).collect(),
            unreachable: true,
            strict_s_maxage: false,
            authorization: true,
            lenient_age: true,
            transparent: true,
            no_vary_search: Some(Vec::new()),
        }
    }
}
