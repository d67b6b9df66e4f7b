//! Checks for the test suites of applications.

use std::fmt::Debug;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_service::Service;

use crate::identity::{Trace, Traced};
use crate::monitor::{NotStored, Reason};
use crate::page::is_answered_by_a_page_layer;

/// Fails a test if the answer to this request is not one that the page cache stores, or answers from: because the handler read who was asking on
/// a route that does not vary on it, or for any other reason, which the message names together with what to do.
///
/// `app` is the application with its layers: a `Router`, or any service. The request should look as clients send it, with `Host`; its
/// answer is read to the end. A page that does not say how long it is, and proves larger than its layer stores, is not found out: its head
/// has said that it is stored.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use larder::{Cache, MIB, MemoryStore, minutes, testing::assert_cacheable};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
/// let app: Router = Router::new().route("/menu", get(async || "soup").layer(cache.page(minutes(5))));
/// assert_cacheable(app, Request::get("/menu").header("host", "shop.example").body(Body::empty())?).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When it is not, or when the application fails.
pub async fn assert_cacheable<S, ReqBody, ResBody>(app: S, request: Request<ReqBody>)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Debug,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Debug,
{
    let target = format!("{} {}", request.method(), request.uri());
    if let Err(why) = check_cacheable(app, request).await {
        panic!("{target} is not cacheable: {why}");
    }
}

/// Runs the contract of a cache's values, each sentence of it on a cache of its own from `make`: for stores of the application's own, beside
/// [`conformance`](crate::store::conformance).
///
/// Each cache has an empty store, or an empty part of one, and a default lifetime of 5 minutes. `wait` lets time pass on the clock of the
/// caches; it is asked for half a second at most.
///
/// ```
/// use larder::clock::ManualClock;
/// use larder::{Cache, MIB, MemoryStore, testing::values_contract};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let make = || async {
///     let cache = Cache::builder(MemoryStore::new(MIB)).clock(clock.clone());
///     cache.build().expect("its options make sense")
/// };
/// values_contract(make, async |span| clock.advance(span)).await;
/// # }
/// ```
///
/// # Panics
///
/// With what was broken.
pub async fn values_contract<C, W>(make: impl Fn() -> C, wait: impl Fn(std::time::Duration) -> W)
where
    C: Future<Output = crate::Cache>,
    W: Future<Output = ()>,
{
    crate::cache::contract::run(make, wait).await;
}

/// Why an answer is none that the page cache stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCacheable {
    /// The application failed, or its body did.
    #[error("the application failed")]
    Failed,
    /// No page layer stands round the route.
    #[error("no page layer answered: put cache.page(…) round the route")]
    NoLayer,
    /// The handler read who was asking.
    #[error(
        "the handler, or an extractor, reads who is asking, and the route does not vary on it: let it say .vary_on_user(), or do not read it"
    )]
    Identity,
    /// The request carries credentials.
    #[error(
        "the request carries credentials, and nothing says that the page is for everyone: make the route .shared(), let it .vary_on_user(), or ask without them"
    )]
    Credentials,
    /// Another reason.
    #[error("the page layer says: {0:?}")]
    Refused(Reason),
}

/// The same as [`assert_cacheable`], with the reason as a value.
///
/// # Errors
///
/// When the answer is none that the page cache stores.
pub async fn check_cacheable<S, ReqBody, ResBody>(
    app: S,
    mut request: Request<ReqBody>,
) -> Result<(), NotCacheable>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    // With a trace in it, also a plain hit says that it is one.
    let trace = Trace::default();
    request.extensions_mut().insert(Traced {
        trace: trace.clone(),
        depth: 0,
    });
    let response = app
        .oneshot(request)
        .await
        .map_err(|_| NotCacheable::Failed)?;
    let reason = response.extensions().get::<Reason>().copied();
    let is_answered = is_answered_by_a_page_layer(response.extensions());
    let collected = response.into_body().collect().await;
    collected.map_err(|_| NotCacheable::Failed)?;
    match reason {
        None if is_answered => Ok(()),
        None => Err(NotCacheable::NoLayer),
        Some(reason) => judge(reason),
    }
}

fn judge(reason: Reason) -> Result<(), NotCacheable> {
    match reason {
        Reason::Refused(_, NotStored::Identity) | Reason::RefusedAlone(_, NotStored::Identity) => {
            Err(NotCacheable::Identity)
        }
        Reason::Refused(_, NotStored::Credentials)
        | Reason::RefusedAlone(_, NotStored::Credentials) => Err(NotCacheable::Credentials),
        Reason::Refused(..)
        | Reason::RefusedAlone(..)
        | Reason::Bypassed(_)
        | Reason::Unanswered(_) => Err(NotCacheable::Refused(reason)),
        Reason::Hit
        | Reason::Collapsed(_)
        | Reason::Stored(_)
        | Reason::StoredAlone(_)
        | Reason::StaleHit(_)
        | Reason::Validated(_)
        | Reason::StaleOnError(_) => Ok(()),
    }
}
