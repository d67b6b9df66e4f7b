//! Who is asking, in a way that the page layers know of.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::MissingLayer;
use crate::cache::{Cache, Provided};
use crate::identity::{Identity, Trace};
use crate::request::RequestHead;

const MISSING: MissingLayer = MissingLayer {
    wanted: "Identity",
    layer: "CachesLayer, page layer or MonitorLayer of a cache with a .user()",
};

/// Who is asking, as [`CacheBuilder::user`](crate::cache::CacheBuilder::user) tells it. The answer depends on it, and is stored only where
/// pages vary on it.
impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        read(parts).ok_or(MISSING)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(read(parts))
    }
}

fn read(parts: &mut Parts) -> Option<Identity> {
    let cache = Provided::of(&parts.extensions).map(Provided::default)?;
    let identity = tell(cache, parts)?;
    Trace::of_or_new(&mut parts.extensions).read(identity.clone());
    Some(identity)
}

fn tell(cache: &Cache, parts: &Parts) -> Option<Identity> {
    let user = cache.shared.user.as_ref()?;
    let head = RequestHead {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        extensions: &parts.extensions,
    };
    // It is the application's code, and the page layer takes a panic of it for the same.
    let told = catch_unwind(AssertUnwindSafe(|| user.identify(&head)));
    Some(told.unwrap_or_else(|_| Identity::unclear(user.name())))
}

/// Another extractor that says who is asking: what it is put round counts as read, whatever comes of it.
///
/// The answer of a handler with such an extractor is stored only where pages vary on a person, and only for a person: what an anonymous
/// request comes to is served and not stored, since larder cannot see what the extractor found. [`Identity`] can be seen, so read that where
/// visitors should share a page. An extractor of the application's own that is
/// used bare is not seen by larder; [`testing::assert_cacheable`](crate::testing::assert_cacheable) finds those that are wrapped on routes
/// that do not vary.
///
/// ```
/// use axum::Extension;
/// use larder::extract::Personal;
///
/// #[derive(Clone)]
/// struct CurrentUser {
///     name: String,
/// }
///
/// async fn dashboard(Personal(Extension(user)): Personal<Extension<CurrentUser>>) -> String {
///     format!("Welcome back, {}!", user.name)
/// }
/// # let _ = dashboard;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Personal<E>(pub E);

impl<S, E> FromRequestParts<S> for Personal<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
{
    type Rejection = E::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        // Before it is asked: that it refuses tells something of who is asking, too.
        Trace::of_or_new(&mut parts.extensions).read_identity();
        E::from_request_parts(parts, state).await.map(Self)
    }
}
