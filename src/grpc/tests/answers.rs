//! Answers that are kept, and those that are not one whole message that went well.

use std::time::Duration;

use futures_util::StreamExt;
use tonic::Code;

use super::*;
use crate::grpc::{CallPolicy, GrpcCacheError};
use crate::ttl::{minutes, seconds};

type Answers = fn() -> Response<Body>;

const OK: (&str, &str) = ("grpc-status", "0");

fn data(data: &'static [u8]) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from_static(data)))
}

fn with_body(body: Body) -> Response<Body> {
    answer_of(&[], None, None).map(|_| body)
}

/// Whatever comes is what clients get, and none of it is kept, for this reason.
async fn assert_passed(what: &str, answers: Answers, why: NotStored) {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5))
        .code(Code::NotFound, minutes(1))
        .max_message(64);
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(move |_| async move { answers() });
    let direct = seen(answers()).await;
    for _ in 0..2 {
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!(seen.sent(), direct.sent(), "{what}");
        assert_eq!(
            seen.reason,
            Some(Reason::Refused(Absence::Uri, why)),
            "{what}"
        );
    }
    assert_eq!(handler.count(), 2, "{what}");
    assert_at_rest(&cache).await;
}

#[tokio::test]
async fn an_answer_that_is_not_whole_passes_as_it_came_and_is_not_kept() {
    let table: &[(&str, Answers)] = &[
        ("no trailers", || answer_of(&[], Some(message(b"a")), None)),
        ("a status before a message", || {
            answer_of(&[OK], Some(message(b"a")), None)
        }),
        ("nothing at all", || answer_of(&[], None, None)),
        ("trailers without a status", || {
            answer_of(&[], Some(message(b"a")), Some(&[("x-a", "1")]))
        }),
        ("a status before trailers without one", || {
            answer_of(&[OK], Some(message(b"a")), Some(&[]))
        }),
        ("half a prefix", || {
            answer_of(&[], Some(Bytes::from_static(b"\0\0")), Some(&[OK]))
        }),
        ("half a message", || {
            answer_of(
                &[],
                Some(Bytes::from_static(b"\0\0\0\0\x05ab")),
                Some(&[OK]),
            )
        }),
        ("a body that breaks off", || {
            with_body(frames([
                data(b"\0\0\0\0\x02a"),
                Err(std::io::Error::other("reset")),
            ]))
        }),
        ("a body that breaks off instead of trailers", || {
            with_body(frames([
                data(b"\0\0\0\0\x01a"),
                Err(std::io::Error::other("reset")),
            ]))
        }),
        ("a body that breaks off at once", || {
            with_body(frames([Err(std::io::Error::other("reset"))]))
        }),
    ];
    for (what, answers) in table {
        assert_passed(what, *answers, NotStored::Incomplete).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_one_message_passes_as_it_came_and_is_not_kept() {
    let table: &[(&str, Answers)] = &[
        ("two messages", || {
            with_body(frames([
                Ok(Frame::data(message(b"a"))),
                Ok(Frame::data(message(b"b"))),
                Ok(Frame::trailers(fields(&[OK]))),
            ]))
        }),
        ("two in one frame", || {
            let two = [message(b"a"), message(b"b")].concat();
            answer_of(&[], Some(two.into()), Some(&[OK]))
        }),
        ("success without a message", || {
            answer_of(&[], None, Some(&[OK]))
        }),
        ("success in one block", || answer_of(&[OK], None, None)),
        ("an error with a message", || {
            answer_of(&[], Some(message(b"a")), Some(&[("grpc-status", "5")]))
        }),
        ("another flag", || {
            answer_of(&[], Some(Bytes::from_static(b"\x02\0\0\0\0")), Some(&[OK]))
        }),
        ("compressed by nothing", || {
            answer_of(
                &[],
                Some(Bytes::from_static(b"\x01\0\0\0\x01z")),
                Some(&[OK]),
            )
        }),
        ("compressed by identity", || {
            let coding = [("grpc-encoding", "identity")];
            answer_of(
                &coding,
                Some(Bytes::from_static(b"\x01\0\0\0\x01z")),
                Some(&[OK]),
            )
        }),
        ("another content type", || {
            let mut answer = ok(b"a");
            let html = http::HeaderValue::from_static("text/html");
            answer.headers_mut().insert("content-type", html);
            answer
        }),
    ];
    for (what, answers) in table {
        assert_passed(what, *answers, NotStored::Message).await;
    }
}

#[tokio::test]
async fn statuses_that_are_not_kept_pass_as_they_came() {
    const NOT_FOUND: (&str, &str) = ("grpc-status", "5");
    let table: &[(&str, Answers)] = &[
        ("two statuses", || {
            answer_of(&[], Some(message(b"a")), Some(&[OK, OK]))
        }),
        ("two different ones", || {
            answer_of(&[OK, NOT_FOUND], None, None)
        }),
        ("one in each block", || {
            answer_of(&[OK], Some(message(b"a")), Some(&[OK]))
        }),
        ("one that is no number", || {
            answer_of(&[], Some(message(b"a")), Some(&[("grpc-status", "ok")]))
        }),
        ("one with a leading zero", || {
            answer_of(&[], Some(message(b"a")), Some(&[("grpc-status", "00")]))
        }),
        ("one that nobody has named", || {
            answer_of(&[("grpc-status", "3")], None, None)
        }),
        ("HTTP 404", || http_status(404)),
        ("HTTP 429", || http_status(429)),
        ("HTTP 503", || http_status(503)),
        ("HTTP 206", || http_status(206)),
        ("HTTP 304", || http_status(304)),
    ];
    for (what, answers) in table {
        assert_passed(what, *answers, NotStored::Status).await;
    }
}

fn http_status(status: u16) -> Response<Body> {
    let mut answer = ok(b"a");
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
    answer
}

#[tokio::test]
async fn what_is_beyond_a_bound_passes_as_it_came() {
    assert_passed("a message", || ok(&[b'x'; 60]), NotStored::TooLarge).await;
    assert_passed(
        "a length that lies",
        || {
            answer_of(
                &[],
                Some(Bytes::from_static(b"\0\xff\xff\xff\xff")),
                Some(&[OK]),
            )
        },
        NotStored::TooLarge,
    )
    .await;
    assert_passed(
        "empty frames",
        || {
            let flood = (0..5_000).map(|_| data(b""));
            let end = [
                Ok(Frame::data(message(b"a"))),
                Ok(Frame::trailers(fields(&[OK]))),
            ];
            with_body(frames(flood.chain(end)))
        },
        NotStored::TooLarge,
    )
    .await;
    assert_passed(
        "many fields",
        || answer_of(&[("x-a", "1"); 600], Some(message(b"a")), Some(&[OK])),
        NotStored::Fields,
    )
    .await;
    assert_passed(
        "large fields",
        || {
            let value = "x".repeat(65_536);
            answer_of(&[], Some(message(b"a")), Some(&[OK, ("x-a", &value)]))
        },
        NotStored::Fields,
    )
    .await;
}

#[tokio::test]
async fn messages_are_kept_up_to_the_bound_whatever_stands_beside_them() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).max_message(64);
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|_| async {
        let value = "x".repeat(60_000);
        answer_of(&[("x-a", &value)], Some(message(&[b'x'; 59])), Some(&[OK]))
    });
    for _ in 0..2 {
        ask(&layer, &handler, call(ITEM, b"7")).await;
    }
    assert_eq!(handler.count(), 1);
}

#[tokio::test]
async fn what_is_for_one_client_passes_as_it_came() {
    for (name, why) in [
        ("set-cookie", NotStored::SetCookie),
        ("authentication-info", NotStored::PerPerson),
        ("clear-site-data", NotStored::PerPerson),
    ] {
        for in_trailers in [false, true] {
            let (cache, _) = cache();
            let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
            let handler = Counted::new(move |_| async move {
                match in_trailers {
                    false => answer_of(&[(name, "a=1")], Some(message(b"a")), Some(&[OK])),
                    true => answer_of(&[], Some(message(b"a")), Some(&[OK, (name, "a=1")])),
                }
            });
            for _ in 0..2 {
                ask(&layer, &handler, call(ITEM, b"7"))
                    .await
                    .assert_refused(why);
            }
        }
    }
}

/// It cannot be told from a stream, and so it is not held up.
#[tokio::test(start_paused = true)]
async fn a_message_whose_trailers_stay_away_is_passed_on_as_a_stream() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async {
        let first =
            futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(message(b"1")))]);
        with_body(Body::new(StreamBody::new(
            first.chain(futures_util::stream::pending()),
        )))
    });
    let response = layer
        .layer(handler)
        .oneshot(call(ITEM, b"7"))
        .await
        .unwrap();
    let reason = response.extensions().get::<Reason>().copied();
    assert_eq!(
        reason,
        Some(Reason::Refused(Absence::Uri, NotStored::Stream))
    );
    let first = response.into_body().frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), message(b"1"));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_together_stays_within_the_budget() {
    let (cache, _) = built(Cache::builder(MemoryStore::new(16 * MIB)).recording_budget(1_000));
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(&[b'x'; 2_000]) });
    let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(seen.data, message(&[b'x'; 2_000]));
    seen.assert_refused(NotStored::Budget);
}

#[tokio::test]
async fn a_hit_has_the_blocks_of_the_answer_and_nothing_of_its_call() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    const OF_ONE_CALL: [&str; 7] = [
        "date",
        "traceparent",
        "grpc-trace-bin",
        "x-request-id",
        "ratelimit",
        "x-ratelimit-remaining",
        "content-length",
    ];
    let handler = Counted::new(|_| async {
        let own = OF_ONE_CALL.map(|name| (name, "1"));
        let metadata = [&[("x-a", "1"), ("x-a", "2"), ("x-b-bin", "AAE")][..], &own].concat();
        let trailers = [&[OK, ("grpc-message", ""), ("x-t", "3")][..], &own].concat();
        let mut answer = answer_of(&metadata, Some(message(b"soup")), Some(&trailers));
        answer.extensions_mut().insert(7_u8);
        answer
    });
    let first = ask(&layer, &handler, call(ITEM, b"7")).await;
    let hit = ask(&layer, &handler, call(ITEM, b"7")).await;
    for name in OF_ONE_CALL {
        assert!(first.metadata.contains_key(name), "{name}");
        assert!(
            first.trailers.as_ref().unwrap().contains_key(name),
            "{name}"
        );
    }
    let content_type = ("content-type", "application/grpc");
    let metadata = [("x-a", "1"), ("x-a", "2"), ("x-b-bin", "AAE"), content_type];
    assert_eq!(hit.metadata, fields(&metadata));
    assert_eq!(
        hit.trailers,
        Some(fields(&[OK, ("grpc-message", ""), ("x-t", "3")]))
    );
    assert_eq!((hit.data, hit.extensions), (message(b"soup"), 0));
    assert!(first.extensions > 0, "the handler's are its own caller's");
}

#[tokio::test]
async fn an_error_in_two_blocks_is_told_in_one_with_all_its_fields() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, minutes(1));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|_| async {
        let trailers = [("grpc-status", "5"), ("grpc-message", "gone"), ("x-a", "2")];
        answer_of(&[("x-a", "1")], None, Some(&trailers))
    });
    ask(&layer, &handler, call(ITEM, b"7")).await;
    let hit = ask(&layer, &handler, call(ITEM, b"7")).await;
    let expected = [
        ("x-a", "1"),
        ("x-a", "2"),
        ("content-type", "application/grpc"),
        ("grpc-status", "5"),
        ("grpc-message", "gone"),
    ];
    assert_eq!((hit.metadata, hit.trailers), (fields(&expected), None));
    assert_eq!(handler.count(), 1);
}

#[tokio::test]
async fn an_answer_in_many_frames_is_kept_as_one_message() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async {
        let bytes = message(b"soup").to_vec().into_iter();
        let pieces = bytes.map(|byte| Ok(Frame::data(vec![byte].into())));
        with_body(frames(
            pieces.chain([data(b""), Ok(Frame::trailers(fields(&[OK])))]),
        ))
    });
    for _ in 0..2 {
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!((seen.data.clone(), seen.code()), (message(b"soup"), "0"));
    }
    assert_eq!(handler.count(), 1);
}

#[test]
fn codes_of_one_call_caller_or_moment_are_refused() {
    let (cache, _) = cache();
    for code in (0..17).map(Code::from_i32) {
        let policy = CallPolicy::new(minutes(5)).code(code, seconds(5));
        let built = cache.grpc().method(ITEM, policy).build().map(drop);
        let may = matches!(
            code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
        );
        let refused = Err(GrpcCacheError::Code(ITEM.to_owned(), code));
        assert_eq!(built, if may { Ok(()) } else { refused });
    }
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, Duration::from_millis(999));
    assert!(cache.grpc().method(ITEM, policy).build().is_err());
}

#[tokio::test]
async fn a_cache_status_is_told_where_it_is_asked_for_and_in_the_first_block_alone() {
    let (cache, _) = cache();
    let policy = || CallPolicy::new(minutes(5)).code(Code::NotFound, minutes(1));
    let silent = cache.grpc().method(ITEM, policy()).build().unwrap();
    let telling = cache
        .grpc()
        .method(ITEM, policy())
        .cache_status()
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let told = ask(&telling, &handler, call(ITEM, b"7")).await;
    assert_eq!(
        told.metadata["cache-status"],
        "larder; fwd=uri-miss; stored"
    );
    let told = ask(&telling, &handler, call(ITEM, b"7")).await;
    assert_eq!(told.metadata["cache-status"], "larder; hit; ttl=300");
    assert!(!told.trailers.unwrap().contains_key("cache-status"));
    let untold = ask(&silent, &handler, call(ITEM, b"7")).await;
    for name in [
        "cache-status",
        "age",
        "x-cache",
        "cache-control",
        "etag",
        "vary",
    ] {
        assert!(!untold.metadata.contains_key(name), "{name}");
    }
    let absent = Counted::new(|_| async { answer_of(&[("grpc-status", "5")], None, None) });
    for said in ["larder; fwd=uri-miss; stored", "larder; hit; ttl=60"] {
        let told = ask(&telling, &absent, call(ITEM, b"8")).await;
        assert_eq!(told.metadata["cache-status"], said);
        assert_eq!(told.metadata["grpc-status"], "5");
    }
}
