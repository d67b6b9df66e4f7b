//! The caches of an application.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::MissingLayer;
use crate::cache::{Cache, Provided, UnknownCache};

const LAYER: &str = "CachesLayer, page layer or MonitorLayer";

/// The default cache.
impl<S: Sync> FromRequestParts<S> for Cache {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let provided = Provided::of(&parts.extensions).ok_or(MissingLayer {
            wanted: "Cache",
            layer: LAYER,
        })?;
        Ok(provided.default().clone())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Cache {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(Provided::of(&parts.extensions).map(|provided| provided.default().clone()))
    }
}

/// All caches that a [`CachesLayer`](crate::CachesLayer) hands on.
///
/// ```
/// use larder::cache::UnknownCache;
/// use larder::extract::Caches;
///
/// async fn report(caches: Caches) -> Result<String, UnknownCache> {
///     let reports = caches.named("reports")?;
///     Ok(format!("{} reports were asked for", reports.stats().misses()))
/// }
/// # let _ = report;
/// ```
#[derive(Clone)]
pub struct Caches(Provided);

impl Caches {
    /// The default cache.
    pub fn default(&self) -> &Cache {
        self.0.default()
    }

    /// The cache of this name: the same for each request.
    ///
    /// # Errors
    ///
    /// When there is none. As a response that is a 500 that names it, as for a layer that is missing.
    pub fn named(&self, name: &str) -> Result<&Cache, UnknownCache> {
        self.0.named(name)
    }

    /// All that have names, with these.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Cache)> {
        self.0.all()
    }
}

impl IntoResponse for UnknownCache {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for Caches {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let provided = Provided::of(&parts.extensions).ok_or(MissingLayer {
            wanted: "Caches",
            layer: LAYER,
        })?;
        Ok(Self(provided.clone()))
    }
}
