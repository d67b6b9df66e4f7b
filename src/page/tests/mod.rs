//! Page layers as a client sees them: status, fields, body, and how often the handler ran.
//!
//! The cache's time stands still until it is moved, tokio's is paused, and gates decide which of several requests is first.

mod analysing;
mod attack_one;
mod attack_people;
mod attack_robust;
mod attack_two;
mod bad_identities;
mod basics;
mod bounds;
mod completing;
mod conditions;
mod counting;
mod cves;
mod equivalents;
mod extractors;
mod failing;
mod fences;
mod flights;
mod followers;
mod found;
mod freeing;
mod gateway_rules;
mod groups;
mod heads;
mod histories;
mod identities;
mod joins;
mod key_parts;
mod leak_hunt;
mod leaks;
mod merging;
mod negotiating;
mod oracle;
mod origin;
mod parts;
mod passing;
mod peers;
mod people;
mod placing;
mod posts;
mod purging;
mod queries;
mod query_method;
mod ranged;
mod ranges;
mod rearming;
mod refreshing;
mod request_rules;
mod round_trips;
mod rules;
mod search_rules;
mod selecting;
#[cfg(feature = "tracing")]
mod spans;
mod staleness;
mod statuses;
pub(crate) mod stores;
mod targeted;
mod telling;
mod timeouts;
mod trouble;
mod unclear_parts;
mod uncollapsed;
mod unsafe_methods;
mod validating;
mod versions;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use self::stores::Waiting;
use self::versions::{Data, Dice, How};
use crate::cache::CacheBuilder;
use crate::clock::ManualClock;
use crate::{Cache, CacheLayer, CacheTags, KeyPart, MIB, MemoryStore, RequestHead, Store, minutes};

/// Runs each scenario on the store in memory, and on one that has to be waited for.
macro_rules! on_every_store {
    ($($scenario:ident)*) => {
        mod in_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $scenario() {
                super::$scenario(super::World::new()).await;
            })*
        }

        mod waited_for {
            $(#[tokio::test(start_paused = true)]
            async fn $scenario() {
                super::$scenario(super::World::waiting()).await;
            })*
        }
    };
}
use on_every_store;

/// Fields of a request or a response.
type Fields = &'static [(&'static str, &'static str)];

/// A cache on a clock that stands still.
#[derive(Clone)]
struct World {
    cache: Cache,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        Self::on(MemoryStore::new(16 * MIB))
    }

    /// On a store that never answers at once.
    fn waiting() -> Self {
        Self::on(Waiting(MemoryStore::new(16 * MIB)))
    }

    fn on(store: impl Store) -> Self {
        Self::built(Cache::builder(store))
    }

    fn built(builder: CacheBuilder) -> Self {
        let clock = ManualClock::new();
        let cache = builder.clock(clock.clone()).build().unwrap();
        Self { cache, clock }
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Half an hour, as most pages here.
    fn page(&self) -> CacheLayer {
        self.cache.page(minutes(30))
    }

    async fn purge_tag(&self, tag: &str) {
        let _ = self.cache.purge_tag(tag).await.unwrap();
    }

    async fn purge_page(&self, address: &str) {
        let _ = self.cache.purge_page(address).await.unwrap();
    }

    /// Purges the page of a GET for this target, by the key that [`page`](Self::page) gives it.
    async fn purge_key(&self, target: &str) {
        let asked = get(target);
        let key = self.page().key(&RequestHead::of(&asked)).unwrap();
        let _ = self.cache.purge_key(&key).await.unwrap();
    }

    /// A site of one handler behind this layer.
    fn site<F, Fut>(&self, layer: CacheLayer, answer: F) -> Site
    where
        F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let runs = Runs::default();
        Site::of(
            self.clone(),
            runs.clone(),
            layer.layer(runs.handler(answer)),
        )
    }

    /// Nothing is under way any more: no flight, no task, no part of the budget.
    async fn assert_at_rest(&self) {
        self.cache.background().idle().await;
        assert_eq!(self.cache.shared.flights.under_way(), 0, "flights are left");
        assert_eq!(self.cache.shared.budget.left(), 64 * MIB, "budget is taken");
    }
}

/// How often handlers ran, to be asked and waited for.
#[derive(Clone)]
struct Runs(watch::Sender<usize>);

impl Default for Runs {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Runs {
    fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until the handler has been entered so often.
    async fn reach(&self, runs: usize) {
        let mut seen = self.0.subscribe();
        seen.wait_for(|count| *count >= runs).await.unwrap();
    }

    fn begin(&self) -> usize {
        let mut run = 0;
        self.0.send_modify(|count| {
            *count += 1;
            run = *count;
        });
        run
    }

    /// A service that counts its runs.
    fn handler<F, Fut>(
        &self,
        answer: F,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
    where
        F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let runs = self.clone();
        tower::service_fn(move |request| {
            runs.begin();
            let answer = answer(request);
            async move { Ok(answer.await) }
        })
    }
}

/// What clients ask.
#[derive(Clone)]
struct Site {
    world: World,
    runs: Runs,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
}

impl Site {
    fn of<S, B>(world: World, runs: Runs, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let service = service.map_response(|response: Response<B>| response.map(Body::new));
        Self {
            world,
            runs,
            service: BoxCloneSyncService::new(service),
        }
    }

    fn runs(&self) -> usize {
        self.runs.count()
    }

    /// The head, with the body still to be read.
    async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.service.clone().oneshot(request).await.unwrap()
    }

    /// The whole answer, once everything that follows from it is done.
    async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = read(self.open(request).await).await;
        self.world.cache.background().idle().await;
        answer
    }

    /// The whole answer, from a task of its own.
    fn start(&self, request: Request<Body>) -> JoinHandle<Answer> {
        let response = self.service.clone().oneshot(request);
        tokio::spawn(async move { read(response.await.unwrap()).await })
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask(get(target)).await
    }
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// The only line of this name, if there is one.
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.lines(name);
        assert!(lines.len() <= 1, "{name}: {lines:?}");
        lines.first().copied()
    }

    fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get_all(name).iter();
        lines.map(|line| line.to_str().unwrap()).collect()
    }

    /// What `Cache-Status` says, without the name of the cache.
    fn said(&self) -> &str {
        let said = self.field("cache-status").expect("a Cache-Status");
        said.strip_prefix("larder; ").expect("our name")
    }

    fn is_hit(&self) -> bool {
        self.said().starts_with("hit")
    }
}

async fn read(response: Response<Body>) -> Answer {
    try_read(response).await.unwrap()
}

/// The whole answer, unless its body fails.
async fn try_read(response: Response<Body>) -> Result<Answer, axum::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_bytes().into()).unwrap(),
        trailers,
    })
}

/// A GET for a target of `shop.example`.
fn get(target: &str) -> Request<Body> {
    request(Method::GET, target, &[])
}

fn get_with(target: &str, fields: &[(&str, &str)]) -> Request<Body> {
    request(Method::GET, target, fields)
}

fn request(method: Method, target: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "shop.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// A 200 with these fields.
fn page(fields: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    with_status(200, fields, body)
}

fn with_status(status: u16, fields: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// A body of these frames that does not say how long it is, with these trailers.
fn trailing(parts: &'static [&'static str], trailers: &[(&'static str, &'static str)]) -> Body {
    let trailers: HeaderMap = trailers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    let data = parts.iter().map(|part| Frame::data(Bytes::from(*part)));
    let frames = data.chain([Frame::trailers(trailers)]);
    Body::new(StreamBody::new(stream::iter(
        frames.map(Ok::<_, Infallible>).collect::<Vec<_>>(),
    )))
}

/// Holds up those who pass until it is opened for them.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    fn open_for(&self, passes: usize) {
        self.0.add_permits(passes);
    }

    fn opened() -> Self {
        let gate = Self::closed();
        gate.open();
        gate
    }

    fn open(&self) {
        self.open_for(Semaphore::MAX_PERMITS / 2);
    }
}

/// Lets every other task of this thread go on until it waits for something.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
