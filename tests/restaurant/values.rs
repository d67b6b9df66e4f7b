//! The values that pages are made of.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    client::Client,
    server::{Scratch, Server},
};

/// Hits, misses and sets of values since the start.
async fn values(client: &Client, server: &Server) -> [u64; 3] {
    let stats = client.json(server, "/stats").await;
    ["hits", "misses", "sets"].map(|name| stats["values"][name].as_u64().expect("a count"))
}

/// The database past the restaurant.
fn by_hand(db: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(db).expect("the file is there")
}

#[tokio::test]
async fn a_changed_item_makes_its_section_anew_and_no_other() {
    let (server, client) = (Server::start(&[]).await, Client::new());
    client.get(&server, "/menu").await;
    assert_eq!(values(&client, &server).await, [0, 5, 5]);
    // Each made for the first time, of what is there.
    client.json(&server, "/menu").await;
    client.get(&server, "/").await;
    client.get(&server, "/menu/pizza").await;
    assert_eq!(values(&client, &server).await, [11, 5, 5]);

    let form = [("name", "Margherita della nonna"), ("price", "9.05")];
    client.post(&server, "/menu/items/18", &form).await;
    let menu = client.get(&server, "/menu").await;
    menu.assert_stored_after("uri-miss");
    assert!(menu.body.contains("Margherita della nonna"));
    assert_eq!(values(&client, &server).await, [15, 6, 6]);

    let pizza = client.get(&server, "/menu/pizza").await;
    pizza.assert_stored_after("uri-miss");
    assert!(pizza.body.contains("Margherita della nonna"));
    assert!(
        client
            .json(&server, "/menu")
            .await
            .to_string()
            .contains("nonna")
    );
    client.get(&server, "/menu/desserts").await;
    assert_eq!(values(&client, &server).await, [22, 6, 6]);
}

#[tokio::test]
async fn an_order_changes_the_figures_of_today_at_once_and_a_finished_day_is_not_asked_again() {
    let (dir, client) = (Scratch::new(), Client::new());
    let db = dir.file("shared.db");
    let server = Server::start(&["--db", &db]).await;
    let orders_by_day = async || -> Vec<(String, u64)> {
        let dashboard = client.json(&server, "/dashboard").await;
        let days = dashboard["revenue_by_day"].as_array().expect("a list");
        let row = |day: &Value| {
            let orders = day["orders"].as_u64().expect("a count");
            (day["day"].as_str().expect("a name").to_owned(), orders)
        };
        days.iter().map(row).collect()
    };
    let before = orders_by_day().await;
    assert_eq!(before.iter().map(|(_, orders)| orders).sum::<u64>(), 20);
    assert!(before.is_sorted_by(|day, next| day > next), "today first");
    assert_eq!(values(&client, &server).await, [0, 14, 14]);

    // Nobody tells the cache of this one.
    by_hand(&db)
        .execute_batch(
            "INSERT INTO orders (restaurant_id, placed_at) VALUES (1, unixepoch() - 3 * 86400);
             INSERT INTO order_items (order_id, item_id, name, price_cents, quantity)
             VALUES (last_insert_rowid(), 1, 'Marinated olives', 450, 1);",
        )
        .expect("the order is placed");
    client
        .post(&server, "/orders", &[("item", "18"), ("quantity", "2")])
        .await;

    let after = orders_by_day().await;
    assert_eq!(values(&client, &server).await, [13, 15, 15]);
    let (today, orders) = &after[0];
    let earlier = before.iter().find(|(day, _)| day == today);
    assert_eq!(*orders, 1 + earlier.map_or(0, |(_, orders)| *orders));
    let finished = |days: &[(String, u64)]| -> Vec<_> {
        let days = days.iter().filter(|(day, _)| day != today);
        days.cloned().collect()
    };
    assert_eq!(finished(&after), finished(&before));
    // The figures that are no values are of the whole database.
    assert_eq!(client.json(&server, "/dashboard").await["orders"], 22);
}

#[tokio::test]
async fn nothing_is_kept_while_the_database_fails() {
    let (dir, client) = (Scratch::new(), Client::new());
    let db = dir.file("shared.db");
    let server = Server::start(&["--db", &db]).await;
    let pages = ["/", "/menu", "/menu/pizza", "/dashboard"];
    by_hand(&db)
        .execute_batch(
            "ALTER TABLE orders RENAME TO mislaid; ALTER TABLE menu_items RENAME TO lost;",
        )
        .expect("they are renamed");
    for path in pages {
        let page = client.get(&server, path).await;
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(page.field("cache-control"), Some("no-store"));
    }
    let [hits, _, sets] = values(&client, &server).await;
    assert_eq!((hits, sets), (0, 0));

    by_hand(&db)
        .execute_batch(
            "ALTER TABLE mislaid RENAME TO orders; ALTER TABLE lost RENAME TO menu_items;",
        )
        .expect("they are renamed");
    for path in pages {
        client
            .get(&server, path)
            .await
            .assert_stored_after("uri-miss");
        client.get(&server, path).await.assert_hit();
    }
    let menu = client.json(&server, "/menu").await.to_string();
    assert!(menu.contains("Margherita") && menu.contains("Draught beer"));
}
