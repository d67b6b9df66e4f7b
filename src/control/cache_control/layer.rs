//! [`CacheControlLayer`]: what it writes, and on which answers.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderName, StatusCode};
use tower_layer::Layer;

use super::rules::{Mode, Rules, Said};
use super::{CacheControl, CacheControlService};
use crate::clock::{Clock, SystemClock};
use crate::request::RequestHead;

/// Writes [`CacheControl`] on the answers of a route, a router or any tower service.
///
/// See the [module](super) for an example, and for what it means inside and outside of a page layer.
///
/// What it writes goes on every answer if it only restricts, as `never_cache` does; what lets caches keep something goes on successes
/// and redirects alone, so that no error is kept like a page. [`on_status`](Self::on_status) chooses otherwise. Answers to gRPC calls pass: no
/// cache of HTTP keeps them, and one of gRPC within would take it for the handler's word.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheControlLayer {
    rules: Rules,
}

impl CacheControlLayer {
    /// Says this in place of what the response says. Nothing changes if `control` says nothing.
    pub fn set<K>(control: CacheControl<K>) -> Self {
        Self::new(Mode::Set, control)
    }

    /// Says this where the response has no `Cache-Control`.
    pub fn if_not_present<K>(control: CacheControl<K>) -> Self {
        Self::new(Mode::IfNotPresent, control)
    }

    /// Adds this to what the response says, as [`CacheControl::add_to`] does, with one difference: the layer is later, so its `public`
    /// replaces a `private` of the response. It is for routers whose author knows that; `if_not_present` leaves the handler its word.
    ///
    /// ```
    /// use larder::{CacheControl, CacheControlLayer, minutes};
    ///
    /// // `max-age=10` stays, `private, max-age=3600` becomes `max-age=300, public`.
    /// let layer = CacheControlLayer::patch(CacheControl::public().max_age(minutes(5)));
    /// # let _ = layer;
    /// ```
    pub fn patch<K>(control: CacheControl<K>) -> Self {
        Self::new(Mode::Patch, control)
    }

    /// No cache may keep what stands behind this layer: [`CacheControl::never_cache`] added to every answer, errors too, with an
    /// `Expires` of now unless the response has one.
    pub fn never_cache() -> Self {
        Self::new(Mode::NeverCache, CacheControl::never_cache()).expires(true)
    }

    fn new<K>(mode: Mode, control: CacheControl<K>) -> Self {
        Self {
            rules: Rules {
                mode,
                said: Said::new(control.said),
                targeted: Vec::new(),
                vary: Vec::new(),
                expires: false,
                clock: Arc::new(SystemClock::new()),
                statuses: None,
                requests: None,
            },
        }
    }

    /// Keeps `Expires` in step with the `max-age` that the answer ends up with, counted from its `Date` or from now.
    ///
    /// It is written where it is absent. One that is there is replaced by a layer that sets, and by one that patches if it ends later than
    /// `max-age` does. Without a `max-age` it is left alone. Default: off, but on for [`never_cache`](Self::never_cache).
    pub fn expires(mut self, on: bool) -> Self {
        self.rules.expires = on;
        self
    }

    /// Adds request fields to `Vary`; those that are there keep their order and spelling, and `*` is all there is to say.
    ///
    /// They go on every answer, since they only restrict, unless [`on_status`](Self::on_status) chooses. Default: none.
    pub fn vary(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.rules.vary.extend(fields);
        self
    }

    /// Says `control` to the caches that listen to this field (RFC 9213), such as `CDN-Cache-Control`: for them it counts in place of
    /// `Cache-Control`. It is set, added if absent, or patched as `Cache-Control` is.
    ///
    /// `Cache-Control` itself is no targeted field, and ignored here. Default: none.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::{CacheControl, CacheControlLayer, hours, minutes};
    ///
    /// let cdn = HeaderName::from_static("cdn-cache-control");
    /// let layer = CacheControlLayer::set(CacheControl::private().max_age(minutes(1)))
    ///     .targeted(cdn, CacheControl::new().max_age(hours(1)));
    /// # let _ = layer;
    /// ```
    pub fn targeted<K>(mut self, field: HeaderName, control: CacheControl<K>) -> Self {
        if field != CACHE_CONTROL {
            self.rules.targeted.push((field, Said::new(control.said)));
        }
        self
    }

    /// Touches answers with these statuses, and no others. Default: what the [type](Self) says.
    ///
    /// ```
    /// use http::StatusCode;
    /// use larder::{CacheControl, CacheControlLayer, seconds};
    ///
    /// let layer = CacheControlLayer::if_not_present(CacheControl::public().max_age(seconds(10)))
    ///     .on_status(|status| status == StatusCode::NOT_FOUND);
    /// # let _ = layer;
    /// ```
    pub fn on_status(
        mut self,
        chosen: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.rules.statuses = Some(Arc::new(chosen));
        self
    }

    /// Touches the answers to these requests, and no others. Default: to all.
    pub fn on_request(
        mut self,
        chosen: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.rules.requests = Some(Arc::new(chosen));
        self
    }

    /// Where `Expires` takes the time from, for tests. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.rules.clock = Arc::new(clock);
        self
    }
}

impl<S> Layer<S> for CacheControlLayer {
    type Service = CacheControlService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheControlService::new(inner, Arc::new(self.rules.clone()))
    }
}
