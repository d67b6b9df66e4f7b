//! The options of a limit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body::Body;
use ipnet::IpNet;

use super::answer::Answer;
use super::calls::Calls;
use super::claimed::Missing;
use super::error::RateLimitError;
use super::limit::{Amount, Computed, Cost, Deadline};
use super::refused::{Refused, Telling};
use super::scope::{Methods, Scope, network};
use super::settle::Settle;
use crate::clock::{Clock, SystemClock};
use crate::content::{BoxError, ContentRule, ReplayedBody};
use crate::identity::Identify;
use crate::limit::answer::{Dialect, Fields};
use crate::limit::handle::RateLimiter;
use crate::limit::quota::{Quota, QuotaError};
use crate::limit::switch::Switch;
use crate::limit::waiting::Waiting;
use crate::request::RequestHead;

/// How much of a form is read, in bytes.
const USUAL_FORM: usize = 16 * 1_024;

/// Builds a [`RateLimitLayer`](super::RateLimitLayer).
///
/// ```
/// use http::{HeaderName, Method};
/// use larder::limit::{Fields, Missing, RateLimiter};
/// use larder::{Identify, MemoryLimiter, identity};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let layer = limiter
///     .layer("search")
///     .quota("100/m", identity::header(HeaderName::from_static("x-api-key")).or(identity::client_ip()))
///     .quota("2000/d", identity::client_ip())
///     .methods([Method::GET, Method::HEAD])
///     .allow("10.0.0.0/8")
///     .fields(Fields::Always)
///     .missing(Missing::Share)
///     .build()?;
/// # drop(layer);
/// # Ok::<(), larder::limit::RateLimitError>(())
/// ```
#[must_use]
pub struct RateLimitBuilder {
    pub(super) limiter: RateLimiter,
    pub(super) name: String,
    pub(super) quotas: Vec<Given>,
    pub(super) scope: Scope,
    pub(super) missing: Missing,
    pub(super) cost: Option<Cost>,
    pub(super) settle: Settle,
    pub(super) telling: Telling,
    pub(super) dry_run: bool,
    pub(super) switch: Option<Switch>,
    pub(super) wait: Option<Waiting>,
    pub(super) deadline: Option<Deadline>,
    pub(super) form_limit: usize,
    pub(super) form_body: Option<FormBody>,
    /// The first thing that cannot be.
    pub(super) problem: Option<RateLimitError>,
}

/// A quota as it was given, and by what requests are told apart.
pub(super) struct Given {
    pub(super) amount: Amount,
    pub(super) by: Arc<dyn Identify>,
}

pub(super) type FormBody = Box<dyn FnOnce(usize) -> ContentRule + Send>;

impl RateLimiter {
    /// Begins a limit of this name: the group whose counters it uses, the name of its policy, and its label in statistics. Limits of one name
    /// and one limiter share their counters, where quota and identity are the same.
    pub fn layer(&self, name: impl Into<String>) -> RateLimitBuilder {
        RateLimitBuilder::new(self.clone(), name.into())
    }
}

/// What is counted, and by whom.
impl RateLimitBuilder {
    fn new(limiter: RateLimiter, name: String) -> Self {
        Self {
            limiter,
            name,
            quotas: Vec::new(),
            scope: Scope::default(),
            missing: Missing::default(),
            cost: None,
            settle: Settle::default(),
            telling: Telling {
                fields: Fields::default(),
                dialect: Dialect::default(),
                only_to: None,
                jitter: 0,
                respond: None,
                calls: Calls::default(),
                clock: Arc::new(SystemClock::new()),
            },
            dry_run: false,
            switch: None,
            wait: None,
            deadline: None,
            form_limit: USUAL_FORM,
            form_body: usual_form_body(),
            problem: None,
        }
    }

    /// Limits whom `by` tells apart to this much. A request passes all quotas of a limit, or uses none of them.
    pub fn quota<Q>(mut self, quota: Q, by: impl Identify) -> Self
    where
        Q: TryInto<Quota>,
        Q::Error: Into<QuotaError>,
    {
        match quota.try_into() {
            Ok(quota) => self.quotas.push(Given {
                amount: Amount::Fixed(Arc::new(quota)),
                by: Arc::new(by),
            }),
            Err(source) => {
                let place = self.quotas.len() + 1;
                let source = source.into();
                let limit = self.name.clone();
                self.fail(RateLimitError::Quota {
                    limit,
                    place,
                    source,
                });
            }
        }
        self
    }

    /// The same by a quota that is made for each request: by the plan of a customer, say. `None` is neither limited nor counted.
    ///
    /// What a quota counts is kept apart by its amount, window, burst and algorithm, so whoever changes plans begins anew. A quota that cannot be
    /// refuses its request with a 503.
    pub fn quota_with(
        mut self,
        quota: impl Fn(&RequestHead<'_>) -> Option<Quota> + Send + Sync + 'static,
        by: impl Identify,
    ) -> Self {
        let quota: Computed = Arc::new(quota);
        self.quotas.push(Given {
            amount: Amount::Computed(quota),
            by: Arc::new(by),
        });
        self
    }

    /// What becomes of a request that does not say whose it is. Default: all such requests share one bucket of each quota.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// How many bytes of a form are read for [`form_field`](super::form_field). Default: 16 KiB; at least 1.
    pub fn form_limit(mut self, bytes: usize) -> Self {
        self.form_limit = bytes.max(1);
        self
    }

    /// Makes the service's own body type of a form that was read. Default: `axum::body::Body::new`. Forms of another body type are not read.
    pub fn form_body<B: 'static>(
        mut self,
        rebuild: impl Fn(ReplayedBody) -> B + Send + Sync + 'static,
    ) -> Self {
        self.form_body = Some(Box::new(|limit| ContentRule::new(limit, rebuild)));
        self
    }
}

/// Which requests it is about.
impl RateLimitBuilder {
    /// Only requests of these methods. Default: all.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        if self.scope.methods != Methods::All {
            self.fail(RateLimitError::Contradiction("methods", "unsafe_methods"));
        }
        self.scope.methods = Methods::These(methods.into_iter().collect());
        self
    }

    /// Only requests of methods that are not safe (RFC 9110 §9.2.1): not GET, HEAD, OPTIONS or TRACE. Default: all.
    pub fn unsafe_methods(mut self) -> Self {
        if self.scope.methods != Methods::All {
            self.fail(RateLimitError::Contradiction("methods", "unsafe_methods"));
        }
        self.scope.methods = Methods::Unsafe;
        self
    }

    /// Neither counts nor refuses requests from this address or network, as a [`ClientIpLayer`](crate::ClientIpLayer) outside found it. May be
    /// given several times, and goes before [`deny`](Self::deny).
    pub fn allow(mut self, network: impl AsRef<str>) -> Self {
        if let Some(network) = self.network(network.as_ref()) {
            self.scope.allowed.push(network);
        }
        self
    }

    /// Refuses requests from this address or network with a 403, and gRPC calls with `PERMISSION_DENIED`. May be given several times.
    pub fn deny(mut self, network: impl AsRef<str>) -> Self {
        if let Some(network) = self.network(network.as_ref()) {
            self.scope.denied.push(network);
        }
        self
    }

    /// Neither counts nor refuses what this picks, denied addresses included.
    pub fn exempt(
        mut self,
        exempt: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.scope.exempt = Some(Arc::new(exempt));
        self
    }

    /// What turns this limit on and off at run time, beside the [switch](RateLimiter::switch) of its limiter.
    pub fn switch(mut self, switch: &Switch) -> Self {
        self.switch = Some(switch.clone());
        self
    }

    /// Counts, and tells in statistics, logs and fields what it would refuse, and refuses nothing. Default: it refuses.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Waits in line instead of refusing, as long as this says: a [`Duration`](std::time::Duration), or a [`Waiting`]. What could not be served in
    /// time is refused at once; a client that goes away leaves the line. No request waits longer than its `grpc-timeout` says, where it has one. Needs a
    /// tokio runtime with its timer. Default: it refuses.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::limit::{RateLimiter, Waiting};
    /// use larder::{MemoryLimiter, identity};
    ///
    /// let limiter = RateLimiter::new(MemoryLimiter::new());
    /// let layer = limiter
    ///     .layer("report")
    ///     .quota("2/s", identity::client_ip())
    ///     .wait(Waiting::at_most(Duration::from_secs(5)).queue(100))
    ///     .build()?;
    /// # drop(layer);
    /// # Ok::<(), larder::limit::RateLimitError>(())
    /// ```
    pub fn wait(mut self, waiting: impl Into<Waiting>) -> Self {
        self.wait = Some(waiting.into());
        self
    }

    /// How long the client of a request waits for its answer, where that can be told, by a field of the request, say: then it waits in line no longer than
    /// that, and is refused at once where it could not be served in that time. Default: as long as [`wait`](Self::wait) and the field `grpc-timeout` say.
    pub fn deadline(
        mut self,
        left: impl Fn(&RequestHead<'_>) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.deadline = Some(Arc::new(left));
        self
    }

    fn network(&mut self, text: &str) -> Option<IpNet> {
        let network = network(text);
        if network.is_none() {
            self.fail(RateLimitError::Network(text.to_owned()));
        }
        network
    }
}

/// What a request costs. By default 1, before the inner service is asked, whatever it answers.
impl RateLimitBuilder {
    /// What a request costs, by its head; 0 is free. Places in flight are one for each request.
    pub fn cost(mut self, cost: impl Fn(&RequestHead<'_>) -> u64 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// Counts only requests with such an answer: failed sign-ins, say. The cost is taken before, so that no crowd slips through together, and
    /// given back when the answer does not count. A request that is dropped before its answer counts. Of a gRPC call it sees what its
    /// [head](Answer::status) tells.
    pub fn count_only(
        mut self,
        counts: impl Fn(&Answer<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settle.counts = Some(Arc::new(counts));
        self
    }

    /// What a request has cost after all, by the head of its answer: more is charged, though it be over, and less given back.
    pub fn settle(mut self, cost: impl Fn(&Answer<'_>) -> u64 + Send + Sync + 'static) -> Self {
        self.settle.cost = Some(Arc::new(cost));
        self
    }

    /// Charges quotas of [`Unit::ContentBytes`](super::super::Unit::ContentBytes) with the bytes of the answer's body, when it is over: those that were sent, also to whoever went
    /// away. A request is admitted while such a quota has anything left.
    pub fn settle_bytes(mut self) -> Self {
        self.settle.bytes = true;
        self
    }

    /// What a request costs that a [page cache](crate::Cache::page) within this layer answers from what it has stored; 0 is free. Default: as any
    /// other. What is too much was taken before and is given back, so a client without room for the whole cost is refused all the same.
    pub fn hit_cost(mut self, cost: u64) -> Self {
        self.settle.hit_cost = Some(cost);
        self
    }
}

/// What is told.
impl RateLimitBuilder {
    /// On which answers fields tell of quotas. Default: on those that refuse.
    pub fn fields(mut self, fields: Fields) -> Self {
        self.telling.fields = fields;
        self
    }

    /// Which fields. Default: those of draft-ietf-httpapi-ratelimit-headers-11.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.telling.dialect = dialect;
        self
    }

    /// Tells only clients that this picks: those that are signed in, say. Default: all.
    pub fn tell_if(
        mut self,
        may: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.telling.only_to = Some(Arc::new(may));
        self
    }

    /// Makes each `Retry-After` later by a random number of seconds up to this, so that clients who were refused together do not come back
    /// together. It is never earlier than it has to be. Default: none.
    pub fn retry_jitter(mut self, up_to: Duration) -> Self {
        self.telling.jitter = up_to.as_secs();
        self
    }

    /// The answer to what is refused. `Retry-After`, `Cache-Control: no-store` and the fields of quotas are added where it has none. Default: a
    /// problem document (RFC 9457). With the feature `tonic`, gRPC calls do not get it, since they could not read it: `respond_to_calls` is for them.
    pub fn respond<B>(
        mut self,
        respond: impl Fn(&Refused<'_>) -> Response<B> + Send + Sync + 'static,
    ) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.telling.respond_with(respond);
        self
    }

    /// Where the time of day comes from that `X-RateLimit-Reset` may hold. Default: the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.telling.clock = Arc::new(clock);
        self
    }
}

impl RateLimitBuilder {
    /// Remembers what is wrong, if it is the first thing.
    pub(super) fn fail(&mut self, problem: RateLimitError) {
        self.problem.get_or_insert(problem);
    }
}

#[cfg(feature = "axum")]
fn usual_form_body() -> Option<FormBody> {
    Some(Box::new(|limit| {
        ContentRule::new(limit, axum::body::Body::new)
    }))
}

#[cfg(not(feature = "axum"))]
fn usual_form_body() -> Option<FormBody> {
    None
}

impl fmt::Debug for RateLimitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitBuilder")
            .field("name", &self.name)
            .field("quotas", &self.quotas.len())
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
