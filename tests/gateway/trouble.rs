//! Origins that fail.

use std::{fmt::Write, time::Duration};

use tokio::time::timeout;

use crate::{
    origin::{Act, Origin, Script, head, ok},
    raw::{Connection, Head},
    server::Server,
};

const FRESH: &str = "Cache-Control: max-age=60";

/// Says what is wrong, briefly, and is not stored.
async fn assert_failure(client: &mut Connection, answer: &Head, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let cache = answer.get("cache-control").unwrap_or_default();
    assert!(cache.contains("no-store"), "{answer:?}");
    assert_eq!(
        answer.get("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let body = client.body(answer).await.expect("the whole text");
    assert!(body.len() > 10 && body.len() < 100);
}

/// It answers `/fine` after all that.
async fn assert_alive(gateway: &Server) {
    let mut client = Connection::get(gateway.address, "/fine").await;
    assert_eq!(client.head().await.status, 200);
    let log = gateway.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_a_bad_gateway() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it has an address");
    drop(listener);
    let gateway = Server::start(&["--origin", &format!("http://{address}")]).await;
    let mut client = Connection::open(gateway.address).await;
    for method in ["GET", "DELETE"] {
        client.ask(method, "/", &[]).await;
        let answer = client.head().await;
        assert_failure(&mut client, &answer, 502).await;
    }
}

#[tokio::test]
async fn an_origin_that_ends_before_its_answer_is_a_bad_gateway() {
    let origin = Script::start(|asked| match asked.target.as_str() {
        "/closes" => vec![Act::Close],
        "/resets" => vec![Act::Reset],
        "/breaks" => vec![Act::Send(b"HTTP/1.1 200 OK\r\nX-Fie".into()), Act::Close],
        "/nonsense" => vec![Act::Send(b"220 smtp.example ready\r\n".into())],
        "/number" => vec![Act::Send(b"HTTP/1.1 2000 OK\r\n\r\n".into())],
        "/control" => vec![Act::Send(b"HTTP/1.1 200 OK\r\nX-A: \x07\r\n\r\n".into())],
        "/folded" => vec![Act::Send(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\n".into())],
        "/switches" => vec![Act::Send(head("101 Switching Protocols", &["Upgrade: x"]))],
        _ => vec![Act::Send(ok(&[FRESH], "body"))],
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    for target in [
        "/closes",
        "/resets",
        "/breaks",
        "/nonsense",
        "/number",
        "/control",
        "/folded",
        "/switches",
    ] {
        let mut client = Connection::get(gateway.address, target).await;
        let answer = client.head().await;
        assert_failure(&mut client, &answer, 502).await;
    }
    assert_alive(&gateway).await;
}

#[tokio::test]
async fn an_origin_that_is_silent_is_not_waited_for_forever() {
    let origin = Script::start(|asked| match asked.target.as_str() {
        "/silent" => vec![Act::Silence],
        "/stalls" => {
            let head = head("200 OK", &["Content-Length: 10", FRESH]);
            vec![Act::Send(head), Act::Send(b"1234".into()), Act::Silence]
        }
        _ => vec![Act::Send(ok(&[FRESH], "body"))],
    })
    .await;
    let gateway = origin.gateway(&["--timeout", "1"]).await;
    let mut client = Connection::get(gateway.address, "/silent").await;
    let answer = client.head().await;
    assert_failure(&mut client, &answer, 504).await;

    client.ask("POST", "/silent", &["Content-Length: 4"]).await;
    client.send("body").await;
    let answer = client.head().await;
    assert_failure(&mut client, &answer, 504).await;

    client.ask("GET", "/stalls", &[]).await;
    let answer = client.head().await;
    assert_eq!(answer.status, 200);
    // Long before this origin loses its patience, too.
    let broken = timeout(Duration::from_secs(10), client.body(&answer)).await;
    assert_eq!(broken, Ok(None));
    assert_alive(&gateway).await;
    assert_eq!(origin.count("/silent"), 2);
    assert_eq!(origin.count("/stalls"), 1);
}

#[tokio::test]
async fn a_client_that_stops_in_its_request_is_told_so() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&["--timeout", "1"]).await;
    let mut client = Connection::open(gateway.address).await;
    client.ask("POST", "/", &["Content-Length: 10"]).await;
    client.send("1234").await;
    let mut line = origin.accept().await;
    assert_eq!(client.head().await.status, 408);
    // What the origin has is no request.
    assert!(line.asked_if_any().await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_in_its_request_takes_it_along() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = Connection::open(gateway.address).await;
        client.ask("POST", "/", &[framing]).await;
        client.send("4\r\n12").await;
        let mut line = origin.accept().await;
        line.asked_head().await.expect("the head goes first");
        drop(client);
        line.ends_silently().await;
    }
}

#[tokio::test]
async fn a_long_head_of_an_origin_is_passed_or_refused() {
    let origin = Script::start(|asked| {
        let mut fields = format!("{FRESH}\r\n");
        match asked.target.as_str() {
            "/long" => write!(fields, "X-Long: {}\r\n", "x".repeat(100 << 10)),
            "/many" => (0..200).try_for_each(|n| write!(fields, "X-{n}: {}\r\n", "x".repeat(500))),
            "/longer" => write!(fields, "X-Long: {}\r\n", "x".repeat(300 << 10)),
            "/endless" => (0..100).try_for_each(|_| {
                let field = "x".repeat(30 << 10);
                write!(fields, "X-Long: {field}\r\n")
            }),
            "/more" => (0..5000).try_for_each(|n| write!(fields, "X-{n}: 1\r\n")),
            _ => Ok(()),
        }
        .expect("a string takes it");
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nbody");
        vec![Act::Send(answer.into_bytes())]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    for target in ["/long", "/many"] {
        let mut client = Connection::get(gateway.address, target).await;
        let answer = client.head().await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(client.body(&answer).await.as_deref(), Some(&b"body"[..]));
    }
    for target in ["/longer", "/endless", "/more"] {
        let mut client = Connection::get(gateway.address, target).await;
        let answer = client.head().await;
        assert_failure(&mut client, &answer, 502).await;
    }
    assert_alive(&gateway).await;
}
