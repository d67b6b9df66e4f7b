//! Cache groups (RFC 9875), through sockets.

use std::time::Duration;

use crate::{
    origin::{Act, Asked},
    raw::Connection,
    stage::{Reply, Stage, page, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";

/// Pages with the field that `X-Field` asks for; any other method answers with it, and with the status of `X-Status`.
async fn stage() -> Stage {
    Stage::start(answer).await
}

fn answer(asked: &Asked, nth: usize) -> Vec<u8> {
    let field = asked.get("x-field");
    let fields: Vec<&str> = [FRESH].into_iter().chain(field).collect();
    match asked.method.as_str() {
        "GET" => page(&fields, &format!("{nth}")),
        _ => with_status(asked.get("x-status").unwrap_or("200 OK"), &fields[1..], ""),
    }
}

impl Stage {
    async fn of_groups(&self, target: &str, groups: &str) {
        // It is made anew, whatever stands there.
        self.ask("DELETE", target, &[]).await;
        let field = format!("X-Field: Cache-Groups: {groups}");
        self.get(target, &[&field]).await;
        assert!(self.get(target, &[]).await.is_hit(), "{target}: {groups}");
    }

    async fn frees(&self, method: &str, groups: &str, more: &[&str]) -> Reply {
        let field = format!("X-Field: Cache-Group-Invalidation: {groups}");
        let fields = [&[&*field], more].concat();
        self.ask(method, "/form", &fields).await
    }

    async fn is_freed(&self, target: &str) -> bool {
        !self.get(target, &[]).await.is_hit()
    }
}

#[tokio::test]
async fn the_pages_of_a_group_are_freed_by_an_unsafe_method() {
    let stage = stage().await;
    stage.of_groups("/kept", r#""B", "c""#).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
        stage.of_groups("/a", r#""a";x=1, "b""#).await;
        stage.of_groups("/b/b?c", r#""b""#).await;
        let reply = stage.frees(method, r#""b", "other";y"#, &[]).await;
        let told = reply.get("cache-group-invalidation");
        assert_eq!(told, Some(r#""b", "other";y"#), "others may heed it");
        assert!(stage.is_freed("/a").await && stage.is_freed("/b/b?c").await);
        assert!(!stage.is_freed("/kept").await, "{method}");
    }
}

#[tokio::test]
async fn at_least_32_groups_of_32_characters_work() {
    let stage = stage().await;
    let names: Vec<String> = (0..32).map(|n| format!("\"{n:~>32}\"")).collect();
    let all = names.join(", ");
    for name in &names {
        stage.of_groups("/a", &all).await;
        stage.frees("POST", name, &[]).await;
        assert!(stage.is_freed("/a").await, "{name}");
    }
    for name in &names {
        stage.of_groups(&format!("/{}", &name[31..33]), name).await;
    }
    stage.frees("POST", &all, &[]).await;
    for name in &names {
        assert!(stage.is_freed(&format!("/{}", &name[31..33])).await);
    }
}

#[tokio::test]
async fn a_field_that_cannot_be_read_names_no_group() {
    let stage = stage().await;
    for (nth, field) in [
        "a",
        r#""a", b"#,
        r#""a", 1"#,
        r#"("a")"#,
        r#""a"#,
        r#""a",, "b""#,
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{nth}");
        stage.of_groups(&target, field).await;
        stage.frees("POST", r#""a""#, &[]).await;
        assert!(!stage.is_freed(&target).await, "{field}");
        stage.of_groups("/a", r#""a""#).await;
        stage.frees("POST", field, &[]).await;
        assert!(!stage.is_freed("/a").await, "{field}");
    }
}

#[tokio::test]
async fn neither_safe_methods_nor_failures_nor_requests_free_a_group() {
    let stage = stage().await;
    stage.of_groups("/a", r#""a""#).await;
    for method in ["GET", "HEAD", "OPTIONS", "QUERY"] {
        stage.frees(method, r#""a""#, &[]).await;
        assert!(!stage.is_freed("/a").await, "{method}");
    }
    for status in [
        "400 No",
        "404 Not Found",
        "409 Conflict",
        "500 Error",
        "503 Later",
    ] {
        stage
            .frees("POST", r#""a""#, &[&format!("X-Status: {status}")])
            .await;
        assert!(!stage.is_freed("/a").await, "{status}");
    }
    stage
        .ask("POST", "/form", &["Cache-Group-Invalidation: \"a\""])
        .await;
    assert!(!stage.is_freed("/a").await, "a field of a request");
    for status in ["201 Created", "204 No Content", "303 See Other"] {
        stage
            .frees("POST", r#""a""#, &[&format!("X-Status: {status}")])
            .await;
        assert!(stage.is_freed("/a").await, "{status}");
        stage.of_groups("/a", r#""a""#).await;
    }
}

#[tokio::test]
async fn a_group_of_another_host_is_untouched() {
    let stage = stage().await;
    let ask = async |method: &str, target: &str, field: &str| {
        let mut client = Connection::open(stage.gateway.address).await;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: other.example\r\nX-Field: {field}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        client.send(request).await;
        let head = client.head().await;
        head.get("cache-status")
            .is_some_and(|said| said.contains("hit"))
    };
    stage.of_groups("/a", r#""a""#).await;
    ask("GET", "/a", r#"Cache-Groups: "a""#).await;
    assert!(ask("GET", "/a", "").await);
    ask("POST", "/form", r#"Cache-Group-Invalidation: "a""#).await;
    assert!(!stage.is_freed("/a").await);
    assert!(!ask("GET", "/a", r#"Cache-Groups: "a""#).await);
    stage.frees("POST", r#""a""#, &[]).await;
    assert!(ask("GET", "/a", "").await);
    assert!(stage.is_freed("/a").await);
}

#[tokio::test]
async fn what_was_asked_for_before_its_group_changed_is_not_stored_after_it() {
    let stage = Stage::acting(&[], |asked, nth| {
        let answer = Act::Send(answer(asked, nth));
        match (asked.target.as_str(), nth) {
            ("/a", 0) => vec![Act::Wait(Duration::from_millis(300)), answer],
            _ => vec![answer],
        }
    })
    .await;
    let fields = [r#"X-Field: Cache-Groups: "a""#];
    let slow = stage.get("/a", &fields);
    let change = async {
        stage.counts("/a", 1).await;
        stage.frees("POST", r#""a""#, &[]).await;
        assert_eq!(stage.get("/a", &fields).await.body(), "1");
    };
    let (slow, ()) = tokio::join!(slow, change);
    assert_eq!(slow.body(), "0");
    assert_eq!(stage.get("/a", &[]).await.body(), "1");
}
