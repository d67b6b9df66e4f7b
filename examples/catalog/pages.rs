//! The same menu as pages.

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{StatusCode, header::CACHE_CONTROL},
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use crate::{
    menu::{MOST, Menu, Problem, category_tags},
    money::Money,
    proto::Item,
};

const STYLE: &str = include_str!("../shared/style.css");

#[derive(Deserialize)]
pub(crate) struct Change {
    name: String,
    price: String,
}

pub(crate) async fn home(State(menu): State<Menu>) -> Result<Response, Problem> {
    let categories = menu.categories().await?;
    let page = frame(
        "Catalog",
        &html! {
            h1 { "Catalog" }
            ul.chips { @for slug in &categories { li { a href={ "/catalog/" (slug) } { (slug) } } } }
        },
    );
    Ok(Html(page.into_string()).into_response())
}

pub(crate) async fn category(
    State(menu): State<Menu>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    let items = menu.items_of(&slug).await?;
    let page = frame(
        &slug,
        &html! {
            h1 { (slug) }
            p.lead { "Change a dish here or by gRPC: the other shows it at once." }
            div.scroll { table { @for item in &items { tr { (row(item)) } } } }
        },
    );
    Ok((category_tags(&slug), Html(page.into_string())).into_response())
}

pub(crate) async fn change(
    State(menu): State<Menu>,
    Path(id): Path<i64>,
    form: Result<Form<Change>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(Change { name, price }) = form.map_err(|error| Problem::Invalid(error.body_text()))?;
    let price = Money::parse("price", price.trim(), MOST).map_err(Problem::Invalid)?;
    let item = menu.change(id, name, price).await?;
    Ok(Redirect::to(&format!("/catalog/{}", item.category)))
}

fn row(item: &Item) -> Markup {
    let price = Money(item.price_cents);
    html! {
        td { (item.name) }
        td.num { (price) }
        td {
            form method="post" action={ "/items/" (item.id) } {
                input name="name" value=(item.name) required;
                input name="price" value=(price) inputmode="decimal" required;
                button { "Change" }
            }
        }
    }
}

fn frame(title: &str, content: &Markup) -> Markup {
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
                header { a.name href="/" { "The Larder" } }
                main { (content) }
                footer { "An example of larder: gRPC and pages from one port and one cache." }
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // Anybody can make up pages that do not exist, and one for each would push out those that do.
        let no_store = [(CACHE_CONTROL, "no-store")];
        (status, no_store, format!("{self}\n")).into_response()
    }
}
