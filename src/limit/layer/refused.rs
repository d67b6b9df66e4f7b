//! What is told of a limit: fields, and the answer that refuses.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use smallvec::SmallVec;

use super::body::RateLimitBody;
use super::calls::Calls;
use super::claimed::{Claimed, Whose};
use super::limit::{Amount, Limit};
use super::scope::Predicate;
use crate::between::IsRefusal;
use crate::clock::Clock;
use crate::content::BoxError;
use crate::limit::answer::{Dialect, Fields, Policy, Told, Why, refusal, tell};
use crate::limit::decision::{Decision, Wait};
use crate::limit::refusal::Refusal;
use crate::request::RequestHead;
use crate::store::random;

/// A body of the application's own.
pub(super) type OwnBody = UnsyncBoxBody<Bytes, BoxError>;

type Respond = Arc<dyn Fn(&Refused<'_>) -> Response<OwnBody> + Send + Sync>;

/// What is told, to whom.
#[derive(Clone)]
pub(super) struct Telling {
    pub(super) fields: Fields,
    pub(super) dialect: Dialect,
    pub(super) only_to: Option<Predicate>,
    /// In seconds: how much later `Retry-After` may be than it has to.
    pub(super) jitter: u64,
    pub(super) respond: Option<Respond>,
    pub(super) calls: Calls,
    pub(super) clock: Arc<dyn Clock>,
}

/// A request that is refused, for an answer of the application's own.
pub struct Refused<'a> {
    limit: &'a str,
    status: StatusCode,
    retry_after: Option<Duration>,
    policies: SmallVec<[&'a str; 2]>,
    wait: Wait,
    headers: &'a HeaderMap,
}

impl<'a> Refused<'a> {
    /// The fields of the request, which tell what formats and languages it takes.
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The name of the limit.
    pub const fn limit(&self) -> &'a str {
        self.limit
    }

    /// The status that is right: 429 for what this client has used up, 503 where all together have, or nothing could be counted, 403 for an
    /// address that is denied or a request that does not say whose it is.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What `Retry-After` says, or `grpc-retry-pushback-ms` to a gRPC call. None where no wait is enough.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How long until it would be admitted, if nobody else asks.
    pub const fn wait(&self) -> Wait {
        self.wait
    }

    /// The names of the policies that refuse it.
    pub fn policies(&self) -> impl Iterator<Item = &'a str> {
        self.policies.iter().copied()
    }
}

impl fmt::Debug for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The fields of the request hold credentials.
        f.debug_struct("Refused")
            .field("limit", &self.limit)
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

/// How a limit stands for a request, as far as it may be told.
pub(super) struct Account<'a> {
    pub(super) limit: &'a Limit,
    pub(super) claimed: &'a Claimed,
    pub(super) decision: &'a Decision,
    pub(super) is_dry: bool,
}

impl Limit {
    /// May this client be told how quotas stand?
    pub(super) fn tells(&self, head: &RequestHead<'_>) -> bool {
        self.telling.fields != Fields::Never
            && self.telling.dialect != Dialect::None
            && self.telling.only_to.as_ref().is_none_or(|may| may(head))
    }

    /// Do answers to what is admitted get fields? A dry run tells what it would refuse.
    pub(super) fn tells_when_admitted(&self, is_over: bool) -> bool {
        is_over || self.telling.fields == Fields::Always
    }

    /// The answer to a request that is refused before anything is counted.
    pub(super) fn refuse<Q, B>(
        &self,
        why: Why,
        request: &Request<Q>,
    ) -> Response<RateLimitBody<B>> {
        self.answer(why, &[], Wait::Unknown, request, |_| {})
    }

    /// The answer to a request for which there is no room.
    pub(super) fn refuse_over<Q, B>(
        &self,
        refusal: &Refusal,
        claimed: &Claimed,
        request: &Request<Q>,
    ) -> Response<RateLimitBody<B>> {
        let Some(decision) = refusal.decision() else {
            return self.refuse(Why::Away, request);
        };
        let account = Account {
            limit: self,
            claimed,
            decision,
            is_dry: false,
        };
        let mut refusing = decision.standings().iter().zip(&claimed.about);
        let is_shared = |whose| whose == Whose::Everyone;
        let blames =
            refusing.any(|(standing, about)| !standing.admitted && !is_shared(about.whose));
        let why = match (refusal, blames) {
            (Refusal::Closed(_), _) => Why::Away,
            (_, true) => Why::Quota,
            (_, false) => Why::SharedQuota,
        };
        let policies = account.policies();
        let told = account.told(&policies, |_| true);
        let tells = self.tells(&RequestHead::of(request));
        self.answer(why, &told, decision.wait(), request, |headers| {
            if tells {
                account.tell(headers);
            }
        })
    }

    fn answer<Q, B>(
        &self,
        why: Why,
        told: &[Told<'_>],
        wait: Wait,
        request: &Request<Q>,
        tell: impl Fn(&mut HeaderMap),
    ) -> Response<RateLimitBody<B>> {
        let spread = match self.telling.jitter {
            0 => 0,
            most => random() % most.saturating_add(1),
        };
        let mut response = match self.refuse_call(why, told, (spread, wait), request, &tell) {
            Some(call) => call.map(|()| RateLimitBody::omitted()),
            None => self.refuse_request(why, told, (spread, wait), request, tell),
        };
        response.extensions_mut().insert(IsRefusal);
        response
    }

    fn refuse_request<Q, B>(
        &self,
        why: Why,
        told: &[Told<'_>],
        (spread, wait): (u64, Wait),
        request: &Request<Q>,
        tell: impl Fn(&mut HeaderMap),
    ) -> Response<RateLimitBody<B>> {
        let usual = refusal(why, told, spread, request.headers());
        let mut response = match &self.telling.respond {
            None => usual.map(RateLimitBody::own),
            Some(respond) => {
                let retry_after = usual.headers().get(RETRY_AFTER).and_then(seconds);
                let headers = request.headers();
                let refused = self.refused(usual.status(), retry_after, told, wait, headers);
                let mut response = respond(&refused);
                for name in [RETRY_AFTER, CACHE_CONTROL] {
                    if let Some(value) = usual.headers().get(&name)
                        && !response.headers().contains_key(&name)
                    {
                        response.headers_mut().insert(name, value.clone());
                    }
                }
                response.map(RateLimitBody::custom)
            }
        };
        if *request.method() == Method::HEAD {
            response = response.map(|_| RateLimitBody::omitted());
        }
        tell(response.headers_mut());
        response
    }

    /// What the application is told of it.
    pub(super) fn refused<'a>(
        &'a self,
        status: StatusCode,
        retry_after: Option<Duration>,
        told: &[Told<'a>],
        wait: Wait,
        headers: &'a HeaderMap,
    ) -> Refused<'a> {
        let violated = told.iter().filter(|told| !told.standing.admitted);
        Refused {
            limit: &self.name,
            status,
            retry_after,
            policies: violated.map(|told| &*told.policy.name).collect(),
            wait,
            headers,
        }
    }
}

fn seconds(value: &HeaderValue) -> Option<Duration> {
    let seconds = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl<'a> Account<'a> {
    /// Adds the fields.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let policies = self.policies();
        let told = self.told(&policies, Whose::is_told);
        if told.is_empty() {
            return;
        }
        let telling = &self.limit.telling;
        let now = telling.clock.wall().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        tell(telling.dialect, &policies.all, &told, now, headers);
    }

    /// The policies of the limit, and behind them those that were made for this request.
    pub(super) fn policies(&self) -> Policies<'a> {
        let mut all = std::borrow::Cow::Borrowed(&self.limit.policies[..]);
        let mut places = SmallVec::new();
        for (place, about) in self.claimed.about.iter().enumerate() {
            let entry = &self.limit.entries[about.entry];
            places.push(match (&entry.amount, self.claimed.claims.get(place)) {
                (Amount::Computed(_), Some(claim)) => {
                    let policy = Policy::of(entry.name.clone(), &claim.quota);
                    policy.map(|policy| {
                        all.to_mut().push(policy);
                        all.len() - 1
                    })
                }
                _ => entry.policy,
            });
        }
        Policies { all, places }
    }

    pub(super) fn told<'p>(
        &self,
        policies: &'p Policies<'_>,
        may: impl Fn(Whose) -> bool,
    ) -> SmallVec<[Told<'p>; 2]>
    where
        'a: 'p,
    {
        let standings = self.decision.standings().iter().zip(&self.claimed.about);
        let all = standings.zip(&policies.places);
        all.filter_map(|((standing, about), place)| {
            Some(Told {
                policy: policies.all.get((*place)?)?,
                standing,
                is_dry: self.is_dry && !standing.admitted,
            })
            .filter(|_| may(about.whose))
        })
        .collect()
    }
}

/// The policies of a request, and which of its claims has which.
pub(super) struct Policies<'a> {
    all: std::borrow::Cow<'a, [Policy]>,
    places: SmallVec<[Option<usize>; 2]>,
}

impl Telling {
    /// Makes bodies of the application's own what this layer sends.
    pub(super) fn respond_with<B>(
        &mut self,
        respond: impl Fn(&Refused<'_>) -> Response<B> + Send + Sync + 'static,
    ) where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.respond = Some(Arc::new(move |refused| {
            respond(refused).map(|body| body.map_err(Into::into).boxed_unsync())
        }));
    }
}
