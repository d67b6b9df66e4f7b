//! Which of the stored responses of a target a request gets (RFC 9111 §4.1).

use crate::stage::{Stage, page};

const FRESH: &str = "Cache-Control: max-age=3600";

/// The response's lines of `Vary`, the fields of two requests, and whether the second gets what the first got.
type Selection = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    bool,
);

async fn assert_selection(rows: &'static [Selection]) {
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(&[rows[row].0, &[FRESH]].concat(), &format!("{nth}"))
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (vary, first, second, same)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, first).await;
        let reply = stage.get(&target, second).await;
        let is_same = reply.is_hit() && reply.body() == "0";
        if is_same != *same || (reply.body() == "1") == *same {
            wrong.push(format!(
                "{vary:?}, {first:?} and {second:?}: {:?}",
                reply.head
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_response_is_for_requests_that_are_alike_in_what_selects_it() {
    assert_selection(&[
        (&["Vary: X-A"], &["X-A: 1"], &["X-A: 1"], true),
        (&["Vary: X-A"], &["X-A: 1"], &["X-A: 2"], false),
        (&["Vary: X-A"], &["X-A: 1"], &[], false),
        (&["Vary: X-A"], &[], &["X-A: 1"], false),
        (&["Vary: X-A"], &[], &[], true),
        (&["Vary: X-A"], &["X-A:"], &[], false),
        (&["Vary: X-A"], &["X-A:"], &["X-A:"], true),
        (&["Vary: X-A"], &["X-A: a"], &["X-A: A"], false),
        (&["vary: x-a"], &["X-A: 1"], &["x-a: 1"], true),
        (
            &["Vary: X-A"],
            &["X-A: 1", "X-B: 1"],
            &["X-A: 1", "X-B: 2"],
            true,
        ),
        (
            &["Vary: X-A, X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-B: 2", "X-A: 1"],
            true,
        ),
        (
            &["Vary: X-A, X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-A: 2", "X-B: 2"],
            false,
        ),
        (
            &["Vary: X-A, X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-A: 1", "X-B: 1"],
            false,
        ),
        (
            &["Vary: X-A, X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-A: 2", "X-B: 1"],
            false,
        ),
        (&["Vary: X-A, X-B"], &["X-A: 1"], &["X-B: 1"], false),
        (&["Vary: X-A, X-B"], &["X-A: 1"], &["X-A: 1"], true),
        (
            &["Vary: X-A", "Vary: X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-A: 1", "X-B: 3"],
            false,
        ),
        (
            &["Vary: X-A", "Vary: X-B"],
            &["X-A: 1", "X-B: 2"],
            &["X-A: 1", "X-B: 2"],
            true,
        ),
        (
            &["Vary: X-A, X-B, X-C"],
            &["X-A: 1", "X-C: 2"],
            &["X-A: 1", "X-C: 2"],
            true,
        ),
        (
            &["Vary: X-A, X-B, X-C"],
            &["X-A: 1", "X-C: 2"],
            &["X-A: 1", "X-C: 3"],
            false,
        ),
        (&["Vary: ,, X-A ,"], &["X-A: 1"], &["X-A: 1"], true),
        (&["Vary: ,, X-A ,"], &["X-A: 1"], &["X-A: 2"], false),
        (&["Vary: X-A, X-A"], &["X-A: 1"], &["X-A: 1"], true),
        (&["Vary:"], &["X-A: 1"], &["X-A: 2"], true),
    ])
    .await;
}

#[tokio::test]
async fn a_response_that_depends_on_anything_is_for_nobody_else() {
    assert_selection(&[
        (&["Vary: *"], &[], &[], false),
        (&["Vary: *"], &["X-A: 1"], &["X-A: 1"], false),
        (&["Vary: *, *"], &[], &[], false),
        (&["Vary: *", "Vary: *"], &[], &[], false),
        (&["Vary: , *"], &[], &[], false),
        (&["Vary:", "Vary: *"], &[], &[], false),
        (&["Vary: *, X-A"], &["X-A: 1"], &["X-A: 1"], false),
        (&["Vary: X-A, *"], &["X-A: 1"], &["X-A: 1"], false),
        (&["Vary: X-A", "Vary: *"], &["X-A: 1"], &["X-A: 1"], false),
        // No names of fields.
        (&["Vary: X A"], &[], &[], false),
        (&["Vary: \"X-A\""], &[], &[], false),
        (&["Vary: X-A;q=1"], &["X-A: 1"], &["X-A: 1"], false),
    ])
    .await;
}

#[tokio::test]
async fn spelling_that_means_nothing_selects_nothing() {
    assert_selection(&[
        (&["Vary: X-A"], &["X-A: 1"], &["X-A:   1  "], true),
        (&["Vary: X-A"], &["X-A: 1, 2"], &["X-A: 1", "X-A: 2"], true),
        (&["Vary: X-A"], &["X-A: 1,2"], &["X-A: 1, 2"], true),
        (&["Vary: X-A"], &["X-A: 1, 2"], &["X-A: 2, 1"], false),
        (&["Vary: X-A"], &["X-A: 1 2"], &["X-A: 12"], false),
        (&["Vary: X-A"], &["X-A: \"1, 2\""], &["X-A: \"1,2\""], false),
        (
            &["Vary: Accept-Language"],
            &["Accept-Language: en"],
            &["Accept-Language: EN"],
            true,
        ),
        (
            &["Vary: Accept-Language"],
            &["Accept-Language: en, de;q=0.5"],
            &["Accept-Language: en,de; q=0.5"],
            true,
        ),
        (
            &["Vary: Accept-Language"],
            &["Accept-Language: en, de;q=0.5"],
            &["Accept-Language: en, de;q=0.6, fr"],
            false,
        ),
        (
            &["Vary: Accept-Language"],
            &["Accept-Language: en"],
            &["Accept-Language: de"],
            false,
        ),
        (
            &["Vary: Accept-Language"],
            &["Accept-Language: en"],
            &[],
            false,
        ),
        (
            &["Vary: Accept-Encoding"],
            &["Accept-Encoding: gzip, br"],
            &["Accept-Encoding: gzip,br"],
            true,
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_variant_stays_while_others_come() {
    let stage =
        Stage::start(|asked, _| page(&[FRESH, "Vary: X-A"], asked.get("x-a").unwrap_or("-"))).await;
    let values = ["1", "2", "3", "4"];
    for hit in [false, true] {
        for value in values {
            let reply = stage.get("/", &[&format!("X-A: {value}")]).await;
            assert_eq!((reply.body(), reply.is_hit()), (value, hit));
            assert_eq!(reply.get("vary"), Some("X-A"));
        }
    }
    let reply = stage.get("/", &["X-A: 5"]).await;
    assert_eq!(reply.forwarded().as_deref(), Some("vary-miss"));
}

#[tokio::test]
async fn many_variants_are_right_whether_they_are_stored_or_not() {
    let stage =
        Stage::start(|asked, _| page(&[FRESH, "Vary: X-A"], asked.get("x-a").unwrap_or("-"))).await;
    for _ in 0..2 {
        for value in 0..40 {
            let value = value.to_string();
            let reply = stage.get("/", &[&format!("X-A: {value}")]).await;
            assert_eq!(reply.body(), value);
        }
    }
}

#[tokio::test]
async fn what_the_newest_response_varies_by_selects_them_all() {
    let stage = Stage::start(|asked, nth| {
        let vary = if nth == 0 { "X-None: 1" } else { "Vary: X-A" };
        page(
            &[FRESH, vary],
            &format!("{nth} {}", asked.get("x-a").unwrap_or("-")),
        )
    })
    .await;
    assert_eq!(stage.get("/", &["X-A: 1"]).await.body(), "0 1");
    let reload = ["X-A: 1", "Cache-Control: no-cache"];
    assert_eq!(stage.get("/", &reload).await.body(), "1 1");
    let reply = stage.get("/", &["X-A: 2"]).await;
    assert_eq!(reply.body(), "2 2", "{reply:?}");
    assert_eq!(stage.get("/", &["X-A: 1"]).await.body(), "1 1");
}

#[tokio::test]
async fn a_coding_is_for_those_who_accept_it() {
    // Whether the origin says so or not.
    for vary in ["Vary: Accept-Encoding", "X-None: 1"] {
        let stage = Stage::start(move |asked, _| {
            match asked
                .get("accept-encoding")
                .is_some_and(|codings| codings.contains("gzip") && !codings.contains("q=0"))
            {
                true => page(&[FRESH, vary, "Content-Encoding: gzip"], "coded"),
                false => page(&[FRESH, vary], "plain"),
            }
        })
        .await;
        assert_eq!(
            stage.get("/", &["Accept-Encoding: gzip"]).await.body(),
            "coded"
        );
        for (accepts, body) in [
            (&["Accept-Encoding: gzip"][..], "coded"),
            (&["Accept-Encoding: identity"], "plain"),
            (&["Accept-Encoding: gzip;q=0"], "plain"),
            (&["Accept-Encoding:"], "plain"),
        ] {
            let reply = stage.get("/", accepts).await;
            let coded = reply.get("content-encoding") == Some("gzip");
            assert!(!coded || body == "coded", "{vary}: {accepts:?}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn fields_that_select_go_to_the_origin_with_a_validation() {
    let stage = Stage::start(|asked, _| {
        let fields = ["Cache-Control: max-age=10", "Age: 20", "Vary: X-A"];
        crate::stage::tagged(
            asked,
            &format!("\"{}\"", asked.get("x-a").unwrap_or("-")),
            &fields,
            "body",
        )
    })
    .await;
    stage.get("/", &["X-A: 1"]).await;
    let reply = stage.get("/", &["X-A: 1"]).await;
    assert_eq!(reply.body(), "body");
    let asked = stage.asked("/");
    assert_eq!(asked[1].get("x-a"), Some("1"));
    assert_eq!(asked[1].get("if-none-match"), Some("\"1\""));
}

#[tokio::test]
async fn a_parameter_that_selects_nothing_is_passed_over() {
    let rows: &'static [(&str, &str, &str, bool)] = &[
        ("params=(\"utm\")", "?a=1&utm=2", "?utm=3&a=1", true),
        ("params=(\"utm\")", "?a=1", "?a=1&utm=3", true),
        ("params=(\"utm\")", "?a=1&utm=2", "?a=2&utm=2", false),
        ("key-order", "?a=1&b=2", "?b=2&a=1", true),
        ("key-order", "?a=1&a=2", "?a=2&a=1", false),
        ("key-order, except=(\"a\")", "?a=1&b=2", "?c=3&a=1", true),
        ("except=()", "?a=1", "?b=2", true),
        ("params", "?a=1", "?b=2", false),
        ("params=(a)", "?a=1", "?a=2", false),
        ("params=(\"a\"), except=(\"b\")", "?a=1", "?a=2", false),
        ("&", "?a=1", "?a=2", false),
    ];
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..]
            .split('?')
            .next()
            .and_then(|row| row.parse().ok())
            .expect("a row");
        page(&[FRESH, &format!("No-Vary-Search: {}", rows[row].0)], "")
    })
    .await;
    for (row, (said, first, second, same)) in rows.iter().enumerate() {
        stage.get(&format!("/{row}{first}"), &[]).await;
        let reply = stage.get(&format!("/{row}{second}"), &[]).await;
        assert_eq!(reply.is_hit(), *same, "{said}: {first} and {second}");
        assert_eq!(reply.get("no-vary-search"), Some(*said));
    }
}

#[tokio::test]
async fn a_page_is_of_its_host() {
    let stage = Stage::start(|asked, _| page(&[FRESH], asked.get("host").unwrap_or("-"))).await;
    for (host, hit) in [
        ("shop.example", false),
        ("shop.example", true),
        ("SHOP.example", true),
        ("shop.example:80", true),
        ("shop.example:8080", false),
        ("other.example", false),
        ("shop.example.", false),
    ] {
        let mut client = crate::raw::Connection::open(stage.gateway.address).await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let head = client.head().await;
        let body = client.body(&head).await.expect("it is whole");
        let is_hit = head
            .get("cache-status")
            .is_some_and(|status| status.contains("hit"));
        assert_eq!(is_hit, hit, "{host}: {head:?}");
        let expected = if hit { "shop.example" } else { host };
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }
}

#[tokio::test]
async fn the_origin_may_say_which_variant_holds() {
    let stage = Stage::start(|asked, _| match asked.get("x-a") {
        Some("3")
            if asked
                .get("if-none-match")
                .is_some_and(|tags| tags.contains("\"1\"")) =>
        {
            crate::stage::bare("304 Not Modified", &[FRESH, "ETag: \"1\"", "Vary: X-A"])
        }
        Some("3") => page(&[FRESH, "ETag: \"1\"", "Vary: X-A"], "1"),
        value => {
            let value = value.unwrap_or("-");
            page(&[FRESH, &format!("ETag: \"{value}\""), "Vary: X-A"], value)
        }
    })
    .await;
    for value in ["1", "2"] {
        assert_eq!(
            stage.get("/", &[&format!("X-A: {value}")]).await.body(),
            value
        );
    }
    for _ in 0..2 {
        let reply = stage.get("/", &["X-A: 3"]).await;
        assert_eq!((reply.status(), reply.body()), (200, "1"));
    }
    for value in ["1", "2"] {
        let reply = stage.get("/", &[&format!("X-A: {value}")]).await;
        assert!(reply.is_hit() && reply.body() == value, "{reply:?}");
    }
}
