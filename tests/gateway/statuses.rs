//! Which statuses are stored (RFC 9111 §3, RFC 9110 §15).

use crate::{
    origin::{Act, head},
    stage::{Stage, page, with_status},
};

/// Those that are stored when they say for how long.
const FINAL: &[u16] = &[
    200, 201, 202, 203, 299, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 409,
    410, 414, 418, 422, 425, 451, 499, 500, 501, 502, 503, 504, 599,
];

#[tokio::test]
async fn a_status_is_stored_as_long_as_it_says() {
    let stage = Stage::start(|asked, nth| {
        let (lifetime, status) = asked.target[1..].split_once('/').expect("both");
        let cache = format!("Cache-Control: max-age={lifetime}");
        with_status(
            &format!("{status} Text"),
            &[&cache, "Age: 10", "Location: /there"],
            &format!("{nth}"),
        )
    })
    .await;
    let mut wrong = Vec::new();
    for status in FINAL {
        for (lifetime, reused) in [(3600, true), (5, false)] {
            let target = format!("/{lifetime}/{status}");
            let first = stage.get(&target, &[]).await;
            let second = stage.get(&target, &[]).await;
            assert_eq!((first.status(), second.status()), (*status, *status));
            assert_eq!(second.get("location"), Some("/there"));
            if second.is_hit() != reused || (second.body() == "0") != reused {
                wrong.push(format!("{target}: {:?}", second.head));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_about_one_request_is_never_stored() {
    let stage = Stage::start(|asked, nth| {
        let status = &asked.target[1..];
        with_status(
            &format!("{status} Text"),
            &["Cache-Control: public, max-age=3600"],
            &format!("{nth}"),
        )
    })
    .await;
    for status in [428, 429, 431, 511] {
        let target = format!("/{status}");
        for body in ["0", "1"] {
            let reply = stage.get(&target, &[]).await;
            assert_eq!((reply.status(), reply.body()), (status, body));
            assert!(!reply.is_hit());
        }
    }
}

#[tokio::test]
async fn a_status_that_must_be_understood_is() {
    let stage = Stage::start(|asked, _| {
        let status = &asked.target[1..];
        let cache = "Cache-Control: must-understand, no-store, max-age=3600";
        with_status(&format!("{status} Text"), &[cache], "")
    })
    .await;
    for (status, reused) in [
        (200, true),
        (404, true),
        (299, false),
        (599, false),
        (429, false),
    ] {
        let target = format!("/{status}");
        stage.get(&target, &[]).await;
        assert_eq!(stage.get(&target, &[]).await.is_hit(), reused, "{status}");
    }
}

#[tokio::test]
async fn an_answer_without_content_is_stored_without_content() {
    let stage = Stage::start(|_, _| head("204 No Content", &["Cache-Control: max-age=60"])).await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!(
            (reply.status(), reply.body(), reply.is_hit()),
            (204, "", hit)
        );
        assert_eq!(reply.get("content-length"), None);
        assert_eq!(reply.get("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn what_comes_before_an_answer_is_not_what_is_stored() {
    let stage = Stage::acting(&[], |asked, _| {
        let mut acts: Vec<_> = match asked.target.as_str() {
            "/early" => vec![head(
                "103 Early Hints",
                &["Link: </a.css>; rel=preload", "X-Early: 1"],
            )],
            "/working" => vec![
                head("102 Processing", &[]),
                head("102 Processing", &["X-Early: 1"]),
            ],
            "/unknown" => vec![head(
                "199 Text",
                &["Cache-Control: max-age=9", "X-Early: 1"],
            )],
            _ => vec![head("100 Continue", &[])],
        };
        acts.push(page(&["Cache-Control: max-age=60"], "the answer"));
        acts.into_iter().map(Act::Send).collect()
    })
    .await;
    for target in ["/early", "/working", "/unknown", "/continue"] {
        for hit in [false, true] {
            let reply = stage.get(target, &[]).await;
            assert_eq!(
                (reply.status(), reply.body(), reply.is_hit()),
                (200, "the answer", hit),
                "{target}"
            );
            assert_eq!(reply.get("x-early"), None, "{target}");
        }
    }
}

#[tokio::test]
async fn only_what_asks_for_the_page_is_answered_with_it() {
    let stage = Stage::start(|asked, nth| match asked.method.as_str() {
        "HEAD" => head(
            "200 OK",
            &["Cache-Control: max-age=60", "Content-Length: 1"],
        ),
        _ => page(&["Cache-Control: max-age=60"], &format!("{nth}")),
    })
    .await;
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "QUERY", "BREW"] {
        let target = format!("/{method}");
        for body in ["0", "1"] {
            let reply = stage.ask(method, &target, &[]).await;
            assert!(
                !reply.is_hit() && reply.body() == body,
                "{method}: {reply:?}"
            );
        }
        // Nor does its answer serve those who ask for the page.
        let reply = stage.get(&target, &[]).await;
        assert!(
            !reply.is_hit() && reply.body() == "2",
            "{method}: {reply:?}"
        );
        let reply = stage.ask(method, &target, &[]).await;
        assert!(
            !reply.is_hit() && reply.body() == "3",
            "{method}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn the_page_answers_for_its_head_but_not_the_other_way_round() {
    let stage = Stage::start(|asked, nth| {
        let body = format!("{nth}");
        match asked.method.as_str() {
            "HEAD" => head(
                "200 OK",
                &["Cache-Control: max-age=60", "Content-Length: 1"],
            ),
            _ => page(
                &["Cache-Control: max-age=60", "ETag: \"a\"", "X-Field: 1"],
                &body,
            ),
        }
    })
    .await;
    stage.ask("HEAD", "/head", &[]).await;
    let reply = stage.get("/head", &[]).await;
    assert!(!reply.is_hit() && reply.body() == "1", "{reply:?}");

    let page = stage.get("/page", &[]).await;
    let reply = stage.ask("HEAD", "/page", &[]).await;
    assert!(reply.is_hit() && reply.body().is_empty(), "{reply:?}");
    for name in ["content-length", "etag", "x-field", "date", "cache-control"] {
        assert_eq!(reply.get(name), page.get(name), "{name}");
    }
    assert!(reply.age().is_some());
    assert_eq!(stage.count("/page"), 1);
}

#[tokio::test]
async fn a_request_with_content_is_not_for_the_cache() {
    let stage =
        Stage::start(|_, nth| page(&["Cache-Control: max-age=60"], &format!("{nth}"))).await;
    let mut client = crate::raw::Connection::open(stage.gateway.address).await;
    for body in ["0", "1"] {
        client.ask("GET", "/", &["Content-Length: 4"]).await;
        client.send("what").await;
        let head = client.head().await;
        assert_eq!(client.body(&head).await.as_deref(), Some(body.as_bytes()));
    }
    assert_eq!(stage.asked("/")[1].body, b"what");
}

#[tokio::test]
async fn a_client_that_leaves_leaves_a_whole_page_or_none() {
    let stage = Stage::acting(&[], |_, nth| {
        let head = head(
            "200 OK",
            &["Cache-Control: max-age=60", "Content-Length: 8"],
        );
        let (first, rest) = if nth == 0 {
            ("half", "whole")
        } else {
            ("over", "full")
        };
        let wait = std::time::Duration::from_millis(if nth == 0 { 200 } else { 0 });
        let rest = &rest[..4];
        vec![
            Act::Send(head),
            Act::Send(first.into()),
            Act::Wait(wait),
            Act::Send(rest.into()),
        ]
    })
    .await;
    let mut client = crate::raw::Connection::get(stage.gateway.address, "/").await;
    client.head().await;
    drop(client);
    for _ in 0..2 {
        let reply = stage.get("/", &[]).await;
        assert!(matches!(reply.body(), "halfwhol" | "overfull"), "{reply:?}");
    }
}
