//! Several users at once, with changes in between.

use futures_util::future::join_all;

use crate::{client::Answer, server::Server, visitor::Visitor};

/// Sees that this is the visitor's own page, with nothing of the others in it.
#[track_caller]
fn assert_not_of_others(visitor: &Visitor, all: &[Visitor], page: &Answer) {
    visitor.assert_sees_own(page);
    for other in all.iter().filter(|other| other.name != visitor.name) {
        assert!(
            !page.body.contains(&other.name),
            "{} sees {}: {page:?}",
            visitor.name,
            other.name
        );
    }
}

/// Every visitor asks `asks` times at once while adding `changes` expenses that carry the visitor's name, and sees each of those.
async fn round(server: &Server, visitors: &[Visitor], round: usize, asks: usize, changes: usize) {
    let asking = (0..asks).flat_map(|_| visitors).map(async |visitor| {
        let page = visitor.dashboard(server).await;
        assert_not_of_others(visitor, visitors, &page);
    });
    let changing = (0..changes)
        .flat_map(|nth| visitors.iter().map(move |visitor| (nth, visitor)))
        .map(async |(nth, visitor)| {
            let description = format!("secret {round}-{nth} of {}", visitor.name);
            let category = format!("things of {}", visitor.name);
            visitor.spend(server, "1.25", &category, &description).await;
            let page = visitor.dashboard(server).await;
            assert_not_of_others(visitor, visitors, &page);
            assert!(page.body.contains(&description), "{description}: {page:?}");
        });
    tokio::join!(join_all(asking), join_all(changing));
}

async fn signed_in(server: &Server, names: impl Iterator<Item = &str>) -> Vec<Visitor> {
    join_all(names.map(|name| Visitor::sign_in(server, name))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_at_once_never_see_each_others_page() {
    let server = Server::start(&[]).await;
    let visitors = signed_in(&server, ["Xanthippe", "Bartholomew"].into_iter()).await;
    for nth in 0..5 {
        round(&server, &visitors, nth, 50, 3).await;
    }
    // And each has a page stored in the end.
    for visitor in &visitors {
        let page = visitor.fill(&server).await;
        assert_not_of_others(visitor, &visitors, &page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_whose_names_look_alike_are_others() {
    let server = Server::start(&[]).await;
    // None is a part of another, or finding one would say nothing.
    let names = [
        "\u{e9}-composed",
        "e\u{301}-composed",
        "Zoe:1",
        "user:1",
        "session=1",
        "1;zoe",
        "zoe=a&b=c",
        "ZOE:1",
        "%5A%6F%65",
        "zoe 1",
        "zoe\u{a0}1",
        "zoe\u{200b}1",
    ];
    // Where names are escaped, they look otherwise in the page.
    let plain = names.into_iter().filter(|name| !name.contains('&'));
    let visitors = signed_in(&server, plain).await;
    for nth in 0..3 {
        round(&server, &visitors, nth, 5, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_of_one_user_at_once_run_the_handler_once() {
    let server = Server::start(&[]).await;
    let ann = Visitor::sign_in(&server, "Ann").await;
    let answers = join_all((0..50).map(|_| ann.dashboard(&server))).await;
    let made = answers
        .iter()
        .filter(|answer| answer.cache().get("stored").is_some())
        .count();
    assert_eq!(made, 1, "the handler ran for {made} of 50");
    for answer in &answers {
        ann.assert_sees_own(answer);
    }
}
