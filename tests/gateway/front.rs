//! Requests that no cache should see.

use crate::{
    origin::{Act, Script, ok},
    raw::{Connection, HOST},
};

async fn plain() -> Script {
    Script::start(|_| vec![Act::Send(ok(&["Cache-Control: no-store"], "body"))]).await
}

#[tokio::test]
async fn a_malformed_request_is_refused_and_does_not_reach_the_origin() {
    let origin = plain().await;
    let gateway = origin.gateway(&[]).await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    for (request, status) in [
        (long.as_str(), 431),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\na",
            400,
        ),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ] {
        let mut client = Connection::open(gateway.address).await;
        client.send(request).await;
        let shown: String = request.chars().take(90).collect();
        assert_eq!(client.head().await.status, status, "{shown:?}");
    }
    assert_eq!(origin.asked(), []);
    let mut client = Connection::get(gateway.address, "/").await;
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_reach_the_origin() {
    let origin = plain().await;
    let gateway = origin.gateway(&[]).await;
    for fields in [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
    ] {
        let mut client = Connection::open(gateway.address).await;
        client.ask("POST", "/", &fields).await;
        client.send("4\r\nbody\r\n0\r\n\r\n").await;
        let answer = client.head().await;
        assert_eq!(answer.status, 200);
        client.body(&answer).await.expect("a body");
        let asked = origin.asked().pop().expect("it was asked");
        assert_eq!(asked.get("content-length"), None, "{asked:?}");
        assert_eq!(asked.body, b"body");
        assert_eq!(client.rest().await, b"", "the connection is not kept");
    }
}

#[tokio::test]
async fn an_absolute_target_names_the_host() {
    let origin = plain().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client.ask("GET", "http://other.example/a?b", &[]).await;
    assert_eq!(client.head().await.status, 200);
    let [asked] = &origin.asked()[..] else {
        panic!("it was not asked once")
    };
    assert_eq!(asked.target, "/a?b");
    assert_eq!(asked.get("host"), Some("other.example"));
}

#[tokio::test]
async fn targets_reach_the_origin_as_they_were_sent() {
    let origin = plain().await;
    let gateway = origin.gateway(&[]).await;
    for target in ["/", "//a//b", "/a/../b", "/%2f%41?a=%20&a&&b=?", "/a;b,c?"] {
        let mut client = Connection::get(gateway.address, target).await;
        client.head().await;
        let asked = origin.asked().pop().expect("it was asked");
        assert_eq!(asked.target, target);
        assert_eq!(asked.get("host"), Some(HOST));
    }
    let mut client = Connection::open(gateway.address).await;
    client.ask("OPTIONS", "*", &[]).await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(origin.count("*"), 1);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served() {
    let origin = plain().await;
    let gateway = origin.gateway(&[]).await;
    let mut client = Connection::open(gateway.address).await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!(answer.status, 200);
    assert_eq!(client.rest().await, b"body");
    let [asked] = &origin.asked()[..] else {
        panic!("it was not asked once")
    };
    assert_eq!(asked.get("host"), Some(origin.address.to_string().as_str()));
    assert_eq!(asked.get("via"), Some("1.0 larder"));
}
