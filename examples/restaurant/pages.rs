//! The pages as HTML and as JSON. Whatever comes from the database or from a form is escaped by the template.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use crate::{
    db,
    queries::{Category, Dashboard, Item, Menu, Order, Popular, Section, Takings},
    web::Page,
};

const STYLE: &str = include_str!("../shared/style.css");

/// The frame around every page. It names no visitor and no time: it is the same for everybody.
pub(crate) fn frame(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · The Larder" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    a.name href="/" { "The Larder" }
                    a href="/menu" { "Menu" }
                    a href="/popular" { "Popular" }
                    a href="/dashboard" { "Dashboard" }
                }
                main { (content) }
                footer { "An example of larder: HTTP response caching as tower layers." }
            }
        }
    }
}

pub(crate) fn failure(status: StatusCode, what: &str) -> Markup {
    frame(
        status.canonical_reason().unwrap_or("Error"),
        &html! {
            h1 { (status.as_u16()) " " (status.canonical_reason().unwrap_or("Error")) }
            p.lead { (what) "." }
            p { a href="/" { "To the start page" } }
        },
    )
}

impl Page for Menu {
    fn html(&self) -> Markup {
        frame(
            "Menu",
            &html! {
                h1 { "Menu" }
                p.lead { "Everything from the kitchen of " (self.restaurant) "." }
                @for section in &self.sections {
                    h2 { (link(&section.category)) }
                    div.scroll { table {
                        @for item in &section.items { tr { (name_and_price(item)) } }
                    } }
                }
            },
        )
    }

    fn json(&self) -> Value {
        json!({
            "restaurant": self.restaurant,
            "categories": self.sections.iter().map(Page::json).collect::<Vec<_>>(),
        })
    }
}

impl Page for Section {
    fn html(&self) -> Markup {
        frame(
            &self.category.name,
            &html! {
                h1 { (self.category.name) }
                p.lead { "Order a dish, or change its name and price: the pages that show it follow at once." }
                div.scroll { table {
                    @for item in &self.items {
                        tr {
                            (name_and_price(item))
                            td { (order_form(item)) }
                            td { details { summary { "change" } (change_form(item)) } }
                        }
                    }
                } }
                p { a href="/menu" { "The whole menu" } }
            },
        )
    }

    fn json(&self) -> Value {
        json!({
            "category": self.category.slug,
            "name": self.category.name,
            "items": self.items.iter().map(item_json).collect::<Vec<_>>(),
        })
    }
}

impl Page for Popular {
    fn html(&self) -> Markup {
        frame(
            "Popular",
            &html! {
                h1 { "Popular" }
                p.lead { "What our guests order most." }
                div.scroll { table {
                    tr { th { "Dish" } th.num { "Price" } th { "Category" } th.num { "Sold" } }
                    @for popular in &self.items {
                        tr {
                            (name_and_price(&popular.item))
                            td { (link(&popular.category)) }
                            td.num { (popular.sold) }
                        }
                    }
                } }
            },
        )
    }

    fn json(&self) -> Value {
        let items = self.items.iter().map(|popular| {
            json!({
                "id": popular.item.id,
                "name": popular.item.name,
                "price": popular.item.price.to_string(),
                "category": popular.category.slug,
                "sold": popular.sold,
            })
        });
        json!({ "items": items.collect::<Vec<_>>() })
    }
}

impl Page for Dashboard {
    fn html(&self) -> Markup {
        frame(
            "Dashboard",
            &html! {
                h1 { "Dashboard" }
                p.lead { "All orders so far. Placing one more makes this page anew." }
                ul.cards {
                    li { b { (self.orders) } span { "orders" } }
                    li { b { (self.revenue) } span { "revenue" } }
                    li { b { (self.average_basket) } span { "average basket" } }
                    li { b { (self.items_sold) } span { "items sold" } }
                }
                (takings_table("Revenue by day", "Day", "Orders", &self.days))
                (takings_table("Revenue by category", "Category", "Items", &self.categories))
                (takings_table("Top items", "Item", "Sold", &self.top_items))
            },
        )
    }

    fn json(&self) -> Value {
        json!({
            "orders": self.orders,
            "items_sold": self.items_sold,
            "revenue": self.revenue.to_string(),
            "average_basket": self.average_basket.to_string(),
            "revenue_by_day": takings_json(&self.days, "day", "orders"),
            "revenue_by_category": takings_json(&self.categories, "category", "items"),
            "top_items": takings_json(&self.top_items, "name", "sold"),
        })
    }
}

impl Page for Order {
    fn html(&self) -> Markup {
        frame(
            &format!("Order {}", self.id),
            &html! {
                h1 { "Order " (self.id) }
                p.lead { "Status: " strong { (status(self)) } ". Placed " (self.placed) "." }
                div.scroll { table {
                    tr { th { "Dish" } th.num { "Price" } th.num { "Quantity" } th.num { "Sum" } }
                    @for line in &self.lines {
                        tr {
                            td { (line.name) }
                            td.num { (line.price) }
                            td.num { (line.quantity) }
                            td.num { (line.total()) }
                        }
                    }
                    tr { td { strong { "Total" } } td {} td {} td.num { strong { (self.total()) } } }
                } }
                p.soft { "Reload to see the status change: this page is made anew each time." }
            },
        )
    }

    fn json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            json!({
                "item": line.item_id,
                "name": line.name,
                "price": line.price.to_string(),
                "quantity": line.quantity,
            })
        });
        json!({
            "id": self.id,
            "status": status(self),
            "placed": self.placed,
            "lines": lines.collect::<Vec<_>>(),
            "total": self.total().to_string(),
        })
    }
}

/// Where an order is by now. It follows from the clock alone, so a stored copy would be wrong without anybody knowing.
fn status(order: &Order) -> &'static str {
    match (db::now() - order.placed_at) / 60 {
        ..2 => "received",
        2..15 => "in the kitchen",
        15..25 => "on its way",
        _ => "served",
    }
}

pub(crate) fn link(category: &Category) -> Markup {
    html! { a href={ "/menu/" (category.slug) } { (category.name) } }
}

fn name_and_price(item: &Item) -> Markup {
    html! {
        td { (item.name) }
        td.num { (item.price) }
    }
}

fn order_form(item: &Item) -> Markup {
    html! {
        form method="post" action="/orders" {
            input type="hidden" name="item" value=(item.id);
            input type="number" name="quantity" value="1" min="1" max="99" aria-label="Quantity";
            button { "Order" }
        }
    }
}

fn change_form(item: &Item) -> Markup {
    html! {
        form method="post" action={ "/menu/items/" (item.id) } {
            input name="name" value=(item.name) required maxlength="120" aria-label="Name";
            input name="price" value=(item.price) required inputmode="decimal" size="7" aria-label="Price";
            button { "Save" }
        }
    }
}

fn takings_table(title: &str, name: &str, count: &str, rows: &[Takings]) -> Markup {
    html! {
        h2 { (title) }
        div.scroll { table {
            tr { th { (name) } th.num { (count) } th.num { "Revenue" } }
            @for row in rows {
                tr { td { (row.name) } td.num { (row.count) } td.num { (row.revenue) } }
            }
        } }
    }
}

fn item_json(item: &Item) -> Value {
    json!({ "id": item.id, "name": item.name, "price": item.price.to_string() })
}

fn takings_json(rows: &[Takings], name: &str, count: &str) -> Value {
    rows.iter()
        .map(|row| json!({ name: row.name, count: row.count, "revenue": row.revenue.to_string() }))
        .collect()
}
