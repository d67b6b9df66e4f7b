//! Origins that lie about the length of their answers.

use crate::{
    origin::{Act, Script, head, ok},
    raw::Connection,
};

const FRESH: &str = "Cache-Control: max-age=60";

/// Answers `/` once with `bytes` and the end of the connection, and any request after it properly.
async fn lying(bytes: Vec<u8>) -> Script {
    let mut lie = Some(bytes);
    Script::start(move |_| match lie.take() {
        Some(bytes) => vec![Act::Send(bytes), Act::Close],
        None => vec![Act::Send(ok(&[FRESH], "true"))],
    })
    .await
}

fn with_body(fields: &[&str], body: &str) -> Vec<u8> {
    let mut answer = head("200 OK", &[fields, &[FRESH]].concat());
    answer.extend(body.as_bytes());
    answer
}

/// The answer that came first was not stored.
async fn then_it_is_asked_again(origin: &Script, gateway: &crate::server::Server) {
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"true"[..]));
    assert_eq!(origin.count("/"), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_and_is_not_stored() {
    for (fields, body) in [
        (&["Content-Length: 10"][..], "1234"),
        (&["Content-Length: 10"], ""),
        (&["Transfer-Encoding: chunked"], "4\r\n1234\r\n"),
        (&["Transfer-Encoding: chunked"], "4\r\n12"),
        (&["Transfer-Encoding: chunked"], "4\r\n1234\r\n0\r\n"),
        (&["Transfer-Encoding: chunked"], "4\r\n1234\r\nnonsense\r\n"),
    ] {
        let origin = lying(with_body(fields, body)).await;
        let gateway = origin.gateway(&[]).await;
        let mut client = Connection::get(gateway.address, "/").await;
        // The head may be there already.
        if let Some(answer) = client.head_if_any().await {
            assert_eq!(answer.status, 200, "{fields:?} {body:?}");
            assert!(
                answer.is_chunked() || answer.length() == Some(10),
                "{answer:?}"
            );
            assert_eq!(client.body(&answer).await, None, "{fields:?} {body:?}");
        }
        then_it_is_asked_again(&origin, &gateway).await;
    }
}

#[tokio::test]
async fn what_follows_a_body_belongs_to_nobody() {
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong";
    let origin = lying(with_body(
        &["Content-Length: 4"],
        &format!("1234{smuggled}"),
    ))
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"1234"[..]));

    client.ask("GET", "/next", &[]).await;
    let answer = client.head().await;
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"true"[..]));
    assert_eq!(origin.asked()[1].connection, 2);
}

#[tokio::test]
async fn lengths_that_disagree_are_no_answer() {
    for fields in [
        &["Content-Length: 4", "Content-Length: 5"][..],
        &["Content-Length: 4, 5"],
        &["Content-Length: +4"],
        &["Content-Length: four"],
        &["Transfer-Encoding: gzip"],
        &["Transfer-Encoding: gzip, chunked"],
    ] {
        let origin = lying(with_body(fields, "12345")).await;
        let gateway = origin.gateway(&[]).await;
        let mut client = Connection::get(gateway.address, "/").await;
        let answer = client.head().await;
        assert_eq!(answer.status, 502, "{fields:?}");
        assert!(client.body(&answer).await.is_some());
        then_it_is_asked_again(&origin, &gateway).await;
    }
}

#[tokio::test]
async fn a_length_that_stands_there_twice_is_one() {
    for fields in [
        &["Content-Length: 4", "Content-Length: 4"][..],
        &["Content-Length: 4, 4"],
    ] {
        let origin = lying(with_body(fields, "1234")).await;
        let gateway = origin.gateway(&[]).await;
        let mut client = Connection::get(gateway.address, "/").await;
        let answer = client.head().await;
        assert_eq!(
            (answer.status, answer.length()),
            (200, Some(4)),
            "{fields:?}"
        );
        assert_eq!(client.body(&answer).await.as_deref(), Some(&b"1234"[..]));
    }
}

#[tokio::test]
async fn chunks_count_and_not_the_length_beside_them() {
    let mut first = true;
    let origin = Script::start(move |_| {
        let lie = [
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Cache-Control: no-store",
        ];
        let mut answer = head("200 OK", &lie);
        answer.extend(b"4\r\n1234\r\n0\r\n\r\n");
        match std::mem::take(&mut first) {
            true => vec![Act::Send(answer)],
            false => vec![Act::Send(ok(&[], "true"))],
        }
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.is_chunked() && answer.length().is_none(),
        "{answer:?}"
    );
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"1234"[..]));

    // Who sends both is not trusted with another request on the same connection.
    client.ask("GET", "/next", &[]).await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(origin.asked()[1].connection, 2);
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_its_connection() {
    let origin = lying(with_body(&[], "to the end")).await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert!(answer.is_chunked(), "{answer:?}");
    assert_eq!(
        client.body(&answer).await.as_deref(),
        Some(&b"to the end"[..])
    );
}
