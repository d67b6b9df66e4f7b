//! The page that a handler is making.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::MissingLayer;
use crate::page::{Handle, Looked};
use crate::ttl::Ttl;

/// The page that this handler is making, in a route with a page layer: what the cache should know of it can be said at any time before the
/// handler answers.
///
/// What is said adds up with what layers and response parts say: all tags, the shortest lifetime, and not storing wins. What is said after the
/// head of the answer has gone is not heard.
///
/// ```
/// use larder::extract::Page;
/// use larder::seconds;
///
/// async fn orders(page: Page) -> String {
///     let orders = vec!["soup"];
///     for order in &orders {
///         page.tag(format!("dish:{order}"));
///     }
///     if orders.is_empty() {
///         page.do_not_store();
///     }
///     page.ttl(seconds(30));
///     orders.join(", ")
/// }
/// # let _ = orders;
/// ```
#[derive(Clone, Debug)]
pub struct Page(Handle);

impl Page {
    /// Gives the page this tag.
    pub fn tag(&self, tag: impl Into<String>) {
        self.0.tag(tag.into());
    }

    /// This page's lifetime, in place of the layer's; see [`PageControl::ttl`](crate::PageControl::ttl).
    pub fn ttl(&self, ttl: impl Into<Ttl>) {
        self.0.control(|control| control.ttl(ttl));
    }

    /// Serves this page without storing it.
    pub fn do_not_store(&self) {
        self.0.control(crate::PageControl::do_not_store);
    }

    /// Why the handler was asked: what the look-up came to.
    pub fn looked(&self) -> Looked {
        self.0.looked
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = parts.extensions.get::<Handle>().ok_or(MissingLayer {
            wanted: "Page",
            layer: "page layer (Cache::page)",
        })?;
        Ok(Self(handle.clone()))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Page {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Handle>().cloned().map(Self))
    }
}
