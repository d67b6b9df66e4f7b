//! Limits by a field of a form.

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// Echoes what it is sent.
fn app(world: &World, build: impl FnOnce(RateLimitBuilder) -> RateLimitBuilder) -> Router {
    let layer = build(world.layer("test").quota("2/m", form_field("account")));
    let echo = async |request: Request<Body>| {
        assert!(
            request
                .extensions()
                .get::<super::super::form::Form>()
                .is_none()
        );
        Response::new(request.into_body())
    };
    Router::new()
        .fallback(any(echo))
        .layer(layer.build().unwrap())
}

fn post(form: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/").header("content-type", FORM);
    request.body(form.into()).unwrap()
}

async fn sent(app: &Router, form: &'static str) -> u16 {
    let answer = send(app, post(form)).await;
    let status = answer.status().as_u16();
    if status == 200 {
        assert_eq!(text(answer).await, form);
    }
    status
}

#[tokio::test]
async fn accounts_are_told_apart_and_the_handler_gets_the_form() {
    let world = World::new();
    let app = app(&world, |limit| limit);
    assert_eq!(sent(&app, "account=alice&password=1").await, 200);
    assert_eq!(sent(&app, "password=2&account=%61lice").await, 200);
    assert_eq!(sent(&app, "account=alice&password=3").await, 429);
    assert_eq!(sent(&app, "account=bob&password=1").await, 200);
}

#[tokio::test]
async fn a_form_of_many_frames_with_trailers_comes_as_it_was_sent() {
    let world = World::new();
    let app = app(&world, |limit| limit);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "1".parse().unwrap());
    let frames = ["acc", "ount=al", "", "ice"].map(|part| Frame::data(Bytes::from(part)));
    let frames = frames.into_iter().chain([Frame::trailers(trailers)]);
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    let body = StreamBody::new(stream::iter(frames));
    let answer = send(&app, post(Body::new(body))).await;
    let collected = answer.into_body().collect().await.unwrap();
    assert!(
        collected
            .trailers()
            .is_some_and(|trailers| trailers.contains_key("x-checksum"))
    );
    assert_eq!(&collected.to_bytes()[..], b"account=alice");
}

#[tokio::test]
async fn what_is_no_small_form_names_nobody_and_passes_untouched() {
    let world = World::new();
    let app = app(&world, |limit| {
        limit.missing(Missing::Exempt).form_limit(32)
    });
    let long = format!("account=alice&x={}", "y".repeat(100));
    let streamed = || {
        let frames = [&long[..20], &long[20..]].map(|part| Bytes::from(part.to_owned()));
        let frames = frames.map(|data| Ok::<_, std::convert::Infallible>(Frame::data(data)));
        Body::new(StreamBody::new(stream::iter(frames)))
    };
    for _ in 0..4 {
        for body in [Body::from(long.clone()), streamed()] {
            let answer = send(&app, post(body)).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(text(answer).await, long);
        }
        let mut json = post("account=alice");
        json.headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
        assert_eq!(send(&app, json).await.status(), 200);
        assert_eq!(sent(&app, "").await, 200);
        assert_eq!(sent(&app, "account=").await, 200);
    }
    for expected in [200, 200, 429] {
        assert_eq!(sent(&app, "account=alice").await, expected);
    }
}

#[tokio::test]
async fn a_form_that_breaks_off_fails_for_the_handler_behind_what_came() {
    let world = World::new();
    let app = app(&world, |limit| limit);
    let frames = [Ok(Frame::data(Bytes::from("account=a"))), Err("gone")];
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    let mut body = send(&app, post(body)).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b"account=a");
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn an_account_that_stands_there_twice_is_not_exempt() {
    let world = World::new();
    let app = app(&world, |limit| limit.missing(Missing::Exempt));
    assert_eq!(sent(&app, "account=a&account=b").await, 200);
    assert_eq!(sent(&app, "account=%ff").await, 200);
    assert_eq!(sent(&app, "account=c&account=d").await, 429);
}

#[tokio::test]
async fn a_form_names_somebody_within_other_identities_too() {
    use crate::identity::Identify;

    let world = World::new();
    let by = Arc::new(form_field("account").and(client_ip()).of_no_person());
    assert!(by.reads_form());
    let app = world.app(|limit| limit.quota("1/m", by));
    let request = |account: &'static str, addr| {
        let mut request = post(account);
        let extensions = from(addr).extensions().clone();
        *request.extensions_mut() = extensions;
        request
    };
    for (account, addr, expected) in [
        ("account=a", ALICE, 200),
        ("account=a", ALICE, 429),
        ("account=a", BOB, 200),
        ("account=b", ALICE, 200),
    ] {
        let answer = send(&app, request(account, addr)).await;
        assert_eq!(answer.status().as_u16(), expected, "{account} {addr}");
    }
}
