//! Calls that are not one message.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::grpc::CallPolicy;
use crate::grpc::frame::one_message;
use crate::ttl::minutes;

fn layer() -> GrpcCacheLayer {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).max_request(4_096);
    cache.grpc().method(ITEM, policy).build().unwrap()
}

#[tokio::test]
async fn what_is_not_one_message_reaches_the_handler_as_it_came() {
    let two = [message(b"a"), message(b"b")].concat();
    let table: &[(&str, &[u8])] = &[
        ("no message", b""),
        ("a part of a prefix", b"\0\0\0"),
        ("less than it says", b"\0\0\0\0\x05abc"),
        ("more than it says", b"\0\0\0\0\x02abc"),
        ("the largest length", b"\0\xff\xff\xff\xffabc"),
        ("another flag", b"\x02\0\0\0\x01a"),
        ("compressed by nothing", b"\x01\0\0\0\x01a"),
        ("two messages", &two),
    ];
    for (what, sent) in table {
        let (layer, handler) = (layer(), echo());
        for _ in 0..2 {
            let call = call_with(ITEM, Bytes::copy_from_slice(sent), &[]);
            let seen = ask(&layer, &handler, call).await;
            assert_eq!(seen.data, message(sent), "{what}");
            assert_eq!(seen.metadata["x-end"], "well", "{what}");
            seen.assert_bypassed(Bypass::Message);
        }
        assert_eq!(handler.count(), 2, "{what}");
    }
}

#[tokio::test]
async fn a_flag_beside_identity_or_two_codings_is_no_message_to_be_keyed() {
    let body = || Bytes::from_static(b"\x01\0\0\0\x01a");
    for codings in [
        &[("grpc-encoding", "identity")][..],
        &[("grpc-encoding", "gzip"), ("grpc-encoding", "zstd")],
    ] {
        let seen = ask(&layer(), &echo(), call_with(ITEM, body(), codings)).await;
        seen.assert_bypassed(Bypass::Message);
    }
}

#[tokio::test]
async fn what_cannot_be_read_whole_reaches_the_handler_as_it_came() {
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let data = |data: &[u8]| Ok(Frame::data(Bytes::copy_from_slice(data)));
    let whole = message(b"7");
    let calls: [(&str, Box<dyn Fn() -> Body>, &[u8], &str); 4] = [
        (
            "larger than the bound",
            Box::new(|| {
                let chunks: Vec<_> = large.chunks(1_000).map(data).collect();
                frames(chunks)
            }),
            &large,
            "well",
        ),
        (
            "trailers",
            Box::new(|| {
                let trailers = fields(&[("x-a", "1")]);
                frames([data(&whole), Ok(Frame::trailers(trailers))])
            }),
            &whole,
            "trailers",
        ),
        (
            "a body that breaks off",
            Box::new(|| frames([data(&whole[..3]), Err(std::io::Error::other("gone"))])),
            &whole[..3],
            "failed",
        ),
        (
            "more empty frames than bytes that are kept",
            Box::new(|| {
                let flood = (0..10_000).map(move |_| Ok(Frame::data(Bytes::new())));
                frames(flood.chain([Ok(Frame::data(message(b"7")))]))
            }),
            &whole,
            "well",
        ),
    ];
    for (what, body, sent, end) in &calls {
        let (layer, handler) = (layer(), echo());
        for _ in 0..2 {
            let seen = ask(&layer, &handler, call_of(ITEM, body(), &[])).await;
            assert_eq!(seen.data, message(sent), "{what}");
            assert_eq!(seen.metadata["x-end"], *end, "{what}");
            seen.assert_bypassed(Bypass::Content);
        }
        assert_eq!(handler.count(), 2, "{what}");
    }
}

#[tokio::test]
async fn thousands_of_empty_frames_round_a_message_change_nothing() {
    let empty = || (0..2_000).map(|_| Ok(Frame::data(Bytes::new())));
    let body = || {
        frames(
            empty()
                .chain([Ok(Frame::data(message(b"7")))])
                .chain(empty()),
        )
    };
    let (layer, handler) = (layer(), echo());
    for _ in 0..2 {
        let seen = ask(&layer, &handler, call_of(ITEM, body(), &[])).await;
        assert_eq!(seen.data, message(&message(b"7")));
    }
    assert_eq!(handler.count(), 1);
}

/// What is no call, or of no method that is named, is not looked at: not a byte of it is held back.
#[tokio::test]
async fn what_is_not_a_call_of_a_named_method_passes_untouched() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let calls: [(&str, Box<dyn Fn(&mut Request<Body>)>); 6] = [
        (
            "GET",
            Box::new(|call| *call.method_mut() = http::Method::GET),
        ),
        (
            "gRPC-Web",
            Box::new(|call| typed(call, "application/grpc-web+proto")),
        ),
        ("JSON", Box::new(|call| typed(call, "application/json"))),
        (
            "no type",
            Box::new(|call| drop(call.headers_mut().remove("content-type"))),
        ),
        (
            "another method",
            Box::new(|call| to(call, "/catalog.Catalog/UpdateItem")),
        ),
        (
            "another case",
            Box::new(|call| to(call, "/catalog.catalog/GetItem")),
        ),
    ];
    let layer = layer();
    for (what, change) in &calls {
        let (asked, seen_first) = (gate.clone(), gate.clone());
        let handler = Counted::new(move |request| {
            let seen_first = seen_first.clone();
            async move {
                let mut body = request.into_body();
                let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
                // The second is not sent before the first is here.
                seen_first.notify_one();
                let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
                ok(&[first, second].concat())
            }
        });
        for _ in 0..2 {
            let asked = asked.clone();
            let sent = futures_util::stream::unfold(0, move |sent| {
                let asked = asked.clone();
                async move {
                    match sent {
                        0 => {}
                        1 => asked.notified().await,
                        _ => return None,
                    }
                    let frame = Frame::data(Bytes::from_static(b"ab").slice(sent..sent + 1));
                    Some((Ok::<_, std::io::Error>(frame), sent + 1))
                }
            });
            let mut call = call_of(ITEM, Body::new(StreamBody::new(sent)), &[]);
            change(&mut call);
            let seen = ask(&layer, &handler, call).await;
            assert_eq!((seen.data, seen.reason), (message(b"ab"), None), "{what}");
        }
        assert_eq!(handler.count(), 2, "{what}");
    }
}

fn typed(call: &mut Request<Body>, content_type: &'static str) {
    let value = http::HeaderValue::from_static(content_type);
    call.headers_mut().insert("content-type", value);
}

fn to(call: &mut Request<Body>, path: &str) {
    *call.uri_mut() = format!("http://shop.example{path}").parse().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sent_in_whatever_pieces_arrives(
        sent in prop_oneof![
            vec(any::<u8>(), 0..12),
            vec(any::<u8>(), 0..12).prop_map(|content| message(&content).to_vec()),
            vec(0_u8..3, 0..12),
        ],
        cuts in vec(0_usize..4, 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let body = || {
                let (mut rest, mut pieces) = (Bytes::from(sent.clone()), VecDeque::new());
                for cut in &cuts {
                    pieces.push_back(Ok(Frame::data(rest.split_to((*cut).min(rest.len())))));
                }
                pieces.push_back(Ok(Frame::data(rest)));
                frames(pieces)
            };
            let (layer, handler) = (layer(), echo());
            for _ in 0..2 {
                let seen = ask(&layer, &handler, call_of(ITEM, body(), &[])).await;
                assert_eq!(seen.data, message(&sent));
            }
            let is_kept = one_message(&sent).is_some_and(|message| !message.0);
            assert_eq!(handler.count(), if is_kept { 1 } else { 2 });
        });
    }
}
