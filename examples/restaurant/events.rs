//! What happens in the restaurant, and what that frees.
//!
//! The handlers emit an event after their commit, and know no tags; who adds a page, or a value that pages are made of, adds a rule here. All
//! that an event frees goes in one step, values and pages alike.

use larder::{Cache, Invalidation};

use crate::{MENU, ORDERS, day::Day};

/// An order is in the database.
pub(crate) struct OrderPlaced {
    pub(crate) id: i64,
    /// The day that it counts for.
    pub(crate) day: Day,
}

/// A dish has another name or price.
pub(crate) struct ItemChanged {
    /// The category on whose page it stands.
    pub(crate) category: String,
}

pub(crate) fn rules(cache: &Cache) -> Invalidation {
    Invalidation::new(cache)
        .on::<OrderPlaced>(|_, purges| purges.tag(ORDERS))
        .named("the pages that are made from orders")
        .on::<OrderPlaced>(|order, purges| purges.tag(day_tag(order.day)))
        .named("what its day has brought in")
        // Not stored today. It costs nothing to free, and stays right if the page is given a layer one day.
        .on::<OrderPlaced>(|order, purges| purges.page(&order_path(order.id)))
        .named("the page of the order")
        // The dashboard stays: what was sold keeps the name and the price of its day.
        .on::<ItemChanged>(|_, purges| purges.tag(MENU))
        .named("the pages that are made from the menu")
        .on::<ItemChanged>(|item, purges| purges.tag(category_tag(&item.category)))
        .named("the section of its category, and that section's page")
}

pub(crate) fn order_path(id: i64) -> String {
    format!("/orders/{id}")
}

/// The section of a category carries it, and the page that shows this section alone.
pub(crate) fn category_tag(slug: &str) -> String {
    format!("category:{slug}")
}

/// Figures that are made from the orders of one day carry it.
pub(crate) fn day_tag(day: Day) -> String {
    format!("orders:{day}")
}
