//! What a handler says of its own page.

use std::time::Duration;

use http::Extensions;

use crate::ttl::Ttl;

/// What the handler that made a page says of it: a part of an axum response, or an extension of any [`http::Response`].
///
/// Said more than once, the shortest lifetime counts, and not storing wins. Tags are [`CacheTags`](crate::CacheTags).
///
/// ```
/// use axum::response::IntoResponse;
/// use larder::{PageControl, seconds};
///
/// async fn scores() -> impl IntoResponse {
///     (PageControl::new().ttl(seconds(10)), "2:1")
/// }
///
/// async fn draft() -> impl IntoResponse {
///     (PageControl::new().do_not_store(), "not yet")
/// }
/// # let _ = (scores, draft);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageControl {
    ttl: Option<Ttl>,
    do_not_store: bool,
}

impl PageControl {
    /// Says nothing yet.
    pub const fn new() -> Self {
        Self {
            ttl: None,
            do_not_store: false,
        }
    }

    /// This page's lifetime, in place of the layer's. The response's own directives still come first, and an error is stored for a minute
    /// at most.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// Serves this page without storing it.
    #[must_use]
    pub const fn do_not_store(mut self) -> Self {
        self.do_not_store = true;
        self
    }

    /// Adds this to a response with these extensions.
    pub fn add_to(self, extensions: &mut Extensions) {
        let there = extensions.get::<Self>().copied().unwrap_or_default();
        extensions.insert(there.and(self));
    }

    /// What both say: the shorter lifetime, and not storing.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            ttl: shorter(self.ttl, other.ttl),
            do_not_store: self.do_not_store || other.do_not_store,
        }
    }

    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    pub(crate) fn lifetime(&self, default: Duration) -> Option<Duration> {
        self.ttl.map(|ttl| ttl.resolve(default))
    }

    pub(super) fn stores(&self) -> bool {
        !self.do_not_store
    }
}

fn shorter(one: Option<Ttl>, other: Option<Ttl>) -> Option<Ttl> {
    match (one, other) {
        (Some(Ttl::For(one)), Some(Ttl::For(other))) => Some(Ttl::For(one.min(other))),
        (Some(Ttl::Forever), Some(ttl))
        | (Some(ttl), Some(Ttl::Forever) | None)
        | (None, Some(ttl)) => Some(ttl),
        // The default is what neither asked for in numbers.
        (Some(Ttl::Default), Some(ttl)) | (Some(ttl), Some(Ttl::Default)) => Some(ttl),
        (None, None) => None,
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponseParts for PageControl {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum_core::response::ResponseParts,
    ) -> Result<axum_core::response::ResponseParts, Self::Error> {
        self.add_to(parts.extensions_mut());
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl::seconds;

    #[test]
    fn the_shortest_lifetime_and_not_storing_win() {
        let mut extensions = Extensions::new();
        PageControl::new().ttl(seconds(9)).add_to(&mut extensions);
        PageControl::new().ttl(Ttl::Forever).add_to(&mut extensions);
        PageControl::new()
            .ttl(seconds(5))
            .do_not_store()
            .add_to(&mut extensions);
        PageControl::new().ttl(seconds(7)).add_to(&mut extensions);
        let control = PageControl::of(&extensions);
        assert_eq!(control.lifetime(seconds(1)), Some(seconds(5)));
        assert!(!control.stores());
    }
}
