//! CO-01: which answers get a tag, and which.

use super::*;

#[tokio::test]
async fn co_01_a_whole_answer_to_get_gets_the_strong_tag_of_its_bytes() {
    let answer = got(&[("content-type", "text/plain")], text("soup")).await;
    assert_eq!(field(&answer, "etag"), Some(&*tag("soup")));
    assert_eq!(field(&answer, "content-type"), Some("text/plain"));
    assert_eq!(answer.body().size_hint().exact(), Some(4));
    assert_eq!(body(answer).await, "soup");
    assert_ne!(tag("soup"), tag("soap"));
}

#[tokio::test]
async fn co_01_other_answers_get_none() {
    let other_methods = ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"];
    for method in other_methods {
        let inner = answer(200, &[], text("soup"));
        let answer = through(ConditionalLayer::new(), request(method, &[]), inner).await;
        assert_eq!(field(&answer, "etag"), None, "{method}");
        assert_eq!(body(answer).await, "soup");
    }
    for status in [201, 203, 204, 206, 301, 304, 404, 410, 412, 500] {
        let inner = answer(status, &[], text("soup"));
        let answer = through(ConditionalLayer::new(), request("GET", &[]), inner).await;
        assert_eq!(field(&answer, "etag"), None, "{status}");
        assert_eq!(body(answer).await, "soup");
    }
    let empty = got(&[], text("")).await;
    assert_eq!(field(&empty, "etag"), None);
}

#[tokio::test]
async fn co_01_what_nobody_may_store_gets_none() {
    for line in [
        "no-store",
        "No-Store",
        "NO-STORE",
        " no-store ",
        "max-age=0 , no-store\t",
        "private,no-store",
        "no-store=\"set-cookie\"",
        "no-store=1",
        "=",
    ] {
        let answer = got(&[("cache-control", line)], text("soup")).await;
        assert_eq!(field(&answer, "etag"), None, "{line:?}");
    }
    let second = [("cache-control", "private"), ("cache-control", "no-store")];
    assert_eq!(field(&got(&second, text("soup")).await, "etag"), None);
    for line in [
        "private",
        "no-cache",
        "max-age=0",
        "x=\"no-store\"",
        "no-storage",
        "",
    ] {
        let answer = got(&[("cache-control", line)], text("soup")).await;
        assert!(field(&answer, "etag").is_some(), "{line:?}");
    }
}

#[tokio::test]
async fn co_01_a_tag_is_never_written_over_another() {
    for own in ["\"own\"", "W/\"own\"", "unquoted", ""] {
        let answer = got(&[("etag", own)], text("soup")).await;
        assert_eq!(field(&answer, "etag"), Some(own));
    }
}

#[tokio::test]
async fn streams_and_parts_get_none() {
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("content-type", "Text/Event-Stream ; charset=utf-8"),
        ("content-type", "multipart/x-mixed-replace; boundary=x"),
        ("trailer", "x-sum"),
        ("content-range", "bytes 0-3/10"),
        ("upgrade", "websocket"),
    ] {
        let answer = got(&[(name, value)], text("soup")).await;
        assert_eq!(field(&answer, "etag"), None, "{name}: {value}");
        assert_eq!(body(answer).await, "soup");
    }
    for (name, value) in [
        ("content-type", "text/event-streams"),
        ("content-encoding", "gzip"),
        ("content-length", "4"),
        ("vary", "*"),
    ] {
        let answer = got(&[(name, value)], text("soup")).await;
        assert!(field(&answer, "etag").is_some(), "{name}: {value}");
    }
}

#[tokio::test]
async fn tags_are_weak_or_none_by_choice() {
    let ask = async |layer| {
        let request = request("GET", &[]);
        through(layer, request, answer(200, &[], text("soup"))).await
    };
    let weak = ask(ConditionalLayer::new().weak()).await;
    assert_eq!(field(&weak, "etag"), Some(&*format!("W/{}", tag("soup"))));
    let none = ask(ConditionalLayer::new().without_etag()).await;
    assert_eq!(field(&none, "etag"), None);
    assert_eq!(body(none).await, "soup");
    // Those of the handler stay what they are.
    let request = request("GET", &[]);
    let inner = answer(200, &[("etag", "\"own\"")], text("soup"));
    let own = through(ConditionalLayer::new().weak(), request, inner).await;
    assert_eq!(field(&own, "etag"), Some("\"own\""));
}
