//! What a visitor sees of the cache.

use reqwest::{Method, StatusCode};

use crate::{
    cache_status::CacheStatus,
    client::{Client, send},
    raw::Connection,
    server::Server,
};

const PAGES: [(&str, u64); 5] = [
    ("/", 1800),
    ("/dashboard", 3600),
    ("/menu", 1800),
    ("/menu/pizza", 1800),
    ("/popular", 7200),
];

#[tokio::test]
async fn each_page_is_made_once_and_then_served_with_its_age_and_time_left() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for (path, lifetime) in PAGES {
        let made = client.get(&server, path).await;
        made.assert_stored_after("uri-miss");
        assert_eq!(
            made.field("cache-control"),
            Some("no-cache"),
            "a browser's copy cannot be purged"
        );

        let hit = client.get(&server, path).await;
        hit.assert_hit();
        let (age, ttl) = (hit.number("age"), hit.cache().ttl());
        assert!(age <= 30, "{path} is {age} s old");
        assert_eq!(age + ttl, lifetime, "{path}");

        assert_eq!(hit.body, made.body);
        assert_eq!(hit.number("content-length"), hit.body.len() as u64);
        for same in ["date", "content-type", "cache-control", "vary"] {
            assert!(made.field(same).is_some(), "{path} has no {same}");
            assert_eq!(hit.field(same), made.field(same), "{path}");
        }
    }
}

#[tokio::test]
async fn the_status_of_an_order_is_never_cached() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let placed = client
        .post(&server, "/orders", &[("item", "3"), ("quantity", "2")])
        .await;
    for path in ["/orders/1", "/orders/20", placed.as_str()] {
        for _ in 0..2 {
            let order = client.get(&server, path).await;
            assert_eq!(order.status, StatusCode::OK, "{path}");
            assert_eq!(order.field("cache-control"), Some("no-store"));
            assert_eq!(
                (order.field("cache-status"), order.field("age")),
                (None, None)
            );
        }
    }
}

#[tokio::test]
async fn html_and_json_are_never_mixed() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    for (path, _) in PAGES {
        for round in ["made", "hit", "hit again"] {
            for accept in ["text/html", "application/json"] {
                let ask = client
                    .ask(Method::GET, &server, path)
                    .header("accept", accept);
                let page = send(ask).await;
                let kind = page.field("content-type").expect("a page has a type");
                assert!(
                    kind.starts_with(accept),
                    "{path} for {accept}, {round}: {kind}"
                );
                assert_eq!(page.body.starts_with('{'), accept == "application/json");
                assert_eq!(page.field("vary"), Some("accept"));
                match round {
                    "made" => page.assert_stored_after("uri-miss"),
                    _ => page.assert_hit(),
                }
            }
        }
    }
}

#[tokio::test]
async fn cookies_and_credentials_get_and_fill_the_shared_page() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let secrets = [
        ("cookie", "session=c00kie-secret"),
        ("authorization", "Bearer t0ken-secret"),
    ];
    for (path, (name, value)) in ["/menu", "/popular"].into_iter().zip(secrets) {
        let ask = |path| client.ask(Method::GET, &server, path).header(name, value);
        let made = send(ask(path)).await;
        made.assert_stored_after("uri-miss");
        let anonymous = client.get(&server, path).await;
        anonymous.assert_hit();
        assert_eq!(anonymous.body, made.body);
        let known = send(ask(path)).await;
        known.assert_hit();
        assert_eq!(known.body, made.body);
        assert!(!made.body.contains("secret"));
    }
    let log = server.log();
    assert!(
        !log.contains("secret"),
        "credentials are in the log:\n{log}"
    );
}

#[tokio::test]
async fn head_is_answered_from_the_page_of_get_and_fills_nothing() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let head = async |path| send(client.ask(Method::HEAD, &server, path)).await;

    for _ in 0..2 {
        let missed = head("/menu").await;
        assert_eq!(missed.status, StatusCode::OK);
        assert_eq!(missed.cache(), CacheStatus::of(&[("fwd", "uri-miss")]));
    }
    let page = client.get(&server, "/menu").await;
    page.assert_stored_after("uri-miss");
    let hit = head("/menu").await;
    hit.assert_hit();
    assert_eq!(hit.body, "");
    assert_eq!(hit.number("content-length"), page.body.len() as u64);
    assert_eq!(hit.field("content-type"), page.field("content-type"));

    // A body after HEAD would be read as the next answer.
    let mut connection = Connection::open(server.address).await;
    connection.ask("HEAD", "/menu", &[]).await;
    connection.ask("GET", "/menu", &[]).await;
    let first = connection.head().await;
    let second = connection.head().await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.length(), second.length());
    assert_eq!(connection.body(&second).await, Some(page.body.into_bytes()));
}

#[tokio::test]
async fn an_error_is_not_stored() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let long = format!("/menu/{}", "x".repeat(5000));
    for path in ["/menu/none", "/menu/%00", &long, "/nowhere", "/orders/x"] {
        for _ in 0..2 {
            let error = client.get(&server, path).await;
            assert_eq!(error.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(error.field("age"), None);
            let status = error.field("cache-status").map(CacheStatus::parse);
            assert!(status.is_none_or(|status| !status.is_hit() && status.get("stored").is_none()));
        }
    }
}

#[tokio::test]
async fn a_client_can_neither_force_the_handler_to_run_nor_ask_what_is_stored() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let fields = [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("cache-control", "min-fresh=99999999"),
        ("cache-control", "only-if-cached"),
        ("pragma", "no-cache"),
    ];
    for (query, (name, value)) in fields.into_iter().enumerate() {
        let path = format!("/dashboard?{query}");
        let ask = || client.ask(Method::GET, &server, &path).header(name, value);
        send(ask()).await.assert_stored_after("uri-miss");
        send(ask()).await.assert_hit();
    }
    // A page that is stored may answer whoever wants nothing stored; and fills nothing otherwise.
    let ask = |path| {
        client
            .ask(Method::GET, &server, path)
            .header("cache-control", "no-store")
    };
    send(ask("/dashboard?0")).await.assert_hit();
    for _ in 0..2 {
        let made = send(ask("/popular")).await;
        assert!(
            !made.cache().is_hit() && made.cache().get("stored").is_none(),
            "{made:?}"
        );
    }
}
