//! The pages. Whatever comes from the database or from a form is escaped by the template.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    queries::{Dashboard, Expense, Month, Total},
    session::CurrentUser,
};

const STYLE: &str = include_str!("../shared/style.css");

/// For everybody the same: it names nobody.
pub(crate) fn front() -> Markup {
    frame(
        "Sign in",
        &html! {},
        &html! {
            h1 { "Where did it go?" }
            p.lead { "Write down what you spend, and see what it comes to." }
            form method="post" action="/sign-in" {
                label for="user" { "Your name" }
                input id="user" name="user" required maxlength="64" autocomplete="username" autofocus;
                button { "Sign in" }
            }
            p.soft {
                "This is an example: it asks for no password, so whoever knows a name signs in with it. A name that is new becomes a "
                "new user. Keep nothing here that matters."
            }
            p { "Signed in already? " a href="/dashboard" { "To your dashboard" } }
        },
    )
}

/// For `user` alone. It shows nothing of the user that changes without freeing it, and nothing of one session: all sessions see it.
pub(crate) fn dashboard(user: &CurrentUser, dashboard: &Dashboard) -> Markup {
    frame(
        "Dashboard",
        &html! { form method="post" action="/sign-out" { button { "Sign out" } } },
        &html! {
            h1 { "Expenses of " (user.name) }
            (add_form())
            (month(&dashboard.month))
            (totals("This month by category", "Category", &dashboard.month_categories))
            (latest(&dashboard.latest))
            (totals("Week by week", "Week", &dashboard.weeks))
            (totals("Month by month", "Month", &dashboard.months))
            (totals("Where most of it went", "Category", &dashboard.top_categories))
        },
    )
}

pub(crate) fn failure(status: StatusCode, what: &str) -> Markup {
    let reason = status.canonical_reason().unwrap_or("Error");
    frame(
        reason,
        &html! {},
        &html! {
            h1 { (status.as_u16()) " " (reason) }
            p.lead { (what) "." }
            p { a href="/dashboard" { "To your dashboard" } }
        },
    )
}

fn frame(title: &str, corner: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Expenses" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { a.name href="/" { "Expenses" } (corner) }
                main { (content) }
                footer { "An example of larder: pages cached for each user." }
            }
        }
    }
}

fn add_form() -> Markup {
    html! {
        form method="post" action="/expenses" {
            input name="amount" required inputmode="decimal" placeholder="12.50" aria-label="Amount";
            input name="category" required maxlength="40" placeholder="Category" aria-label="Category";
            input name="description" required maxlength="200" placeholder="Description" aria-label="Description";
            button { "Add" }
        }
    }
}

fn month(month: &Month) -> Markup {
    html! {
        h2 { "This month" }
        ul.cards {
            li { b { (month.sum) } span { "spent in " (month.name) } }
            li { b { (month.count) } span { "expenses" } }
            li { b { (month.largest) } span { "the largest" } }
            li { b { (month.sum_before) } span { "the month before" } }
        }
    }
}

fn latest(expenses: &[Expense]) -> Markup {
    html! {
        h2 { "Latest" }
        div.scroll { table {
            tr { th { "Day" } th { "Description" } th { "Category" } th.num { "Amount" } }
            @if expenses.is_empty() { tr { td colspan="4" { "Nothing yet." } } }
            @for expense in expenses {
                tr {
                    td { (expense.day) }
                    td { (expense.description) }
                    td { (expense.category) }
                    td.num { (expense.amount) }
                }
            }
        } }
    }
}

fn totals(title: &str, of: &str, totals: &[Total]) -> Markup {
    html! {
        h2 { (title) }
        div.scroll { table {
            tr { th { (of) } th.num { "Expenses" } th.num { "Sum" } }
            @if totals.is_empty() { tr { td colspan="3" { "Nothing yet." } } }
            @for total in totals {
                tr { td { (total.name) } td.num { (total.count) } td.num { (total.sum) } }
            }
        } }
    }
}
