//! Bodies come through byte for byte, within bounds, with their errors, sizes and trailers.

use std::pin::pin;

use super::*;

/// What a body gives: its bytes, its trailers, and how it ended.
async fn drained<B>(answer: Response<B>) -> (String, Option<HeaderMap>, Result<(), B::Error>)
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(answer.into_body());
    let mut bytes = Vec::new();
    let mut trailers = None;
    let end = loop {
        if body.is_end_stream() {
            break Ok(());
        }
        let Some(frame) = body.frame().await else {
            break Ok(());
        };
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(bytes).unwrap(), trailers, end)
}

#[tokio::test]
async fn a_body_in_pieces_is_tagged_as_one() {
    let soup = tag("soup of the day");
    for steps in [
        Steps::of([Data("soup "), Data(""), Data("of the day")]),
        Steps::sized(15, [Data("soup "), Data("of the day")]),
        // One that says how long it is, is waited for.
        Steps::sized(
            15,
            [Wait, Data("soup "), Wait, Wait, Data("of the day"), Wait],
        ),
    ] {
        let answer = got(&[], steps).await;
        assert_eq!(field(&answer, "etag"), Some(&*soup));
        assert_eq!(answer.body().size_hint().exact(), Some(15));
        let (text, trailers, end) = drained(answer).await;
        assert_eq!((&*text, trailers, end), ("soup of the day", None, Ok(())));
    }
}

#[tokio::test]
async fn a_body_whose_length_only_the_head_says_is_waited_for_too() {
    let steps = Steps::of([Data("soup "), Wait, Data("of the day")]);
    let answer = got(&[("content-length", "15")], steps).await;
    assert_eq!(field(&answer, "etag"), Some(&*tag("soup of the day")));
    assert_eq!(body(answer).await, "soup of the day");
}

#[tokio::test]
async fn a_body_that_belies_its_length_gets_no_tag() {
    for length in ["14", "16", "x", "15, 14"] {
        let steps = Steps::of([Data("soup "), Data("of the day")]);
        let answer = got(&[("content-length", length)], steps).await;
        assert_eq!(field(&answer, "etag"), None, "{length}");
        assert_eq!(body(answer).await, "soup of the day");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_out_when_it_makes_one_wait() {
    let answer = got(&[], Steps::of([Data("one "), Wait, Wait, Data("two")])).await;
    assert_eq!(field(&answer, "etag"), None);
    assert_eq!(answer.body().size_hint().exact(), None);
    let mut body = pin!(answer.into_body());
    // What was read is there without waiting for the rest.
    let first = poll_once(pin!(body.frame()));
    let Poll::Ready(Some(Ok(frame))) = first else {
        panic!("{first:?}");
    };
    assert_eq!(frame.into_data().unwrap(), "one ");
    assert!(poll_once(pin!(body.frame())).is_pending());
    assert_eq!(body.collect().await.unwrap().to_bytes(), "two");
}

#[tokio::test]
async fn a_body_within_the_bound_gets_a_tag_and_a_longer_one_none() {
    for (bound, sized, tagged) in [
        (8, true, true),
        (8, false, true),
        (7, true, false),
        (7, false, false),
        (0, true, false),
        (0, false, false),
    ] {
        let steps = [Data("four"), Data("four"), Trailers];
        let steps = match sized {
            true => Steps::sized(8, &steps[..2]),
            false => Steps::of(&steps[..2]),
        };
        let layer = ConditionalLayer::new().max_body(bound);
        let answer = through(layer, request("GET", &[]), answer(200, &[], steps)).await;
        let case = format!("{bound} {sized}");
        assert_eq!(field(&answer, "etag").is_some(), tagged, "{case}");
        let exact = answer.body().size_hint().exact();
        assert_eq!(exact, (sized || tagged).then_some(8), "{case}");
        let (text, _, end) = drained(answer).await;
        assert_eq!((&*text, end), ("fourfour", Ok(())), "{case}");
    }
}

#[tokio::test]
async fn a_body_that_grows_over_the_bound_is_replayed_and_streams_on() {
    let steps = [Data("one "), Data("two "), Wait, Data("three"), Trailers];
    let layer = ConditionalLayer::new().max_body(6);
    let inner = answer(200, &[("x-own", "1")], Steps::of(steps));
    let answer = through(layer, request("GET", &[]), inner).await;
    assert_eq!(field(&answer, "etag"), None);
    assert_eq!(field(&answer, "x-own"), Some("1"));
    let (text, trailers, end) = drained(answer).await;
    assert_eq!((&*text, end), ("one two three", Ok(())));
    assert_eq!(trailers, Some(fields(&[("x-sum", "1")])));
}

#[tokio::test]
async fn a_body_of_very_many_frames_is_a_stream() {
    let frames = |count| Steps::of(vec![Data("."); count]);
    let answer = got(&[], frames(4_096)).await;
    assert!(field(&answer, "etag").is_some());
    let answer = got(&[], frames(4_097)).await;
    assert_eq!(field(&answer, "etag"), None);
    assert_eq!(body(answer).await, ".".repeat(4_097));
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_body_comes_after_what_came_before() {
    for steps in [
        Steps::of([Data("one "), Data("two"), Step::Error]),
        Steps::sized(15, [Data("one "), Wait, Data("two"), Step::Error]),
    ] {
        let length = steps.size_hint().exact();
        let conditions = [("if-none-match", &*tag("one two"))];
        let answer = through(
            ConditionalLayer::new(),
            request("GET", &conditions),
            answer(200, &[], steps),
        )
        .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(field(&answer, "etag"), None);
        // Not the length of what came: a server would let that pass for all.
        assert_eq!(answer.body().size_hint().exact(), length);
        let (text, _, end) = drained(answer).await;
        assert_eq!((&*text, end), ("one two", Err(Broken)));
    }
}

#[tokio::test]
async fn an_error_before_all_content_comes_through() {
    let (text, _, end) = drained(got(&[], Steps::of([Step::Error])).await).await;
    assert_eq!((&*text, end), ("", Err(Broken)));
}

#[tokio::test]
async fn trailers_come_through_without_a_tag() {
    let answer = got(&[], Steps::of([Data("soup"), Trailers])).await;
    assert_eq!(field(&answer, "etag"), None);
    // A length would make a server leave them out.
    assert_eq!(answer.body().size_hint().exact(), None);
    let (text, trailers, end) = drained(answer).await;
    assert_eq!((&*text, end), ("soup", Ok(())));
    assert_eq!(trailers, Some(fields(&[("x-sum", "1")])));
}

#[tokio::test]
async fn an_event_stream_is_not_touched() {
    let events = [("content-type", "text/event-stream")];
    let answer = got(&events, Steps::sized(4, [Data("soup")])).await;
    assert_eq!(format!("{:?}", answer.body()), "ConditionalBody::Passed");
    let answer = got(&[], Steps::sized(4, [Data("soup")])).await;
    assert_eq!(format!("{:?}", answer.body()), "ConditionalBody::Replayed");
}

/// What has no tag because it was not read is not held against the client, but for what is there without a tag.
#[tokio::test]
async fn a_body_that_was_not_read_has_an_unknown_tag() {
    for (body, expected) in [
        (Steps::of([Data("one "), Wait, Data("two")]), 200),
        (Steps::of([Data("soup"), Trailers]), 200),
        (Steps::of([]), 412),
    ] {
        let request = request("GET", &[("if-match", "\"a\"")]);
        let answer = through(ConditionalLayer::new(), request, answer(200, &[], body)).await;
        assert_eq!(answer.status(), expected);
    }
}

#[tokio::test]
async fn sizes_shrink_with_what_was_taken() {
    let answer = got(&[], Steps::sized(7, [Data("one "), Data("two")])).await;
    let mut body = pin!(answer.into_body());
    assert!(!body.is_end_stream());
    let _ = body.frame().await;
    assert_eq!(body.size_hint().exact(), Some(3));
    let _ = body.frame().await;
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
}
