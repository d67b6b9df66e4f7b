//! When what is stale answers (RFC 9111 §4.2.4, RFC 5861).

use std::time::Duration;

use futures_util::future::join_all;

use crate::{
    origin::Act,
    raw::within,
    server::Server,
    stage::{Reply, Stage, ask, page, tagged, with_status},
};

const TAG: &str = "ETag: \"a\"";

/// The `Cache-Control` of a response that has been stale for ten seconds, and whether it answers while the origin is out of reach.
const STALE: &[(&str, bool)] = &[
    ("max-age=10", true),
    ("max-age=10, public", true),
    ("max-age=10, stale-if-error=60", true),
    ("s-maxage=10, stale-if-error=60", true),
    ("max-age=10, must-revalidate", false),
    ("max-age=10, MUST-revalidate=x", false),
    ("max-age=10, proxy-revalidate", false),
    ("max-age=10, no-cache", false),
    ("max-age=10, no-cache=\"x-a\"", false),
    ("s-maxage=10", false),
    ("max-age=10, must-revalidate, stale-if-error=60", false),
    ("max-age=10, proxy-revalidate, stale-if-error=60", false),
    ("max-age=10, no-cache, stale-if-error=60", false),
];

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

/// Answers the first request for each row, and then does as it is told.
async fn then(flags: &[&str], act: Act) -> Stage {
    let stage = Stage::acting(flags, move |asked, nth| {
        match (nth, asked.target[1..].parse::<usize>()) {
            (0, Ok(row)) => vec![Act::Send(stale(STALE[row].0))],
            _ => vec![act.clone()],
        }
    })
    .await;
    for row in 0..STALE.len() {
        assert_eq!(stage.get(&format!("/{row}"), &[]).await.body(), "stored");
    }
    stage
}

/// Each row answers as it may, whatever the client would take.
async fn assert_stale(gateway: &Server) {
    let rows = STALE
        .iter()
        .enumerate()
        .flat_map(|(row, (cache, answers))| {
            let may = answers.then_some("Cache-Control: max-stale=5");
            let wishes = [
                "X-None: 1",
                may.unwrap_or("Cache-Control: max-stale"),
                "Cache-Control: stale-if-error=1000",
            ];
            wishes.map(|wish| (format!("/{row}"), *cache, *answers, wish))
        });
    let replies = join_all(rows.map(async |(target, cache, answers, wish)| {
        (
            cache,
            answers,
            wish,
            ask(gateway, "GET", &target, &[wish]).await,
        )
    }))
    .await;
    let mut wrong = Vec::new();
    for (cache, answers, wish, reply) in replies {
        let holds = match answers {
            true => is_stale(&reply),
            false => reply.status() == 504 && reply.get("age").is_none(),
        };
        if !holds {
            wrong.push(format!("{cache}, {wish}: {reply:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// It is visibly old, and says nothing that is obsolete.
fn is_stale(reply: &Reply) -> bool {
    reply.status() == 200
        && reply.body() == "stored"
        && reply.age().is_some_and(|age| age >= 20)
        && reply.get("warning").is_none()
        && reply.cache().is_some()
}

#[tokio::test]
async fn an_origin_that_closes_is_stood_in_for_where_that_is_allowed() {
    for act in [Act::Close, Act::Reset] {
        assert_stale(&then(&[], act).await.gateway).await;
    }
}

#[tokio::test]
async fn an_origin_that_says_nothing_is_stood_in_for_where_that_is_allowed() {
    let stage = then(&["--timeout", "1"], Act::Silence).await;
    let nothing = ask(&stage.gateway, "GET", "/none", &[]);
    let (nothing, ()) = tokio::join!(nothing, assert_stale(&stage.gateway));
    assert_eq!(nothing.status(), 504);
}

#[tokio::test]
async fn an_origin_that_is_gone_is_stood_in_for_where_that_is_allowed() {
    let stage = then(&[], Act::Close).await;
    let address = stage.origin.address;
    let gateway = stage.without_origin();
    within("the origin is gone", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_stale(&gateway).await;
    assert_eq!(ask(&gateway, "GET", "/none", &[]).await.status(), 502);
}

#[tokio::test]
async fn what_is_stale_is_kept_for_an_hour() {
    let stage = Stage::acting(&[], |asked, nth| {
        let age = format!("Age: {}", &asked.target[1..]);
        match nth {
            0 => vec![Act::Send(page(
                &["Cache-Control: max-age=10", &age, TAG],
                "stored",
            ))],
            _ => vec![Act::Close],
        }
    })
    .await;
    for (age, status) in [
        ("/3000", 200),
        ("/3600", 200),
        ("/3620", 502),
        ("/7200", 502),
    ] {
        stage.get(age, &[]).await;
        assert_eq!(stage.get(age, &[]).await.status(), status, "{age}");
    }
}

#[tokio::test]
async fn what_became_stale_answers_without_a_validator_too() {
    let stage = Stage::acting(&[], |asked, nth| match (nth, asked.target.as_str()) {
        (0, "/allowed") => vec![Act::Send(page(&["Cache-Control: max-age=1"], "stored"))],
        (0, _) => vec![Act::Send(page(
            &["Cache-Control: max-age=1, must-revalidate"],
            "stored",
        ))],
        _ => vec![Act::Close],
    })
    .await;
    for target in ["/allowed", "/forbidden"] {
        stage.get(target, &[]).await;
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let reply = stage.get("/allowed", &[]).await;
    assert_eq!((reply.status(), reply.body()), (200, "stored"));
    assert!(reply.age().is_some_and(|age| age >= 1));
    assert_eq!(reply.get("warning"), None);
    let refused = stage.get("/forbidden", &[]).await.status();
    assert!(matches!(refused, 502 | 504), "{refused}");
}

/// The response's `Cache-Control`, a second request's, what the origin then answers, and what the client gets.
const ERRORS: &[(&str, &str, u16, u16)] = &[
    ("max-age=10", "", 503, 503),
    ("max-age=10", "", 500, 500),
    ("max-age=10, stale-if-error=60", "", 500, 200),
    ("max-age=10, stale-if-error=60", "", 502, 200),
    ("max-age=10, stale-if-error=60", "", 503, 200),
    ("max-age=10, stale-if-error=60", "", 504, 200),
    (
        "max-age=10, stale-if-error=99999999999999999999",
        "",
        503,
        200,
    ),
    ("max-age=10, stale-if-error=60", "", 404, 404),
    ("max-age=10, stale-if-error=60", "", 429, 429),
    ("max-age=10, stale-if-error=60", "", 403, 403),
    ("max-age=10, stale-if-error=60", "", 501, 501),
    ("max-age=10, stale-if-error=60", "", 505, 505),
    ("max-age=10, stale-if-error=5", "", 503, 503),
    ("max-age=10, stale-if-error=0", "", 503, 503),
    ("max-age=10, stale-if-error", "", 503, 503),
    ("max-age=10, stale-if-error=x", "", 503, 503),
    ("max-age=10, stale-if-error=-60", "", 503, 503),
    (
        "max-age=10, must-revalidate, stale-if-error=60",
        "",
        503,
        503,
    ),
    (
        "max-age=10, proxy-revalidate, stale-if-error=60",
        "",
        503,
        503,
    ),
    ("no-cache, stale-if-error=60", "", 503, 503),
    ("s-maxage=10", "", 503, 503),
    ("s-maxage=10, stale-if-error=60", "", 503, 200),
    ("max-age=10", "stale-if-error=60", 503, 200),
    ("max-age=10", "stale-if-error=5", 503, 503),
    ("max-age=10", "stale-if-error", 503, 503),
    ("max-age=10", "stale-if-error=60, no-cache", 503, 503),
    ("max-age=10, must-revalidate", "stale-if-error=60", 503, 503),
    ("s-maxage=10", "stale-if-error=60", 503, 503),
    ("max-age=10, stale-if-error=60", "no-cache", 503, 503),
];

#[tokio::test]
async fn an_error_is_covered_where_the_response_or_the_request_says_so() {
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match nth {
            0 => stale(ERRORS[row].0),
            1 => with_status(&format!("{} Text", ERRORS[row].2), &[], "failed"),
            _ => tagged(asked, "\"a\"", &["Cache-Control: max-age=60"], "stored"),
        }
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (cache, wish, status, expected)) in ERRORS.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &[]).await;
        let wish = match *wish {
            "" => "X-None: 1".to_owned(),
            wish => format!("Cache-Control: {wish}"),
        };
        let reply = stage.get(&target, &[&wish]).await;
        let body = if *expected == 200 { "stored" } else { "failed" };
        let aged = *expected != 200 || is_stale(&reply);
        if (reply.status(), reply.body()) != (*expected, body) || !aged {
            wrong.push(format!("{cache}, {wish}, {status}: {reply:?}"));
        }
        // What is stored outlives an error, but may not outlive what replaces it.
        if *status >= 500 && *status != 501 {
            let reply = stage.get(&target, &["Cache-Control: no-cache"]).await;
            let tag = stage
                .asked(&target)
                .last()
                .and_then(|asked| asked.get("if-none-match").map(str::to_owned));
            assert_eq!(
                (reply.body(), tag.as_deref()),
                ("stored", Some("\"a\"")),
                "{cache} {status}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
