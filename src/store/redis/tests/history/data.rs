//! What pages and values are made of, and what is known of each version of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many pages there are, and values.
pub(super) const PAGES: usize = 4;
pub(super) const VALUES: usize = 4;
pub(super) const ITEMS: usize = PAGES + VALUES;

/// How many tags tell items apart.
pub(super) const TAGS: usize = 3;

/// A database: for each item a number that only grows.
pub(super) struct Data(Vec<Item>);

struct Item {
    version: AtomicU64,
    /// Which version a purge that has arrived has followed.
    everywhere: AtomicU64,
    /// Which version a purge has followed that has returned anything on this node.
    on: Vec<AtomicU64>,
}

impl Data {
    pub(super) fn new(nodes: usize) -> Self {
        let item = || Item {
            version: AtomicU64::new(0),
            everywhere: AtomicU64::new(0),
            on: (0..nodes).map(|_| AtomicU64::new(0)).collect(),
        };
        Self((0..ITEMS).map(|_| item()).collect())
    }

    pub(super) fn read(&self, item: usize) -> u64 {
        self.0[item].version.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self, item: usize) -> u64 {
        self.0[item].version.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A purge on this node has returned after `version` was there.
    pub(super) fn purged(&self, item: usize, version: u64, node: usize, has_arrived: bool) {
        let item = &self.0[item];
        item.on[node].fetch_max(version, Ordering::SeqCst);
        if has_arrived {
            item.everywhere.fetch_max(version, Ordering::SeqCst);
        }
    }

    /// What a read that starts now on this node brings at least.
    pub(super) fn least(&self, item: usize, node: usize) -> u64 {
        let item = &self.0[item];
        let everywhere = item.everywhere.load(Ordering::SeqCst);
        everywhere.max(item.on[node].load(Ordering::SeqCst))
    }
}

pub(super) const fn is_page(item: usize) -> bool {
    item < PAGES
}

pub(super) fn tag_of(item: usize) -> String {
    format!("t{}", item % TAGS)
}

/// The address of a page. Every other varies.
pub(super) fn address(page: usize) -> String {
    format!("/p/{page}")
}

pub(super) const fn varies(page: usize) -> bool {
    page % 2 == 1
}

/// The key of a value: two start alike, and two end alike.
pub(super) const fn key(value: usize) -> &'static str {
    ["v:a:0", "v:a:1", "v:b:0", "v:b:1"][value - PAGES]
}
