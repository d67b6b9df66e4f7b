//! gRPC calls, whose clients see no fields unless they are meant to.

use tonic::body::Body as Grpc;
use tower::{Layer, service_fn};

use super::*;
use crate::grpc::sample::{GET_ITEM, UPDATE_ITEM, assert_ok, call, ok, seen};
use crate::minutes;

impl World {
    /// Calls a method whose answers are kept, or another, behind a monitor.
    async fn call(&self, monitor: &MonitorLayer, path: &str) -> Response<Grpc> {
        let kept = self
            .cache
            .grpc()
            .method(GET_ITEM, minutes(5))
            .build()
            .unwrap();
        let handler = service_fn(async |_: Request<Grpc>| Ok::<_, Infallible>(ok()));
        let service = monitor.layer(kept.layer(handler));
        service
            .oneshot(call(path, &[]))
            .await
            .unwrap()
            .map(Grpc::new)
    }
}

#[tokio::test]
async fn calls_are_counted_and_told_of_without_fields() {
    let (world, told) = (World::new(), Told::default());
    let monitor = told.by(world.monitor());
    for path in [GET_ITEM, GET_ITEM, UPDATE_ITEM] {
        assert_ok(world.call(&monitor, path).await).await;
    }
    let expected = [
        "POST /catalog.Catalog/GetItem 200 hits=0 misses=1 sets=1 errors=0 rate=0.0% duration=0.000s",
        "POST /catalog.Catalog/GetItem 200 hits=1 misses=0 sets=0 errors=0 rate=100.0% duration=0.000s",
        "POST /catalog.Catalog/UpdateItem 200 hits=0 misses=0 sets=0 errors=0 rate=0.0% duration=0.000s",
    ];
    assert_eq!(told.lines(), expected);
}

#[tokio::test]
async fn fields_may_be_asked_for_and_are_initial_metadata() {
    let world = World::new();
    let monitor = world.monitor().fields_on_calls(true);
    for (hits, word) in [("0", "miss"), ("1", "hit")] {
        let (head, _, trailers) = seen(world.call(&monitor, GET_ITEM).await).await;
        assert_eq!(head["x-cache-hits"], hits);
        let timing = head["server-timing"].to_str().unwrap();
        assert!(timing.contains(word), "{timing}");
        assert_eq!(trailers.unwrap().len(), 1);
    }
    let hidden = monitor.shown_if(|_| false);
    assert_ok(world.call(&hidden, GET_ITEM).await).await;
}

#[tokio::test]
async fn labels_are_those_of_declared_methods_whatever_is_called() {
    let world = World::new();
    let monitor = world.monitor();
    for n in 0..50 {
        drop(world.call(&monitor, &format!("/made.Up/Method{n}")).await);
    }
    for _ in 0..2 {
        assert_ok(world.call(&monitor, GET_ITEM).await).await;
    }
    let routes = world.cache.stats().routes;
    let labels: Vec<_> = routes
        .iter()
        .map(|route| (&*route.route, route.hits()))
        .collect();
    assert_eq!(labels, [(GET_ITEM, 1)]);
}
