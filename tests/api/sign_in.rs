//! 5 failures a minute for each address, and 10 an hour for each account.

use std::net::Ipv4Addr;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    server::Server,
};

/// As `GET /` tells.
const RIGHT: &str = "sesame";
const WRONG: &str = "open";

async fn sign_in(client: &Client, server: &Server, account: &str, password: &str) -> Answer {
    let form = [("account", account), ("password", password)];
    send(client.ask(Method::POST, server, "/sign-in").form(&form)).await
}

/// Clients with addresses of their own.
fn crowd(count: u8) -> impl Iterator<Item = Client> {
    (0..count).map(|nth| Client::from(Ipv4Addr::new(127, 0, 1, nth + 1)))
}

fn violated(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    answer.problem()["violated-policies"].clone()
}

#[tokio::test]
async fn the_password_decides_and_the_answer_tells_of_both_quotas() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let about = client.json(&server, "/").await;
    let told = about["POST /sign-in"]["password"].as_str();
    assert!(told.is_some_and(|told| told.contains(RIGHT)));

    let right = sign_in(&client, &server, "ann", RIGHT).await;
    assert_eq!(right.status, StatusCode::OK);
    assert_eq!(right.body, r#"{"account":"ann","signed_in":true}"#);
    let wrong = sign_in(&client, &server, "ann", WRONG).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.field("www-authenticate").is_some());
    assert!(!wrong.body.contains("ann"));
    let mut policies = wrong.policies();
    policies.sort();
    let account = ("account".to_owned(), 10, Some(3_600));
    assert_eq!(policies, [account, ("address".to_owned(), 5, Some(60))]);
    let left = |policy| {
        let limits = wrong.limits().into_iter();
        limits
            .filter(|limit| limit.policy == policy)
            .map(|limit| limit.left)
            .collect::<Vec<_>>()
    };
    assert_eq!((left("account"), left("address")), (vec![9], vec![4]));
}

#[tokio::test]
async fn of_64_failures_at_once_no_more_than_5_get_through() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let accounts: Vec<_> = (0..64).map(|nth| format!("account-{nth}")).collect();
    let attempts = accounts
        .iter()
        .map(|account| sign_in(&client, &server, account, WRONG));
    let answers = join_all(attempts).await;
    let refused = answers
        .iter()
        .filter(|answer| answer.status != StatusCode::UNAUTHORIZED);
    let refused: Vec<_> = refused.map(violated).collect();
    assert_eq!(refused, vec![serde_json::json!(["address"]); 59]);
    // Nor does the right password get through now, by which it could be told from the others.
    let right = sign_in(&client, &server, "ann", RIGHT).await;
    assert_eq!(violated(&right), serde_json::json!(["address"]));
}

#[tokio::test]
async fn failures_from_many_addresses_lock_an_account_and_successes_do_not_count() {
    let server = Server::start(&[]).await;
    for client in crowd(2) {
        for _ in 0..12 {
            let answer = sign_in(&client, &server, "bob", RIGHT).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
    }
    let clients: Vec<_> = crowd(12).skip(2).collect();
    let attempts = clients.iter().flat_map(|client| [client; 4]);
    let attempts = attempts.map(|client| sign_in(client, &server, "bob", WRONG));
    let answers = join_all(attempts).await;
    let failed = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNAUTHORIZED);
    assert_eq!(failed.count(), 10);
    let refused = answers
        .iter()
        .filter(|answer| answer.status != StatusCode::UNAUTHORIZED);
    for answer in refused {
        assert_eq!(violated(answer), serde_json::json!(["account"]));
        assert!(answer.number("retry-after") <= 360);
    }
    // The right password does not help now; another account, from the same address, is another matter.
    let right = sign_in(&clients[0], &server, "bob", RIGHT).await;
    assert_eq!(violated(&right), serde_json::json!(["account"]));
    let other = sign_in(&clients[1], &server, "eve", RIGHT).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_that_names_two_accounts_signs_nobody_in() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for form in [
        &[("account", "ann"), ("account", "bob"), ("password", RIGHT)][..],
        &[("account", "ann")],
        &[("password", RIGHT)],
        &[],
    ] {
        let answer = send(client.ask(Method::POST, &server, "/sign-in").form(form)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{form:?}");
    }
}

#[tokio::test]
async fn the_handler_gets_the_whole_form_whatever_its_length() {
    let server = Server::start(&[]).await;
    let mut clients = crowd(4);
    for length in [10_usize, 60 << 10, 1 << 20] {
        let client = clients.next().expect("there are enough");
        let long = "a".repeat(length);
        let form = [
            ("other", long.as_str()),
            ("account", "ann"),
            ("password", RIGHT),
        ];
        let answer = send(client.ask(Method::POST, &server, "/sign-in").form(&form)).await;
        assert_eq!(answer.status, StatusCode::OK, "{length}");
    }
    let client = clients.next().expect("there are enough");
    let form = [("other", "a".repeat(3 << 20))];
    let answer = send(client.ask(Method::POST, &server, "/sign-in").form(&form)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
