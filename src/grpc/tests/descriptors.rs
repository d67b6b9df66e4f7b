//! What descriptors say of methods, and what is wrong with a layer as it was configured.

use prost::Message;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions,
    ServiceDescriptorProto,
};
use tonic::Code;

use super::*;
use crate::grpc::{CallPolicy, GrpcCacheBuilder, GrpcCacheError};
use crate::ttl::{minutes, seconds};

const CATALOG: &[u8] = include_bytes!("../../../examples/catalog/catalog.bin");

fn method(name: &str, level: Option<IdempotencyLevel>) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        options: level.map(|level| MethodOptions {
            idempotency_level: Some(level.into()),
            ..MethodOptions::default()
        }),
        ..MethodDescriptorProto::default()
    }
}

fn set(package: Option<&str>, service: &str, methods: Vec<MethodDescriptorProto>) -> Vec<u8> {
    let service = ServiceDescriptorProto {
        name: Some(service.to_owned()),
        method: methods,
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        package: package.map(str::to_owned),
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn safe(name: &str) -> MethodDescriptorProto {
    method(name, Some(IdempotencyLevel::NoSideEffects))
}

fn grpc() -> GrpcCacheBuilder {
    cache().0.grpc()
}

/// The methods whose answers are kept.
fn kept(builder: GrpcCacheBuilder) -> Vec<String> {
    let layer = builder.build().unwrap();
    let text = format!("{layer:?}");
    let mut paths: Vec<String> = text
        .split('"')
        .filter(|part| part.starts_with('/'))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn safe_methods_are_kept_and_no_others() {
    let (cache, _) = cache();
    let layer = cache
        .grpc()
        .descriptor_set(CATALOG)
        .safe_methods(minutes(5))
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    for (path, count) in [
        (ITEM, 1),
        ("/catalog.Catalog/ListCategory", 1),
        ("/catalog.Catalog/UpdateItem", 2),
        ("/catalog.Catalog/WatchItems", 2),
        ("/catalog.Catalog/Unknown", 2),
    ] {
        let before = handler.count();
        for _ in 0..2 {
            ask(&layer, &handler, call(path, b"7")).await;
        }
        assert_eq!(handler.count() - before, count, "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_named_has_its_own_policy() {
    let (cache, clock) = cache();
    let layer = cache
        .grpc()
        .descriptor_set(CATALOG)
        .safe_methods(minutes(5))
        .method(ITEM, seconds(5))
        // Its descriptor does not say so: who names it does.
        .method("/catalog.Catalog/UpdateItem", minutes(5))
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    for (path, count) in [
        (ITEM, 2),
        ("/catalog.Catalog/ListCategory", 1),
        ("/catalog.Catalog/UpdateItem", 1),
    ] {
        let before = handler.count();
        ask(&layer, &handler, call(path, b"7")).await;
        clock.advance(seconds(6));
        ask(&layer, &handler, call(path, b"7")).await;
        assert_eq!(handler.count() - before, count, "{path}");
    }
}

#[test]
fn sets_add_up_and_packages_are_part_of_the_name() {
    let nested = set(Some("shop.v1.items"), "Items", vec![safe("Get")]);
    let bare = set(None, "Plain", vec![safe("Get"), method("Put", None)]);
    let builder = grpc().descriptor_set(nested).descriptor_set(bare);
    assert_eq!(
        kept(builder.clone().safe_methods(minutes(5))),
        ["/Plain/Get", "/shop.v1.items.Items/Get"]
    );
    let named = builder
        .clone()
        .method("/shop.v1.items.Items/Get", minutes(5));
    assert_eq!(kept(named), ["/shop.v1.items.Items/Get"]);
    let wrong = builder.method("/items.Items/Get", minutes(5)).build();
    let error = wrong.unwrap_err().to_string();
    assert!(error.contains("/shop.v1.items.Items/Get"), "{error}");
}

#[test]
fn of_what_sets_say_differently_the_worst_is_believed() {
    let streaming = MethodDescriptorProto {
        server_streaming: Some(true),
        ..safe("Get")
    };
    let idempotent = method("Get", Some(IdempotencyLevel::Idempotent));
    let sets = |methods: [MethodDescriptorProto; 2]| {
        let sets = methods.map(|method| set(Some("a"), "B", vec![method]));
        let builder = sets
            .into_iter()
            .fold(grpc(), GrpcCacheBuilder::descriptor_set);
        builder
            .safe_methods(minutes(5))
            .method("/a.B/Get", minutes(5))
    };
    assert_eq!(kept(sets([safe("Get"), safe("Get")])), ["/a.B/Get"]);
    for methods in [
        [safe("Get"), idempotent.clone()],
        [idempotent.clone(), safe("Get")],
    ] {
        let error = sets(methods).build().unwrap_err();
        assert_eq!(error, GrpcCacheError::NoSafeMethods);
    }
    for methods in [[safe("Get"), streaming.clone()], [streaming, safe("Get")]] {
        let error = sets(methods).build().unwrap_err();
        assert_eq!(error, GrpcCacheError::Streaming("/a.B/Get".to_owned()));
    }
}

#[test]
fn client_streams_are_refused_as_server_streams_are() {
    let streaming = MethodDescriptorProto {
        client_streaming: Some(true),
        ..safe("Put")
    };
    let set = set(Some("a"), "B", vec![streaming, safe("Get")]);
    assert_eq!(
        kept(grpc().descriptor_set(set.clone()).safe_methods(minutes(5))),
        ["/a.B/Get"]
    );
    let error = grpc()
        .descriptor_set(set)
        .method("/a.B/Put", minutes(5))
        .build()
        .unwrap_err();
    assert_eq!(error, GrpcCacheError::Streaming("/a.B/Put".to_owned()));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_change() {
    let described = || grpc().descriptor_set(CATALOG);
    let of = |policy: CallPolicy| grpc().method(ITEM, policy);
    let policy = || CallPolicy::new(minutes(5));
    let broken = [&CATALOG[..CATALOG.len() - 1], b"\xff\xff\xff"].concat();
    let table = [
        (grpc(), ".method("),
        (
            grpc().method("GetItem", minutes(5)),
            "/package.Service/Method",
        ),
        (
            grpc().method(ITEM, minutes(5)).method(ITEM, minutes(1)),
            "twice",
        ),
        (grpc().safe_methods(minutes(5)), ".descriptor_set("),
        (
            grpc().descriptor_set([]).method(ITEM, minutes(5)),
            "has no methods",
        ),
        (
            grpc().descriptor_set(broken).method(ITEM, minutes(5)),
            "cannot be read",
        ),
        (
            grpc()
                .descriptor_set(set(Some("a"), "B", vec![method("Put", None)]))
                .safe_methods(minutes(5)),
            "NO_SIDE_EFFECTS",
        ),
        (
            described().method("/catalog.Catalog/WatchItems", minutes(5)),
            "streams",
        ),
        (
            described().method("/catalog.Catalog/GetItems", minutes(5)),
            "/catalog.Catalog/GetItem,",
        ),
        (described().method("/Catalog/GetItem", minutes(5)), ITEM),
        (described().method("/a.B/C", minutes(5)), ITEM),
        (of(policy().code(Code::Internal, seconds(5))), "Internal"),
        (of(policy().code(Code::Ok, seconds(5))), "Ok"),
        (of(policy().code(Code::NotFound, seconds(0))), "a lifetime"),
        (of(policy().max_request(0)), "a request limit"),
        (of(policy().max_message(0)), "a message limit"),
        (of(policy().fill_timeout(seconds(0))), "a fill timeout"),
        (
            of(policy().vary_on_metadata(http::header::AUTHORIZATION)),
            "authorization",
        ),
        (of(policy().inert_metadata(http::header::RANGE)), "range"),
        (of(policy().vary_on_user()), ITEM),
        (grpc().authority("").method(ITEM, minutes(5)), "a host"),
        (
            grpc().authority("https://catalog").method(ITEM, minutes(5)),
            "https://catalog",
        ),
        (
            grpc().authority("me@catalog").method(ITEM, minutes(5)),
            "me@catalog",
        ),
    ];
    for (place, (builder, remedy)) in table.into_iter().enumerate() {
        let error = builder.build().map(drop).unwrap_err().to_string();
        assert!(error.contains(remedy), "{place}: {error}");
    }
}
