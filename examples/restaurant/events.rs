//! What happens in the restaurant, and what that frees.
//!
//! The handlers emit an event after their commit, and know no tags; who adds a page adds a rule here.

use larder::{Cache, Invalidation};

use crate::{MENU, ORDERS};

/// An order is in the database.
pub(crate) struct OrderPlaced {
    pub(crate) id: i64,
}

/// A dish has another name or price.
pub(crate) struct ItemChanged {
    /// The category on whose page it stands.
    pub(crate) category: String,
}

pub(crate) fn rules(cache: &Cache) -> Invalidation {
    Invalidation::new(cache)
        .on::<OrderPlaced>(|_, purges| purges.tag(ORDERS))
        .named("what is made from orders")
        // Not stored today. It costs nothing to free, and stays right if the page is given a layer one day.
        .on::<OrderPlaced>(|order, purges| purges.page(&order_path(order.id)))
        .named("the page of the order")
        // The dashboard stays: what was sold keeps the name and the price of its day.
        .on::<ItemChanged>(|_, purges| purges.tag(MENU))
        .named("what is made from the menu")
        .on::<ItemChanged>(|item, purges| purges.tag(category_tag(&item.category)))
        .named("the page of the category")
}

pub(crate) fn order_path(id: i64) -> String {
    format!("/orders/{id}")
}

pub(crate) fn category_tag(slug: &str) -> String {
    format!("category:{slug}")
}
