//! Pages on the same port: one cache, and one set of tags.

use reqwest::{Method, StatusCode};

use crate::{
    caller::{Caller, behind_its_back, next},
    client::{Client, send},
    server::{Scratch, Server},
};

#[tokio::test]
async fn an_update_by_grpc_frees_the_page_of_its_category() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let caller = Caller::of(&server).await;
    for slug in ["pasta", "pizza"] {
        let path = format!("/catalog/{slug}");
        let made = client.get(&server, &path).await;
        made.assert_stored_after("uri-miss");
        let kept = client.get(&server, &path).await;
        kept.assert_hit();
        assert_eq!(kept.body, made.body);
    }
    caller.update(9, "<Pasta> of both", 725).await.message();
    let page = client.get(&server, "/catalog/pasta").await;
    page.assert_stored_after("uri-miss");
    assert!(page.body.contains("&lt;Pasta&gt; of both"), "{}", page.body);
    client.get(&server, "/catalog/pizza").await.assert_hit();
}

#[tokio::test]
async fn a_form_frees_the_answers_of_the_service_and_is_told_to_who_watches() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let caller = Caller::of(&server).await;
    caller.get(9).await.assert_stored();
    caller.list("pasta").await.assert_stored();
    let mut watch = caller.watch().await;

    let form = [("name", "Pasta of both"), ("price", "7.25")];
    let leads = client.post(&server, "/items/9", &form).await;
    assert_eq!(leads, "/catalog/pasta");
    let item = caller.get(9).await;
    item.assert_stored();
    let item = item.message();
    assert_eq!((&*item.name, item.price_cents), ("Pasta of both", 725));
    assert_eq!(caller.list("pasta").await.message()[0], item);
    assert_eq!(next(&mut watch).await.expect("it goes on"), Some(item));
}

#[tokio::test]
async fn calls_and_pages_are_kept_apart_and_counted_together() {
    let dir = Scratch::new();
    let db = dir.file("menu.db");
    let (server, client) = (Server::start(&["--db", &db]).await, Client::new());
    let caller = Caller::of(&server).await;
    for _ in 0..2 {
        caller.list("pasta").await.message();
        client.get(&server, "/catalog/pasta").await;
    }
    behind_its_back(&db, "DELETE FROM order_items; DELETE FROM menu_items");
    caller.list("pasta").await.assert_hit();
    client.get(&server, "/catalog/pasta").await.assert_hit();

    let stats = client.json(&server, "/stats").await;
    for route in ["/catalog.Catalog/ListCategory", "/catalog/{category}"] {
        assert!(stats.to_string().contains(route), "{stats}");
    }
}

#[tokio::test]
async fn what_the_pages_cannot_do_they_refuse_as_pages() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let home = client.get(&server, "/").await;
    assert!(home.body.contains("/catalog/pasta"), "{}", home.body);
    for path in ["/catalog/soups", "/nothing", "/catalog.Other/GetItem"] {
        for _ in 0..2 {
            let answer = client.get(&server, path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    for (path, name, price, status) in [
        ("/items/9", "", "1", StatusCode::UNPROCESSABLE_ENTITY),
        ("/items/9", "a", "-1", StatusCode::UNPROCESSABLE_ENTITY),
        ("/items/9", "a", "1.999", StatusCode::UNPROCESSABLE_ENTITY),
        ("/items/9", "a", "10000", StatusCode::UNPROCESSABLE_ENTITY),
        ("/items/41", "a", "1", StatusCode::NOT_FOUND),
        ("/items/pasta", "a", "1", StatusCode::BAD_REQUEST),
    ] {
        let form = [("name", name), ("price", price)];
        let answer = send(client.ask(Method::POST, &server, path).form(&form)).await;
        assert_eq!(answer.status, status, "{path} {form:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn forms_and_calls_have_one_limit_and_each_is_refused_in_its_own_way() {
    let (server, client) = (Server::start(&["--updates", "2/h"]).await, Client::new());
    let caller = Caller::of(&server).await;
    let form = [("name", "a"), ("price", "1")];
    client.post(&server, "/items/9", &form).await;
    caller.update(9, "b", 1).await.message();
    let refused = caller.update(9, "c", 1).await;
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    let refused = send(client.ask(Method::POST, &server, "/items/9").form(&form)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.number("retry-after") > 0);
}
