//! Connections to the origin: kept, closed, and found closed.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    origin::{Act, Line, Origin, Script, head, ok},
    raw::Connection,
    server::Server,
};

const NO_STORE: &str = "Cache-Control: no-store";

/// A gateway with one connection that has been used.
async fn used(origin: &Origin) -> (Server, Connection, Line) {
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/first").await;
    let mut line = origin.accept().await;
    line.asked().await;
    line.send(ok(&[NO_STORE], "first")).await;
    let answer = client.head().await;
    client.body(&answer).await.expect("the first answer");
    (gateway, client, line)
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let origin = Script::start(|asked| {
        vec![Act::Send(match asked.target.as_str() {
            "/none" => head("204 No Content", &[NO_STORE]),
            "/chunks" => {
                let mut answer = head("200 OK", &["Transfer-Encoding: chunked", NO_STORE]);
                answer.extend(b"1\r\na\r\n0\r\n\r\n");
                answer
            }
            _ => ok(&[NO_STORE], "body"),
        })]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    for target in ["/", "/none", "/chunks", "/", "/chunks", "/none", "/"] {
        let mut client = Connection::get(gateway.address, target).await;
        let answer = client.head().await;
        if answer.status == 200 {
            client.body(&answer).await.expect("a body");
        }
    }
    let mut client = Connection::open(gateway.address).await;
    client.ask("POST", "/", &["Content-Length: 1"]).await;
    client.send("x").await;
    let answer = client.head().await;
    client.body(&answer).await.expect("a body");
    client.ask("GET", "/last", &[]).await;
    client.head().await;

    let asked = origin.asked();
    assert_eq!(asked.len(), 9);
    assert!(asked.iter().all(|asked| asked.connection == 1), "{asked:?}");
}

#[tokio::test]
async fn what_is_safe_is_sent_once_more_when_a_used_connection_ends() {
    for (method, reset) in [
        ("GET", false),
        ("GET", true),
        ("HEAD", false),
        ("OPTIONS", false),
    ] {
        let origin = Origin::start().await;
        let (_gateway, mut client, mut line) = used(&origin).await;
        client.ask(method, "/again", &["X-Field: 1"]).await;
        let first = line.asked().await;
        if reset {
            line.reset();
        } else {
            line.close().await;
        }
        let mut line = origin.accept().await;
        let mut second = line.asked().await;
        second.connection = first.connection;
        assert_eq!(second, first, "{method}");
        line.send(ok(&[NO_STORE], if method == "HEAD" { "" } else { "again" }))
            .await;
        assert_eq!(client.head().await.status, 200, "{method}");
    }
}

#[tokio::test]
async fn once_more_is_once() {
    let origin = Origin::start().await;
    let (_gateway, mut client, mut line) = used(&origin).await;
    client.ask("GET", "/again", &[]).await;
    line.asked().await;
    line.close().await;
    let mut line = origin.accept().await;
    line.asked().await;
    line.close().await;
    assert_eq!(client.head().await.status, 502);
    assert!(
        origin.accepted().await.is_none(),
        "it was asked a third time"
    );
}

#[tokio::test]
async fn what_may_change_something_is_never_sent_again() {
    for (method, fields, body) in [
        ("POST", &["Content-Length: 4"][..], "body"),
        ("POST", &["Content-Length: 0"], ""),
        ("PUT", &["Content-Length: 4"], "body"),
        ("DELETE", &[], ""),
        ("PATCH", &[], ""),
        ("PURGE", &[], ""),
        // Safe, but its body is gone.
        ("GET", &["Content-Length: 4"], "body"),
    ] {
        let origin = Origin::start().await;
        let (_gateway, mut client, mut line) = used(&origin).await;
        client.ask(method, "/change", fields).await;
        client.send(body).await;
        let asked = line.asked().await;
        assert_eq!(asked.method, method);
        line.close().await;
        assert_eq!(client.head().await.status, 502, "{method}");
        assert!(origin.accepted().await.is_none(), "{method} was sent again");
    }
}

#[tokio::test]
async fn nothing_is_sent_again_once_an_answer_has_begun() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let origin = Origin::start().await;
        let (_gateway, mut client, mut line) = used(&origin).await;
        client.ask("GET", "/again", &[]).await;
        line.asked().await;
        line.send(begun).await;
        line.close().await;
        assert_eq!(client.head().await.status, 502, "{begun:?}");
        assert!(origin.accepted().await.is_none(), "{begun:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_again_when_a_new_connection_ends() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let mut line = origin.accept().await;
    line.asked().await;
    line.close().await;
    assert_eq!(client.head().await.status, 502);
    assert!(origin.accepted().await.is_none());
}

#[tokio::test]
async fn a_connection_that_was_closed_is_not_used() {
    let origin = Origin::start().await;
    let (_gateway, mut client, line) = used(&origin).await;
    line.close().await;
    // Whether or not the gateway has noticed yet: nothing was sent, so this is no second time, not even for POST.
    client.ask("POST", "/change", &["Content-Length: 4"]).await;
    client.send("body").await;
    let mut line = origin.accept().await;
    assert_eq!(line.asked().await.body, b"body");
    line.send(ok(&[], "changed")).await;
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_servers_close_it() {
    let origin = Origin::start().await;
    let (_gateway, _client, mut line) = used(&origin).await;
    let closed = timeout(Duration::from_secs(5), line.ends_silently()).await;
    assert_eq!(closed, Ok(true));
}

#[tokio::test]
async fn an_origin_that_closes_is_believed() {
    let origin = Script::start(|asked| {
        let last = match asked.target.as_str() {
            "/old" => "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na".into(),
            _ => ok(&["Connection: close", NO_STORE], "a"),
        };
        vec![Act::Send(last), Act::Silence]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    for target in ["/old", "/close", "/old"] {
        let mut client = Connection::open(gateway.address).await;
        client.ask("POST", target, &["Content-Length: 0"]).await;
        let answer = client.head().await;
        assert_eq!(client.body(&answer).await.as_deref(), Some(&b"a"[..]));
    }
    let connections: Vec<_> = origin
        .asked()
        .iter()
        .map(|asked| asked.connection)
        .collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn one_request_is_one_request() {
    let origin = Script::start(|asked| match asked.target.as_str() {
        "/fails" => vec![Act::Send(head(
            "503 Service Unavailable",
            &["Content-Length: 0"],
        ))],
        "/breaks" => vec![
            Act::Send(head("200 OK", &["Content-Length: 9"])),
            Act::Close,
        ],
        "/closes" => vec![Act::Close],
        "/resets" => vec![Act::Reset],
        _ => vec![Act::Send(ok(&[NO_STORE], "body"))],
    })
    .await;
    for method in ["GET", "POST", "DELETE"] {
        for target in ["/fails", "/breaks", "/closes", "/resets", "/fine"] {
            // A gateway without a used connection.
            let gateway = origin.gateway(&["--quiet"]).await;
            let before = origin.count(target);
            let mut client = Connection::open(gateway.address).await;
            client.ask(method, target, &["Connection: close"]).await;
            client.rest().await;
            assert_eq!(origin.count(target), before + 1, "{method} {target}");
        }
    }
}
