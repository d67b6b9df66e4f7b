//! A limit as it was built, and the layer that holds it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::claimed::Missing;
use super::refused::Telling;
use super::scope::Scope;
use super::service::RateLimitService;
use super::settle::Settle;
use crate::content::ContentRule;
use crate::identity::Identify;
use crate::limit::answer::Policy;
use crate::limit::handle::RateLimiter;
use crate::limit::quota::Quota;
use crate::limit::stats::{Event, GroupCounters};
use crate::limit::switch::Switch;
use crate::limit::waiting::Waiting;
use crate::request::RequestHead;

/// Limits how often somebody may ask: made by [`RateLimiter::layer`].
///
/// See the [module](crate::limit) for the whole story. Clones share everything.
#[derive(Clone)]
#[must_use]
pub struct RateLimitLayer {
    pub(super) limit: Arc<Limit>,
}

/// A limit as it was built.
pub(crate) struct Limit {
    pub(super) limiter: RateLimiter,
    pub(super) name: Arc<str>,
    pub(super) entries: Vec<Entry>,
    /// Of the quotas that are the same for all requests.
    pub(super) policies: Vec<Policy>,
    pub(super) scope: Scope,
    pub(super) missing: Missing,
    pub(super) cost: Option<Cost>,
    pub(super) settle: Settle,
    pub(super) telling: Telling,
    pub(super) dry_run: bool,
    /// Set where a quota is by what a form says.
    pub(super) form: Option<ContentRule>,
    pub(super) switch: Option<Switch>,
    pub(super) wait: Option<Waiting>,
    pub(super) deadline: Option<Deadline>,
    pub(super) counters: Arc<GroupCounters>,
}

pub(super) type Cost = Arc<dyn Fn(&RequestHead<'_>) -> u64 + Send + Sync>;

/// How long the client of a request is there for its answer, where that can be told.
pub(super) type Deadline = Arc<dyn Fn(&RequestHead<'_>) -> Option<Duration> + Send + Sync>;

/// One of its quotas.
pub(super) struct Entry {
    pub(super) amount: Amount,
    pub(super) by: Arc<dyn Identify>,
    /// What stands for the meaning of `by` in names.
    pub(super) by_digest: [u8; 8],
    pub(super) name: Cow<'static, str>,
    /// Which of the policies it is.
    pub(super) policy: Option<usize>,
}

/// How much a quota is.
pub(super) enum Amount {
    Fixed(Arc<Quota>),
    Computed(Computed),
}

pub(super) type Computed = Arc<dyn Fn(&RequestHead<'_>) -> Option<Quota> + Send + Sync>;

impl Limit {
    #[cfg(feature = "axum")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts what became of a request.
    pub(super) fn note(&self, event: Event, is_estimated: bool) {
        self.counters.count(event);
        if is_estimated {
            self.counters.count(Event::Estimate);
        }
    }

    /// The name of the policy of a quota.
    #[cfg(feature = "axum")]
    pub(crate) fn policy_name(&self, entry: usize) -> &str {
        self.entries.get(entry).map_or("", |entry| &entry.name)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.name)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitLayer").field(&self.limit).finish()
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService::new(inner, self.limit.clone())
    }
}
