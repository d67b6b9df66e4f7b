//! The restaurant's schema, and what a new database starts with: 40 menu items and 20 orders, counted from 1.

use rusqlite::{Transaction, params};

/// An order line keeps the name and price of its day. So what has been sold does not change when an item does, and the
/// dashboard depends on orders alone.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS restaurants (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS categories (
    id            INTEGER PRIMARY KEY,
    restaurant_id INTEGER NOT NULL REFERENCES restaurants (id),
    slug          TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS menu_items (
    id            INTEGER PRIMARY KEY,
    category_id   INTEGER NOT NULL REFERENCES categories (id),
    name          TEXT    NOT NULL,
    price_cents   INTEGER NOT NULL CHECK (price_cents >= 0)
) STRICT;
CREATE INDEX IF NOT EXISTS menu_items_by_category ON menu_items (category_id);
CREATE TABLE IF NOT EXISTS orders (
    id            INTEGER PRIMARY KEY,
    restaurant_id INTEGER NOT NULL REFERENCES restaurants (id),
    placed_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (placed_at);
CREATE TABLE IF NOT EXISTS order_items (
    id            INTEGER PRIMARY KEY,
    order_id      INTEGER NOT NULL REFERENCES orders (id),
    item_id       INTEGER NOT NULL REFERENCES menu_items (id),
    name          TEXT    NOT NULL,
    price_cents   INTEGER NOT NULL CHECK (price_cents >= 0),
    quantity      INTEGER NOT NULL CHECK (quantity > 0)
) STRICT;
CREATE INDEX IF NOT EXISTS order_items_by_order ON order_items (order_id);
CREATE INDEX IF NOT EXISTS order_items_by_item ON order_items (item_id);
";

type Items = [(&'static str, i64); 8];

const MENU: [(&str, &str, Items); 5] = [
    (
        "starters",
        "Starters",
        [
            ("Marinated olives", 450),
            ("Bruschetta with tomato", 690),
            ("Beef carpaccio", 1290),
            ("Burrata & peach", 1150),
            ("Soup of the day", 620),
            ("Caesar salad", 980),
            ("Focaccia with rosemary", 540),
            ("Vitello tonnato", 1340),
        ],
    ),
    (
        "pasta",
        "Pasta",
        [
            ("Spaghetti aglio e olio", 999),
            ("Penne all'arrabbiata", 1090),
            ("Tagliatelle with ragù", 1390),
            ("Cacio e pepe", 1250),
            ("Lasagne", 1420),
            ("Ravioli with spinach", 1480),
            ("Gnocchi with sage butter", 1320),
            ("Linguine with clams", 1690),
        ],
    ),
    (
        "pizza",
        "Pizza",
        [
            ("Marinara", 850),
            ("Margherita", 999),
            ("Diavola", 1240),
            ("Quattro formaggi", 1350),
            ("Prosciutto & funghi", 1390),
            ("Capricciosa", 1420),
            ("Verdure", 1190),
            ("Tartufo", 1790),
        ],
    ),
    (
        "desserts",
        "Desserts",
        [
            ("Tiramisù", 720),
            ("Panna cotta", 650),
            ("Lemon tart", 690),
            ("Affogato", 580),
            ("Chocolate cake", 740),
            ("Pistachio gelato", 490),
            ("Fruit of the season", 620),
            ("Cheese & pear", 990),
        ],
    ),
    (
        "drinks",
        "Drinks",
        [
            ("Still water", 290),
            ("Sparkling water", 290),
            ("Lemonade", 420),
            ("Espresso", 260),
            ("Cappuccino", 380),
            ("House red, glass", 640),
            ("House white, glass", 640),
            ("Draught beer", 490),
        ],
    ),
];

const ORDERS: i64 = 20;

/// Creates what is missing, and fills an empty database.
pub(crate) fn create_and_fill(tx: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    tx.execute_batch(SCHEMA)?;
    let empty = tx.query_row("SELECT NOT EXISTS (SELECT 1 FROM restaurants)", [], |row| {
        row.get(0)
    })?;
    if empty {
        menu(tx)?;
        orders(tx, now)?;
    }
    Ok(())
}

fn menu(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO restaurants (id, name) VALUES (1, 'The Larder')",
        [],
    )?;
    let mut category = tx
        .prepare("INSERT INTO categories (id, restaurant_id, slug, name) VALUES (?1, 1, ?2, ?3)")?;
    let mut item = tx.prepare(
        "INSERT INTO menu_items (id, category_id, name, price_cents) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut item_id = 0;
    for (category_id, (slug, title, items)) in (1_i64..).zip(MENU) {
        category.execute(params![category_id, slug, title])?;
        for (name, cents) in items {
            item_id += 1;
            item.execute(params![item_id, category_id, name, cents])?;
        }
    }
    Ok(())
}

/// Spread over the last days, with one to three lines each, the same on every machine but for the date.
fn orders(tx: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    let mut order =
        tx.prepare("INSERT INTO orders (id, restaurant_id, placed_at) VALUES (?1, 1, ?2)")?;
    let mut line = tx.prepare(
        "INSERT INTO order_items (order_id, item_id, name, price_cents, quantity)
         SELECT ?1, id, name, price_cents, ?3 FROM menu_items WHERE id = ?2",
    )?;
    for id in 1..=ORDERS {
        // The newest is minutes old, the oldest nearly a week.
        order.execute(params![id, now - 240 - (ORDERS - id) * 8 * 3600])?;
        for nth in 0..=id % 3 {
            let item = (id * 7 + nth * 13) % 40 + 1;
            line.execute(params![id, item, (id + nth) % 3 + 1])?;
        }
    }
    Ok(())
}
