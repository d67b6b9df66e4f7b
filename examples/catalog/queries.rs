//! What the catalog asks of the database, and the one change that it makes.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::proto::Item;

/// `None` means that there is no such item.
pub(crate) fn item(conn: &Connection, id: i64) -> rusqlite::Result<Option<Item>> {
    conn.prepare_cached(
        "SELECT m.id, m.name, c.slug, m.price_cents
         FROM menu_items m JOIN categories c ON c.id = m.category_id
         WHERE m.id = ?1",
    )?
    .query_row([id], item_row)
    .optional()
}

/// `None` means that there is no such category.
pub(crate) fn items_of(conn: &Connection, category: &str) -> rusqlite::Result<Option<Vec<Item>>> {
    // Two statements make this: a transaction shows them one state.
    let tx = conn.unchecked_transaction()?;
    let there = tx
        .prepare_cached("SELECT 1 FROM categories WHERE slug = ?1")?
        .exists([category])?;
    if !there {
        return Ok(None);
    }
    tx.prepare_cached(
        "SELECT m.id, m.name, c.slug, m.price_cents
         FROM menu_items m JOIN categories c ON c.id = m.category_id
         WHERE c.slug = ?1
         ORDER BY m.id",
    )?
    .query_map([category], item_row)?
    .collect::<rusqlite::Result<_>>()
    .map(Some)
}

/// The slugs of all categories, in the order of the menu.
pub(crate) fn categories(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached("SELECT slug FROM categories ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Answers the item as it is now; `None` means that there is no such item.
pub(crate) fn change_item(
    tx: &Transaction<'_>,
    id: i64,
    name: &str,
    price_cents: i64,
) -> rusqlite::Result<Option<Item>> {
    tx.execute(
        "UPDATE menu_items SET name = ?2, price_cents = ?3 WHERE id = ?1",
        params![id, name, price_cents],
    )?;
    item(tx, id)
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        price_cents: row.get(3)?,
    })
}
