//! Requests that no browser sends. None may crash the server, be answered with its fault, or change what others get.

use std::collections::BTreeMap;

use crate::{
    client::{Answer, Client},
    raw::{Connection, Head},
    server::Server,
};

const PAGES: [&str; 5] = ["/", "/dashboard", "/menu", "/menu/pizza", "/popular"];

/// What everybody sees, by address.
async fn pages(server: &Server, client: &Client) -> BTreeMap<&'static str, String> {
    let mut pages = BTreeMap::new();
    for path in PAGES {
        pages.insert(path, client.get(server, path).await.body);
    }
    pages
}

/// Sends a request as it is, and answers what came; `None` if the server only closed.
async fn answer(server: &Server, request: &[u8]) -> Option<(Head, Vec<u8>)> {
    let mut connection = Connection::open(server.address).await;
    connection.send(request).await;
    let mut head = connection.head_if_any().await?;
    while head.status == 100 {
        head = connection.head().await;
    }
    let bodiless = request.starts_with(b"HEAD ") || head.status == 204;
    let body = if bodiless {
        Some(Vec::new())
    } else {
        connection.body(&head).await
    };
    Some((head, body.expect("the body is complete")))
}

/// Sends the beginning of a request, says that no more comes, and answers the status.
async fn answer_to_a_part(server: &Server, request: &[u8]) -> Option<u16> {
    let mut connection = Connection::open(server.address).await;
    connection.send(request).await;
    connection.finish_sending().await;
    Some(connection.head_if_any().await?.status)
}

fn shown(request: &[u8]) -> String {
    let mut shown = request.escape_ascii().to_string();
    shown.truncate(200);
    shown
}

/// Sends each request, before and after the pages are stored, and sees that these stay as they are.
async fn survive(requests: &[Vec<u8>], parts: &[&[u8]]) {
    let (mut server, client) = (Server::start(&[]).await, Client::new());
    let expected = {
        let untouched = Server::start(&[]).await;
        let mut pages = pages(&untouched, &client).await;
        // The start page names the server's own address.
        let start = pages.get_mut("/").expect("it is among them");
        *start = start.replace(&untouched.address.to_string(), &server.address.to_string());
        pages
    };

    for round in 0..2 {
        let fine = |status: Option<u16>| status.is_none_or(|status| status < 500);
        for request in requests {
            let status = answer(&server, request).await.map(|(head, _)| head.status);
            assert!(fine(status), "{status:?} for {}", shown(request));
        }
        for part in parts {
            let status = answer_to_a_part(&server, part).await;
            assert!(fine(status), "{status:?} for {}", shown(part));
        }
        let seen = pages(&server, &client).await;
        for path in PAGES {
            assert_eq!(
                seen[path], expected[path],
                "{path} has changed in round {round}"
            );
            client.get(&server, path).await.assert_hit();
        }
    }
    server.signal("TERM");
    assert!(server.end().await.success());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n").into_bytes()
}

#[tokio::test]
async fn fields_that_make_no_sense_are_as_good_as_none() {
    let fields = [
        "If-Modified-Since: yesterday",
        "If-Modified-Since: Sun, 99 Nov 9999999 99:99:99 GMT",
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 +0000",
        "If-None-Match: \"",
        "If-None-Match: *, \"a\", W/",
        "If-Unmodified-Since: never",
        "If-Match: abc",
        "If-Range: \"a\"",
        "Range: bytes=0-0",
        "Range: bytes=5-2",
        "Range: bytes=99999999999999999999-",
        "Range: bytes=-99999999999999999999",
        "Range: items=0-1,,,",
        "Date: Fri, 31 Feb 2023 25:61:61 GMT",
        "Cache-Control: max-age=-1, max-age=99999999999999999999999, no-cache=\"",
        "Cache-Control: ,,,;;;===,\"\\",
        "Cache-Control: only-if-cached, max-stale=x, min-fresh=",
        "Cache-Control: no-store",
        "Pragma: no-cache",
        "Accept: ,;q=,*/,q=1;;;\u{e9}",
        "Cookie: a=b; c; =; ;;",
        "Authorization: \u{ff}",
        "Cache-Status: larder; hit; ttl=99999",
        "Age: 100000",
        "Vary: *",
        "X-Forwarded-Host: evil.example",
        "X-Original-URL: /dashboard",
        "X-Rewrite-URL: /dashboard",
        "X-HTTP-Method-Override: POST",
        "Forwarded: host=evil.example;proto=gopher",
        "X-Forwarded-Proto: \"><script>",
        "Connection: cache-control, host, accept",
        "TE: trailers, deflate;q=0.5",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: 0",
        "Content-Length: 5, 6",
        "Content-Length: -1",
    ];
    let mut requests = Vec::new();
    for path in PAGES {
        for field in fields {
            requests.push(get(path, &format!("{field}\r\n")));
        }
    }
    survive(&requests, &[]).await;
}

#[tokio::test]
async fn targets_and_messages_that_make_no_sense_are_refused_or_not_found() {
    let (server, long) = ("shop.example", "a".repeat(64 << 10));
    let mut requests: Vec<Vec<u8>> = [
        "/menu?",
        "/menu?a=%zz&&&==;;",
        "/menu?%00=%ff",
        "/menu?a=1&a=2&a",
        "/menu?<script>",
        "/menu#part",
        "//menu",
        "/menu/",
        "/./menu",
        "/../menu",
        "/menu/..%2f..%2fetc",
        "/menu/%2e%2e/dashboard",
        "/menu/pizza;x.css",
        "/menu/pizza%00",
        "/%6denu",
        "/menu/%E0%A4%A",
        "/MENU",
        "/menu/pizza%0d%0aX-Injected:%201",
        "*",
        "menu",
        "http:",
        "http://",
        "http://@/",
        "shop.example:80",
        "http://shop.example/menu",
        "http://user:pw@shop.example/menu",
        "https://evil.example:99999/menu",
        "ftp://shop.example/menu",
    ]
    .iter()
    .map(|target| get(target, ""))
    .collect();
    for host in [
        "",
        " ",
        ":",
        "evil.example",
        "evil.example:99999",
        "a b",
        "[::1",
        "user@host",
        "shop.example, evil.example",
        "\u{e9}.example",
    ] {
        requests.push(format!("GET /menu HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes());
    }
    for request in [
        // Two hosts, none, and one that the target contradicts.
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nHost: evil.example\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nHost: {server}\r\n\r\n"),
        "GET /menu HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET http://evil.example/menu HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        // Content where none belongs, and lengths that contradict each other.
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nContent-Length: 5\r\n\r\nhello"),
        format!(
            "GET /menu HTTP/1.1\r\nHost: {server}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        format!(
            "GET /menu HTTP/1.1\r\nHost: {server}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("HEAD /menu HTTP/1.1\r\nHost: {server}\r\nContent-Length: 5\r\n\r\nhello"),
        // Methods, versions and lines.
        format!("get /menu HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("BREW /menu HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("PURGE /menu HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("CONNECT {server}:80 HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("GET /menu HTTP/2.0\r\nHost: {server}\r\n\r\n"),
        format!("GET /menu HTTP/9\r\nHost: {server}\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\n folded: line\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nno colon\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nX-A : b\r\n\r\n"),
        format!("GET /menu HTTP/1.1\nHost: {server}\nX: y\n\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nX: a\0b\r\n\r\n"),
        format!("GET /menu\0 HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nX: \x07\r\n\r\n"),
        // Too much.
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /menu?{long} HTTP/1.1\r\nHost: {server}\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {long}\r\n\r\n"),
        format!("GET /menu HTTP/1.1\r\nHost: {server}\r\nAccept: {long}\r\n\r\n"),
        format!(
            "GET /menu HTTP/1.1\r\nHost: {server}\r\n{}\r\n",
            "X: y\r\n".repeat(200)
        ),
    ] {
        requests.push(request.into_bytes());
    }
    let parts: &[&[u8]] = &[
        b"",
        b"\r\n\r\n\r\n",
        b"GET /menu\r\n",
        b"GET /menu HTTP/1.1\r\nHost: shop.example",
        b"GET /menu HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\nzzz",
        b"POST /orders HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 50\r\n\r\nitem=1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 4096],
        &[0xff; 4096],
    ];
    survive(&requests, parts).await;
}

#[tokio::test]
async fn what_is_doubtful_passes_the_cache_by() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let page = client.get(&server, "/menu").await;
    let doubtful: &[&str] = &[
        "Host: shop.example\r\nHost: shop.example\r\n\r\n",
        "Host: shop.example\r\nContent-Length: 5\r\n\r\nhello",
        "Host: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Host: shop.example\r\nIf-Match: \"a\"\r\n\r\n",
        "Host: shop.example\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n",
    ];
    for rest in doubtful {
        for _ in 0..2 {
            let request = format!("GET /menu HTTP/1.1\r\n{rest}");
            let (head, body) = answer(&server, request.as_bytes())
                .await
                .expect("it is answered");
            assert_eq!(
                (head.status, head.get("cache-status")),
                (200, Some("larder; fwd=bypass")),
                "{rest}"
            );
            assert!(body == page.body.as_bytes(), "{rest}");
        }
    }
}

#[tokio::test]
async fn a_refused_request_is_not_what_the_next_one_gets() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let long = "a".repeat(64 << 10);
    for (field, expected) in [
        ("X-Long: ".to_owned() + &long, 200),
        ("X: \x07".to_owned(), 400),
        ("X: a\0b".to_owned(), 400),
    ] {
        let address = server.address;
        let request = format!("GET /menu HTTP/1.1\r\nHost: {address}\r\n{field}\r\n\r\n");
        let status = answer(&server, request.as_bytes())
            .await
            .map(|(head, _)| head.status);
        assert_eq!(status, Some(expected), "{}", shown(request.as_bytes()));
        let page: Answer = client.get(&server, "/menu").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Margherita"));
    }
}

#[tokio::test]
async fn a_request_of_http_1_0_needs_no_host_and_gets_no_chunks() {
    let server = Server::start(&[]).await;
    let mut bodies = Vec::new();
    for cache in ["larder; fwd=bypass", "larder; fwd=bypass"] {
        let (head, body) = answer(&server, b"GET /menu HTTP/1.0\r\n\r\n")
            .await
            .expect("it is answered");
        assert_eq!((head.status, head.get("cache-status")), (200, Some(cache)));
        assert!(!head.is_chunked());
        assert_eq!(head.length(), Some(body.len()));
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    let dashboard = b"GET /dashboard HTTP/1.0\r\nHost: shop.example\r\n\r\n";
    for cache in ["larder; fwd=uri-miss; stored", "larder; hit; ttl=3600"] {
        let (head, _) = answer(&server, dashboard).await.expect("it is answered");
        let status = head.get("cache-status").expect("a status");
        assert_eq!(status.split("ttl").next(), cache.split("ttl").next());
    }
}
