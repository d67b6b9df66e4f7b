//! What is kept comes back block by block as it came, however it was framed.

use bytes::Bytes;
use larder::grpc::CallPolicy;
use larder::{minutes, seconds};
use tonic::Code;

use super::*;

/// A head of many metadata, with binary and repeated ones.
fn rich_head() -> Fields {
    fields([
        ("content-type", "application/grpc+proto"),
        ("x-name", "soup"),
        ("x-name", "salad"),
        ("x-padded-bin", "AAEC/w=="),
        ("x-unpadded-bin", "AAEC/w"),
        ("x-several-bin", "AAE,Av8="),
        ("x-empty", ""),
    ])
    .and("x-opaque", &b"caf\xc3\xa9 \xff"[..])
}

fn rich_trailers() -> Fields {
    fields([
        ("grpc-status", "0"),
        ("grpc-message", ""),
        ("x-name", "trailing"),
        ("x-trailing-bin", "/w=="),
        ("x-trailing-bin", "/w"),
    ])
}

#[tokio::test]
async fn every_block_of_an_answer_comes_back_as_it_came() {
    let stage = Stage::of(vec![
        Step::Head(200, rich_head()),
        Step::Data(message(b"soup")),
        Step::Trailers(rich_trailers()),
    ])
    .await;
    let seen = stage.is_kept(&Call::of(ITEM, b"7")).await;
    assert_eq!(
        seen,
        Seen {
            status: 200,
            head: rich_head().map(),
            in_one_block: false,
            data: message(b"soup"),
            trailers: Some(rich_trailers().map()),
            reset: None,
        }
    );
    let asked = stage.origin.asked();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", ITEM)
    );
    assert_eq!(asked.content, message(b"7"));
    assert_eq!(asked.fields["content-type"], "application/grpc");
    assert_eq!(asked.fields["te"], "trailers");
}

#[tokio::test]
async fn borders_of_frames_mean_nothing() {
    let stage = Stage::of(Vec::new()).await;
    let whole = message(b"soup");
    let piece = |range: std::ops::Range<usize>| Step::Data(whole.slice(range));
    let end = whole.len();
    let mut framings: Vec<Vec<Step>> = (0..=end)
        .map(|border| vec![piece(0..border), piece(border..end)])
        .collect();
    framings.push((0..end).map(|at| piece(at..at + 1)).collect());
    framings.push(
        (0..end)
            .flat_map(|at| [piece(at..at), piece(at..at + 1)])
            .collect(),
    );
    framings.push(vec![piece(0..end), piece(0..0), piece(0..0)]);
    for (nth, framing) in framings.into_iter().enumerate() {
        let mut steps = vec![Step::Head(200, grpc())];
        steps.extend(framing);
        steps.push(fine());
        stage.origin.answers(steps);
        let seen = stage.is_kept(&Call::of(ITEM, &[nth as u8])).await;
        assert_eq!(seen.data, whole, "{nth}");
    }
}

#[tokio::test]
async fn a_call_is_the_same_however_it_is_framed() {
    let stage = Stage::of(ok(b"soup")).await;
    let content = message(b"7 is asked for");
    stage.ask(&Call::raw(ITEM, [content.clone()])).await;
    let bytewise = (0..content.len()).map(|at| content.slice(at..=at));
    let spread =
        (0..content.len()).flat_map(|at| [Bytes::new(), content.slice(at..=at), Bytes::new()]);
    let late_end = [content.clone(), Bytes::new()];
    for call in [
        Call::raw(ITEM, bytewise),
        Call::raw(ITEM, spread),
        Call::raw(ITEM, late_end),
    ] {
        let seen = stage.ask(&call).await;
        assert_eq!((seen.code(), &seen.data), ("0", &message(b"soup")));
        assert_eq!(stage.origin.count(), 1, "{call:?}");
    }
}

#[tokio::test]
async fn messages_are_kept_up_to_the_limit_and_not_beyond() {
    const LIMIT: usize = 100_000;
    let policy = CallPolicy::new(minutes(5)).max_message(LIMIT);
    let stage = Stage::with_policy(Origin::of(Vec::new()).await, policy).await;
    for length in [0, 1, 16_384, LIMIT - 5] {
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        stage.origin.answers(ok(&content));
        let seen = stage.is_kept(&Call::of(ITEM, &length.to_be_bytes())).await;
        assert_eq!(seen.data, message(&content));
    }
    for length in [LIMIT - 4, 3 * LIMIT] {
        let content = vec![b'x'; length];
        stage.origin.answers(ok(&content));
        let seen = stage
            .is_not_kept(&Call::of(ITEM, &length.to_be_bytes()))
            .await;
        assert_eq!((seen.code(), &seen.data), ("0", &message(&content)));
    }
}

#[tokio::test]
async fn compressed_messages_are_kept_with_their_coding() {
    let head = grpc().and("grpc-encoding", "gzip");
    let compressed = framed(1, 3, b"zip");
    let stage = Stage::of(vec![
        Step::Head(200, head),
        Step::Data(compressed.clone()),
        fine(),
    ])
    .await;
    let call = Call::of(ITEM, b"7");
    let seen = stage
        .is_kept(&call.clone().with("grpc-accept-encoding", "gzip,identity"))
        .await;
    assert_eq!(seen.head["grpc-encoding"], "gzip");
    assert_eq!(seen.data, compressed);
    // The same set in other words is the same; another set is another.
    let same = call.clone().with("grpc-accept-encoding", " GZIP , gzip");
    stage.ask(&same).await;
    assert_eq!(stage.origin.count(), 1);
    stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 2);
}

#[tokio::test]
async fn an_error_that_is_kept_is_told_in_one_block() {
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, seconds(10));
    let stage = Stage::with_policy(Origin::of(Vec::new()).await, policy).await;
    let error = fields([
        ("grpc-status", "5"),
        ("grpc-message", "no such item: caf%C3%A9"),
        ("grpc-status-details-bin", "CAUSBGdvbmU"),
    ]);
    let mut head = grpc();
    head.0.extend(error.0.clone());
    stage.origin.answers(vec![Step::Only(200, head.clone())]);
    let seen = stage.is_kept(&Call::of(ITEM, b"7")).await;
    assert_eq!(
        seen,
        Seen {
            status: 200,
            head: head.map(),
            in_one_block: true,
            data: Bytes::new(),
            trailers: None,
            reset: None,
        }
    );
    // In two blocks without a message between them it is the same to a client. The first caller gets it as it came.
    stage.origin.answers(vec![
        Step::Head(200, grpc().and("x-name", "initial")),
        Step::Trailers(error.and("x-name", "trailing")),
    ]);
    let call = Call::of(ITEM, b"8");
    let first = stage.ask(&call).await;
    assert_eq!((first.code(), first.in_one_block), ("5", false));
    let second = stage.ask(&call).await;
    assert_eq!((second.code(), second.in_one_block), ("5", true));
    assert_eq!(stage.origin.count(), 2);
    let names: Vec<_> = second.head.get_all("x-name").iter().collect();
    assert_eq!(names, ["initial", "trailing"]);
}

#[tokio::test]
async fn what_is_of_one_call_is_not_told_to_the_next() {
    let own = [
        "date",
        "grpc-trace-bin",
        "ratelimit",
        "retry-after",
        "traceparent",
        "x-request-id",
    ];
    let with = |mut block: Fields| {
        for name in own {
            block = block.and(name, "MQ");
        }
        block.and("x-stays", "s")
    };
    let stage = Stage::of(vec![
        Step::Head(200, with(grpc())),
        Step::Data(message(b"soup")),
        Step::Trailers(with(fields([("grpc-status", "0")]))),
    ])
    .await;
    let call = Call::of(ITEM, b"7");
    let first = stage.ask(&call).await;
    let second = stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 1);
    for (seen, has) in [(first, true), (second, false)] {
        let trailers = seen.trailers.as_ref().unwrap();
        for name in own {
            if name != "date" {
                assert_eq!(seen.head.contains_key(name), has, "{name}");
            }
            assert_eq!(trailers.contains_key(name), has, "{name}");
        }
        assert_eq!(
            (&seen.head["x-stays"], &trailers["x-stays"]),
            (&"s".parse().unwrap(), &"s".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_length_that_the_origin_told_is_not_told_again() {
    let stage = Stage::of(vec![
        Step::Head(200, grpc().and("content-length", "9")),
        Step::Data(message(b"soup")),
        fine(),
    ])
    .await;
    let call = Call::of(ITEM, b"7");
    stage.ask(&call).await;
    let second = stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 1);
    assert!(!second.head.contains_key("content-length"));
}

#[tokio::test]
async fn a_hundred_metadata_are_kept_in_their_order() {
    let mut head = grpc();
    for nth in 0..100 {
        head = head.and("x-many", format!("value {nth}"));
    }
    let stage = Stage::of(vec![
        Step::Head(200, head),
        Step::Data(message(b"soup")),
        fine(),
    ])
    .await;
    let seen = stage.is_kept(&Call::of(ITEM, b"7")).await;
    let many: Vec<_> = seen.head.get_all("x-many").iter().collect();
    assert_eq!(many.len(), 100);
    assert_eq!(
        (many[0], many[99]),
        (&"value 0".parse().unwrap(), &"value 99".parse().unwrap())
    );
}

#[tokio::test]
async fn what_became_of_a_call_is_told_in_the_first_block_and_only_if_asked_for() {
    let origin = Origin::of(ok(b"soup")).await;
    let stage = Stage::with(origin, |grpc| grpc.method(ITEM, minutes(5)).cache_status()).await;
    let call = Call::of(ITEM, b"7");
    for said in ["fwd=uri-miss", "hit"] {
        let seen = stage.ask(&call).await;
        let told = seen.head["cache-status"].to_str().unwrap();
        assert!(told.contains(said), "{told}");
        assert_eq!(seen.trailers, Some(fields([("grpc-status", "0")]).map()));
    }
}
