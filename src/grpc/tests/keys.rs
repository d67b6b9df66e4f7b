//! What belongs to the key of a call, as clients see it.

use super::*;
use crate::ttl::minutes;

/// Asks for `one`, then for `other`, through the same layer: were they one call?
async fn share(one: Request<Body>, other: Request<Body>) -> bool {
    let (cache, _) = cache();
    let region = http::HeaderName::from_static("x-region-bin");
    let tenant = http::HeaderName::from_static("x-tenant");
    let policy = crate::grpc::CallPolicy::new(minutes(5))
        .vary_on_metadata(region)
        .vary_on_metadata(tenant);
    let layer = cache
        .grpc()
        .method(ITEM, policy.clone())
        .method("/catalog.Catalog/getItem", policy)
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    ask(&layer, &handler, one).await;
    ask(&layer, &handler, other).await;
    handler.count() == 1
}

fn with(metadata: &[(&str, &str)]) -> Request<Body> {
    call_with(ITEM, message(b"7"), metadata)
}

#[tokio::test]
async fn each_component_makes_another_call() {
    let plain = || with(&[]);
    let to = |uri: &str| {
        let mut call = plain();
        *call.uri_mut() = uri.parse().unwrap();
        call
    };
    let mut typed = plain();
    typed.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/grpc+proto"),
    );
    let compressed = |coding| {
        let body = Bytes::from_static(b"\x01\0\0\0\x017");
        call_with(ITEM, body, &[("grpc-encoding", coding)])
    };
    let pairs = [
        (
            "scheme",
            plain(),
            to("https://shop.example/catalog.Catalog/GetItem"),
        ),
        (
            "authority",
            plain(),
            to("http://other.example/catalog.Catalog/GetItem"),
        ),
        (
            "path",
            plain(),
            to("http://shop.example/catalog.Catalog/getItem"),
        ),
        (
            "query",
            plain(),
            to("http://shop.example/catalog.Catalog/GetItem?x=1"),
        ),
        ("content type", plain(), typed),
        ("coding", compressed("gzip"), compressed("zstd")),
        (
            "a coding named",
            plain(),
            with(&[("grpc-encoding", "gzip")]),
        ),
        ("the flag", with(&[("grpc-encoding", "gzip")]), {
            call_with(
                ITEM,
                Bytes::from_static(b"\x01\0\0\0\x017"),
                &[("grpc-encoding", "gzip")],
            )
        }),
        (
            "accepted codings",
            plain(),
            with(&[("grpc-accept-encoding", "gzip")]),
        ),
        (
            "keyed metadata",
            with(&[("x-tenant", "a")]),
            with(&[("x-tenant", "b")]),
        ),
        ("keyed metadata once", plain(), with(&[("x-tenant", "")])),
        (
            "keyed binary metadata",
            with(&[("x-region-bin", "AAE=")]),
            with(&[("x-region-bin", "AAI=")]),
        ),
        ("the message", plain(), call(ITEM, b"8")),
        ("an empty message", plain(), call(ITEM, b"")),
        (
            "a proxy's host",
            plain(),
            with(&[("x-forwarded-host", "other.example")]),
        ),
    ];
    for (what, one, other) in pairs {
        assert!(!share(one, other).await, "{what}");
    }
}

#[tokio::test]
async fn equal_codings_are_one_however_they_are_written() {
    let accepting = |value| with(&[("grpc-accept-encoding", value)]);
    assert!(
        share(
            accepting("gzip,zstd"),
            accepting("ZSTD , identity, gzip,gzip")
        )
        .await
    );
    assert!(share(accepting("identity"), with(&[])).await);
    assert!(share(with(&[("grpc-encoding", "identity")]), with(&[])).await);
}

#[tokio::test]
async fn what_is_of_one_call_alone_is_not_in_the_key() {
    for (name, value) in [
        ("grpc-timeout", "5S"),
        ("user-agent", "grpc-go/1.60"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("grpc-trace-bin", "AAE"),
        ("x-request-id", "17"),
        ("grpc-previous-rpc-attempts", "1"),
        ("content-length", "6"),
    ] {
        assert!(share(with(&[(name, value)]), with(&[])).await, "{name}");
    }
    let mut without_te = with(&[]);
    without_te.headers_mut().remove("te");
    assert!(share(without_te, with(&[])).await);
}

#[tokio::test]
async fn a_stored_compressed_answer_is_not_given_to_whom_it_is_not_for() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|request| async move {
        match request.headers().contains_key("grpc-accept-encoding") {
            true => answer_of(
                &[("grpc-encoding", "gzip")],
                Some(Bytes::from_static(b"\x01\0\0\0\x01z")),
                Some(&[("grpc-status", "0")]),
            ),
            false => ok(b"soup"),
        }
    });
    let accepting = || with(&[("grpc-accept-encoding", "gzip")]);
    for _ in 0..2 {
        let zipped = ask(&layer, &handler, accepting()).await;
        assert_eq!(zipped.metadata["grpc-encoding"], "gzip");
        assert_eq!(&*zipped.data, b"\x01\0\0\0\x01z");
        let plain = ask(&layer, &handler, with(&[])).await;
        assert_eq!(plain.data, message(b"soup"));
    }
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn two_layers_that_key_different_metadata_share_nothing() {
    let (cache, _) = cache();
    let keyed = |name: &'static str| {
        let policy = crate::grpc::CallPolicy::new(minutes(5))
            .vary_on_metadata(http::HeaderName::from_static(name))
            .ignore_other_metadata();
        cache.grpc().method(ITEM, policy).build().unwrap()
    };
    let handler = Counted::new(|_| async { ok(b"soup") });
    let asked = || with(&[("x-tenant", "5"), ("x-region", "5")]);
    for name in ["x-tenant", "x-region", "x-tenant", "x-region"] {
        ask(&keyed(name), &handler, asked()).await;
    }
    assert_eq!(handler.count(), 2);
}
