//! 100 searches a minute for each user, and else for each address.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::{
    client::{Answer, Client, send},
    fields::Limit,
    server::Server,
};

const PATH: &str = "/search?q=soup";

async fn search(client: &Client, server: &Server, key: Option<&str>) -> Answer {
    let ask = client.ask(Method::GET, server, PATH);
    send(match key {
        Some(key) => ask.header("x-api-key", key),
        None => ask,
    })
    .await
}

/// Asks so often, one after the other, and answers how often it was served.
async fn served(client: &Client, server: &Server, key: Option<&str>, times: usize) -> usize {
    let mut served = 0;
    for _ in 0..times {
        served += usize::from(search(client, server, key).await.status == StatusCode::OK);
    }
    served
}

#[tokio::test]
async fn each_answer_tells_what_is_left_also_those_from_the_cache() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for (asked, left) in [99, 98, 97].into_iter().enumerate() {
        let answer = search(&client, &server, Some("k1")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.cache().is_hit(), asked > 0);
        let limit = Limit {
            policy: "search".to_owned(),
            left,
            next: Some(1),
        };
        assert_eq!(answer.limits(), [limit]);
        assert_eq!(answer.policies(), [("search".to_owned(), 100, Some(60))]);
    }
}

#[tokio::test]
async fn who_is_over_is_told_why_and_succeeds_at_the_first_try_after_waiting() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let asked = (0..150).map(|_| search(&client, &server, Some("k1")));
    let refused: Vec<Answer> = join_all(asked)
        .await
        .into_iter()
        .filter(|answer| answer.status != StatusCode::OK)
        .collect();
    let admitted = 150 - refused.len();
    // 100 at once; and one more for each 600 ms that it took.
    assert!((100..150).contains(&admitted), "{admitted} were served");

    for answer in &refused {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        let problem = answer.problem();
        assert_eq!(
            problem["type"],
            "https://iana.org/assignments/http-problem-types#quota-exceeded"
        );
        assert_eq!(problem["violated-policies"], serde_json::json!(["search"]));
        let limits = answer.limits();
        assert_eq!((limits[0].left, limits.len()), (0, 1));
        let wait = i64::try_from(answer.number("retry-after")).expect("it is small");
        assert!(wait >= 1 && limits[0].next.is_some_and(|next| next <= wait));
    }

    while search(&client, &server, Some("k1")).await.status == StatusCode::OK {}
    let refused = search(&client, &server, Some("k1")).await;
    if refused.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_secs(refused.number("retry-after"))).await;
        let again = search(&client, &server, Some("k1")).await;
        assert_eq!(again.status, StatusCode::OK, "it waited as it was told to");
    }
}

#[tokio::test]
async fn users_have_quotas_of_their_own_wherever_they_are() {
    let server = Server::start(&[]).await;
    let (here, there) = (Client::new(), Client::from([127, 0, 0, 2].into()));
    assert_eq!(search(&here, &server, Some("k1")).await.left(), 99);
    assert_eq!(search(&there, &server, Some("k1")).await.left(), 98);
    assert_eq!(search(&here, &server, Some("k2")).await.left(), 99);
    assert_eq!(search(&here, &server, None).await.left(), 99);
    assert_eq!(search(&there, &server, None).await.left(), 99);
}

#[tokio::test]
async fn keys_that_nobody_knows_bring_no_quota_of_their_own() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let mut admitted = served(&client, &server, None, 40).await;
    assert_eq!(admitted, 40);
    for key in 0..120 {
        let key = format!("k1{key}");
        admitted += served(&client, &server, Some(&key), 1).await;
    }
    // One bucket for the address: 100, and what came back while it was asked.
    assert!((100..160).contains(&admitted), "{admitted} were served");
    let two = client.ask(Method::GET, &server, PATH);
    let two = two.header("x-api-key", "k1").header("x-api-key", "k2");
    assert_eq!(send(two).await.limits()[0].left, 0);
    assert_eq!(search(&client, &server, Some("k1")).await.left(), 99);
}

#[tokio::test]
async fn whoever_reads_no_problem_documents_is_told_in_a_line_of_text() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let refused = loop {
        let ask = client.ask(Method::GET, &server, PATH);
        let answer = send(ask.header("accept", "text/html")).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        refused.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(refused.body.lines().count(), 1);
    let ask = client.ask(Method::HEAD, &server, PATH);
    let head = send(ask.header("x-api-key", "k5")).await;
    assert_eq!((head.status, head.left()), (StatusCode::OK, 99));
}
