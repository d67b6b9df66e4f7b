//! Processes that count together in Redis.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    redis::{Options, Redis},
    server::Server,
};

async fn sign_in(client: &Client, server: &Server, nth: usize) -> Answer {
    let account = format!("account-{nth}");
    let form = [("account", account.as_str()), ("password", "wrong")];
    send(client.ask(Method::POST, server, "/sign-in").form(&form)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_let_no_more_through_than_one() {
    let redis = Redis::start(Options::default()).await;
    let url = redis.url();
    let flags = ["--redis", &url, "--nodes", "2"];
    let nodes = [Server::start(&flags).await, Server::start(&flags).await];

    let client = Client::new();
    // By sixteens: what a busy machine answers too late, each node would estimate by itself.
    let mut answers = Vec::new();
    for first in [0, 16, 32, 48] {
        let attempts = (first..first + 16).map(|nth| sign_in(&client, &nodes[nth % 2], nth));
        answers.extend(join_all(attempts).await);
    }
    let failed = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNAUTHORIZED);
    assert_eq!(failed.count(), 5);
    let refused = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.count(), 59);

    let search = async |node: usize| {
        let ask = client.ask(Method::GET, &nodes[node], "/search?q=tart");
        send(ask.header("x-api-key", "k3")).await
    };
    assert_eq!(search(0).await.left(), 99);
    assert_eq!(search(1).await.left(), 98);
    let keys = redis.ask(&["KEYS", "*"]).await;
    assert!(!keys.contains("k3") && !keys.contains("account-"), "{keys}");
}

#[tokio::test]
async fn while_redis_is_away_each_node_admits_its_share() {
    let redis = Redis::start(Options::default()).await;
    let url = redis.url();
    let server = Server::start(&["--redis", &url, "--nodes", "5"]).await;
    let client = Client::new();
    assert_eq!(
        sign_in(&client, &server, 0).await.status,
        StatusCode::UNAUTHORIZED
    );
    redis.kill();
    let attempts: Vec<_> = (1..9).collect();
    let mut through = 0;
    for nth in attempts {
        through +=
            usize::from(sign_in(&client, &server, nth).await.status == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(through, 1, "a fifth of five");
}
