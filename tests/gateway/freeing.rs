//! What frees a stored response (RFC 9111 §4.4), and what a POST leaves to be stored (RFC 9110 §9.3.3).

use std::time::Duration;

use crate::{
    origin::{Act, Asked},
    stage::{Stage, page, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";

async fn changing(answer: impl Fn(&Asked) -> Vec<u8> + Send + 'static) -> Stage {
    Stage::start(move |asked, nth| match asked.method.as_str() {
        "GET" => page(&[FRESH], &format!("{nth}")),
        _ => answer(asked),
    })
    .await
}

#[tokio::test]
async fn what_is_not_safe_frees_its_target_if_it_succeeds() {
    let stage = changing(|asked| {
        let status = asked.get("x-status").expect("the test says it");
        with_status(&format!("{status} Text"), &[], "")
    })
    .await;
    let methods = [
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "M-SEARCH",
        "BREW",
        "PROPPATCH",
    ];
    for (status, frees) in [
        (200, true),
        (201, true),
        (204, true),
        (299, true),
        (303, true),
        (308, true),
        (400, false),
        (403, false),
        (404, false),
        (409, false),
        (500, false),
        (503, false),
    ] {
        for method in methods {
            let target = format!("/{method}/{status}");
            stage.get(&target, &[]).await;
            assert!(stage.get(&target, &[]).await.is_hit());
            let reply = stage
                .ask(method, &target, &[&format!("X-Status: {status}")])
                .await;
            assert_eq!(reply.status(), status);
            let freed = !stage.get(&target, &[]).await.is_hit();
            assert_eq!(freed, frees, "{method} {status}");
        }
    }
}

#[tokio::test]
async fn what_is_safe_frees_nothing() {
    let stage = changing(|_| page(&["Location: /b", "Cache-Group-Invalidation: \"a\""], "")).await;
    for target in ["/a", "/b"] {
        stage.get(target, &[]).await;
    }
    for method in ["OPTIONS", "QUERY"] {
        assert_eq!(stage.ask(method, "/a", &[]).await.status(), 200);
        for target in ["/a", "/b"] {
            assert!(stage.get(target, &[]).await.is_hit(), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn what_an_answer_names_is_freed_if_it_is_of_the_same_origin() {
    let stage = changing(|asked| {
        let named = asked.get("x-named").expect("the test says it");
        with_status("201 Created", &[named], "")
    })
    .await;
    let host = crate::raw::HOST;
    for (nth, (named, frees)) in [
        ("Location: /TARGET".to_owned(), true),
        ("Location: TARGET".to_owned(), true),
        ("Location: ./x/../TARGET".to_owned(), true),
        ("Location: /TARGET#part".to_owned(), true),
        (format!("Location: http://{host}/TARGET"), true),
        (format!("Location: //{host}/TARGET"), true),
        ("Content-Location: /TARGET".to_owned(), true),
        (
            format!("Content-Location: HTTP://{}/TARGET", host.to_uppercase()),
            true,
        ),
        ("Location: http://other.example/TARGET".to_owned(), false),
        (format!("Location: http://{host}:8080/TARGET"), false),
        ("Content-Location: //other.example/TARGET".to_owned(), false),
        ("Link: </TARGET>; rel=next".to_owned(), false),
        ("Location: ::not a reference::".to_owned(), false),
    ]
    .into_iter()
    .enumerate()
    {
        for method in ["POST", "PUT", "DELETE", "M-SEARCH"] {
            let name = format!("t{nth}{method}");
            let target = format!("/{name}");
            stage.get(&target, &[]).await;
            let named = named.replace("TARGET", &name);
            stage
                .ask(method, "/form", &[&format!("X-Named: {named}")])
                .await;
            let freed = !stage.get(&target, &[]).await.is_hit();
            assert_eq!(freed, frees, "{method}, {named}");
        }
    }
}

#[tokio::test]
async fn a_failure_frees_nothing_that_it_names() {
    let stage = changing(|_| with_status("500 Error", &["Location: /b"], "")).await;
    stage.get("/b", &[]).await;
    stage.ask("POST", "/a", &[]).await;
    assert!(stage.get("/b", &[]).await.is_hit());
}

#[tokio::test]
async fn every_variant_is_freed() {
    let stage = Stage::start(|asked, nth| match asked.method.as_str() {
        "GET" => page(&[FRESH, "Vary: X-A"], &format!("{nth}")),
        _ => page(&[], ""),
    })
    .await;
    for value in ["X-A: 1", "X-A: 2"] {
        stage.get("/", &[value]).await;
    }
    stage.ask("DELETE", "/", &["X-A: 3"]).await;
    for value in ["X-A: 1", "X-A: 2"] {
        assert!(!stage.get("/", &[value]).await.is_hit(), "{value}");
    }
}

#[tokio::test]
async fn what_an_answer_names_by_another_scheme_is_of_another_origin() {
    let stage =
        changing(|_| with_status("201 Created", &["Location: https://shop.example/a"], "")).await;
    stage.get("/a", &[]).await;
    stage.ask("POST", "/form", &[]).await;
    assert!(stage.get("/a", &[]).await.is_hit());
}

/// The fields of the answer to a POST to `/form`, and whether it serves later GETs.
const POSTS: &[(&[&str], bool)] = &[
    (&[FRESH, "Content-Location: /form"], true),
    (&["Expires: @3600", "Content-Location: /form"], true),
    (&[FRESH, "Content-Location: form"], true),
    (&[FRESH, "Content-Location: http://shop.example/form"], true),
    (&[FRESH], false),
    (&[FRESH, "Content-Location: /other"], false),
    (
        &[FRESH, "Content-Location: http://other.example/form"],
        false,
    ),
    (&["Content-Location: /form"], false),
    (
        &["Content-Location: /form", "Last-Modified: @-100000"],
        false,
    ),
    (
        &[
            "Cache-Control: no-store, max-age=60",
            "Content-Location: /form",
        ],
        false,
    ),
    (
        &[
            "Cache-Control: private, max-age=60",
            "Content-Location: /form",
        ],
        false,
    ),
    (
        &["Cache-Control: max-age=0", "Content-Location: /form"],
        false,
    ),
];

#[tokio::test]
async fn the_answer_to_a_post_serves_those_who_get_if_it_says_what_it_is() {
    for (fields, serves) in POSTS {
        let stage = Stage::start(|asked, nth| match asked.method.as_str() {
            "POST" => page(fields, &format!("post {nth}")),
            _ => page(&[FRESH], &format!("get {nth}")),
        })
        .await;
        stage.get("/form", &[]).await;
        let reply = stage.ask("POST", "/form", &["Content-Length: 0"]).await;
        assert_eq!(reply.body(), "post 1");
        let reply = stage.get("/form", &[]).await;
        assert_eq!(reply.is_hit(), *serves, "{fields:?}: {reply:?}");
        assert_eq!(
            reply.body(),
            if *serves { "post 1" } else { "get 2" },
            "{fields:?}"
        );
        // A POST is never answered from what is stored.
        let reply = stage.ask("POST", "/form", &["Content-Length: 0"]).await;
        assert!(
            !reply.is_hit() && reply.body().starts_with("post"),
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
    let stage = Stage::acting(&[], |asked, nth| match (asked.method.as_str(), nth) {
        ("GET", 0) => vec![
            Act::Wait(Duration::from_millis(300)),
            Act::Send(page(&[FRESH], "old")),
        ],
        _ => vec![Act::Send(page(&[FRESH], "new"))],
    })
    .await;
    let slow = stage.get("/", &[]);
    let change = async {
        stage.counts("/", 1).await;
        stage.ask("PUT", "/", &[]).await;
        assert_eq!(stage.get("/", &[]).await.body(), "new");
    };
    let (slow, ()) = tokio::join!(slow, change);
    assert_eq!(slow.body(), "old");
    assert_eq!(stage.get("/", &[]).await.body(), "new");
}

#[tokio::test]
async fn the_answer_to_one_persons_post_is_for_nobody_else() {
    for field in [
        "Authorization: Basic eDp5",
        "Cookie: a=b",
        "Cache-Control: no-store",
    ] {
        let stage = Stage::start(|asked, _| match asked.method.as_str() {
            "POST" => page(&[FRESH, "Content-Location: /"], "post"),
            _ => page(&[FRESH], "get"),
        })
        .await;
        stage.ask("POST", "/", &["Content-Length: 0", field]).await;
        assert_eq!(stage.get("/", &[]).await.body(), "get", "{field}");
    }
}
