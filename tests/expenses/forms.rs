//! What the forms refuse.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Client, send},
    server::Server,
    visitor::{Visitor, assert_leads_to},
};

#[tokio::test]
async fn what_is_no_expense_is_a_client_error_and_frees_nothing() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let before = ann.fill(&server).await;
    let long = "x".repeat(201);
    let mut forms = vec![
        vec![],
        vec![("amount", "1")],
        vec![("amount", "1"), ("category", "food")],
        vec![("category", "food"), ("description", "pears")],
        vec![
            ("amount", "1"),
            ("amount", "2"),
            ("category", "food"),
            ("description", "pears"),
        ],
        vec![("amount", "1"), ("category", ""), ("description", "pears")],
        vec![("amount", "1"), ("category", "food"), ("description", "  ")],
        vec![
            ("amount", "1"),
            ("category", &long),
            ("description", "pears"),
        ],
        vec![
            ("amount", "1"),
            ("category", "food"),
            ("description", &long),
        ],
        vec![
            ("amount", "1"),
            ("category", "food"),
            ("description", "a\r\nb"),
        ],
    ];
    for amount in [
        "",
        "0",
        "0.00",
        "-1",
        "+1",
        "1e3",
        "1.999",
        "1,5",
        "0x1",
        "NaN",
        "inf",
        "٣",
        "1000000",
        "99999999999999999999",
        "1 2",
        "$1",
    ] {
        forms.push(vec![
            ("amount", amount),
            ("category", "food"),
            ("description", "pears"),
        ]);
    }
    for form in &forms {
        let answer = ann.post(&server, "/expenses", form).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{form:?}: {answer:?}"
        );
        assert!(!answer.body.contains("Ann"), "{form:?}");
    }
    let after = ann.dashboard(&server).await;
    after.assert_hit();
    assert_eq!(after.body, before.body);
}

#[tokio::test]
async fn what_is_no_form_is_a_client_error() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let form = "application/x-www-form-urlencoded";
    let fields = "amount=1&category=food&description=";
    let bodies: [(&str, &str, Vec<u8>, u16); 6] = [
        (
            "/expenses",
            form,
            format!("{fields}{}", "x".repeat(17 << 10)).into(),
            413,
        ),
        (
            "/expenses",
            form,
            format!("{fields}x&y={}", "x".repeat(3 << 20)).into(),
            413,
        ),
        (
            "/sign-in",
            form,
            format!("user={}", "x".repeat(17 << 10)).into(),
            413,
        ),
        (
            "/expenses",
            "application/json",
            b"{\"amount\":1}".to_vec(),
            415,
        ),
        ("/expenses", "text/plain", format!("{fields}x").into(), 415),
        (
            "/sign-in",
            "multipart/form-data; boundary=x",
            b"--x--".to_vec(),
            415,
        ),
    ];
    for (path, kind, body, status) in bodies {
        let ask = ann.ask(Method::POST, &server, path);
        // A server that refuses a long body may close before it has read all of it; then there is no answer to see.
        let sent = ask.header("content-type", kind).body(body.clone()).send();
        if let Ok(answer) = sent.await {
            assert_eq!(answer.status(), status, "{path} {kind} {}", body.len());
        }
    }
    let odd = ann.ask(Method::POST, &server, "/expenses");
    let odd = odd
        .header("content-type", form)
        .body("amount=1&category=%ff%fe&description=%zz");
    assert!(send(odd).await.status.as_u16() < 500);
    ann.assert_sees_own(&ann.dashboard(&server).await);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_changes_nothing() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let before = ann.fill(&server).await;
    let form = [
        ("amount", "1"),
        ("category", "food"),
        ("description", "pears"),
    ];
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://shop.example:3000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for path in ["/expenses", "/sign-out", "/sign-in"] {
            let ask = ann.ask(Method::POST, &server, path).header(name, value);
            let answer = send(ask.form(&form)).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path} {name}: {value}"
            );
            assert_eq!(answer.field("set-cookie"), None);
        }
    }
    let after = ann.dashboard(&server).await;
    after.assert_hit();
    assert_eq!(after.body, before.body);

    // Its own pages say so, or their browser does not say.
    for (name, value) in [
        ("origin", "http://shop.example"),
        ("sec-fetch-site", "same-origin"),
    ] {
        let ask = ann
            .ask(Method::POST, &server, "/expenses")
            .header(name, value);
        assert_leads_to(&send(ask.form(&form)).await, "/dashboard");
    }
    // A link from elsewhere leads to the page.
    let page = ann
        .dashboard_with(&server, "sec-fetch-site: cross-site")
        .await;
    ann.assert_sees_own(&page);
}

#[tokio::test]
async fn an_expense_needs_a_session() {
    let server = Server::start(&[]).await;
    let form = [
        ("amount", "1"),
        ("category", "food"),
        ("description", "pears"),
    ];
    let ask = Client::new().ask(Method::POST, &server, "/expenses");
    assert_leads_to(&send(ask.form(&form)).await, "/");
    let ann = Visitor::sign_in(&server, "Ann").await;
    assert!(!ann.dashboard(&server).await.body.contains("pears"));
}

#[tokio::test]
async fn an_expense_is_its_users_whatever_the_form_says() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    ann.fill(&server).await;
    let form = [
        ("amount", "1"),
        ("category", "food"),
        ("description", "pears"),
        ("user", "Ann"),
        ("user_id", "1"),
    ];
    assert_leads_to(
        &bob.post(&server, "/expenses?user=Ann", &form).await,
        "/dashboard",
    );
    assert!(bob.dashboard(&server).await.body.contains("pears"));
    let page = ann.dashboard(&server).await;
    page.assert_hit();
    assert!(!page.body.contains("pears"));
}
