//! Reports cost what they take: 60 parts of a thousand rows a minute.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    server::Server,
};

async fn report(client: &Client, server: &Server, rows: u64, key: &str) -> Answer {
    let ask = client.ask(Method::GET, server, &format!("/report?rows={rows}"));
    send(ask.header("x-api-key", key)).await
}

#[tokio::test]
async fn a_report_costs_what_it_takes() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let mut left = 60;
    for (rows, cost) in [(1, 1), (1_000, 1), (1_001, 2), (30_000, 30)] {
        let answer = report(&client, &server, rows, "k1").await;
        assert_eq!(answer.status, StatusCode::OK);
        left -= cost;
        // One a second comes back.
        let told = answer.left();
        assert!(
            (left..=left + 5).contains(&told),
            "{told} left after {rows} rows"
        );
        left = told;
    }
    let refused = report(&client, &server, 60_000, "k1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let wait = refused.number("retry-after");
    assert!((20..=40).contains(&wait), "{wait} s");
    // What was refused has cost nothing, and a smaller one still fits.
    assert_eq!(
        report(&client, &server, 20_000, "k1").await.status,
        StatusCode::OK
    );
    assert_eq!(
        report(&client, &server, 60_000, "k2").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_costs_more_than_the_quota_holds_is_told_so_at_once() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for rows in [60_001, 1_000_000, u64::MAX] {
        let answer = report(&client, &server, rows, "k1").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{rows}");
        assert_eq!(answer.field("retry-after"), None, "no wait is enough");
        let problem = answer.problem();
        let detail = problem["detail"].as_str().expect("it says why");
        assert!(
            detail.contains("more than the quota ever allows"),
            "{detail}"
        );
        assert_eq!(problem["violated-policies"], serde_json::json!(["report"]));
    }
    assert_eq!(
        report(&client, &server, 60_000, "k1").await.status,
        StatusCode::OK
    );
}
