//! What the two forms free, and what they refuse.

use reqwest::{Method, StatusCode};

use crate::{
    client::{Client, send},
    server::Server,
};

/// Makes these pages, and sees that they are stored.
async fn fill(client: &Client, server: &Server, paths: &[&str]) {
    for path in paths {
        client.get(server, path).await;
        client.get(server, path).await.assert_hit();
    }
}

#[tokio::test]
async fn a_placed_order_frees_dashboard_and_popular_at_once_and_not_the_menu() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    fill(
        &client,
        &server,
        &["/dashboard", "/popular", "/menu", "/menu/pizza", "/"],
    )
    .await;
    let before = client.json(&server, "/dashboard").await;
    client.json(&server, "/popular").await;
    assert_eq!(before["orders"], 20);

    let order = client
        .post(&server, "/orders", &[("item", "40"), ("quantity", "99")])
        .await;
    assert_eq!(order, "/orders/21");

    // Both variants of each are gone.
    let after = client.json(&server, "/dashboard").await;
    assert_eq!(after["orders"], 21);
    assert_eq!(
        after["items_sold"],
        before["items_sold"].as_u64().expect("a count") + 99
    );
    let popular = client.json(&server, "/popular").await;
    assert_eq!(popular["items"][0]["name"], "Draught beer");
    for path in ["/dashboard", "/popular"] {
        client
            .get(&server, path)
            .await
            .assert_stored_after("uri-miss");
        client.get(&server, path).await.assert_hit();
    }
    for path in ["/menu", "/menu/pizza", "/"] {
        client.get(&server, path).await.assert_hit();
    }

    let page = client.json(&server, &order).await;
    assert_eq!(
        (&page["id"], &page["status"]),
        (&21.into(), &"received".into())
    );
    assert_eq!(page["lines"][0]["quantity"], 99);
}

#[tokio::test]
async fn a_changed_item_frees_the_pages_that_show_it_at_once_and_no_other() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let shows_it = ["/", "/menu", "/menu/pizza", "/popular"];
    let shows_it_not = ["/menu/desserts", "/menu/pasta", "/dashboard"];
    fill(&client, &server, &shows_it).await;
    fill(&client, &server, &shows_it_not).await;
    // So that /popular shows the item. The start page shows it as one of its picks.
    client
        .post(&server, "/orders", &[("item", "18"), ("quantity", "99")])
        .await;
    fill(&client, &server, &["/dashboard", "/popular"]).await;

    let form = [("name", "Margherita della nonna"), ("price", "9.05")];
    assert_eq!(
        client.post(&server, "/menu/items/18", &form).await,
        "/menu/pizza"
    );

    for path in shows_it {
        let page = client.get(&server, path).await;
        page.assert_stored_after("uri-miss");
        assert!(
            page.body.contains("Margherita della nonna"),
            "{path}: {}",
            page.body
        );
        assert!(page.body.contains("9.05"), "{path}: {}", page.body);
        client.get(&server, path).await.assert_hit();
    }
    for path in shows_it_not {
        client.get(&server, path).await.assert_hit();
    }
}

#[tokio::test]
async fn a_change_is_seen_by_whoever_asks_after_it_however_many_pages_are_being_made() {
    // The wait stands between query and answer: most changes come while a page with the old name is on its way.
    let (server, client) = (Server::start(&["--work", "30"]).await, Client::new());
    for round in 0..9 {
        let path = ["/menu/pizza", "/menu", "/"][round % 3];
        let name = format!("Pizza number {round}");
        let (server, client) = (&server, &client);
        let crowd =
            futures_util::future::join_all((0..8).map(async |_| client.get(server, path).await));
        let change = async {
            client
                .post(server, "/menu/items/18", &[("name", &name), ("price", "5")])
                .await;
            let after = client.get(server, path).await;
            assert!(
                after.body.contains(&name),
                "{name} is not in {:?}",
                after.cache()
            );
        };
        tokio::join!(crowd, change);
        let later = client.get(server, path).await;
        assert!(
            later.body.contains(&name),
            "{name} is not in {:?}",
            later.cache()
        );
    }
}

#[tokio::test]
async fn names_stand_verbatim_in_html_and_json_whatever_their_letters() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let names = [
        (
            r#"<script>alert("1 & 2")</script>"#,
            "&lt;script&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt;",
        ),
        (
            r#"\"},{"x":"\u0041"#,
            r#"\&quot;},{&quot;x&quot;:&quot;\u0041"#,
        ),
        ("Crème brûlée 🍮 \u{202e}", "Crème brûlée 🍮 \u{202e}"),
        ("100% &amp; +20%2B {{x}}", "100% &amp;amp; +20%2B {{x}}"),
        ("' OR 1=1; --", "' OR 1=1; --"),
    ];
    for (name, html) in names {
        client
            .post(
                &server,
                "/menu/items/25",
                &[("name", name), ("price", "7.2")],
            )
            .await;
        for path in ["/menu", "/menu/desserts"] {
            let page = client.get(&server, path).await;
            let unescaped = name.contains('<') && page.body.contains(name);
            assert!(page.body.contains(html) && !unescaped, "{name:?} on {path}");
        }
        let json = client.json(&server, "/menu/desserts").await;
        assert_eq!(json["items"][0]["name"], name);
        assert_eq!(json["items"][0]["price"], "7.20");
        // An order keeps the name of its day.
        let order = client
            .post(&server, "/orders", &[("item", "25"), ("quantity", "1")])
            .await;
        assert_eq!(client.json(&server, &order).await["lines"][0]["name"], name);
    }
}

#[tokio::test]
async fn what_is_refused_is_a_client_error_and_frees_nothing() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    let pages = ["/", "/menu", "/menu/starters", "/dashboard", "/popular"];
    fill(&client, &server, &pages).await;

    let long = "x".repeat(121);
    let forms: &[(&str, &[(&str, &str)])] = &[
        ("/orders", &[]),
        ("/orders", &[("item", "3")]),
        ("/orders", &[("item", "3"), ("quantity", "0")]),
        ("/orders", &[("item", "3"), ("quantity", "-1")]),
        ("/orders", &[("item", "3"), ("quantity", "1e9")]),
        (
            "/orders",
            &[("item", "3"), ("quantity", "99999999999999999999")],
        ),
        ("/orders", &[("item", "41"), ("quantity", "1")]),
        (
            "/orders",
            &[("item", "3"), ("item", "4"), ("quantity", "1")],
        ),
        ("/menu/items/3", &[("name", "Soup")]),
        ("/menu/items/3", &[("name", ""), ("price", "1")]),
        ("/menu/items/3", &[("name", &long), ("price", "1")]),
        ("/menu/items/3", &[("name", "a\r\nb"), ("price", "1")]),
        ("/menu/items/3", &[("name", "a\0b"), ("price", "1")]),
        ("/menu/items/3", &[("name", "Soup"), ("price", "-1")]),
        ("/menu/items/3", &[("name", "Soup"), ("price", "1.999")]),
        ("/menu/items/3", &[("name", "Soup"), ("price", "NaN")]),
        ("/menu/items/41", &[("name", "Soup"), ("price", "1")]),
        ("/menu/items/x", &[("name", "Soup"), ("price", "1")]),
    ];
    for (path, form) in forms {
        let refused = send(client.ask(Method::POST, &server, path).form(form)).await;
        assert!(
            refused.status.is_client_error(),
            "{path} {form:?}: {}",
            refused.status
        );
        assert_eq!(refused.field("cache-control"), Some("no-store"));
    }
    let json = client
        .ask(Method::POST, &server, "/orders")
        .header("content-type", "application/json");
    assert!(
        send(json.body(r#"{"item":3}"#))
            .await
            .status
            .is_client_error()
    );
    let broken = client
        .ask(Method::POST, &server, "/orders")
        .header("content-type", "application/x-www-form-urlencoded");
    assert!(
        send(broken.body(&b"item=%ff%zz&quantity"[..]))
            .await
            .status
            .is_client_error()
    );
    // A form just above axum's limit of 2 MiB. The server may close after it, so nothing else goes over this connection.
    let huge = [("item", "x".repeat(2 << 20)), ("quantity", "1".to_owned())];
    let refused = send(
        Client::new()
            .ask(Method::POST, &server, "/orders")
            .form(&huge),
    )
    .await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    // No method has a meaning of its own to a cache, either.
    for method in ["PUT", "DELETE", "PATCH", "PURGE", "BAN", "BREW"] {
        let method = Method::from_bytes(method.as_bytes()).expect("it is a token");
        let refused = send(client.ask(method, &server, "/menu")).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    }

    for path in pages {
        client.get(&server, path).await.assert_hit();
    }
}
