//! Events for `tracing`, where that feature is on.

#[cfg(feature = "tracing")]
pub(crate) use self::events::*;
#[cfg(not(feature = "tracing"))]
pub(crate) use self::silence::*;

#[cfg(feature = "tracing")]
mod events {
    use std::future::Future;

    use tracing::Instrument;
    use tracing::field::Empty;
    use tracing::instrument::Instrumented;

    use crate::monitor::{Reason, RequestSummary};
    use crate::store::StoreError;

    /// A handler at work, within the span of its request.
    pub(crate) type Asking<F> = Instrumented<F>;

    /// The span of a request that is forwarded.
    #[derive(Clone, Debug)]
    pub(crate) struct Span(tracing::Span);

    impl Span {
        pub(crate) fn none() -> Self {
            Self(tracing::Span::none())
        }

        pub(crate) fn filling(route: &str) -> Self {
            Self(tracing::debug_span!(
                "larder.fill",
                route,
                result = Empty,
                detail = Empty
            ))
        }

        pub(crate) fn around<F: Future>(&self, work: F) -> Asking<F> {
            work.instrument(self.0.clone())
        }

        /// What became of the request.
        pub(crate) fn note(&self, reason: Reason) {
            self.0.record("result", reason.result());
            self.0.record("detail", reason.word());
        }
    }

    pub(crate) fn answered(route: &str, reason: Reason) {
        tracing::debug!(
            route,
            result = reason.result(),
            detail = reason.word(),
            "answered"
        );
    }

    pub(crate) fn store_error(error: &StoreError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the cache is passed by"
        );
    }

    pub(crate) fn purge_error(error: &crate::store::PurgeError) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "a purge was not delivered"
        );
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis_is_away(error: &StoreError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the cache server is not reached yet: pages are made until it is"
        );
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis_left_alone(
        pause: std::time::Duration,
        error: Option<&(dyn std::error::Error + 'static)>,
    ) {
        tracing::warn!(?pause, error, "the cache server is left alone for a while");
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis_is_back() {
        tracing::info!("the cache server is in use again");
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis_evicts(policy: &str) {
        tracing::warn!(
            policy,
            "the cache server may throw away any key when its memory is full, and what tells fresh from purged with it: set maxmemory-policy to volatile-lfu or noeviction"
        );
    }

    pub(crate) fn limiter_is_away(error: &crate::limit::LimiterError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the limiter could not be asked: each quota does what its outage policy says"
        );
    }

    pub(crate) fn limiter_is_back() {
        tracing::info!("the limiter is in use again");
    }

    pub(crate) fn refused(group: &str, refusal: &crate::limit::Refusal) {
        tracing::debug!(
            group,
            reason = refusal as &dyn std::error::Error,
            "refused by a limit"
        );
    }

    pub(crate) fn rule_failed(failure: &crate::invalidation::RuleFailure) {
        tracing::error!(
            rule = failure.name(),
            event = failure.event(),
            error = failure as &dyn std::error::Error,
            "an invalidation rule failed"
        );
    }

    pub(crate) fn events_dropped(events: usize) {
        tracing::warn!(
            events,
            "events were dropped that nobody has emitted: they free nothing"
        );
    }

    pub(crate) fn credentials(route: &str) {
        tracing::warn!(
            route,
            "a response to a request with credentials is not stored: let it say `public` or `s-maxage`, or make the route .shared() if the page is the same for everyone"
        );
    }

    #[cfg(feature = "tonic")]
    pub(crate) fn metadata(route: &str, name: &http::HeaderName) {
        tracing::debug!(
            route,
            name = name.as_str(),
            "a call passes the cache by: make this metadata part of the key (.vary_on_metadata), or declare that answers do not depend on it (.inert_metadata)"
        );
    }

    pub(crate) fn identity(route: &str) {
        tracing::warn!(
            route,
            "a handler read who was asking, and the page does not vary on it: it is served and not stored"
        );
    }

    pub(crate) fn request(summary: &RequestSummary) {
        tracing::info!(
            method = summary.printable_method(),
            path = summary.path,
            status = summary.status.map(|status| status.as_u16()),
            hits = summary.hits,
            misses = summary.misses,
            sets = summary.sets,
            errors = summary.errors,
            rate = %summary.rate(),
            duration = %summary.seconds(),
            "request"
        );
    }

    pub(crate) fn slow_request(summary: &RequestSummary) {
        tracing::warn!(
            method = summary.printable_method(),
            path = summary.path,
            duration = %summary.seconds(),
            "slow request"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod silence {
    use std::future::Future;

    use crate::monitor::{Reason, RequestSummary};
    use crate::store::{PurgeError, StoreError};

    pub(crate) type Asking<F> = F;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Span;

    impl Span {
        pub(crate) fn none() -> Self {
            Self
        }

        pub(crate) fn filling(_: &str) -> Self {
            Self
        }

        pub(crate) fn around<F: Future>(&self, work: F) -> Asking<F> {
            work
        }

        pub(crate) fn note(&self, _: Reason) {}
    }

    pub(crate) fn answered(_: &str, _: Reason) {}

    pub(crate) fn store_error(_: &StoreError) {}

    pub(crate) fn purge_error(_: &PurgeError) {}

    #[cfg(feature = "redis")]
    pub(crate) fn redis_is_away(_: &StoreError) {}

    #[cfg(feature = "redis")]
    pub(crate) fn redis_left_alone(
        _: std::time::Duration,
        _: Option<&(dyn std::error::Error + 'static)>,
    ) {
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis_is_back() {}

    #[cfg(feature = "redis")]
    pub(crate) fn redis_evicts(_: &str) {}

    pub(crate) fn limiter_is_away(_: &crate::limit::LimiterError) {}

    pub(crate) fn limiter_is_back() {}

    pub(crate) fn refused(_: &str, _: &crate::limit::Refusal) {}

    pub(crate) fn rule_failed(_: &crate::invalidation::RuleFailure) {}

    pub(crate) fn events_dropped(_: usize) {}

    pub(crate) fn credentials(_: &str) {}

    #[cfg(feature = "tonic")]
    pub(crate) fn metadata(_: &str, _: &http::HeaderName) {}

    pub(crate) fn identity(_: &str) {}

    pub(crate) fn request(_: &RequestSummary) {}

    pub(crate) fn slow_request(_: &RequestSummary) {}
}
