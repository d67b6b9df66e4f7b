//! Answers that are none, or none to be kept: their client gets them as it would without the cache, and nobody else does.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use larder::grpc::CallPolicy;
use larder::{minutes, seconds};
use tokio::sync::Semaphore;
use tonic::Code;

use super::*;

fn head(lines: Fields) -> Step {
    let mut all = grpc();
    all.0.extend(lines.0);
    Step::Head(200, all)
}

fn ending<const N: usize>(lines: [(&'static str, &'static str); N]) -> Step {
    Step::Trailers(fields(lines))
}

fn plain() -> Step {
    Step::Head(200, grpc())
}

fn soup() -> Step {
    Step::Data(message(b"soup"))
}

/// Bad in their framing.
fn malformed() -> Vec<(&'static str, Vec<Step>)> {
    let data = |data: Bytes| vec![plain(), Step::Data(data), fine()];
    let two = [message(b"soup"), message(b"salad")].concat();
    vec![
        ("less than a prefix", data(Bytes::from_static(&[0, 0]))),
        ("a length beyond what comes", data(framed(0, 5, b"soup"))),
        (
            "a length that nothing has",
            data(framed(0, u32::MAX, b"soup")),
        ),
        ("a length short of what comes", data(framed(0, 3, b"soup"))),
        ("a flag that is none", data(framed(2, 4, b"soup"))),
        ("a flag alone", data(Bytes::from_static(&[255]))),
        ("compressed without a coding", data(framed(1, 4, b"soup"))),
        (
            "compressed by no coding",
            vec![
                head(fields([("grpc-encoding", "identity")])),
                Step::Data(framed(1, 4, b"soup")),
                fine(),
            ],
        ),
        ("two messages in one frame", data(two.into())),
        (
            "two messages in two frames",
            vec![plain(), soup(), soup(), fine()],
        ),
        (
            "a byte behind the message",
            vec![
                plain(),
                soup(),
                Step::Data(Bytes::from_static(b"\0")),
                fine(),
            ],
        ),
        ("no message", vec![plain(), fine()]),
    ]
}

/// Without an end, or with a bad one.
fn unfinished() -> Vec<(&'static str, Vec<Step>)> {
    let last = |data: Bytes| vec![plain(), Step::Last(data)];
    let reset = |reason| vec![plain(), soup(), Step::Reset(reason)];
    vec![
        ("no trailers", last(message(b"soup"))),
        ("an end within the message", last(framed(0, 9, b"soup"))),
        ("an end in the head", vec![Step::Only(200, grpc())]),
        (
            "trailers without a status",
            vec![plain(), soup(), ending([("x-a", "b")])],
        ),
        ("reset by failure", reset(Reason::INTERNAL_ERROR)),
        ("reset by cancelling", reset(Reason::CANCEL)),
        ("reset without an error", reset(Reason::NO_ERROR)),
        (
            "reset within the message",
            vec![
                plain(),
                Step::Data(framed(0, 9, b"soup")),
                Step::Reset(Reason::INTERNAL_ERROR),
            ],
        ),
        (
            "reset behind the head",
            vec![plain(), Step::Reset(Reason::ENHANCE_YOUR_CALM)],
        ),
    ]
}

/// With a status that is none, or not where it belongs.
fn misplaced() -> Vec<(&'static str, Vec<Step>)> {
    let status = |status| vec![plain(), soup(), ending([("grpc-status", status)])];
    let in_head = |end| vec![head(fields([("grpc-status", "0")])), soup(), end];
    vec![
        ("a status in both blocks", in_head(fine())),
        (
            "another status in each block",
            in_head(ending([("grpc-status", "5")])),
        ),
        (
            "a status in the head alone",
            in_head(ending([("x-a", "b")])),
        ),
        (
            "a status in the head and no trailers",
            vec![
                head(fields([("grpc-status", "0")])),
                Step::Last(message(b"soup")),
            ],
        ),
        (
            "two in the trailers",
            vec![
                plain(),
                soup(),
                ending([("grpc-status", "0"), ("grpc-status", "0")]),
            ],
        ),
        ("no number", status("fine")),
        ("two digits", status("00")),
        ("nothing", status("")),
        ("a code that is none", status("99")),
        (
            "success without a message",
            vec![Step::Only(200, grpc().and("grpc-status", "0"))],
        ),
        ("an error with a message", status("5")),
    ]
}

/// What is no answer of gRPC, or one for its own caller.
fn others() -> Vec<(&'static str, Vec<Step>)> {
    let page = |status, content_type: &'static str| {
        vec![
            Step::Head(status, fields([("content-type", content_type)])),
            Step::Last(Bytes::from_static(b"<p>no</p>")),
        ]
    };
    let of_type = |lines: Fields| vec![Step::Head(200, lines), soup(), fine()];
    vec![
        ("an error of a proxy", page(503, "text/html")),
        (
            "an error without anything",
            vec![Step::Only(503, Fields::default())],
        ),
        ("a limit of HTTP", page(429, "application/json")),
        ("a page", page(200, "text/html")),
        (
            "an error of HTTP that calls itself OK",
            vec![Step::Head(500, grpc()), soup(), fine()],
        ),
        (
            "gRPC-Web",
            of_type(fields([("content-type", "application/grpc-web")])),
        ),
        ("no type", of_type(Fields::default())),
        (
            "two types",
            of_type(grpc().and("content-type", "application/grpc")),
        ),
        (
            "a cookie",
            vec![head(fields([("set-cookie", "a=b")])), soup(), fine()],
        ),
        (
            "a cookie behind the message",
            vec![
                plain(),
                soup(),
                ending([("grpc-status", "0"), ("set-cookie", "a=b")]),
            ],
        ),
        (
            "no-store",
            vec![
                head(fields([("cache-control", "no-store")])),
                soup(),
                fine(),
            ],
        ),
        (
            "a message in thousands of frames",
            [plain(), Step::Data(framed(0, 5_000, b""))]
                .into_iter()
                .chain((0..5_000).map(|_| Step::Data(Bytes::from_static(b"x"))))
                .chain([fine()])
                .collect(),
        ),
    ]
}

/// Each is told as it would be without the cache, and never twice.
async fn passes(answers: Vec<(&'static str, Vec<Step>)>) {
    let stage = Stage::of(Vec::new()).await;
    for (nth, (name, steps)) in answers.into_iter().enumerate() {
        stage.origin.answers(steps);
        let call = Call::of(ITEM, &nth.to_be_bytes());
        let seen = stage.is_not_kept(&call).await;
        let without = stage.ask(&call.clone().to(OTHER)).await;
        assert_eq!(seen, without, "{name}");
        // Nothing of it is left for an answer that is one.
        stage.origin.answers(ok(b"soup"));
        stage.is_kept(&call).await;
    }
}

#[tokio::test]
async fn malformed_messages_pass_as_they_are() {
    passes(malformed()).await;
}

#[tokio::test]
async fn what_does_not_end_well_passes_as_it_is() {
    passes(unfinished()).await;
}

#[tokio::test]
async fn a_status_out_of_its_place_passes_as_it_is() {
    passes(misplaced()).await;
}

#[tokio::test]
async fn what_is_for_nobody_else_passes_as_it_is() {
    passes(others()).await;
}

#[tokio::test]
async fn errors_pass_as_they_are_in_one_block_or_two() {
    let codes = [
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ];
    let answers = codes.into_iter().flat_map(|code| {
        let error = fields([("grpc-status", code), ("grpc-message", "m")]);
        let mut only = grpc();
        only.0.extend(error.0.clone());
        [
            (code, vec![Step::Only(200, only)]),
            (code, vec![plain(), Step::Trailers(error)]),
        ]
    });
    passes(answers.collect()).await;
}

#[tokio::test]
async fn no_error_is_kept_that_was_not_named_and_none_with_a_message() {
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, seconds(10));
    let stage = Stage::with_policy(Origin::of(Vec::new()).await, policy).await;
    for steps in [
        vec![plain(), soup(), ending([("grpc-status", "5")])],
        vec![
            head(fields([("grpc-status", "5")])),
            ending([("grpc-status", "5")]),
        ],
        vec![
            head(fields([("grpc-status", "0")])),
            ending([("grpc-status", "5")]),
        ],
        vec![Step::Only(200, grpc().and("grpc-status", "3"))],
        vec![Step::Only(404, grpc().and("grpc-status", "5"))],
    ] {
        stage.origin.answers(steps.clone());
        stage.is_not_kept(&Call::of(ITEM, b"7")).await;
    }
}

#[tokio::test]
async fn messages_of_16_mib_pass_untouched() {
    let stage = Stage::of(Vec::new()).await;
    let whole = message(&large());
    let frames = whole.chunks(16_384).map(|frame| whole.slice_ref(frame));
    let mut steps = vec![plain()];
    steps.extend(frames.map(Step::Data));
    steps.push(fine());
    stage.origin.answers(steps);
    let seen = stage.is_not_kept(&Call::of(ITEM, b"7")).await;
    assert_eq!(seen.code(), "0");
    assert!(seen.data == whole);
}

#[tokio::test]
async fn an_origin_that_hangs_up_is_asked_again() {
    let stage = Stage::of(Vec::new()).await;
    let call = Call::of(ITEM, b"7");
    let within_a_message = vec![plain(), Step::Data(framed(0, 9, b"soup")), Step::HangUp];
    for steps in [vec![Step::HangUp], within_a_message] {
        stage.origin.answers(steps);
        // How it is told is the channel's affair, and the server's.
        if let Ok(seen) = stage.client.ask_for(&call).await {
            assert!(seen.reset.is_some() || seen.code() != "0", "{seen:?}");
        }
    }
    stage.origin.answers(ok(b"soup"));
    stage.is_kept(&call).await;
    assert_eq!(stage.origin.count(), 3);
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_one_that_breaks() {
    let policy = CallPolicy::new(minutes(5)).stale_if_error(minutes(60));
    let stage = Stage::with_policy(Origin::of(ok(b"soup")).await, policy).await;
    let call = Call::of(ITEM, b"7");
    let kept = stage.is_kept(&call).await;
    stage.clock.advance(minutes(6));
    for steps in [
        vec![Step::Only(200, grpc().and("grpc-status", "14"))],
        vec![plain(), soup(), ending([("grpc-status", "13")])],
        vec![Step::Only(503, Fields::default())],
        vec![Step::Reset(Reason::REFUSED_STREAM)],
        vec![plain(), soup(), Step::Reset(Reason::INTERNAL_ERROR)],
        vec![Step::HangUp],
    ] {
        let before = stage.origin.count();
        stage.origin.answers(steps.clone());
        assert_eq!(stage.ask(&call).await, kept, "{steps:?}");
        assert!(stage.origin.count() > before);
    }
    // What the origin says on purpose is told.
    stage
        .origin
        .answers(vec![Step::Only(200, grpc().and("grpc-status", "5"))]);
    assert_eq!(stage.ask(&call).await.code(), "5");
}

#[tokio::test]
async fn a_stream_of_one_message_is_let_go_before_it_ends() {
    let ends = Arc::new(Semaphore::new(0));
    let stage = Stage::of(vec![plain(), soup(), Step::Hold(ends.clone()), fine()]).await;
    let (answer, mut upload) = stage.client.begin(&Call::of(ITEM, b"7")).await;
    upload.send_data(message(b"7"), true).unwrap();
    let mut body = crate::raw::within("an answer comes", answer)
        .await
        .unwrap()
        .into_body();
    let first = client::frame(&mut body).await.unwrap().unwrap();
    assert_eq!(first, message(b"soup"));
    ends.add_permits(1);
    assert!(client::frame(&mut body).await.is_none());
    let trailers = body.trailers().await.unwrap();
    assert_eq!(trailers, Some(fields([("grpc-status", "0")]).map()));
    // It was taken for a stream, and not kept.
    ends.add_permits(1);
    stage.ask(&Call::of(ITEM, b"7")).await;
    assert_eq!(stage.origin.count(), 2);
}
