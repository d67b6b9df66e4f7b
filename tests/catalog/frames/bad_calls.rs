//! Calls that are none: the origin gets them as they came, and answers them for their own client alone.

use bytes::Bytes;
use h2::Reason;
use http::Method;

use super::*;

/// What the origin is to get is what was sent, twice: nothing is kept.
async fn passes(stage: &Stage, name: &str, call: &Call) {
    let seen = stage.is_not_kept(call).await;
    assert_eq!(
        (seen.code(), &seen.data),
        ("0", &message(b"soup")),
        "{name}"
    );
    let asked = stage.origin.asked();
    assert!(asked.is_whole, "{name}");
    assert_eq!(asked.content, call.content(), "{name}");
}

#[tokio::test]
async fn malformed_calls_reach_the_origin_as_they_came() {
    let stage = Stage::of(ok(b"soup")).await;
    let two = [message(b"7"), message(b"8")];
    for (name, frames) in [
        ("no message", vec![]),
        ("less than a prefix", vec![Bytes::from_static(&[0, 0, 0])]),
        ("a length beyond what comes", vec![framed(0, 5, b"7")]),
        ("a length that nothing has", vec![framed(0, u32::MAX, b"7")]),
        ("a length short of what comes", vec![framed(0, 0, b"7")]),
        ("a flag that is none", vec![framed(2, 1, b"7")]),
        ("another flag that is none", vec![framed(255, 1, b"7")]),
        ("compressed without a coding", vec![framed(1, 1, b"7")]),
        ("two messages in one frame", vec![two.concat().into()]),
        ("two messages in two frames", two.to_vec()),
        (
            "a byte behind the message",
            vec![message(b"7"), Bytes::from_static(b"\0")],
        ),
        (
            "a length beyond what comes, in pieces",
            vec![
                Bytes::from_static(&[0, 0]),
                Bytes::from_static(&[0, 0, 9]),
                Bytes::from_static(b"7"),
            ],
        ),
    ] {
        passes(&stage, name, &Call::raw(ITEM, frames)).await;
    }
    let compressed = Call::raw(ITEM, [framed(1, 1, b"7")]);
    let by_none = compressed.clone().with("grpc-encoding", "identity");
    passes(&stage, "compressed by no coding", &by_none).await;
    let with_trailers = Call::of(ITEM, b"7").trailers(fields([("x-a", "b")]));
    passes(&stage, "trailers", &with_trailers).await;
    let trailers = stage.origin.asked().trailers;
    assert_eq!(trailers, Some(fields([("x-a", "b")]).map()));
    // None of them stands in the way of the call that is one, and is none itself.
    stage.is_kept(&Call::of(ITEM, b"7")).await;
    stage
        .is_kept(&compressed.with("grpc-encoding", "gzip"))
        .await;
}

#[tokio::test]
async fn calls_of_16_mib_reach_the_origin_untouched() {
    let stage = Stage::of(ok(b"soup")).await;
    let whole = message(&large());
    let frames = whole.chunks(16_384).map(|frame| whole.slice_ref(frame));
    let seen = stage.is_not_kept(&Call::raw(ITEM, frames)).await;
    assert_eq!(seen.code(), "0");
    assert!(stage.origin.asked().content == whole);
}

#[tokio::test]
async fn a_flood_of_empty_frames_is_not_collected() {
    let stage = Stage::of(ok(b"soup")).await;
    let flood = (0..70_000).map(|_| Bytes::new());
    let call = Call::raw(ITEM, flood.chain([message(b"7")]));
    // A server may end the connection over it; if it does not, the call is one like others.
    if let Ok(seen) = stage.client.ask_for(&call).await {
        assert!(seen.reset.is_some() || seen.code() == "0", "{seen:?}");
    }
    let client = Client::open(stage.address).await;
    assert_eq!(client.ask(&Call::of(ITEM, b"8")).await.code(), "0");
}

#[tokio::test]
async fn metadata_reach_the_origin_as_they_came() {
    let stage = Stage::of(ok(b"soup")).await;
    let call = Call::of(ITEM, b"7")
        .and("x-padded-bin", b"AAEC/w==")
        .and("x-unpadded-bin", b"AAEC/w")
        .and("x-several-bin", b"AAE")
        .and("x-several-bin", b"Av8,/w")
        .and("x-opaque", b"caf\xc3\xa9 \xff")
        .and("x-empty", b"");
    passes(&stage, "metadata", &call).await;
    let asked = stage.origin.asked();
    for (name, lines) in [
        ("x-padded-bin", vec!["AAEC/w=="]),
        ("x-unpadded-bin", vec!["AAEC/w"]),
        ("x-several-bin", vec!["AAE", "Av8,/w"]),
        ("x-empty", vec![""]),
    ] {
        let came: Vec<_> = asked.fields.get_all(name).iter().collect();
        assert_eq!(came, lines, "{name}");
    }
    assert_eq!(asked.fields["x-opaque"].as_bytes(), b"caf\xc3\xa9 \xff");
}

#[tokio::test]
async fn other_content_is_no_call() {
    let stage = Stage::of(ok(b"soup")).await;
    let call = Call::of(ITEM, b"7");
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpcx",
        "application/json",
        "text/plain",
        "",
    ] {
        passes(
            &stage,
            content_type,
            &call.clone().with("content-type", content_type),
        )
        .await;
        assert_eq!(stage.origin.asked().fields["content-type"], content_type);
    }
    passes(&stage, "no type", &call.clone().without("content-type")).await;
    let twice = call.clone().and("content-type", b"application/grpc");
    passes(&stage, "two types", &twice).await;
    for method in [
        Method::GET,
        Method::PUT,
        Method::from_bytes(b"QUERY").unwrap(),
    ] {
        passes(
            &stage,
            method.as_str(),
            &call.clone().method(method.clone()),
        )
        .await;
        assert_eq!(stage.origin.asked().method, method.as_str());
    }
}

#[tokio::test]
async fn forms_of_grpc_content_are_calls_of_their_own() {
    let stage = Stage::of(ok(b"soup")).await;
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc;charset=utf-8",
    ] {
        let call = Call::of(ITEM, b"7").with("content-type", content_type);
        stage.is_kept(&call).await;
        assert_eq!(stage.origin.asked().fields["content-type"], content_type);
    }
}

#[tokio::test]
async fn paths_like_that_of_a_method_are_not_its() {
    let stage = Stage::of(ok(b"soup")).await;
    for path in [
        "/catalog.catalog/GetItem",
        "/catalog.Catalog/getitem",
        "/catalog.Catalog/GETITEM",
        "/catalog.Catalog/GetItem/",
        "//catalog.Catalog/GetItem",
        "/catalog.Catalog//GetItem",
        "/catalog.Catalog/Get%49tem",
        "/catalog.Catalog/./GetItem",
        "/catalog.Catalog",
        "/",
    ] {
        passes(&stage, path, &Call::of(path, b"7")).await;
        assert_eq!(stage.origin.asked().target, path);
    }
    stage.is_kept(&Call::of(ITEM, b"7")).await;
    // What no client sends is, if it is sent, another call.
    let queried = format!("{ITEM}?a=b");
    stage.ask(&Call::of(&queried, b"7")).await;
    assert_eq!(stage.origin.asked().target, queried);
}

#[tokio::test]
async fn a_call_that_breaks_off_leaves_nothing() {
    let stage = Stage::of(ok(b"soup")).await;
    let call = Call::of(ITEM, b"7");
    let whole = message(b"7");
    for end in 0..=whole.len() {
        let (answer, mut upload) = stage.client.begin(&call).await;
        upload.send_data(whole.slice(..end), false).unwrap();
        upload.send_reset(Reason::CANCEL);
        let seen = Seen::of(answer).await;
        assert!(seen.is_err(), "{seen:?}");
    }
    // A whole message without its end is not asked for.
    assert_eq!(stage.origin.count(), 0);
    stage.is_kept(&call).await;
}
