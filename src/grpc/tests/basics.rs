//! What is kept, and how it is answered.

use tonic::{Code, Status};

use super::*;
use crate::cache::CacheTags;
use crate::grpc::CallPolicy;
use crate::ttl::{minutes, seconds};

#[tokio::test]
async fn a_call_is_answered_once_and_then_from_the_store() {
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let first = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(first.data, message(b"soup"));
    assert_eq!(first.metadata["x-initial"], "i");
    assert_eq!(first.trailers.as_ref().unwrap()["grpc-status"], "0");
    let second = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(handler.count(), 1);
    assert_eq!(
        (&first.metadata, &first.data, &first.trailers),
        (&second.metadata, &second.data, &second.trailers)
    );
    // Another message is another call.
    ask(&layer, &handler, call(ITEM, b"8")).await;
    assert_eq!(handler.count(), 2);
    clock.advance(minutes(6));
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(handler.count(), 3);
    let stats = cache.stats();
    let route = stats.routes.iter().find(|route| route.route == ITEM);
    assert_eq!(route.unwrap().hits(), 1);
}

#[tokio::test]
async fn only_named_errors_are_kept_and_told_in_one_block() {
    let (cache, clock) = cache();
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, seconds(10));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let absent = Counted::new(|_| async { answer_of(&[("grpc-status", "5")], None, None) });
    for _ in 0..2 {
        let seen = ask(&layer, &absent, call(ITEM, b"7")).await;
        assert_eq!(seen.metadata["grpc-status"], "5");
        assert_eq!((seen.data.len(), seen.trailers), (0, None));
    }
    assert_eq!(absent.count(), 1);
    clock.advance(seconds(11));
    ask(&layer, &absent, call(ITEM, b"7")).await;
    assert_eq!(absent.count(), 2);

    let invalid = Counted::new(|_| async { answer_of(&[("grpc-status", "3")], None, None) });
    for _ in 0..2 {
        ask(&layer, &invalid, call(ITEM, b"invalid")).await;
    }
    assert_eq!(invalid.count(), 2);
}

#[tokio::test]
async fn what_failed_is_told_to_its_caller_as_it_came() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    for code in ["2", "8", "13", "14", "16"] {
        let handler = Counted::new(move |_| async move {
            answer_of(&[("grpc-status", code), ("grpc-message", "m")], None, None)
        });
        for _ in 0..2 {
            let seen = ask(&layer, &handler, call(ITEM, code.as_bytes())).await;
            assert_eq!(seen.metadata["grpc-status"], code);
            assert_eq!(seen.metadata["grpc-message"], "m");
        }
        assert_eq!(handler.count(), 2);
    }
}

#[tokio::test]
async fn a_purge_frees_what_is_kept() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).tag("items");
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    ask(&layer, &handler, call(ITEM, b"7")).await;
    cache.purge_tag("items").await.unwrap();
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn an_error_that_is_kept_is_freed_by_the_tags_of_its_status() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, seconds(10));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let absent = Counted::new(|_| async {
        let tags = CacheTags::new(["item:7"]);
        tags.on_status(Status::not_found("none")).into_http()
    });
    let first = ask(&layer, &absent, call(ITEM, b"7")).await;
    cache.purge_tag("item:8").await.unwrap();
    let second = ask(&layer, &absent, call(ITEM, b"7")).await;
    assert_eq!((absent.count(), &first.metadata), (1, &second.metadata));
    cache.purge_tag("item:7").await.unwrap();
    ask(&layer, &absent, call(ITEM, b"7")).await;
    assert_eq!(absent.count(), 2);
}

#[tokio::test]
async fn credentials_pass_by_unless_they_are_keyed_or_withheld() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let with = |name: &str| call_with(ITEM, message(b"7"), &[(name, "x")]);
    for name in ["authorization", "cookie", "x-tenant"] {
        for _ in 0..2 {
            ask(&layer, &handler, with(name)).await;
        }
    }
    assert_eq!(handler.count(), 6);

    let shared = cache
        .grpc()
        .method(ITEM, CallPolicy::new(minutes(5)).shared())
        .build()
        .unwrap();
    let handler = Counted::new(|request| async move {
        assert!(!request.headers().contains_key("authorization"));
        ok(b"soup")
    });
    for _ in 0..2 {
        ask(&shared, &handler, with("authorization")).await;
    }
    assert_eq!(handler.count(), 1);
}
