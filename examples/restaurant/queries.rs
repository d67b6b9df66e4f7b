//! What the pages ask of the database, and the two changes that forms make.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{day::Day, money::Money};

#[derive(Serialize, Deserialize)]
pub(crate) struct Category {
    pub(crate) slug: String,
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: Money,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) category: Category,
    pub(crate) items: Vec<Item>,
}

pub(crate) struct Menu {
    pub(crate) restaurant: String,
    pub(crate) sections: Vec<Section>,
}

pub(crate) struct Popular {
    pub(crate) items: Vec<PopularItem>,
}

pub(crate) struct PopularItem {
    pub(crate) item: Item,
    pub(crate) category: Category,
    pub(crate) sold: i64,
}

pub(crate) struct Dashboard {
    pub(crate) orders: i64,
    pub(crate) items_sold: i64,
    pub(crate) revenue: Money,
    pub(crate) average_basket: Money,
    pub(crate) days: Vec<Takings>,
    pub(crate) categories: Vec<Takings>,
    pub(crate) top_items: Vec<Takings>,
}

/// What one day, category or item has brought in.
#[derive(Serialize, Deserialize)]
pub(crate) struct Takings {
    pub(crate) name: String,
    pub(crate) count: i64,
    pub(crate) revenue: Money,
}

pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) placed_at: i64,
    pub(crate) placed: String,
    pub(crate) lines: Vec<OrderLine>,
}

pub(crate) struct OrderLine {
    pub(crate) item_id: i64,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) quantity: i64,
}

impl Order {
    pub(crate) fn total(&self) -> Money {
        Money(self.lines.iter().map(|line| line.total().0).sum())
    }
}

impl OrderLine {
    pub(crate) fn total(&self) -> Money {
        Money(self.price.0.saturating_mul(self.quantity))
    }
}

/// The name of the restaurant, and its categories.
pub(crate) fn categories(conn: &Connection) -> rusqlite::Result<(String, Vec<Category>)> {
    // Several statements make this: a transaction shows them one state.
    let tx = conn.unchecked_transaction()?;
    let restaurant = tx.query_row("SELECT name FROM restaurants ORDER BY id", [], |row| {
        row.get(0)
    })?;
    let categories = list(
        &tx,
        "SELECT slug, name FROM categories ORDER BY id",
        category_row,
    )?;
    Ok((restaurant, categories))
}

/// `None` means that there is no such category.
pub(crate) fn section(conn: &Connection, slug: &str) -> rusqlite::Result<Option<Section>> {
    let tx = conn.unchecked_transaction()?;
    let category = tx
        .query_row(
            "SELECT slug, name FROM categories WHERE slug = ?1",
            [slug],
            category_row,
        )
        .optional()?;
    category
        .map(|category| {
            Ok(Section {
                items: items_of(&tx, &category.slug)?,
                category,
            })
        })
        .transpose()
}

pub(crate) fn popular(conn: &Connection) -> rusqlite::Result<Popular> {
    let items = list(
        conn,
        "SELECT m.id, m.name, m.price_cents, c.slug, c.name, SUM(oi.quantity) AS sold
         FROM order_items oi
         JOIN menu_items m ON m.id = oi.item_id
         JOIN categories c ON c.id = m.category_id
         GROUP BY m.id
         ORDER BY sold DESC, m.id
         LIMIT 10",
        |row| {
            Ok(PopularItem {
                item: item_row(row)?,
                category: Category {
                    slug: row.get(3)?,
                    name: row.get(4)?,
                },
                sold: row.get(5)?,
            })
        },
    )?;
    Ok(Popular { items })
}

/// What the orders of one day have brought in.
pub(crate) fn takings(conn: &Connection, day: Day) -> rusqlite::Result<Takings> {
    conn.prepare_cached(
        "SELECT COUNT(DISTINCT o.id), COALESCE(SUM(oi.quantity * oi.price_cents), 0)
         FROM orders o JOIN order_items oi ON oi.order_id = o.id
         WHERE o.placed_at >= ?1 AND o.placed_at < ?2",
    )?
    .query_row([day.start(), day.end()], |row| {
        Ok(Takings {
            name: day.to_string(),
            count: row.get(0)?,
            revenue: Money(row.get(1)?),
        })
    })
}

/// Three passes over every order ever placed: the query that is worth a cache.
pub(crate) fn dashboard(conn: &Connection, days: Vec<Takings>) -> rusqlite::Result<Dashboard> {
    let tx = conn.unchecked_transaction()?;
    let (orders, items_sold, revenue) = tx.query_row(
        "SELECT COUNT(DISTINCT order_id), COALESCE(SUM(quantity), 0), COALESCE(SUM(quantity * price_cents), 0)
         FROM order_items",
        [],
        |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?)),
    )?;
    Ok(Dashboard {
        orders,
        items_sold,
        revenue: Money(revenue),
        average_basket: Money((revenue + orders / 2).checked_div(orders).unwrap_or(0)),
        days,
        categories: list(
            &tx,
            "SELECT c.name, SUM(oi.quantity), SUM(oi.quantity * oi.price_cents) AS revenue
             FROM order_items oi
             JOIN menu_items m ON m.id = oi.item_id
             JOIN categories c ON c.id = m.category_id
             GROUP BY c.id
             ORDER BY revenue DESC, c.id",
            takings_row,
        )?,
        // The name under which the item was sold last.
        top_items: list(
            &tx,
            "SELECT (SELECT l.name FROM order_items l WHERE l.item_id = oi.item_id ORDER BY l.id DESC LIMIT 1),
                    SUM(oi.quantity), SUM(oi.quantity * oi.price_cents) AS revenue
             FROM order_items oi
             GROUP BY oi.item_id
             ORDER BY revenue DESC, oi.item_id
             LIMIT 10",
            takings_row,
        )?,
    })
}

/// `None` means that there is no such order.
pub(crate) fn order(conn: &Connection, id: i64) -> rusqlite::Result<Option<Order>> {
    let tx = conn.unchecked_transaction()?;
    let found = tx
        .query_row(
            "SELECT id, placed_at, datetime(placed_at, 'unixepoch') || ' UTC' FROM orders WHERE id = ?1",
            [id],
            |row| {
                Ok(Order {
                    id: row.get(0)?,
                    placed_at: row.get(1)?,
                    placed: row.get(2)?,
                    lines: Vec::new(),
                })
            },
        )
        .optional()?;
    let Some(mut order) = found else {
        return Ok(None);
    };
    let mut lines = tx.prepare_cached(
        "SELECT item_id, name, price_cents, quantity FROM order_items WHERE order_id = ?1 ORDER BY id",
    )?;
    order.lines = lines
        .query_map([id], |row| {
            Ok(OrderLine {
                item_id: row.get(0)?,
                name: row.get(1)?,
                price: Money(row.get(2)?),
                quantity: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(order))
}

/// Answers the new order's id; `None` means that there is no such item.
pub(crate) fn place_order(
    tx: &Transaction<'_>,
    item: i64,
    quantity: i64,
    now: i64,
) -> rusqlite::Result<Option<i64>> {
    let restaurant: Option<i64> = tx
        .query_row(
            "SELECT c.restaurant_id FROM menu_items m JOIN categories c ON c.id = m.category_id WHERE m.id = ?1",
            [item],
            |row| row.get(0),
        )
        .optional()?;
    let Some(restaurant) = restaurant else {
        return Ok(None);
    };
    tx.execute(
        "INSERT INTO orders (restaurant_id, placed_at) VALUES (?1, ?2)",
        params![restaurant, now],
    )?;
    let order = tx.last_insert_rowid();
    tx.execute(
        "INSERT INTO order_items (order_id, item_id, name, price_cents, quantity)
         SELECT ?1, id, name, price_cents, ?3 FROM menu_items WHERE id = ?2",
        params![order, item, quantity],
    )?;
    Ok(Some(order))
}

/// Answers the item's category; `None` means that there is no such item.
pub(crate) fn change_item(
    tx: &Transaction<'_>,
    item: i64,
    name: &str,
    price: Money,
) -> rusqlite::Result<Option<Category>> {
    tx.execute(
        "UPDATE menu_items SET name = ?2, price_cents = ?3 WHERE id = ?1",
        params![item, name, price.0],
    )?;
    tx.query_row(
        "SELECT c.slug, c.name FROM menu_items m JOIN categories c ON c.id = m.category_id WHERE m.id = ?1",
        [item],
        category_row,
    )
    .optional()
}

fn items_of(conn: &Connection, slug: &str) -> rusqlite::Result<Vec<Item>> {
    conn.prepare_cached(
        "SELECT m.id, m.name, m.price_cents
         FROM menu_items m JOIN categories c ON c.id = m.category_id
         WHERE c.slug = ?1
         ORDER BY m.id",
    )?
    .query_map([slug], item_row)?
    .collect()
}

fn list<T>(
    conn: &Connection,
    sql: &str,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    conn.prepare_cached(sql)?.query_map([], row)?.collect()
}

fn category_row(row: &Row<'_>) -> rusqlite::Result<Category> {
    Ok(Category {
        slug: row.get(0)?,
        name: row.get(1)?,
    })
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id: row.get(0)?,
        name: row.get(1)?,
        price: Money(row.get(2)?),
    })
}

fn takings_row(row: &Row<'_>) -> rusqlite::Result<Takings> {
    Ok(Takings {
        name: row.get(0)?,
        count: row.get(1)?,
        revenue: Money(row.get(2)?),
    })
}
