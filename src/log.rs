//! Events for `tracing`, where that feature is on.

#[cfg(feature = "tracing")]
pub(crate) use self::events::*;
#[cfg(not(feature = "tracing"))]
pub(crate) use self::silence::*;

#[cfg(feature = "tracing")]
mod events {
    use crate::monitor::RequestSummary;
    use crate::store::StoreError;

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

    pub(crate) fn credentials(route: &str) {
        tracing::warn!(
            route,
            "a response to a request with credentials is not stored: let it say `public` or `s-maxage`, or make the route .shared() if the page is the same for everyone"
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
    use crate::monitor::RequestSummary;
    use crate::store::{PurgeError, StoreError};

    pub(crate) fn store_error(_: &StoreError) {}

    pub(crate) fn purge_error(_: &PurgeError) {}

    pub(crate) fn credentials(_: &str) {}

    pub(crate) fn identity(_: &str) {}

    pub(crate) fn request(_: &RequestSummary) {}

    pub(crate) fn slow_request(_: &RequestSummary) {}
}
