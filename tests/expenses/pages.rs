//! Whose page is stored, who gets it, and what frees it.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Client, send},
    server::Server,
    visitor::{Visitor, assert_made},
};

#[tokio::test]
async fn a_dashboard_is_made_once_for_each_user() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    for visitor in [&ann, &bob] {
        let made = visitor.dashboard(&server).await;
        assert_made(&made);
        visitor.assert_sees_own(&made);
        assert_eq!(made.field("age"), None);
    }
    for visitor in [&ann, &bob] {
        let again = visitor.dashboard(&server).await;
        again.assert_hit();
        visitor.assert_sees_own(&again);
        assert!((1..=900).contains(&again.cache().ttl()), "{again:?}");
    }
}

#[tokio::test]
async fn an_added_expense_frees_its_users_page_at_once_and_no_other() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    ann.fill(&server).await;
    let before = bob.fill(&server).await;

    ann.spend(&server, "12.50", "food", "two pears").await;

    let after = ann.dashboard(&server).await;
    assert_made(&after);
    assert!(after.body.contains("two pears") && after.body.contains("12.50"));
    ann.dashboard(&server).await.assert_hit();
    let untouched = bob.dashboard(&server).await;
    untouched.assert_hit();
    assert_eq!(untouched.body, before.body);
    assert!(!untouched.body.contains("two pears"));
}

#[tokio::test]
async fn a_change_is_seen_by_whoever_asks_after_it_however_many_pages_are_being_made() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    for round in 0..15 {
        let description = format!("pears of round {round}");
        let crowd = (0..6).map(async |_| ann.dashboard(&server).await);
        let change = async {
            ann.spend(&server, "1", "food", &description).await;
            let page = ann.dashboard(&server).await;
            assert!(page.body.contains(&description), "{:?}", page.cache());
        };
        tokio::join!(futures_util::future::join_all(crowd), change);
        let later = ann.dashboard(&server).await;
        assert!(later.body.contains(&description), "{:?}", later.cache());
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_share_one_page() {
    let server = Server::start(&[]).await;
    let home = Visitor::sign_in(&server, "Ann").await;
    let phone = Visitor::sign_in(&server, " Ann ").await;
    assert_ne!(home.cookie, phone.cookie);
    let page = home.fill(&server).await;
    let same = phone.dashboard(&server).await;
    same.assert_hit();
    assert_eq!(same.body, page.body);

    phone.spend(&server, "3", "food", "seen on both").await;
    for visitor in [home, phone] {
        assert!(
            visitor
                .dashboard(&server)
                .await
                .body
                .contains("seen on both")
        );
    }
}

#[tokio::test]
async fn browsers_are_told_to_keep_no_page_of_a_user() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let nobody = Client::new().get(&server, "/dashboard").await;
    let answers = [
        ann.dashboard(&server).await,
        ann.dashboard(&server).await,
        ann.dashboard_with(&server, "range: bytes=0-9").await,
        ann.dashboard_with(&server, "if-none-match: *").await,
        ann.dashboard_with(&server, "cache-control: no-cache").await,
        nobody,
    ];
    for answer in answers {
        let control = answer.field("cache-control").unwrap_or_default();
        for directive in ["private", "no-store"] {
            assert!(control.contains(directive), "{control:?}: {answer:?}");
        }
        for public in ["public", "s-maxage"] {
            assert!(!control.contains(public), "{control:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn head_ranges_and_conditions_are_about_the_askers_own_page() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bartholomew").await;
    ann.spend(&server, "1", "food", "pears").await;
    let hers = ann.fill(&server).await;

    // Bob's is not stored yet, and then it is.
    for _ in 0..2 {
        for field in [
            "range: bytes=0-",
            "range: bytes=-200",
            "range: bytes=0-99999",
            "range: bytes=0-0,5-9",
            "if-none-match: \"of nobody\"",
            "if-match: *",
            "cache-control: max-stale=9999",
            "accept: text/html",
        ] {
            let part = bob.dashboard_with(&server, field).await;
            assert!(part.status.is_success(), "{field}: {part:?}");
            assert!(
                !part.body.contains("Ann") && !part.body.contains("pears"),
                "{field}: {part:?}"
            );
        }
        let his = bob.fill(&server).await;
        assert_ne!(his.body, hers.body);
        let all = bob.dashboard_with(&server, "range: bytes=0-").await;
        assert_eq!(
            (all.status, &all.body),
            (StatusCode::PARTIAL_CONTENT, &his.body)
        );
        let head = send(bob.ask(Method::HEAD, &server, "/dashboard")).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
        assert_eq!(head.number("content-length"), his.body.len() as u64);
        head.assert_hit();

        // What Bob may have of hers tells nothing about his own page.
        let tag = hers.field("etag").unwrap_or("\"hers\"");
        let answer = bob
            .dashboard_with(&server, &format!("if-none-match: {tag}"))
            .await;
        assert_eq!(answer.body, his.body, "{answer:?}");
        let answer = bob
            .dashboard_with(&server, &format!("if-range: {tag}"))
            .await;
        assert_eq!(answer.body, his.body, "{answer:?}");
    }
    let again = ann.dashboard(&server).await;
    again.assert_hit();
    assert_eq!(again.body, hers.body);
}

#[tokio::test]
async fn head_fills_no_page_of_another() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    for visitor in [&ann, &bob, &ann] {
        let head = send(visitor.ask(Method::HEAD, &server, "/dashboard")).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
        visitor.fill(&server).await;
    }
    // Nobody learns more than where to sign in.
    let head = send(Client::new().ask(Method::HEAD, &server, "/dashboard")).await;
    assert_eq!(head.status, StatusCode::SEE_OTHER);
    assert_eq!(head.field("cache-status"), None);
}

#[tokio::test]
async fn what_a_request_says_of_itself_does_not_make_it_anothers() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    ann.spend(&server, "1", "food", "pears").await;
    ann.fill(&server).await;
    for field in [
        "authorization: Basic QW5uOg==",
        "x-user: Ann",
        "x-user-id: 1",
        "x-forwarded-user: Ann",
        "x-forwarded-host: Ann",
        "x-original-url: /dashboard?user=Ann",
        "from: Ann",
        "vary: *",
        "cache-control: only-if-cached",
        "cache-status: larder; hit",
    ] {
        let page = bob.dashboard_with(&server, field).await;
        if page.status != StatusCode::GATEWAY_TIMEOUT {
            bob.assert_sees_own(&page);
        }
        assert!(!page.body.contains("pears"), "{field}");
    }
    for path in [
        "/dashboard?user=Ann",
        "/dashboard?user=1",
        "/dashboard?user:1",
        "/dashboard?",
    ] {
        for _ in 0..2 {
            let page = send(bob.ask(Method::GET, &server, path)).await;
            bob.assert_sees_own(&page);
            assert!(!page.body.contains("pears"), "{path}");
        }
    }
    let page = ann.dashboard(&server).await;
    page.assert_hit();
    ann.assert_sees_own(&page);
}

#[tokio::test]
async fn the_dashboard_has_six_sections_with_their_sums() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.spend(&server, "0.10", "food", "a plum").await;
    ann.spend(&server, "0.2", "food", "two plums").await;
    ann.spend(&server, "700", "rent", "the flat").await;
    let page = ann.dashboard(&server).await.body;
    for section in [
        "This month",
        "This month by category",
        "Latest",
        "Week by week",
        "Month by month",
        "Where most of it went",
    ] {
        assert!(page.contains(&format!("<h2>{section}</h2>")), "{section}");
    }
    for text in [
        "a plum",
        "two plums",
        "the flat",
        "0.10",
        "0.20",
        "0.30",
        "700.00",
        "700.30",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[tokio::test]
async fn texts_are_escaped_and_otherwise_as_they_were_typed() {
    let server = Server::start(&[]).await;
    let name = "<b>Ann</b> & \"Co\"";
    let escaped = "&lt;b&gt;Ann&lt;/b&gt; &amp; &quot;Co&quot;";
    let ann = Visitor::sign_in(&server, name).await;
    let texts = [
        (
            "<script>alert(1)</script>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ),
        (
            "\"><img src=x onerror=alert(1)>",
            "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;",
        ),
        ("' OR 1=1; --", "' OR 1=1; --"),
        ("Crème brûlée 🍮 100% {{x}}", "Crème brûlée 🍮 100% {{x}}"),
        ("&lt;already&gt;", "&amp;lt;already&amp;gt;"),
    ];
    for (text, html) in texts {
        ann.spend(&server, "1", "<i>sweets</i>", text).await;
        for _ in 0..2 {
            let page = ann.dashboard(&server).await.body;
            assert!(page.contains(html), "{text}: {page}");
            assert!(page.contains(escaped) && page.contains("&lt;i&gt;sweets&lt;/i&gt;"));
            for raw in ["<script", "<img", "<i>", "<b>Ann"] {
                assert!(!page.contains(raw), "{raw} after {text}: {page}");
            }
        }
    }
}

#[tokio::test]
async fn the_front_page_is_one_for_all_and_names_nobody() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Bartholomew").await;
    let page = send(ann.ask(Method::GET, &server, "/")).await;
    assert_made(&page);
    assert!(page.body.contains("asks for no password") && !page.body.contains("Bartholomew"));
    let again = Client::new().get(&server, "/").await;
    again.assert_hit();
    assert_eq!(again.body, page.body);
    assert_eq!(again.field("set-cookie"), None);
}
