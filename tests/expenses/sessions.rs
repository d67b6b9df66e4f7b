//! Who is signed in, for how long, and what others get: nothing.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    raw::Connection,
    server::Server,
    visitor::{Visitor, assert_leads_to, cookie},
};

/// Asks for the dashboard with these `Cookie` fields.
async fn dashboard_with(server: &Server, cookies: &[&str]) -> Answer {
    let mut ask = Client::new().ask(Method::GET, server, "/dashboard");
    for cookie in cookies {
        ask = ask.header("cookie", *cookie);
    }
    send(ask).await
}

#[track_caller]
fn assert_no_data(answer: &Answer) {
    assert_leads_to(answer, "/");
    assert_eq!(answer.body, "");
    assert_eq!(answer.field("cache-status"), None, "the cache is not asked");
    assert_eq!(answer.field("set-cookie"), None);
}

#[tokio::test]
async fn signing_in_makes_an_unknown_user_and_sets_a_cookie_for_plain_http() {
    let server = Server::start(&[]).await;
    let form = [("user", "  Zoë  ")];
    let ask = Client::new().ask(Method::POST, &server, "/sign-in");
    let answer = send(ask.form(&form)).await;
    assert_leads_to(&answer, "/dashboard");
    let set = answer.field("set-cookie").expect("a cookie is set");
    let (pair, attributes) = set.split_once("; ").expect("it has attributes");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/");
    let token = pair.strip_prefix("session=").expect("its name");
    assert!(
        token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()),
        "{token}"
    );

    let page = dashboard_with(&server, &[pair]).await;
    assert!(page.body.contains("<h1>Expenses of Zoë</h1>"), "{page:?}");
    assert!(page.body.contains("Nothing yet."));
}

#[tokio::test]
async fn a_name_is_one_line_of_1_to_64_characters() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let longest = "ü".repeat(64);
    Visitor::sign_in(&server, &longest).await;
    let long = "x".repeat(65);
    let forms: &[&[(&str, &str)]] = &[
        &[],
        &[("name", "Ann")],
        &[("user", "")],
        &[("user", " \u{a0}\t ")],
        &[("user", &long)],
        &[("user", "a\nb")],
        &[("user", "a\0")],
        &[("user", "Ann"), ("user", "Bob")],
    ];
    for form in forms {
        let answer = send(client.ask(Method::POST, &server, "/sign-in").form(form)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{form:?}");
        assert_eq!(answer.field("set-cookie"), None, "{form:?}");
    }
}

#[tokio::test]
async fn without_a_session_there_is_no_data_however_fresh_the_page() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.spend(&server, "1", "food", "pears").await;
    ann.fill(&server).await;
    let token = ann.cookie.strip_prefix("session=").expect("its name");
    let forged = [
        String::new(),
        "session".to_owned(),
        "session=".to_owned(),
        "session=1".to_owned(),
        "session=Ann".to_owned(),
        format!("session={}", "0".repeat(32)),
        format!("session={}", &token[..31]),
        format!("session={token}0"),
        format!("session={token}%00"),
        format!("session={}", token.to_uppercase() + "x"),
        format!("session=\"{token}\""),
        format!("Session={token}"),
        format!("xsession={token}"),
        format!("user=Ann; token={token}"),
        "session=' OR 1=1; --".to_owned(),
        format!("session={}", "a".repeat(60 << 10)),
        format!("session={}", "a".repeat(64 << 10)),
        "a=b; ".repeat(10_000),
        ";;;=;= ;session;;=session".to_owned(),
        "session=\u{e9}\u{301}".to_owned(),
        // Two: which one is meant?
        format!("session={token}; session={token}"),
        format!("session={token}; session={}", "0".repeat(32)),
        format!("session={}; session={token}", "0".repeat(32)),
        format!("session=; session={token}"),
    ];
    for cookies in &forged {
        let answer = dashboard_with(&server, &[cookies]).await;
        let shown: String = cookies.chars().take(60).collect();
        assert_leads_to(&answer, "/");
        assert!(answer.body.is_empty(), "{shown}: {answer:?}");
        assert_no_data(&answer);
    }
    assert_no_data(&dashboard_with(&server, &[]).await);
    assert_no_data(&dashboard_with(&server, &[&ann.cookie, &ann.cookie]).await);

    // Cookies of others beside it do no harm, in one field or in several.
    let others = format!("a=b; {}; sessions=x", ann.cookie);
    for cookies in [&[others.as_str()] as &[&str], &["a=b", &ann.cookie]] {
        let page = dashboard_with(&server, cookies).await;
        ann.assert_sees_own(&page);
    }
    assert!(!server.log().contains(token), "{}", server.log());
}

#[tokio::test]
async fn two_sessions_of_two_users_in_one_request_are_nobodys() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let bob = Visitor::sign_in(&server, "Bob").await;
    ann.fill(&server).await;
    bob.fill(&server).await;
    let both = format!("{}; {}", ann.cookie, bob.cookie);
    assert_no_data(&dashboard_with(&server, &[&both]).await);
    assert_no_data(&dashboard_with(&server, &[&bob.cookie, &ann.cookie]).await);
    for visitor in [ann, bob] {
        let page = visitor.dashboard(&server).await;
        page.assert_hit();
        visitor.assert_sees_own(&page);
    }
}

#[tokio::test]
async fn a_cookie_that_is_no_text_is_nobodys() {
    let server = Server::start(&[]).await;
    let mut connection = Connection::open(server.address).await;
    let request = b"GET /dashboard HTTP/1.1\r\nHost: shop.example\r\nCookie: session=\xff\xfe; \x80=\x81\r\n\r\n";
    connection.send(request).await;
    let head = connection.head().await;
    assert_eq!((head.status, head.get("location")), (303, Some("/")));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_not_the_users_others() {
    let server = Server::start(&[]).await;
    let home = Visitor::sign_in(&server, "Ann").await;
    let phone = Visitor::sign_in(&server, "Ann").await;
    home.spend(&server, "1", "food", "pears").await;
    home.fill(&server).await;

    let answer = home.post(&server, "/sign-out", &[]).await;
    assert_leads_to(&answer, "/");
    let set = answer
        .field("set-cookie")
        .expect("the cookie is taken away");
    assert_eq!(set, "session=; Max-Age=0; HttpOnly; SameSite=Lax; Path=/");

    // The page is still stored, and the old cookie gets nothing of it.
    assert_no_data(&home.dashboard(&server).await);
    assert_no_data(&dashboard_with(&server, &[&cookie(&answer)]).await);
    let form = [
        ("amount", "1"),
        ("category", "food"),
        ("description", "plums"),
    ];
    assert_no_data(&home.post(&server, "/expenses", &form).await);
    phone.dashboard(&server).await.assert_hit();
    assert!(!phone.dashboard(&server).await.body.contains("plums"));

    // Again, and without any cookie, it is no error.
    assert_leads_to(&home.post(&server, "/sign-out", &[]).await, "/");
    let ask = Client::new().ask(Method::POST, &server, "/sign-out");
    assert_leads_to(&send(ask).await, "/");
}

#[tokio::test]
async fn signing_in_ends_the_session_that_the_browser_had() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.fill(&server).await;
    let answer = ann.post(&server, "/sign-in", &[("user", "Bob")]).await;
    assert_leads_to(&answer, "/dashboard");
    assert_no_data(&ann.dashboard(&server).await);
    let page = dashboard_with(&server, &[&cookie(&answer)]).await;
    assert!(page.body.contains("Expenses of Bob"), "{page:?}");
}

#[tokio::test]
async fn a_user_who_comes_back_finds_what_was_there() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    ann.spend(&server, "1", "food", "pears").await;
    ann.post(&server, "/sign-out", &[]).await;
    let again = Visitor::sign_in(&server, "Ann").await;
    assert!(again.dashboard(&server).await.body.contains("pears"));
}

#[tokio::test]
async fn the_forms_answer_to_post_alone() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    for path in ["/sign-out", "/sign-in", "/expenses"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            let answer = send(ann.ask(method.clone(), &server, path)).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(answer.field("allow"), Some("POST"), "{method} {path}");
            assert_eq!(answer.field("set-cookie"), None, "{method} {path}");
        }
    }
    let answer = send(ann.ask(Method::POST, &server, "/dashboard")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = send(ann.ask(Method::GET, &server, "/nowhere")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    ann.assert_sees_own(&ann.dashboard(&server).await);
}
