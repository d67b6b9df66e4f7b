//! What becomes of a stored beginning while its rest is fetched (RFC 9111 §3.4).

use crate::{
    origin::{Act, Asked, head},
    ranges::{FRESH, LETTERS, TAG},
    stage::{Stage, ask_if_any, bare, page, with_status},
};

/// The beginning first, then what the test says for its rest, and the whole for whom asks for that.
async fn completed(rest: impl Fn(&Asked) -> Vec<Act> + Send + 'static) -> Stage {
    let stage = Stage::acting(&[], move |asked, nth| match (nth, asked.get("range")) {
        (0, _) => vec![Act::Send(part("bytes 0-3/10", "abcd", TAG))],
        (_, Some("bytes=4-")) => rest(asked),
        _ => vec![Act::Send(page(&[FRESH, TAG], LETTERS))],
    })
    .await;
    stage.get("/", &["Range: bytes=0-3"]).await;
    stage
}

fn part(range: &str, body: &str, field: &str) -> Vec<u8> {
    let range = format!("Content-Range: {range}");
    with_status("206 Partial Content", &[FRESH, &range, field], body)
}

type Rest = fn() -> Vec<Act>;

/// Answers to `Range: bytes=4-` that are no rest of what is stored.
const RESTS: [(&str, Rest); 12] = [
    ("another part", || {
        vec![Act::Send(part("bytes 5-9/10", "fghij", TAG))]
    }),
    ("too little", || {
        vec![Act::Send(part("bytes 4-8/10", "efghi", TAG))]
    }),
    ("another length", || {
        vec![Act::Send(part("bytes 4-9/11", "efghij", TAG))]
    }),
    ("an unknown length", || {
        vec![Act::Send(part("bytes 4-9/*", "efghij", TAG))]
    }),
    ("fewer bytes than it says", || {
        vec![Act::Send(part("bytes 4-9/10", "efg", TAG))]
    }),
    ("another version", || {
        vec![Act::Send(part("bytes 4-9/10", "EFGHIJ", "ETag: \"b\""))]
    }),
    ("a weak version", || {
        vec![Act::Send(part("bytes 4-9/10", "EFGHIJ", "ETag: W/\"a\""))]
    }),
    ("no version", || {
        vec![Act::Send(part("bytes 4-9/10", "EFGHIJ", "X-None: 1"))]
    }),
    ("no range", || {
        vec![Act::Send(with_status(
            "206 Partial Content",
            &[FRESH, TAG],
            "EFGHIJ",
        ))]
    }),
    ("nothing there", || {
        vec![Act::Send(with_status(
            "416 Text",
            &["Content-Range: bytes */4"],
            "",
        ))]
    }),
    ("nothing new", || {
        vec![Act::Send(bare("304 Not Modified", &[FRESH, TAG]))]
    }),
    ("an end before the end", || {
        let head = head(
            "206 Partial Content",
            &[
                FRESH,
                TAG,
                "Content-Range: bytes 4-9/10",
                "Content-Length: 6",
            ],
        );
        vec![Act::Send(head), Act::Send(b"efg".to_vec()), Act::Close]
    }),
];

#[tokio::test]
async fn a_rest_that_is_none_makes_no_whole() {
    let mut wrong = Vec::new();
    for (what, rest) in RESTS {
        let stage = completed(move |_| rest()).await;
        for _ in 0..3 {
            // The right whole, an error, or what visibly breaks off.
            let Some(reply) = ask_if_any(&stage.gateway, "GET", "/", &[]).await else {
                continue;
            };
            let holds = match reply.status() {
                200 => reply.body.as_deref().is_none_or(|body| body == LETTERS),
                status => status >= 500,
            };
            if !holds {
                wrong.push(format!("{what}: {reply:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_beginning_that_cannot_be_completed_is_given_up() {
    let mut wrong = Vec::new();
    for (what, rest) in RESTS {
        let stage = completed(move |_| rest()).await;
        ask_if_any(&stage.gateway, "GET", "/", &[]).await;
        // The origin errs in parts alone: its whole can be had.
        let reply = ask_if_any(&stage.gateway, "GET", "/", &[]).await;
        let whole = reply.as_ref().and_then(|reply| reply.body.as_deref());
        if whole != Some(LETTERS) {
            wrong.push(format!("{what}: {reply:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_whole_made_for_one_person_is_for_nobody_else() {
    for field in [
        "Authorization: Basic eDp5",
        "Cookie: a=b",
        "Cache-Control: no-store",
    ] {
        let stage = completed(|_| vec![Act::Send(part("bytes 4-9/10", "efghij", TAG))]).await;
        let reply = stage.get("/", &[field]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{field}");
        let reply = stage.get("/", &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{field}");
        assert!(!reply.is_hit(), "{field}: {reply:?}");
    }
}

#[tokio::test]
async fn a_rest_that_may_not_be_stored_makes_a_whole_that_is_not() {
    for said in [
        "Set-Cookie: a=b",
        "Cache-Control: private",
        "Cache-Control: no-store",
        "Vary: *",
    ] {
        let stage = completed(move |_| {
            let fields = [FRESH, TAG, "Content-Range: bytes 4-9/10", said];
            vec![Act::Send(with_status(
                "206 Partial Content",
                &fields,
                "efghij",
            ))]
        })
        .await;
        let reply = stage.get("/", &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{said}");
        let reply = stage.get("/", &[]).await;
        assert!(
            !reply.is_hit() && reply.body() == LETTERS,
            "{said}: {reply:?}"
        );
        assert!(
            reply.get("set-cookie").is_none() || said.starts_with("Set"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_failure_of_the_rest_is_told() {
    for status in [500, 503, 404, 403] {
        let stage = completed(move |_| {
            vec![Act::Send(with_status(
                &format!("{status} Text"),
                &[],
                "failed",
            ))]
        })
        .await;
        let reply = stage.get("/", &[]).await;
        assert_eq!((reply.status(), reply.body()), (status, "failed"));
    }
    let stage = completed(|_| vec![Act::Close]).await;
    let reply = stage.get("/", &[]).await;
    assert!(reply.status() >= 500, "{reply:?}");
}

#[tokio::test]
async fn what_the_rest_says_of_the_whole_counts() {
    let stage = completed(|_| {
        let fields = [
            "Cache-Control: max-age=100",
            TAG,
            "Content-Range: bytes 4-9/10",
            "X-A: 2",
            "Age: 50",
        ];
        vec![Act::Send(with_status(
            "206 Partial Content",
            &fields,
            "efghij",
        ))]
    })
    .await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!(
            (reply.status(), reply.body(), reply.is_hit()),
            (200, LETTERS, hit)
        );
        assert_eq!(
            (reply.get("x-a"), reply.get("cache-control")),
            (Some("2"), Some("max-age=100"))
        );
        assert_eq!(
            (
                reply.get("content-range"),
                reply.head.length().unwrap_or(10)
            ),
            (None, 10)
        );
        if hit {
            assert!(
                reply.age().is_some_and(|age| (50..53).contains(&age)),
                "{reply:?}"
            );
        }
    }
}
