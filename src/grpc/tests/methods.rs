//! Which methods are kept: those that are named, or that say that they have no side effects.

use super::*;
use crate::grpc::GrpcCacheError;
use crate::ttl::minutes;

const SET: &[u8] = include_bytes!("../../../examples/catalog/catalog.bin");

#[test]
fn a_method_that_streams_or_is_not_there_is_refused() {
    let (cache, _) = cache();
    let built = |path: &str| {
        let builder = cache.grpc().descriptor_set(SET).method(path, minutes(5));
        builder.build().map(drop)
    };
    let streams = "/catalog.Catalog/WatchItems";
    let streaming = GrpcCacheError::Streaming(streams.to_owned());
    assert_eq!(built(streams), Err(streaming));
    let absent = built("/catalog.Catalog/GetItems").unwrap_err();
    assert!(matches!(absent, GrpcCacheError::Unknown(_, _)), "{absent}");
    assert_eq!(built(ITEM), Ok(()));
    assert_eq!(
        cache.grpc().build().map(drop),
        Err(GrpcCacheError::NoMethods)
    );
}

#[tokio::test]
async fn without_being_named_only_methods_without_side_effects_are_kept() {
    let (cache, _) = cache();
    let builder = cache.grpc().descriptor_set(SET);
    let layer = builder.safe_methods(minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    for (path, runs) in [
        (ITEM, 1),
        ("/catalog.Catalog/UpdateItem", 3),
        ("/catalog.Catalog/WatchItems", 5),
    ] {
        for _ in 0..2 {
            ask(&layer, &handler, call(path, b"7")).await;
        }
        assert_eq!(handler.count(), runs, "{path}");
    }
}
