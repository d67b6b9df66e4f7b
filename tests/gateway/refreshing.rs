//! What is stale and refreshed in the background (RFC 5861 §3), and what all wait for together.

use std::time::Duration;

use futures_util::future::join_all;

use crate::{
    origin::{Act, head, ok},
    raw::within,
    stage::{Reply, Stage, page, with_status},
};

const TAG: &str = "ETag: \"a\"";

/// A response that has been stale for ten seconds.
fn stale(cache: &str) -> Vec<u8> {
    page(
        &[
            &format!("Cache-Control: {cache}"),
            "Age: 20",
            TAG,
            "Date: @-20",
        ],
        "stored",
    )
}

#[tokio::test]
async fn a_stale_response_answers_at_once_while_a_new_one_is_fetched_for_nobody_in_particular() {
    let stage = Stage::acting(&[], |_, nth| match nth {
        0 => vec![Act::Send(page(
            &[
                "Cache-Control: public, max-age=10, stale-while-revalidate=60",
                "Age: 20",
                TAG,
                "Vary: X-A",
            ],
            "old",
        ))],
        _ => vec![
            Act::Wait(Duration::from_millis(200)),
            Act::Send(page(&["Cache-Control: max-age=60", "Vary: X-A"], "new")),
        ],
    })
    .await;
    let own = [
        "X-A: 1",
        "Cookie: a=b",
        "Authorization: Basic eDp5",
        "X-Own: 1",
        "Referer: /x",
    ];
    stage.get("/", &own).await;
    // However many ask, the origin is asked once.
    let replies = join_all((0..5).map(|_| stage.get("/", &own))).await;
    for reply in replies {
        assert_eq!(reply.body(), "old");
        assert!(
            reply.is_hit() && reply.age().is_some_and(|age| age >= 20),
            "{reply:?}"
        );
        let cache = reply.cache().expect("it says so");
        let ttl: i64 = cache
            .get("ttl")
            .and_then(|ttl| ttl.parse().ok())
            .expect("a ttl");
        assert!((-13..=-10).contains(&ttl), "{ttl}");
    }
    stage.counts("/", 2).await;
    let asked = stage.asked("/");
    let asked = &asked[1];
    assert_eq!(asked.get("if-none-match"), Some("\"a\""));
    assert_eq!(asked.get("x-a"), Some("1"));
    assert_eq!(asked.get("host"), Some(crate::raw::HOST));
    for name in ["cookie", "authorization", "x-own", "referer"] {
        assert_eq!(asked.get(name), None, "{name}");
    }
    within("the new one is stored", async {
        while stage.get("/", &["X-A: 1"]).await.body() == "old" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let reply = stage.get("/", &["X-A: 1"]).await;
    assert!(reply.is_hit() && reply.body() == "new", "{reply:?}");
    assert_eq!(stage.count("/"), 2);
}

#[tokio::test]
async fn who_may_get_what_is_stale_while_it_is_refreshed() {
    let rows: &'static [(&str, &str, bool)] = &[
        ("max-age=10, stale-while-revalidate=60", "X-None: 1", true),
        (
            "max-age=10, stale-while-revalidate=99999999999999999999",
            "X-None: 1",
            true,
        ),
        ("s-maxage=10, stale-while-revalidate=60", "X-None: 1", true),
        ("max-age=10, stale-while-revalidate=5", "X-None: 1", false),
        ("max-age=10, stale-while-revalidate=0", "X-None: 1", false),
        ("max-age=10, stale-while-revalidate", "X-None: 1", false),
        ("max-age=10, stale-while-revalidate=x", "X-None: 1", false),
        (
            "max-age=10, must-revalidate, stale-while-revalidate=60",
            "X-None: 1",
            false,
        ),
        (
            "max-age=10, proxy-revalidate, stale-while-revalidate=60",
            "X-None: 1",
            false,
        ),
        ("no-cache, stale-while-revalidate=60", "X-None: 1", false),
        (
            "max-age=10, stale-while-revalidate=60",
            "Cache-Control: no-cache",
            false,
        ),
        (
            "max-age=10, stale-while-revalidate=60",
            "Cache-Control: max-age=0",
            false,
        ),
        (
            "max-age=10, stale-while-revalidate=60",
            "Cache-Control: max-age=60",
            false,
        ),
        (
            "max-age=10, stale-while-revalidate=60",
            "Cache-Control: min-fresh=1",
            false,
        ),
    ];
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match nth {
            0 => stale(rows[row].0),
            _ => ok(&["Cache-Control: max-age=60"], "new"),
        }
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (cache, wish, answers)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &[]).await;
        let reply = stage.get(&target, &[wish]).await;
        if (reply.body() == "stored") != *answers || reply.is_hit() != *answers {
            wrong.push(format!("{cache}, {wish}: {reply:?}"));
        }
        stage.counts(&target, 2).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_what_is_stored() {
    let stage = Stage::acting(&[], |asked, nth| match (nth, asked.target.as_str()) {
        (0, _) => vec![Act::Send(stale("max-age=10, stale-while-revalidate=60"))],
        (_, "/closes") => vec![Act::Close],
        _ => vec![Act::Send(with_status(
            "503 Text",
            &["Cache-Control: max-age=60"],
            "failed",
        ))],
    })
    .await;
    for target in ["/closes", "/fails"] {
        for _ in 0..10 {
            let reply = stage.get(target, &[]).await;
            assert_eq!((reply.status(), reply.body()), (200, "stored"), "{target}");
        }
        within("it is asked", async {
            while stage.count(target) < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        // It does not try again for each of them.
        assert!(
            stage.count(target) <= 3,
            "{target}: {}",
            stage.count(target)
        );
    }
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_are_answered_with_one_answer() {
    let stage = Stage::acting(&[], |_, nth| {
        let page = page(&["Cache-Control: max-age=60"], &format!("{nth}"));
        vec![Act::Wait(Duration::from_millis(200)), Act::Send(page)]
    })
    .await;
    let replies = join_all((0..8).map(|_| stage.get("/", &[]))).await;
    assert_eq!(stage.count("/"), 1);
    assert!(replies.iter().all(|reply| reply.body() == "0"));
    let collapsed = |reply: &&Reply| {
        reply
            .cache()
            .is_some_and(|cache| cache.get("collapsed") == Some("?1"))
    };
    assert_eq!(replies.iter().filter(collapsed).count(), 7);
}

/// How a client asks, and what it gets of `stored`.
const FORMS: &[(&str, &[&str], u16, &str)] = &[
    ("GET", &[], 200, "stored"),
    ("GET", &["Range: bytes=0-1"], 206, "st"),
    ("GET", &["Range: bytes=0-1", "If-Range: \"a\""], 206, "st"),
    (
        "GET",
        &["Range: bytes=0-1", "If-Range: \"b\""],
        200,
        "stored",
    ),
    ("GET", &["If-None-Match: \"a\""], 304, ""),
    ("GET", &["If-None-Match: \"b\""], 200, "stored"),
];

const HEADS: &[(&str, &[&str], u16, &str)] = &[
    ("HEAD", &[], 200, ""),
    ("HEAD", &["Range: bytes=0-1"], 200, ""),
    ("HEAD", &["If-None-Match: \"a\""], 304, ""),
    ("HEAD", &["If-None-Match: \"b\""], 200, ""),
];

/// A response with this `Cache-Control`, then an origin that does this, and what each form of request gets.
async fn answers(
    cache: &'static str,
    act: Act,
    forms: &[(&str, &[&str], u16, &str)],
) -> Vec<String> {
    let stage = Stage::acting(&[], move |_, nth| match nth {
        0 => vec![Act::Send(stale(cache))],
        _ => vec![act.clone()],
    })
    .await;
    let mut wrong = Vec::new();
    for (form, (method, fields, status, body)) in forms.iter().enumerate() {
        let target = format!("/{form}");
        stage.get(&target, &[]).await;
        let reply = stage.ask(method, &target, fields).await;
        let aged = *status >= 500 || reply.age().is_some_and(|age| age >= 20);
        let is_whole = *status >= 500 || reply.body() == *body;
        if reply.status() != *status || !aged || !is_whole {
            wrong.push(format!("{cache}, {method} {fields:?}: {reply:?}"));
        }
    }
    wrong
}

fn failure() -> Act {
    Act::Send(head("503 Text", &["Content-Length: 0"]))
}

#[tokio::test]
async fn what_is_stale_answers_whatever_is_asked_of_it() {
    for (cache, act) in [
        ("max-age=10, stale-while-revalidate=60", Act::Close),
        ("max-age=10, stale-if-error=60", failure()),
        ("max-age=10", Act::Close),
    ] {
        let wrong = answers(cache, act, FORMS).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test]
async fn what_must_be_validated_answers_nothing_of_all_that() {
    let forms: Vec<_> = FORMS
        .iter()
        .map(|(method, fields, ..)| (*method, *fields, 504, ""))
        .collect();
    let wrong = answers("max-age=10, must-revalidate", Act::Close, &forms).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_head_of_what_is_refreshed_answers() {
    let wrong = answers("max-age=10, stale-while-revalidate=60", Act::Close, HEADS).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_head_of_what_is_stale_answers_for_an_origin_that_fails() {
    for (cache, act) in [
        ("max-age=10, stale-if-error=60", failure()),
        ("max-age=10", Act::Close),
    ] {
        let wrong = answers(cache, act, HEADS).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test]
async fn the_head_of_what_must_be_validated_is_a_timeout() {
    let forms: Vec<_> = HEADS
        .iter()
        .map(|(method, fields, ..)| (*method, *fields, 504, ""))
        .collect();
    let wrong = answers("max-age=10, must-revalidate", Act::Close, &forms).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_head_is_forwarded_because_what_is_stored_is_stale() {
    let stage = Stage::start(|asked, _| match asked.method.as_str() {
        "HEAD" => head("200 OK", &["Cache-Control: no-cache", TAG]),
        _ => stale("max-age=10"),
    })
    .await;
    stage.get("/", &[]).await;
    let reply = stage.ask("HEAD", "/", &[]).await;
    assert_eq!(reply.forwarded().as_deref(), Some("stale"));
}
