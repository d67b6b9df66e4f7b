//! Streams pass as they come and as fast as they are taken; calls at the same time are one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::{join_all, poll_fn};
use h2::Reason;
use h2::server::SendResponse;
use http::Response;
use tokio::sync::Semaphore;

use super::client::frame;
use super::*;
use crate::raw::within;

/// Answers each frame with the same frame, and the end with OK.
async fn echo(request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut body = request.into_body();
    let head = Response::builder().header("content-type", "application/grpc");
    let mut stream = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    while let Some(Ok(data)) = frame(&mut body).await {
        stream.send_data(data, false).unwrap();
    }
    let trailers = fields([("grpc-status", "0"), ("x-trailing", "t")]);
    stream.send_trailers(trailers.map()).unwrap();
}

#[tokio::test]
async fn each_message_of_an_echo_is_back_before_the_next_is_sent() {
    let stage = Stage::before(Origin::doing(echo).await).await;
    let (answer, mut upload) = stage.client.begin(&Call::of(OTHER, b"")).await;
    let answer = within("a head comes before any message", answer).await;
    let mut body = answer.unwrap().into_body();
    for nth in 0..10_u8 {
        let sent = message(&[nth]);
        upload.send_data(sent.clone(), false).unwrap();
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), sent);
    }
    upload.send_data(Bytes::new(), true).unwrap();
    assert!(frame(&mut body).await.is_none());
    let trailers = within("the stream ends", body.trailers()).await.unwrap();
    let expected = fields([("grpc-status", "0"), ("x-trailing", "t")]);
    assert_eq!(trailers, Some(expected.map()));
}

#[tokio::test]
async fn messages_of_a_stream_come_as_they_are_sent() {
    let next = Arc::new(Semaphore::new(0));
    let held = |nth: u8| [Step::Hold(next.clone()), Step::Data(message(&[nth]))];
    let mut steps = vec![Step::Head(200, grpc())];
    steps.extend((0..5).flat_map(held));
    steps.push(fine());
    let stage = Stage::of(steps).await;
    let (answer, mut upload) = stage.client.begin(&Call::of(OTHER, b"")).await;
    upload.send_data(message(b"7"), true).unwrap();
    let mut body = within("a head comes", answer).await.unwrap().into_body();
    for nth in 0..5 {
        next.add_permits(1);
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), message(&[nth]));
    }
    assert!(frame(&mut body).await.is_none());
    let trailers = body.trailers().await.unwrap();
    assert_eq!(trailers, Some(fields([("grpc-status", "0")]).map()));
}

/// How far an origin may be ahead of its client: what both connections, the server between them and the cache take in advance.
const AHEAD: usize = 4 << 20;

const LENGTH: usize = 10 << 20;

/// Sends a message of that length as fast as it is taken, and counts.
async fn pour(mut respond: SendResponse<Bytes>, sent: Arc<AtomicUsize>) {
    let head = Response::builder().header("content-type", "application/grpc");
    let mut stream = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    let mut rest = framed(0, (LENGTH - 5) as u32, &vec![0; LENGTH - 5]);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len().min(16_384));
        let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return;
        };
        let piece = rest.split_to(room.min(rest.len()));
        sent.fetch_add(piece.len(), Ordering::SeqCst);
        stream.send_data(piece, false).unwrap();
    }
    drop(stream.send_trailers(fields([("grpc-status", "0")]).map()));
}

#[tokio::test]
async fn an_origin_is_read_no_faster_than_its_client_reads() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let origin = Origin::doing(move |_, respond| pour(respond, counted.clone())).await;
    let stage = Stage::before(origin).await;
    // A stream, and an answer that is too long to be kept.
    for target in [OTHER, ITEM] {
        sent.store(0, Ordering::SeqCst);
        let client = Client::open_narrow(stage.address).await;
        let (answer, mut upload) = client.begin(&Call::of(target, b"")).await;
        upload.send_data(message(b"7"), true).unwrap();
        let mut body = within("a head comes", answer).await.unwrap().into_body();
        let mut read = 0;
        while let Some(data) = frame(&mut body).await {
            read += data.unwrap().len();
            let ahead = sent.load(Ordering::SeqCst) - read;
            assert!(ahead <= AHEAD, "{ahead} bytes at {read} of {target}");
        }
        assert_eq!(read, LENGTH);
        assert!(body.trailers().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn hundreds_of_calls_at_once_are_one() {
    let go_on = Arc::new(Semaphore::new(0));
    let mut steps = ok(b"soup");
    steps.insert(0, Step::Hold(go_on.clone()));
    let stage = Stage::of(steps).await;
    let call = Call::of(ITEM, b"7");
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let (client, call) = (stage.client.clone(), call.clone());
            tokio::spawn(async move { client.ask(&call).await })
        })
        .collect();
    stage.origin.has_come(1).await;
    go_on.add_permits(300);
    let answers = within("all are answered", join_all(calls)).await;
    for seen in answers {
        let seen = seen.unwrap();
        assert_eq!((seen.code(), &seen.data), ("0", &message(b"soup")));
    }
    assert_eq!(stage.origin.count(), 1);
}

#[tokio::test]
async fn what_befalls_the_first_of_many_is_not_told_to_the_others() {
    let refusal = |code| vec![Step::Only(200, grpc().and("grpc-status", code))];
    let broken = vec![
        Step::Head(200, grpc()),
        Step::Data(message(b"soup").slice(..6)),
        Step::Reset(Reason::INTERNAL_ERROR),
    ];
    for first in [
        refusal("8"),
        refusal("16"),
        refusal("7"),
        vec![Step::Reset(Reason::REFUSED_STREAM)],
        broken,
    ] {
        let go_on = Arc::new(Semaphore::new(0));
        let mut steps = first.clone();
        steps.insert(0, Step::Hold(go_on.clone()));
        let stage = Stage::of(steps).await;
        let ask = || {
            let client = stage.client.clone();
            tokio::spawn(async move { client.ask_for(&Call::of(ITEM, b"7")).await })
        };
        let leader = ask();
        stage.origin.has_come(1).await;
        stage.origin.answers(ok(b"soup"));
        let followers = [ask(), ask()];
        // Once a later call on their connection is answered, they have come.
        stage.ask(&Call::of(OTHER, b"")).await;
        go_on.add_permits(1);
        if let Ok(seen) = within("the first is answered", leader).await.unwrap() {
            assert!(seen.reset.is_some() || seen.code() != "0", "{seen:?}");
        }
        for follower in followers {
            let seen = within("the others are", follower).await.unwrap().unwrap();
            assert_eq!(
                (seen.code(), &seen.data),
                ("0", &message(b"soup")),
                "{first:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_fill_goes_on_when_its_client_is_gone() {
    let go_on = Arc::new(Semaphore::new(0));
    let message = message(b"soup");
    let stage = Stage::of(vec![
        Step::Head(200, grpc()),
        Step::Data(message.slice(..6)),
        Step::Hold(go_on.clone()),
        Step::Data(message.slice(6..)),
        fine(),
    ])
    .await;
    let call = Call::of(ITEM, b"7");
    let (answer, mut upload) = stage.client.begin(&call).await;
    upload.send_data(call.content(), true).unwrap();
    stage.origin.has_come(1).await;
    upload.send_reset(Reason::CANCEL);
    assert!(Seen::of(answer).await.is_err());
    // The next one waits for it, or finds it.
    let (client, next) = (stage.client.clone(), call.clone());
    let next = tokio::spawn(async move { client.ask(&next).await });
    go_on.add_permits(1);
    let seen = within("the fill ends", next).await.unwrap();
    assert_eq!((seen.code(), &seen.data), ("0", &message));
    assert_eq!(stage.origin.count(), 1);
    stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 1);
}

#[tokio::test]
async fn a_stream_ends_at_the_origin_when_its_client_is_gone() {
    let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let origin = Origin::doing(move |_, mut respond: SendResponse<Bytes>| {
        let told = told.clone();
        async move {
            let head = Response::builder().header("content-type", "application/grpc");
            let mut stream = respond
                .send_response(head.body(()).unwrap(), false)
                .unwrap();
            drop(told.send(poll_fn(|cx| stream.poll_reset(cx)).await));
        }
    })
    .await;
    let stage = Stage::before(origin).await;
    let (answer, mut upload) = stage.client.begin(&Call::of(OTHER, b"")).await;
    upload.send_data(message(b"7"), true).unwrap();
    drop(within("a head comes", answer).await.unwrap());
    upload.send_reset(Reason::CANCEL);
    let reason = within("the origin is told", ended.recv()).await.unwrap();
    assert_eq!(reason.unwrap(), Reason::CANCEL);
}

#[tokio::test]
async fn what_a_purge_meets_on_its_way_is_not_kept() {
    let go_on = Arc::new(Semaphore::new(0));
    let mut steps = ok(b"soup");
    steps.insert(0, Step::Hold(go_on.clone()));
    let policy = CallPolicy::new(minutes(5)).tag("items");
    let stage = Stage::with_policy(Origin::of(steps).await, policy).await;
    let call = Call::of(ITEM, b"7");
    let (client, asked) = (stage.client.clone(), call.clone());
    let first = tokio::spawn(async move { client.ask(&asked).await });
    stage.origin.has_come(1).await;
    stage.cache.purge_tag("items").await.unwrap();
    go_on.add_permits(3);
    assert_eq!(within("it is answered", first).await.unwrap().code(), "0");
    stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 2);
    stage.ask(&call).await;
    assert_eq!(stage.origin.count(), 2);
}
