//! How many orders one address may place.

use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    server::Server,
};

async fn order(client: &Client, server: &Server, accept: &str) -> Answer {
    let form = [("item", "3"), ("quantity", "1")];
    let ask = client.ask(Method::POST, server, "/orders").form(&form);
    send(ask.header("accept", accept)).await
}

#[tokio::test]
async fn whoever_orders_too_much_is_asked_to_wait_in_the_format_of_the_pages() {
    let (server, client) = (Server::start(&["--orders", "3/4s"]).await, Client::new());
    for _ in 0..3 {
        let placed = order(&client, &server, "*/*").await;
        assert_eq!(placed.status, StatusCode::SEE_OTHER);
    }
    // One comes back in 4/3 s; none of these takes it.
    let html = order(&client, &server, "text/html").await;
    let json = order(&client, &server, "application/json").await;
    for (refused, content_type) in [
        (&html, "text/html; charset=utf-8"),
        (&json, "application/json"),
    ] {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.field("content-type"), Some(content_type));
        assert_eq!(refused.field("cache-control"), Some("no-store"));
        assert_eq!(
            refused.field("ratelimit-policy"),
            Some("\"orders\";q=3;w=4")
        );
        assert!((1..=2).contains(&refused.number("retry-after")));
        assert!(refused.body.contains("please try again in"), "{refused:?}");
    }
    // Nothing else waits with it, and nobody else.
    assert_eq!(client.get(&server, "/menu").await.status, StatusCode::OK);
    let neighbour = Client::from([127, 0, 0, 2].into());
    let placed = order(&neighbour, &server, "*/*").await;
    assert_eq!(placed.status, StatusCode::SEE_OTHER);
    let dashboard = client.json(&server, "/dashboard").await;
    assert_eq!(
        dashboard["orders"], 24,
        "20 from before, and 4 that were placed"
    );

    let wait = order(&client, &server, "*/*").await;
    if wait.status != StatusCode::SEE_OTHER {
        tokio::time::sleep(Duration::from_secs(wait.number("retry-after"))).await;
        let again = order(&client, &server, "*/*").await;
        assert_eq!(
            again.status,
            StatusCode::SEE_OTHER,
            "it waited as it was told to"
        );
    }
}
