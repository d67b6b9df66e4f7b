//! The layer and its options.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::service::ConditionalService;
use crate::clock::{Clock, SystemClock};
use crate::ttl::MIB;

/// Gives answers an `ETag`, and answers conditional requests with 304 or 412 (RFC 9110 §13).
///
/// See the [module](crate::control::conditional) for what gets a tag and what is judged.
///
/// ```
/// use axum::{Router, routing::get};
/// use larder::ConditionalLayer;
///
/// let app: Router = Router::new()
///     .route("/menu", get(async || "soup of the day"))
///     .layer(ConditionalLayer::new().max_body(64 * 1024));
/// # drop(app);
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConditionalLayer {
    options: Options,
}

#[derive(Clone)]
pub(super) struct Options {
    pub(super) tags: Tags,
    pub(super) max_body: usize,
    pub(super) clock: Arc<dyn Clock>,
}

/// Which tags are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    Strong,
    Weak,
    None,
}

impl ConditionalLayer {
    /// Strong tags, of bodies up to 1 MiB.
    pub fn new() -> Self {
        Self {
            options: Options {
                tags: Tags::Strong,
                max_body: MIB,
                clock: Arc::new(SystemClock::new()),
            },
        }
    }

    /// Makes weak tags: for bodies that a layer outside changes without changing what they mean. Default: strong ones.
    pub fn weak(mut self) -> Self {
        self.options.tags = Tags::Weak;
        self
    }

    /// Makes no tags, and judges by those of the handler alone; no body is read. Default: tags are made.
    pub fn without_etag(mut self) -> Self {
        self.options.tags = Tags::None;
        self
    }

    /// How many bytes of a body are read for its tag; longer ones stream through. Default: 1 MiB.
    ///
    /// Each request that is answered may hold as many at once.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// Where the time comes from that tells the century of dates of two digits (RFC 9110 §5.6.7). Default: the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Arc::new(clock);
        self
    }
}

impl Default for ConditionalLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConditionalLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionalLayer")
            .field("tags", &self.options.tags)
            .field("max_body", &self.options.max_body)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ConditionalLayer {
    type Service = ConditionalService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConditionalService::new(inner, self.options.clone())
    }
}
