//! Limits outside and inside of a cache of gRPC calls.

use std::convert::Infallible;

use tokio::sync::Semaphore;
use tower::util::BoxCloneSyncService;

use super::calls::call;
use super::*;
use crate::grpc::sample::{GET_ITEM, assert_ok, ok};
use crate::grpc::{CallPolicy, GrpcCacheLayer};
use crate::{Cache, MIB, MemoryStore, minutes};

type Grpc = tonic::body::Body;
type Service = BoxCloneSyncService<Request<Grpc>, Response<Grpc>, Infallible>;

/// A handler behind a gate, a cache, and a limit.
struct Site {
    world: World,
    cache: GrpcCacheLayer,
    gate: Arc<Semaphore>,
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        let cache = Cache::builder(MemoryStore::new(MIB)).clock(world.clock.clone());
        let policy = CallPolicy::new(minutes(1)).stale_while_revalidate(minutes(10));
        Self {
            cache: cache
                .build()
                .unwrap()
                .grpc()
                .method(GET_ITEM, policy)
                .build()
                .unwrap(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            world,
        }
    }

    fn handler(&self) -> Service {
        let (gate, runs) = (self.gate.clone(), self.world.runs.clone());
        BoxCloneSyncService::new(tower::service_fn(move |_| {
            let (gate, runs) = (gate.clone(), runs.clone());
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
                drop(gate.acquire().await);
                Ok(ok())
            }
        }))
    }

    fn outside(&self, build: impl FnOnce(RateLimitBuilder) -> RateLimitBuilder) -> Service {
        let limit = build(self.world.layer("test")).build().unwrap();
        let service = tower::ServiceBuilder::new()
            .layer(limit)
            .layer(self.cache.clone());
        boxed(service.service(self.handler()))
    }

    fn inside(&self, quota: &str) -> Service {
        let limit = self
            .world
            .layer("test")
            .quota(quota, client_ip())
            .build()
            .unwrap();
        let service = tower::ServiceBuilder::new()
            .layer(self.cache.clone())
            .layer(limit);
        boxed(service.service(self.handler()))
    }
}

fn boxed<S, B>(service: S) -> Service
where
    S: tower_service::Service<Request<Grpc>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BoxCloneSyncService::new(service.map_response(|answer: Response<B>| answer.map(Grpc::new)))
}

/// Is this address refused?
async fn is_refused(service: &Service, addr: &str) -> bool {
    let answer = service.clone().oneshot(call(addr, GET_ITEM)).await.unwrap();
    match answer.headers().get("grpc-status") {
        Some(code) => {
            assert_eq!(code, "8");
            assert!(answer.headers().contains_key("grpc-status-details-bin"));
            true
        }
        None => {
            drop(answer.into_body().collect().await.unwrap());
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn outside_every_hit_counts_and_a_refusal_is_not_kept() {
    let site = Site::new();
    let service = site.outside(|limit| limit.quota("3/m", client_ip()));
    for expected in [false, false, false, true] {
        assert_eq!(is_refused(&service, ALICE).await, expected);
    }
    assert!(!is_refused(&service, BOB).await);
    assert_eq!(site.world.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn outside_hits_may_be_free() {
    let site = Site::new();
    let service = site.outside(|limit| {
        limit
            .quota("2/m", client_ip())
            .hit_cost(0)
            .fields(Fields::Always)
    });
    for _ in 0..5 {
        let answer = service
            .clone()
            .oneshot(call(ALICE, GET_ITEM))
            .await
            .unwrap();
        assert_eq!(answer.headers()["ratelimit"], "\"test\";r=1;t=30");
        drop(answer.into_body().collect().await.unwrap());
    }
    assert_eq!(site.world.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn inside_only_what_reaches_the_handler_counts_and_no_refusal_is_kept_or_shared() {
    let site = Site::new();
    let service = site.inside("1/m");
    for _ in 0..3 {
        assert!(!is_refused(&service, ALICE).await);
    }
    assert_eq!(site.world.runs(), 1);
    // It is stale by a long way: nothing may stand in for what the limit refuses.
    site.world.advance(minutes(12));
    assert!(!is_refused(&service, ALICE).await);
    assert_eq!(site.world.runs(), 2);

    let site = Site::new();
    let service = site.inside("1/h");
    assert!(!is_refused(&service, ALICE).await);
    site.world.advance(minutes(12));
    assert!(is_refused(&service, ALICE).await);
    assert!(is_refused(&service, ALICE).await);
    // Nobody else is told what was said to her.
    assert!(!is_refused(&service, BOB).await);
    assert!(!is_refused(&service, ALICE).await);
    assert_eq!(site.world.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_one_that_is_refused_asks_for_itself() {
    let site = Site::new();
    let refusing = site.inside("1/h");
    // Alice has used her quota up with a call that is kept no longer.
    assert!(!is_refused(&refusing, ALICE).await);
    site.world.advance(minutes(12));
    site.gate.forget_permits(Semaphore::MAX_PERMITS);
    let start = |addr: &'static str| {
        let service = refusing.clone();
        tokio::spawn(async move { is_refused(&service, addr).await })
    };
    let (alice, bob) = (start(ALICE), start(BOB));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    site.gate.add_permits(1_000);
    assert!(alice.await.unwrap());
    assert!(!bob.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn inside_a_refresh_is_not_charged_to_the_client_who_started_it() {
    let site = Site::new();
    let service = site.inside("1/h");
    assert!(!is_refused(&service, ALICE).await);
    site.world.advance(minutes(2));
    // Stale, and refreshed in the background by nobody's quota.
    let stale = service.clone().oneshot(call(BOB, GET_ITEM)).await.unwrap();
    assert_ok(stale).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.world.runs(), 2);
    site.world.advance(minutes(12));
    assert!(!is_refused(&service, BOB).await);
    assert_eq!(site.world.runs(), 3);
}
