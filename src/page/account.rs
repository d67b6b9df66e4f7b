//! What the end of an answer needs to know of its request: where it is counted, and what its client may see of that.

use std::future::Future;
use std::sync::Arc;

use super::key_text::KeyText;
use super::layer::Page;
use crate::log::{Asking, Span};
use crate::monitor::{Reason, Route, count_for_request};
use crate::request::{RequestHead, matched_path};

/// What one request may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Status,
    /// Also the key, and why nothing was stored.
    Detail,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Account {
    route: Arc<Route>,
    shown: Shown,
    key: Option<Arc<str>>,
    span: Span,
}

impl Account {
    /// That of a request whose key is `key`, if it has one.
    pub(super) fn of(page: &Page, head: &RequestHead<'_>, key: Option<&[u8]>) -> Self {
        let shown = page.cache.shared.status.shown_to(head);
        Self::known(page.route_of(head), shown, page.key_shown(shown, key))
    }

    pub(super) fn known(route: &Arc<Route>, shown: Shown, key: Option<Arc<str>>) -> Self {
        Self {
            route: route.clone(),
            shown,
            key,
            span: Span::none(),
        }
    }

    /// To a client that has no use for it: that of a gRPC call (GRPC-31).
    pub(super) const fn tell_nothing(&mut self) {
        self.shown = Shown::Nothing;
    }

    pub(super) fn told(&self) -> Told<'_> {
        Told {
            route: &self.route,
            shown: self.shown,
            key: self.key.as_deref(),
            span: Some(&self.span),
        }
    }

    /// The handler's work, within the span of this request, which is closed when its reason is known.
    pub(super) fn around<F: Future>(&mut self, work: F) -> Asking<F> {
        self.span = Span::filling(self.route.label());
        self.span.around(work)
    }
}

/// The same, borrowed: a hit counts nothing up.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) route: &'a Route,
    pub(super) shown: Shown,
    pub(super) key: Option<&'a str>,
    pub(super) span: Option<&'a Span>,
}

impl Told<'_> {
    /// Counts a plain hit, and tells it to those who listen.
    #[inline]
    pub(super) fn hit(self, bytes: u64, saved_micros: u64) {
        self.route.hit(bytes, saved_micros);
        count_for_request(Reason::Hit);
        crate::log::answered(self.route.label(), Reason::Hit);
    }

    /// Counts what became of the request, and tells it to those who listen.
    pub(super) fn count(self, reason: Reason) {
        self.route.count(reason);
        count_for_request(reason);
        crate::log::answered(self.route.label(), reason);
        if let Some(span) = self.span {
            span.note(reason);
        }
    }
}

impl Page {
    /// The route of a request: the layer's own name for it, else the path that axum matched.
    #[inline]
    pub(super) fn route_of(&self, head: &RequestHead<'_>) -> &Arc<Route> {
        let label = self.policy.label.as_deref();
        let label = label.or_else(|| matched_path(head.extensions));
        // Most layers stand on one route.
        if let Some(route) = self.first_route.get()
            && Some(route.label()) == label
        {
            return route;
        }
        let route = self.cache.shared.counters.route(label);
        self.first_route.get_or_init(|| route.clone());
        route
    }

    /// A key as the one who may see it reads it.
    #[inline]
    pub(super) fn key_shown(&self, shown: Shown, key: Option<&[u8]>) -> Option<Arc<str>> {
        match shown {
            Shown::Nothing | Shown::Status => None,
            Shown::Detail => self.key_text(key?),
        }
    }

    fn key_text(&self, key: &[u8]) -> Option<Arc<str>> {
        let text = KeyText::of(key, self.cache.shared.space.len())?;
        Some(text.with_query().into())
    }
}
