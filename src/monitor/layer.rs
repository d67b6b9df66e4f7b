//! The layer that counts and tells what larder does for each request.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::service::MonitorService;
use super::summary::RequestSummary;
use crate::cache::Cache;
use crate::call::is_call;
use crate::request::RequestHead;

/// Counts what larder does for each request, pages and values together, and tells it in response fields, in the log, or to the application.
///
/// | field | says |
/// |---|---|
/// | `X-Cache-Hits: 3` | what was answered from the store |
/// | `X-Cache-Misses: 1` | what was looked for and had to be made |
/// | `X-Cache-Hit-Rate: 75.0%` | hits among both; `0.0%` where there were none of either |
/// | `X-Response-Time: 0.123s` | the time until the head of the response |
/// | `Server-Timing: cache;desc=hit, total;dur=12.3` | what became of the page, and that time in milliseconds, for a browser's network panel |
///
/// All are written for everyone, unless [`shown_if`](Self::shown_if) picks who sees them: how long an answer took, and whether it was
/// stored, may tell the public more than it should know. The `X-` fields replace what is there, `Server-Timing` is added to it.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use larder::{Cache, MIB, MemoryStore, MonitorLayer, minutes};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
/// let app = Router::<()>::new()
///     .route("/menu", get(async || "soup").layer(cache.page(minutes(30))))
///     .layer(
///         MonitorLayer::new(&cache)
///             .shown_if(|head| head.headers.contains_key("x-internal"))
///             .log_requests(),
///     );
///
/// let ask = || Request::get("/menu").header("host", "shop.example").body(Body::empty());
/// let first = app.clone().oneshot(ask()?).await?;
/// assert!(!first.headers().contains_key("x-cache-hits"), "not for the public");
/// axum::body::to_bytes(first.into_body(), MIB).await?;
///
/// let mut internal = ask()?;
/// internal.headers_mut().insert("x-internal", "yes".parse()?);
/// let second = app.oneshot(internal).await?;
/// assert_eq!(second.headers()["x-cache-hits"], "1");
/// assert_eq!(second.headers()["x-cache-misses"], "0");
/// assert_eq!(second.headers()["x-cache-hit-rate"], "100.0%");
/// # Ok(())
/// # }
/// ```
///
/// # What to know
///
/// * What is counted goes with the task of the request, across every `.await`. A task that a handler spawns is another one, and takes the
///   counts along with [`RequestCounts::scope`](crate::monitor::RequestCounts::scope).
/// * All is told when the head of the response is there. A page that will be stored is a set by then; what a handler's body still asks of the
///   cache while it streams is not counted.
/// * A request that is dropped before there is a head, because its client went away or its handler panicked, is told without a status.
/// * Round a route, the log knows the route (`/tables/{id}`); round a whole `Router` as a service, only the path. A query is never logged.
/// * Of two of these layers the outer one opens the counts, and the inner one adopts them: it tells what was counted by the time of its own
///   response.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct MonitorLayer {
    options: Arc<Options>,
}

/// What a layer does, as its services share it.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) cache: Cache,
    pub(super) hit_fields: bool,
    pub(super) response_time: bool,
    pub(super) server_timing: bool,
    on_calls: bool,
    shown_if: Option<Arc<ShownIf>>,
    log: bool,
    slow: Duration,
    on_request: Option<Arc<OnRequest>>,
}

type ShownIf = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;
type OnRequest = dyn Fn(&RequestSummary) + Send + Sync;

impl MonitorLayer {
    /// Tells of requests by the clock of `cache`. What other caches of larder do for a request is counted too.
    pub fn new(cache: &Cache) -> Self {
        Self {
            options: Arc::new(Options {
                cache: cache.clone(),
                hit_fields: true,
                response_time: true,
                server_timing: true,
                on_calls: false,
                shown_if: None,
                log: false,
                slow: Duration::from_secs(1),
                on_request: None,
            }),
        }
    }

    /// Are `X-Cache-Hits`, `X-Cache-Misses` and `X-Cache-Hit-Rate` written? Default: yes.
    pub fn hit_fields(self, written: bool) -> Self {
        self.with(|options| options.hit_fields = written)
    }

    /// Is `X-Response-Time` written? Default: yes.
    pub fn response_time(self, written: bool) -> Self {
        self.with(|options| options.response_time = written)
    }

    /// Is `Server-Timing` written? Default: yes.
    pub fn server_timing(self, written: bool) -> Self {
        self.with(|options| options.server_timing = written)
    }

    /// Are fields written for gRPC calls, too, as initial metadata? Default: no; they are counted, logged and handed over all the same.
    pub fn fields_on_calls(self, written: bool) -> Self {
        self.with(|options| options.on_calls = written)
    }

    /// Who sees the fields, by the head of the request as this layer sees it. Default: everyone. A predicate that panics hides them.
    pub fn shown_if(
        self,
        admits: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.with(|options| options.shown_if = Some(Arc::new(admits)))
    }

    /// Logs one line per request (feature `tracing`, level INFO), with method, route or path, status, hits, misses, sets, errors, hit rate and
    /// duration. Default: none.
    pub fn log_requests(self) -> Self {
        self.with(|options| options.log = true)
    }

    /// Requests that take longer until the head of their response are logged as a warning (feature `tracing`), with method, route or path,
    /// and duration. Default: 1 second; `Duration::MAX` warns of none.
    pub fn slow(self, span: Duration) -> Self {
        self.with(|options| options.slow = span)
    }

    /// Hands a summary of each request to the application, for a log of its own. It is called before the response leaves, and must not block.
    /// Default: nothing. A call that panics changes no response.
    ///
    /// ```
    /// use larder::{Cache, MonitorLayer, NullStore};
    ///
    /// let cache = Cache::builder(NullStore).build()?;
    /// let layer = MonitorLayer::new(&cache).on_request(|summary| {
    ///     // GET /menu 200 hits=3 misses=1 sets=1 errors=0 rate=75.0% duration=0.123s
    ///     println!("{summary}");
    ///     if summary.errors > 0 {
    ///         eprintln!("the store is unwell: {}", summary.path);
    ///     }
    /// });
    /// # drop(layer);
    /// # Ok::<(), larder::BuildError>(())
    /// ```
    pub fn on_request(self, tell: impl Fn(&RequestSummary) + Send + Sync + 'static) -> Self {
        self.with(|options| options.on_request = Some(Arc::new(tell)))
    }

    fn with(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }
}

impl fmt::Debug for MonitorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

impl<S> Layer<S> for MonitorLayer {
    type Service = MonitorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MonitorService {
            inner,
            options: self.options.clone(),
        }
    }
}

impl Options {
    pub(super) fn elapsed(&self) -> Duration {
        self.cache.shared.clock.elapsed()
    }

    pub(super) fn is_shown_to(&self, head: &RequestHead<'_>) -> bool {
        if is_call(head) && !self.on_calls {
            return false;
        }
        self.shown_if.as_ref().is_none_or(|admits| {
            // Of the application's own state a panic leaves what it leaves; nothing of larder's is in its reach.
            catch_unwind(AssertUnwindSafe(|| admits(head))).unwrap_or(false)
        })
    }

    pub(super) fn tell(&self, summary: &RequestSummary) {
        if self.log {
            crate::log::request(summary);
        }
        if summary.duration > self.slow {
            crate::log::slow_request(summary);
        }
        if let Some(tell) = &self.on_request {
            // The panic hook has told of it. It must not end a request, nor a process that is dropping a future because of another panic.
            let _ = catch_unwind(AssertUnwindSafe(|| tell(summary)));
        }
    }

    /// Has anyone asked for a request of this duration?
    pub(super) fn wants(&self, duration: Duration) -> bool {
        self.log || self.on_request.is_some() || duration > self.slow
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorLayer")
            .field("hit_fields", &self.hit_fields)
            .field("response_time", &self.response_time)
            .field("server_timing", &self.server_timing)
            .field("on_calls", &self.on_calls)
            .field("log", &self.log)
            .field("slow", &self.slow)
            .finish_non_exhaustive()
    }
}
