//! What goes through, both ways.

use crate::{
    origin::{Act, Origin, Script, answer, head, ok},
    raw::{Chunk, Connection, HOST},
};

/// Neither stored nor served from a store.
const NO_STORE: &str = "Cache-Control: no-store";

#[tokio::test]
async fn an_answer_comes_part_by_part() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    for cache in [NO_STORE, "Cache-Control: max-age=60"] {
        let mut client = Connection::get(gateway.address, "/parts").await;
        let mut line = origin.accept().await;
        line.asked().await;
        line.send(head("200 OK", &["Transfer-Encoding: chunked", cache]))
            .await;
        // The head does not wait for the body either.
        let answer = client.head().await;
        assert!(answer.is_chunked(), "{answer:?}");
        for part in ["one", "two", "three"] {
            line.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
            assert_eq!(client.chunk().await, Chunk::Data(part.into()));
        }
        line.send("0\r\n\r\n").await;
        assert_eq!(client.chunk().await, Chunk::End(vec![]));
        line.close().await;
    }
}

#[tokio::test]
async fn a_request_goes_part_by_part() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client
        .ask("POST", "/parts", &["Transfer-Encoding: chunked"])
        .await;
    let mut line = origin.accept().await;
    let asked = line.asked_head().await.expect("the head goes first");
    assert_eq!(asked.get("transfer-encoding"), Some("chunked"));
    for part in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{part}\r\n", part.len());
        client.send(&chunk).await;
        let sent = line.bytes(chunk.len()).await.expect("a part");
        assert_eq!(String::from_utf8_lossy(&sent).to_lowercase(), chunk);
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(line.bytes(5).await.as_deref(), Some(&b"0\r\n\r\n"[..]));
    line.send(ok(&[], "taken")).await;
    let answer = client.head().await;
    assert_eq!(answer.status, 200);
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"taken"[..]));
}

#[tokio::test]
async fn a_body_keeps_the_framing_that_it_came_with() {
    let origin = Script::start(|_| vec![Act::Send(ok(&[NO_STORE], ""))]).await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    for (method, fields, body) in [
        ("GET", &[][..], ""),
        ("HEAD", &[], ""),
        ("DELETE", &[], ""),
        ("POST", &["Content-Length: 0"], ""),
        ("POST", &["Content-Length: 4"], "body"),
        ("GET", &["Content-Length: 4"], "body"),
        (
            "GET",
            &["Transfer-Encoding: chunked"],
            "4\r\nbody\r\n0\r\n\r\n",
        ),
        (
            "PUT",
            &["Transfer-Encoding: chunked"],
            "4\r\nbody\r\n0\r\n\r\n",
        ),
    ] {
        client.ask(method, "/", fields).await;
        client.send(body).await;
        let answer = client.head().await;
        assert_eq!(answer.status, 200, "{method} {fields:?}");
        let asked = origin.asked().pop().expect("it was asked");
        let framing: Vec<_> = asked
            .fields
            .iter()
            .filter(|(name, _)| {
                ["content-length", "transfer-encoding"].contains(&name.to_lowercase().as_str())
            })
            .map(|(name, value)| format!("{name}: {value}").to_lowercase())
            .collect();
        let expected: Vec<_> = fields.iter().map(|field| field.to_lowercase()).collect();
        assert_eq!(framing, expected, "{method} {fields:?}");
        let expected = if body.is_empty() { "" } else { "body" };
        assert_eq!(asked.body, expected.as_bytes(), "{method} {fields:?}");
    }
}

#[tokio::test]
async fn fields_of_a_hop_stay_on_it() {
    let origin = Script::start(|_| {
        vec![Act::Send(ok(
            &[
                NO_STORE,
                "Connection: X-Hop, keep-alive",
                "X-Hop: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "Upgrade: h2c",
                "Proxy-Authenticate: Basic",
                "TE: gzip",
                "X-End: to-end",
            ],
            "body",
        ))]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client
        .ask(
            "GET",
            "/",
            &[
                "Connection: x-hop, upgrade, host",
                "X-Hop: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "Upgrade: websocket",
                "Proxy-Authorization: Basic eDp5",
                "TE: gzip",
                "X-End: to-end",
            ],
        )
        .await;
    let answer = client.head().await;
    let hop = [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "transfer-encoding",
    ];
    let [asked] = &origin.asked()[..] else {
        panic!("it was not asked once")
    };
    for name in hop {
        assert_eq!(answer.get(name), None, "{answer:?}");
        assert_eq!(asked.get(name), None, "{asked:?}");
    }
    assert_eq!(answer.get("x-end"), Some("to-end"));
    assert_eq!(asked.get("x-end"), Some("to-end"));
    assert_eq!(asked.get("host"), Some(HOST));
}

#[tokio::test]
async fn the_origin_is_told_through_whom_and_from_whom() {
    let origin = Script::start(|_| vec![Act::Send(ok(&[NO_STORE], ""))]).await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client.ask("GET", "/", &[]).await;
    client.head().await;
    let fields = [
        "Via: 1.1 edge",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: https",
    ];
    client.ask("GET", "/", &fields).await;
    client.head().await;

    let asked = origin.asked();
    assert_eq!(asked[0].all("via"), ["1.1 larder"]);
    assert_eq!(asked[0].all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(asked[0].all("x-forwarded-proto"), ["http"]);
    assert_eq!(asked[1].all("via"), ["1.1 edge", "1.1 larder"]);
    assert_eq!(asked[1].all("x-forwarded-for"), ["192.0.2.1", "127.0.0.1"]);
    assert_eq!(asked[1].all("x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow() {
    let origin = Script::start(|asked| {
        let elsewhere = ["Location: /elsewhere", NO_STORE];
        assert_eq!(asked.target, "/");
        vec![Act::Send(answer("302 Found", &elsewhere, "over there"))]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.get("location"), Some("/elsewhere"));
    assert_eq!(
        client.body(&answer).await.as_deref(),
        Some(&b"over there"[..])
    );
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn coded_bytes_are_not_decoded() {
    // Not even gzip: nobody looks.
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = bytes.clone();
    let origin = Script::start(move |_| {
        let fields = ["Content-Encoding: gzip", "Content-Length: 256", NO_STORE];
        let mut answer = head("200 OK", &fields);
        answer.extend(&sent);
        vec![Act::Send(answer)]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client.ask("GET", "/", &["Accept-Encoding: gzip"]).await;
    let answer = client.head().await;
    assert_eq!(answer.get("content-encoding"), Some("gzip"));
    assert_eq!(answer.length(), Some(256));
    assert_eq!(client.body(&answer).await, Some(bytes));
    assert_eq!(origin.asked()[0].get("accept-encoding"), Some("gzip"));

    // And nobody asks for what the client did not.
    client.ask("GET", "/plain", &[]).await;
    client.head().await;
    assert_eq!(origin.asked()[1].get("accept-encoding"), None);
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    let fields = [
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum",
        "TE: trailers",
        "Connection: TE",
    ];
    client.ask("POST", "/", &fields).await;
    client.send("1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n").await;
    let mut line = origin.accept().await;
    let asked = line.asked().await;
    let trailers: Vec<_> = asked
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    assert_eq!(trailers, [("x-sum".to_owned(), "1")]);
    assert_eq!(asked.get("te"), Some("trailers"));

    line.send(head(
        "200 OK",
        &["Transfer-Encoding: chunked", "Trailer: X-Sum"],
    ))
    .await;
    line.send("1\r\nb\r\n0\r\nX-Sum: 2\r\n\r\n").await;
    assert!(client.head().await.is_chunked());
    assert_eq!(client.chunk().await, Chunk::Data(b"b".into()));
    let end = vec![("x-sum".to_owned(), "2".to_owned())];
    assert_eq!(client.chunk().await, Chunk::End(end));
}

#[tokio::test]
async fn an_answer_to_head_keeps_the_length_of_the_get() {
    let origin = Script::start(|_| {
        vec![Act::Send(head(
            "200 OK",
            &["Content-Length: 5000", NO_STORE],
        ))]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    for _ in 0..2 {
        client.ask("HEAD", "/", &[]).await;
        let answer = client.head().await;
        assert_eq!((answer.status, answer.length()), (200, Some(5000)));
    }
    assert_eq!(origin.asked()[1].connection, 1, "no body was waited for");
}

#[tokio::test]
async fn a_body_is_asked_for_before_it_is_sent() {
    let origin = Script::start(|_| vec![Act::Send(ok(&[], "taken"))]).await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client
        .ask("POST", "/", &["Content-Length: 4", "Expect: 100-continue"])
        .await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(origin.asked()[0].body, b"body");
}

#[tokio::test]
async fn what_an_origin_says_before_its_answer_is_no_answer() {
    let origin = Script::start(|_| {
        vec![
            Act::Send(head(
                "103 Early Hints",
                &["Link: </style.css>; rel=preload"],
            )),
            Act::Send(head("102 Processing", &[])),
            Act::Send(ok(&[NO_STORE], "body")),
        ]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::get(gateway.address, "/").await;
    let answer = client.head().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.get("link"), None);
    assert_eq!(client.body(&answer).await.as_deref(), Some(&b"body"[..]));
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_request() {
    let origin = Origin::start().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client.ask("POST", "/", &["Content-Length: 1000000"]).await;
    let mut line = origin.accept().await;
    line.asked_head().await.expect("the head goes first");
    line.send(answer("413 Content Too Large", &[], "no")).await;
    assert_eq!(client.head().await.status, 413);

    // Nothing can follow on that connection, whose request is not at its end.
    let mut next = Connection::get(gateway.address, "/next").await;
    let mut line = origin.accept().await;
    assert_eq!(line.asked().await.target, "/next");
    line.send(ok(&[NO_STORE], "body")).await;
    assert_eq!(next.head().await.status, 200);
}

#[tokio::test]
async fn a_large_body_is_whole() {
    let body: Vec<u8> = (0..8 << 20).map(|n: u32| (n % 251) as u8).collect();
    let sent = body.clone();
    let origin = Script::start(move |asked| {
        assert_eq!(asked.body.len(), sent.len());
        let length = format!("Content-Length: {}", sent.len());
        let mut answer = head("200 OK", &[length.as_str(), NO_STORE]);
        answer.extend(&sent);
        vec![Act::Send(answer)]
    })
    .await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    let length = format!("Content-Length: {}", body.len());
    client.ask("POST", "/", &[length.as_str()]).await;
    client.send(&body).await;
    let answer = client.head().await;
    assert!(client.body(&answer).await.is_some_and(|came| came == body));
    assert!(origin.asked()[0].body == body);
}
