//! Whose address counts.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    server::Server,
};

async fn search(client: &Client, server: &Server, fields: &[(&str, &str)]) -> Answer {
    let mut ask = client.ask(Method::GET, server, "/search?q=");
    for (name, value) in fields {
        ask = ask.header(*name, *value);
    }
    send(ask).await
}

#[tokio::test]
async fn forged_addresses_do_not_help() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let mut admitted = 0;
    for nth in 0..160 {
        let forged = format!("192.0.2.{nth}");
        let by = format!("for={forged}");
        let fields = [
            ("x-forwarded-for", forged.as_str()),
            ("forwarded", &by),
            ("x-real-ip", &forged),
            ("cf-connecting-ip", &forged),
        ];
        let answer = search(&client, &server, &fields).await;
        admitted += usize::from(answer.status == StatusCode::OK);
        assert!(!answer.body.contains(&forged));
    }
    assert!((100..160).contains(&admitted), "{admitted} were served");
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_the_last_address_that_is_not_counts() {
    let server = Server::start(&["--trust-proxy", "127.0.0.1"]).await;
    let (proxy, other) = (Client::new(), Client::from([127, 0, 0, 2].into()));
    let left = async |client: &Client, chain: &str| {
        search(client, &server, &[("x-forwarded-for", chain)])
            .await
            .left()
    };
    assert_eq!(left(&proxy, "192.0.2.1").await, 99);
    assert_eq!(left(&proxy, "192.0.2.2").await, 99);
    assert_eq!(left(&proxy, "203.0.113.9, 192.0.2.1, 127.0.0.1").await, 98);
    // Whoever is no proxy is taken for itself.
    assert_eq!(left(&other, "192.0.2.1").await, 99);
    assert_eq!(left(&other, "192.0.2.3").await, 98);
}

#[tokio::test]
async fn the_addresses_of_one_network_of_ipv6_share_a_quota() {
    let server = Server::start(&["--trust-proxy", "127.0.0.1"]).await;
    let client = Client::new();
    let mut admitted = 0;
    for nth in 0..160 {
        let from = format!("2001:db8:1:2::{nth:x}");
        let answer = search(&client, &server, &[("x-forwarded-for", &from)]).await;
        admitted += usize::from(answer.status == StatusCode::OK);
    }
    assert!((100..160).contains(&admitted), "{admitted} were served");
    let neighbour = [("x-forwarded-for", "2001:db8:1:3::1")];
    assert_eq!(search(&client, &server, &neighbour).await.left(), 99);
}
