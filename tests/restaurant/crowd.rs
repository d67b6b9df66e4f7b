//! Many clients at once, and clients that go away.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::{
    cache_status::CacheStatus,
    client::{Answer, Client},
    raw::Connection,
    server::Server,
};

/// Long enough for every client of a crowd to arrive while the page is being made.
const SLOW: [&str; 2] = ["--work", "300"];

fn stored() -> CacheStatus {
    CacheStatus::of(&[("fwd", "uri-miss"), ("stored", "?1")])
}

fn collapsed() -> CacheStatus {
    CacheStatus::of(&[("fwd", "uri-miss"), ("collapsed", "?1")])
}

/// Asks for a page `count` times at once, each time on a connection of its own.
async fn crowd(server: &Server, path: &str, count: usize) -> Vec<Answer> {
    let asks = (0..count).map(async |_| Client::new().get(server, path).await);
    join_all(asks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_concurrent_misses_run_the_handler_once() {
    let server = Server::start(&SLOW).await;
    let answers = crowd(&server, "/dashboard", 50).await;

    let made = answers
        .iter()
        .filter(|answer| answer.cache() == stored())
        .count();
    assert_eq!(made, 1, "the handler ran for {made} of 50");
    for answer in &answers {
        let status = answer.cache();
        assert!(
            status == stored() || status == collapsed() || status.is_hit(),
            "{status:?}"
        );
        assert_eq!(
            (answer.status, &answer.body),
            (answers[0].status, &answers[0].body)
        );
        assert_eq!(answer.field("date"), answers[0].field("date"));
    }
    Client::new().get(&server, "/dashboard").await.assert_hit();
}

/// Lets one client ask first and `leave`, while others wait for its page; answers what they got.
///
/// Which of them the server hears first is for the machine to decide. So it is tried with one page after another, until the one that left is
/// the one whose request ran the handler: none of the others has `stored` then.
async fn leader_leaves<L: Future<Output = ()>>(
    server: &Server,
    leave: impl Fn(Connection) -> L,
) -> Vec<Answer> {
    for attempt in 0..20 {
        let path = format!("/menu?attempt={attempt}");
        let mut leader = Connection::open(server.address).await;
        // As the others, or it would be answered with another variant.
        leader.ask("GET", &path, &["Accept: */*"]).await;
        let left = leave(leader);
        let (answers, ()) = tokio::join!(crowd(server, &path, 8), left);

        let made = answers
            .iter()
            .filter(|answer| answer.cache().get("stored").is_some())
            .count();
        assert!(made <= 1, "the handler ran {made} times beside the leader");
        for answer in &answers {
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("Margherita"), "{answer:?}");
        }
        Client::new().get(server, &path).await.assert_hit();
        if made == 0 {
            return answers;
        }
    }
    panic!("in 20 attempts the first to ask was never the first to be heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_closes_its_connection_leaves_its_page_to_those_who_wait() {
    let server = Server::start(&SLOW).await;
    let answers = leader_leaves(&server, async |leader| drop(leader)).await;
    for answer in answers {
        let status = answer.cache();
        assert!(status == collapsed() || status.is_hit(), "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_leaves_alone_still_fills_the_page() {
    let (server, client) = (Server::start(&SLOW).await, Client::new());
    let mut leader = Connection::open(server.address).await;
    leader.ask("GET", "/popular", &["Accept: */*"]).await;
    drop(leader);
    // Either this request joins the fill that goes on, or it is the first to be heard.
    let page = client.get(&server, "/popular").await;
    assert!([stored(), collapsed()].contains(&page.cache()) || page.cache().is_hit());
    client.get(&server, "/popular").await.assert_hit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_closes_in_the_middle_of_the_body_disturbs_nobody() {
    let server = Server::start(&SLOW).await;
    leader_leaves(&server, async |mut leader| {
        let head = leader.head().await;
        assert_eq!(head.status, 200);
        let beginning = leader.exactly(10).await;
        assert_eq!(beginning.as_deref(), Some(&b"<!DOCTYPE "[..]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_disturbs_nobody() {
    let server = Server::start(&SLOW).await;
    let silent = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    leader_leaves(&server, async |leader| silent.lock().await.push(leader)).await;
}
