//! Attacks on the gateway as a process.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::{
    origin::Act,
    raw::Connection,
    stage::{Stage, page},
};

/// What a client takes off the request on its way to the origin must not select what it brings (RFC 9110 §7.6.1, RFC 9111 §4.1;
/// SPEC C9111-4.1-07).
#[tokio::test]
async fn a_field_that_the_origin_does_not_see_selects_nothing() {
    let stage = Stage::start(|asked, _| {
        let body = match asked.get("accept-language") {
            Some("de") => "deutsch",
            _ => "english",
        };
        page(
            &["Cache-Control: max-age=60", "Vary: Accept-Language"],
            body,
        )
    })
    .await;
    let asks = ["Accept-Language: de", "Connection: accept-language"];
    stage.get("/", &asks).await;
    let reply = stage.get("/", &["Accept-Language: de"]).await;
    assert_eq!(reply.body(), "deutsch", "{:?}", reply.head);
}

/// The same of the scheme, which is in the key: what stands under `https` was made for `http`.
#[tokio::test]
async fn a_key_field_that_the_origin_does_not_see_is_in_no_key() {
    let stage = Stage::start(|asked, _| {
        let scheme = asked.get("x-forwarded-proto").unwrap_or_default();
        page(&["Cache-Control: max-age=60"], scheme)
    })
    .await;
    let secure = "X-Forwarded-Proto: https";
    stage
        .get("/", &[secure, "Connection: x-forwarded-proto"])
        .await;
    let reply = stage.get("/", &[secure]).await;
    assert_eq!(reply.body(), "https", "{:?}", reply.head);
}

/// The origin sees the address that the gateway adds, and says that it counts: it selects (RFC 9111 §4.1; SPEC C9111-4.1-07).
#[tokio::test]
async fn a_page_that_varies_by_the_address_is_for_one_address() {
    let stage = Stage::start(|asked, _| {
        let address = asked.get("x-forwarded-for").unwrap_or_default();
        let fields = ["Cache-Control: max-age=60", "Vary: X-Forwarded-For"];
        page(&fields, address)
    })
    .await;
    let mut bodies = Vec::new();
    for last in [1, 2] {
        let socket = TcpSocket::new_v4().expect("a socket");
        let address = Ipv4Addr::new(127, 0, 0, last);
        socket
            .bind(SocketAddr::from((address, 0)))
            .expect("an address of the loopback");
        let mut stream = socket
            .connect(stage.gateway.address)
            .await
            .expect("it accepts");
        let asks = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
        stream.write_all(asks).await.expect("it is sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("an answer");
        bodies.push(reply.rsplit("\r\n").next().unwrap_or_default().to_owned());
    }
    assert_eq!(bodies, ["127.0.0.1", "127.0.0.2"]);
}

/// What is in a coding that is not passed on is another body (RFC 9112 §6.1: 501; §7: a coding is removed by who decodes it).
#[tokio::test]
async fn a_request_in_a_coding_that_is_not_understood_is_refused() {
    let stage = Stage::start(|_, _| page(&["Cache-Control: no-store"], "")).await;
    let mut client = Connection::open(stage.gateway.address).await;
    let fields = ["Transfer-Encoding: gzip, chunked", "Connection: close"];
    client.ask("POST", "/", &fields).await;
    client.send("3\r\n\x1f\x08\x00\r\n0\r\n\r\n").await;
    let head = client.head().await;
    assert!(
        matches!(head.status, 400 | 501),
        "{head:?}, {:?}",
        stage.asked("/")
    );
}

/// Each answer ends where its head says, so that the next begins there (RFC 9112 §6.3).
#[tokio::test]
async fn answers_of_all_kinds_follow_each_other_on_one_connection() {
    let stage = Stage::acting(&[], |asked, _| {
        let fields = [
            "Cache-Control: max-age=60",
            "ETag: \"a\"",
            "Content-Type: text/plain",
        ];
        vec![Act::Send(match asked.target.as_str() {
            "/empty" => page(&fields, ""),
            "/one" => page(&fields, "x"),
            "/trailers" => {
                let mut answer = crate::origin::head(
                    "200 OK",
                    &[
                        "Transfer-Encoding: chunked",
                        "Trailer: X-T",
                        "Cache-Control: max-age=60",
                        "ETag: \"a\"",
                    ],
                );
                answer.extend(b"a\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n");
                answer
            }
            "/coded" => page(
                &["Content-Encoding: gzip", fields[0], fields[1]],
                "0123456789",
            ),
            _ => page(&fields, "0123456789"),
        })]
    })
    .await;
    let mut client = Connection::open(stage.gateway.address).await;
    let asks: &[(&str, &[&str])] = &[
        ("GET", &[]),
        ("GET", &[]),
        ("HEAD", &[]),
        ("GET", &["Range: bytes=0-0"]),
        ("GET", &["Range: bytes=0-0,2-3,-1"]),
        ("GET", &["Range: bytes=0-0,0-0"]),
        ("GET", &["Range: bytes=10-"]),
        ("GET", &["Range: bytes=-0"]),
        ("HEAD", &["Range: bytes=10-"]),
        ("GET", &["Range: bytes=-5"]),
        ("GET", &["If-None-Match: \"a\""]),
        ("HEAD", &["If-None-Match: W/\"a\""]),
        ("GET", &["If-None-Match: \"a\"", "Range: bytes=10-"]),
        ("GET", &["Range: bytes=1-2", "If-Range: \"a\""]),
        ("GET", &["Range: bytes=1-2", "If-Range: \"b\""]),
        (
            "GET",
            &["Range: bytes=1-2", "If-Range: \"a\"", "If-Range: \"a\""],
        ),
        ("GET", &["Range: bytes=0-18446744073709551615"]),
        ("GET", &["Range: bytes=-18446744073709551616"]),
        ("GET", &["TE: trailers", "Connection: TE"]),
    ];
    for target in ["/", "/empty", "/one", "/trailers", "/coded"] {
        for (method, fields) in asks {
            client.ask(method, target, fields).await;
            let head = client.head().await;
            let what = format!("{method} {target} {fields:?} {head:?}");
            if *method == "HEAD" || head.status == 304 {
                assert!(
                    !(head.status == 304 && (head.length().is_some() || head.is_chunked())),
                    "{what}"
                );
                continue;
            }
            assert!(head.length().is_some() || head.is_chunked(), "{what}");
            let body = client.body(&head).await.unwrap_or_else(|| panic!("{what}"));
            let body = String::from_utf8_lossy(&body).into_owned();
            match head.status {
                200 if target == "/empty" => assert_eq!(body, "", "{what}"),
                200 if target == "/one" => assert_eq!(body, "x", "{what}"),
                200 => assert_eq!(body, "0123456789", "{what}"),
                206 => assert!(
                    head.get("content-range").is_some() || body.ends_with("--\r\n"),
                    "{what}"
                ),
                416 => assert_eq!(body, "", "{what}"),
                other => panic!("{other} {what}"),
            }
        }
    }
}

/// More lines than are read are refused, and the connection is not read on.
#[tokio::test]
async fn ten_thousand_lines_are_refused() {
    let stage = Stage::start(|_, _| page(&["Cache-Control: no-store"], "")).await;
    for line in [
        "X: 1\r\n",
        "Cookie: a=b\r\n",
        "If-None-Match: \"a\"\r\n",
        "Accept-Language: de\r\n",
    ] {
        for lines in [90, 1_000, 10_000] {
            let mut client = Connection::open(stage.gateway.address).await;
            let asks = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n",
                line.repeat(lines)
            );
            client.send(asks).await;
            let status = client.head_if_any().await.map(|head| head.status);
            assert!(
                status.is_none_or(|status| status == if lines < 100 { 200 } else { 431 }),
                "{status:?}"
            );
        }
    }
}

/// A client that has said all it has to say still listens (RFC 9112 §9.6 has a server close its own half last).
#[tokio::test]
async fn a_client_that_has_finished_sending_is_answered() {
    let stage = Stage::acting(&[], |_, _| {
        vec![
            Act::Wait(std::time::Duration::from_millis(100)),
            Act::Send(page(&["Cache-Control: no-store"], "body")),
        ]
    })
    .await;
    let mut client = Connection::get(stage.gateway.address, "/").await;
    client.finish_sending().await;
    let head = client.head_if_any().await;
    assert_eq!(head.map(|head| head.status), Some(200));
}
