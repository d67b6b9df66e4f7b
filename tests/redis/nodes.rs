//! Processes that share their pages.

use reqwest::StatusCode;

use crate::{
    client::{Answer, Client},
    process::{Options, Redis, free_port},
    raw::within,
    server::{Scratch, Server},
};

#[tokio::test]
async fn two_nodes_answer_each_others_pages_and_see_each_others_changes() {
    let (dir, client) = (Scratch::new(), Client::new());
    let redis = Redis::start(Options::default()).await;
    let (db, url) = (dir.file("shared.db"), redis.url());
    let flags = |node| ["--db", &db, "--redis", &url, "--node", node];
    let one = Server::start(&flags("a1")).await;
    let other = Server::start(&flags("b2")).await;

    let made = client.get(&one, "/menu/pasta").await;
    made.assert_stored_after("uri-miss");
    assert_eq!(made.field("x-node"), Some("a1"));
    let found = hit(&client, &other, "/menu/pasta").await;
    assert_eq!(found.body, made.body);
    assert_eq!(
        found.field("x-node"),
        Some("b2"),
        "who answers, not who made"
    );

    let form = [("name", "Pasta of both"), ("price", "7.25")];
    client.post(&other, "/menu/items/9", &form).await;
    for server in [&one, &other] {
        let pasta = client.json(server, "/menu/pasta").await;
        assert_eq!(pasta["items"][0]["name"], "Pasta of both");
    }
}

#[tokio::test]
async fn an_order_on_one_node_shows_on_the_dashboard_of_all_at_once() {
    let (dir, client) = (Scratch::new(), Client::new());
    let redis = Redis::start(Options::default()).await;
    let (db, url) = (dir.file("shared.db"), redis.url());
    let flags = ["--db", &db, "--redis", &url];
    let one = Server::start(&flags).await;
    let other = Server::start(&flags).await;
    for placed in 0..4 {
        let here = [&one, &other][placed % 2];
        for server in [&one, &other] {
            let dashboard = client.json(server, "/dashboard").await;
            assert_eq!(dashboard["orders"], 20 + placed);
            let days = dashboard["revenue_by_day"].as_array().expect("a list");
            let by_day = days.iter().filter_map(|day| day["orders"].as_u64());
            assert_eq!(by_day.sum::<u64>(), 20 + placed as u64);
        }
        let form = [("item", "18"), ("quantity", "2")];
        client.post(here, "/orders", &form).await;
    }
}

#[tokio::test]
async fn values_stand_in_redis_under_their_names_for_as_long_as_their_loaders_say() {
    let client = Client::new();
    let redis = Redis::start(Options::default()).await;
    let url = redis.url();
    let server = Server::start(&["--redis", &url]).await;
    client.get(&server, "/menu").await;
    client.get(&server, "/dashboard").await;

    let sections = redis.ask(&["KEYS", "restaurant:1:section:*"]).await;
    let mut sections: Vec<_> = sections.lines().collect();
    sections.sort_unstable();
    let slugs = ["desserts", "drinks", "pasta", "pizza", "starters"];
    assert_eq!(
        sections,
        slugs.map(|slug| format!("restaurant:1:section:{slug}"))
    );
    let days = redis.ask(&["KEYS", "restaurant:1:takings:*"]).await;
    let mut days: Vec<_> = days.lines().collect();
    days.sort_unstable();
    assert_eq!(days.len(), 14);
    let left = async |key: &str| -> i64 {
        let left = redis.ask(&["PTTL", key]).await;
        left.parse().expect("a number of milliseconds")
    };
    assert!(left(days[13]).await > 0, "today changes");
    for day in &days[..12] {
        assert_eq!(left(day).await, -1, "{day} is over");
    }
}

#[tokio::test]
async fn a_node_that_flushes_at_its_start_frees_the_pages_of_all() {
    let (dir, client) = (Scratch::new(), Client::new());
    let redis = Redis::start(Options::default()).await;
    let (db, url) = (dir.file("shared.db"), redis.url());
    let flags = ["--db", &db, "--redis", &url, "--flush-on-start"];
    let one = Server::start(&flags[..4]).await;
    redis.ask(&["SET", "of:somebody:else", "1"]).await;
    hit(&client, &one, "/menu").await;
    let other = Server::start(&flags[..4]).await;
    client.get(&other, "/menu").await.assert_hit();
    let third = Server::start(&flags).await;
    says(&third, "the cache is cleared").await;
    for server in [&third, &one, &other] {
        let answer = client.get(server, "/menu").await;
        assert_eq!(answer.status, StatusCode::OK);
        if std::ptr::eq(server, &third) {
            assert!(!answer.cache().is_hit(), "all were freed");
        }
        hit(&client, server, "/menu").await;
    }
    assert_eq!(redis.ask(&["GET", "of:somebody:else"]).await, "1");
}

#[tokio::test]
async fn a_node_starts_and_serves_while_redis_is_away() {
    let client = Client::new();
    let redis = Redis::start(Options {
        password: Some("sesame"),
        ..Options::default()
    })
    .await;
    redis.kill();
    let url = redis.url();
    let server = Server::start(&["--redis", &url, "--flush-on-start"]).await;
    for _ in 0..10 {
        let answer = client.get(&server, "/menu").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.cache().is_hit());
    }
    redis.restart().await;
    hit(&client, &server, "/menu").await;
    assert!(!server.log().contains("sesame"), "{}", server.log());

    let nowhere = format!("redis://alibaba:sesame@127.0.0.1:{}", free_port());
    let server = Server::start(&["--redis", &nowhere, "--flush-on-start"]).await;
    says(&server, "pages are made without it until it answers").await;
    says(&server, "as soon as the store is there").await;
    let log = server.log();
    assert!(!log.contains("sesame") && !log.contains("alibaba"), "{log}");
}

/// Asks until the page is stored, and answers the hit: storing goes on behind the answer.
async fn hit(client: &Client, server: &Server, path: &str) -> Answer {
    let asking = async {
        loop {
            let answer = client.get(server, path).await;
            if answer.cache().is_hit() {
                return answer;
            }
        }
    };
    within("the page is stored", asking).await
}

/// Waits until the log says it.
async fn says(server: &Server, text: &str) {
    within(text, async {
        while !server.log().contains(text) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
