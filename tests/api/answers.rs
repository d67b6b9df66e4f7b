//! What each route answers, whatever is sent to it.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Client, send},
    server::{Server, command},
};

#[tokio::test]
async fn the_first_page_tells_what_there_is_and_does_not_count() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for _ in 0..150 {
        let answer = client.get(&server, "/").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.limits().is_empty() && answer.policies().is_empty());
    }
    let about = client.json(&server, "/").await;
    for (route, limit) in [
        ("GET /search?q=", "100/m"),
        ("POST /sign-in", "10/h"),
        ("GET /report?rows=", "60/m"),
    ] {
        let told = about[route]["limit"].as_str().expect("a limit");
        assert!(told.contains(limit), "{route}: {told}");
    }
}

#[tokio::test]
async fn every_route_answers_in_json_and_says_what_is_wrong() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let found = client.json(&server, "/search?q=PIE").await;
    let pies = ["apple pie", "cheese pie", "fish pie"];
    assert_eq!(found, serde_json::json!({ "query": "PIE", "found": pies }));
    let report = client.json(&server, "/report?rows=1001").await;
    assert_eq!(
        (&report["rows"], &report["cost"]),
        (&1001.into(), &2.into())
    );

    let long = format!("/search?q={}", "a".repeat(101));
    for (method, path, status) in [
        (Method::GET, "/nothing", 404),
        (Method::POST, "/search?q=a", 405),
        (Method::GET, "/sign-in", 405),
        (Method::GET, "/search", 422),
        (Method::GET, "/search?q=a&q=b", 422),
        (Method::GET, &long, 422),
        (Method::GET, "/report", 422),
        (Method::GET, "/report?rows=0", 422),
        (Method::GET, "/report?rows=-1", 422),
        (Method::GET, "/report?rows=99999999999999999999", 422),
        (Method::POST, "/sign-in", 415),
    ] {
        let answer = send(client.ask(method.clone(), &server, path)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{path}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("it is JSON");
        assert!(body["error"].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn the_process_ends_when_it_is_asked_to_and_refuses_flags_it_does_not_know() {
    let mut server = Server::start(&[]).await;
    server.signal("TERM");
    assert!(server.end().await.success());
    let output = command(&["--nodes", "none"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: api"));
}
