//! The start page: what there is, the lines to try, and what the headers will say.

use std::net::SocketAddr;

use maud::{Markup, html};
use serde_json::{Value, json};

use crate::{
    pages::{frame, link},
    queries::{Item, Menu},
    web::Page,
};

pub(crate) struct Home {
    pub(crate) menu: Menu,
    /// The address this server listens on. Not the request's `Host`: the page is stored for everybody, and one visitor
    /// must not write into it.
    pub(crate) address: SocketAddr,
}

/// URL, how it is cached, what frees it.
const PAGES: [(&str, &str, &str); 6] = [
    ("/", "30 minutes", "a changed item"),
    ("/menu", "30 minutes", "a changed item"),
    (
        "/menu/pizza",
        "30 minutes",
        "a changed item of the category",
    ),
    ("/popular", "2 hours", "a placed order, a changed item"),
    ("/dashboard", "1 hour", "a placed order"),
    ("/orders/20", "never", "nothing to free"),
];

impl Home {
    fn base(&self) -> String {
        let mut address = self.address;
        // One can listen on all addresses, but not open them.
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => [127, 0, 0, 1].into(),
                SocketAddr::V6(_) => [0, 0, 0, 0, 0, 0, 0, 1].into(),
            });
        }
        format!("http://{address}")
    }

    /// The second dish of the first three categories.
    fn picks(&self) -> impl Iterator<Item = &Item> {
        let sections = self.menu.sections.iter().take(3);
        sections.filter_map(|section| section.items.get(1))
    }
}

impl Page for Home {
    fn html(&self) -> Markup {
        frame(
            "Welcome",
            &html! {
                h1 { "Good food, kept fresh" }
                p.lead {
                    (self.menu.restaurant) " runs on SQLite, and its pages are kept by larder: made once, served from "
                    "memory, made anew as soon as an order or the kitchen changes them."
                }

                h2 { "Our picks" }
                ul.cards {
                    @for item in self.picks() { li { b { (item.price) } span { (item.name) } } }
                }
                ul.chips { @for section in &self.menu.sections { li { (link(&section.category)) } } }

                h2 { "Pages" }
                div.scroll { table {
                    tr { th { "Page" } th { "Cached" } th { "Freed by" } th { "Try it" } }
                    @for (path, cached, freed_by) in PAGES {
                        tr {
                            td { a href=(path) { (path) } }
                            td { (cached) }
                            td { (freed_by) }
                            td { code { "curl -si " (self.base()) (path) } }
                        }
                    }
                } }
                (self.tour())
            },
        )
    }

    fn json(&self) -> Value {
        let pages = PAGES.map(|(path, cached, freed_by)| {
            json!({ "path": path, "cached": cached, "freed_by": freed_by })
        });
        let picks = self.picks().map(
            |item| json!({ "id": item.id, "name": item.name, "price": item.price.to_string() }),
        );
        json!({
            "restaurant": self.menu.restaurant,
            "picks": picks.collect::<Vec<_>>(),
            "categories": self.menu.sections.iter().map(|s| s.category.slug.as_str()).collect::<Vec<_>>(),
            "pages": pages,
        })
    }
}

impl Home {
    fn tour(&self) -> Markup {
        let base = self.base();
        html! {
            h2 { "Once, and once more" }
            p { "Ask for the dashboard twice. The first answer is made from the database, the second comes from memory:" }
            pre { "curl -si " (base) "/dashboard | head -n 8" }
            div.pair {
                pre {
                    i { "# the first time" } "\n"
                    "HTTP/1.1 200 OK\n"
                    "content-type: text/html; charset=utf-8\n"
                    "vary: accept\n"
                    "cache-control: no-cache\n"
                    mark { "cache-status: larder; fwd=uri-miss; stored" }
                }
                pre {
                    i { "# five seconds later" } "\n"
                    "HTTP/1.1 200 OK\n"
                    "vary: accept\n"
                    "cache-control: no-cache\n"
                    mark { "age: 5" } "\n"
                    mark { "cache-status: larder; hit; ttl=3595" }
                }
            }
            p {
                code { "Cache-Status" } " says why the handler ran, or that it did not. " code { "Age" } " is how long the page "
                "has been stored, in seconds, and " code { "ttl" } " how long it stays fresh. " code { "Cache-Control: no-cache" }
                " tells browsers to ask each time: a copy in a browser cannot be freed, the one here can."
            }

            h2 { "JSON" }
            p { "The same URLs answer in JSON. It is stored beside the HTML, because the pages say " code { "Vary: accept" } ":" }
            pre {
                "curl -si -H 'accept: application/json' " (base) "/menu/pizza\n"
                "curl -si -H 'accept: application/json' " (base) "/dashboard"
            }

            h2 { "Never stored" }
            p { "The status of an order says " code { "Cache-Control: no-store" } ", and no " code { "Cache-Status" } ", for no cache is asked:" }
            pre { "curl -si -H 'accept: application/json' " (base) "/orders/20" }

            h2 { "Change something" }
            p { "An order frees the dashboard and the popular dishes. Their next answer is made anew (" code { "fwd=uri-miss" } "):" }
            pre {
                "curl -si -d 'item=18&quantity=2' " (base) "/orders\n"
                i { "# HTTP/1.1 303 See Other, location: /orders/21" } "\n"
                "curl -si " (base) "/dashboard"
            }
            p { "A new price frees this page, the menu, the popular dishes and the item's category, and leaves the other categories:" }
            pre {
                "curl -si -d 'name=Margherita' -d 'price=10.50' " (base) "/menu/items/18\n"
                i { "# HTTP/1.1 303 See Other, location: /menu/pizza" } "\n"
                "curl -si " (base) "/menu/pizza\n"
                "curl -si " (base) "/menu/desserts"
            }

            h2 { "Made of values" }
            p {
                "The menu is made of one value for each category, and the revenue by day of one for each day. A new price makes "
                "one section anew, an order the figures of today, and what is over stays as it is. The values that were found, "
                "and those that were not and came from the database:"
            }
            pre { "curl -s " (base) "/stats | grep -o '\"values\":{[^}]*}'" }

            h2 { "Fifty at once" }
            p {
                "Start the server with " code { "--work 1000" } ", so that each page takes a second to make, and let fifty clients ask "
                "for one page that is not stored. One of them runs the handler and the others wait for its answer: the log shows "
                "one request forwarded and the rest collapsed, and all are done after one second."
            }
            pre {
                "curl -s -o /dev/null -d 'item=18&quantity=1' " (base) "/orders\n"
                "seq 50 | xargs -P 50 -I% curl -s -o /dev/null " (base) "/popular"
            }
        }
    }
}
