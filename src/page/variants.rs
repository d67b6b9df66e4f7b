//! Selection by `Vary` (RFC 9111 §4.1): which of a page's variants a request may be answered with.
//!
//! A page without `Vary` stands under the page's key itself. With `Vary`, an index stands there, which names the selecting fields and
//! counts the variants; each variant stands under the page's key with the values of its own fields. So every variant is selected by the
//! `Vary` that came with it, and a response with other fields takes nothing from those before it.

mod wire;

use std::any::Any;
use std::mem::size_of;

use http::{HeaderMap, HeaderName};

use super::negotiate::{self, Negotiated};
use crate::clock::Now;
use crate::store::HeadObject;

/// The most bytes that all selecting values of a request may take; longer ones select nothing (SEC-DOS-07).
const MOST_SELECTING: usize = 4_096;

/// The most different lists of fields that one page is looked up under.
const MOST_SELECTIONS: usize = 4;

/// The index of a page's variants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variants {
    /// Newest first, by `date`.
    selections: Vec<Selection>,
}

/// Variants that are selected by the same fields.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selection {
    names: Vec<HeaderName>,
    /// The `Date` of the newest of them, in seconds since the epoch.
    date: u64,
    kept: Vec<Kept>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    key: Box<[u8]>,
    /// Until when it is kept.
    until: Now,
    /// What it was negotiated to, if it was.
    negotiated: Option<Box<Negotiated>>,
}

impl Variants {
    /// Notes what a variant was negotiated to, so that other requests that negotiate to the same are answered with it.
    pub(super) fn note(
        &mut self,
        base: &[u8],
        key: &[u8],
        request: &HeaderMap,
        answer: &HeaderMap,
    ) {
        for selection in &mut self.selections {
            let Selection { names, kept, .. } = selection;
            if let Some(kept) = kept.iter_mut().find(|kept| *kept.key == *key) {
                kept.negotiated = Negotiated::of(base, names, request, answer).map(Box::new);
            }
        }
    }
}

impl Variants {
    pub(super) const fn none() -> Self {
        Self {
            selections: Vec::new(),
        }
    }

    /// The keys to look up for a request, most preferable first. A variant without selecting fields counts only while no younger one has
    /// any: some resources leave `Vary` out of their default response (§4.1).
    pub(super) fn candidates(&self, base: &[u8], request: &HeaderMap) -> Vec<Vec<u8>> {
        let newest_selective = self
            .selections
            .iter()
            .filter(|selection| !selection.names.is_empty())
            .map(|selection| selection.date)
            .max();
        let (plain, selective): (Vec<_>, Vec<_>) = self
            .selections
            .iter()
            .partition(|selection| selection.names.is_empty());
        selective
            .into_iter()
            .chain(
                plain
                    .into_iter()
                    .filter(|plain| newest_selective.is_none_or(|newest| newest < plain.date)),
            )
            .flat_map(|selection| {
                // Only what was filed under this index: what stood before a purge of the key, which removes the index alone, may stand still.
                match variant_key(base, &selection.names, request) {
                    Some(key) if selection.keeps(&key) => vec![key],
                    _ => selection.negotiate(base, request),
                }
            })
            .collect()
    }

    /// Is there a variant under this key?
    pub(super) fn keeps(&self, key: &[u8]) -> bool {
        self.selections.iter().any(|selection| selection.keeps(key))
    }

    /// The fields of the newest selection: under their values, misses of this page collapse.
    pub(super) fn newest(&self) -> Option<&[HeaderName]> {
        self.selections.first().map(|selection| &*selection.names)
    }

    /// The index with this variant in it, and without those whose time is over; and the keys of those that made room for it.
    pub(super) fn with(
        &self,
        names: &[HeaderName],
        key: &[u8],
        date: u64,
        keep_until: Now,
        now: Now,
        most: usize,
    ) -> (Self, Vec<Box<[u8]>>) {
        let mut next = self.clone();
        for selection in &mut next.selections {
            selection
                .kept
                .retain(|kept| *kept.key != *key && now < kept.until);
        }
        next.selections
            .retain(|selection| !selection.kept.is_empty() || selection.names == names);
        if !next
            .selections
            .iter()
            .any(|selection| selection.names == names)
        {
            next.selections.push(Selection {
                names: names.to_vec(),
                date,
                kept: Vec::new(),
            });
        }
        for selection in &mut next.selections {
            if selection.names == names {
                selection.date = selection.date.max(date);
                selection.kept.push(Kept {
                    key: key.into(),
                    until: keep_until,
                    negotiated: None,
                });
            }
        }
        next.selections
            .sort_by_key(|selection| std::cmp::Reverse(selection.date));
        // The new one stays, however old its date.
        let own = next
            .selections
            .iter()
            .position(|selection| selection.names == names);
        if let Some(own) = own.filter(|own| *own >= MOST_SELECTIONS) {
            next.selections.swap(own, MOST_SELECTIONS - 1);
        }
        let surplus = next.selections.len().min(MOST_SELECTIONS);
        let mut dropped: Vec<_> = next
            .selections
            .drain(surplus..)
            .flat_map(|selection| selection.kept)
            .map(|kept| kept.key)
            .collect();
        while next.len() > most {
            match next.drop_oldest(key) {
                Some(key) => dropped.push(key),
                None => break,
            }
        }
        (next, dropped)
    }

    fn len(&self) -> usize {
        self.selections
            .iter()
            .map(|selection| selection.kept.len())
            .sum()
    }

    /// The variant that ends first makes room: were the newest refused instead, a few invented values would switch the page off.
    fn drop_oldest(&mut self, spared: &[u8]) -> Option<Box<[u8]>> {
        let (_, at, place) = self
            .selections
            .iter()
            .enumerate()
            .flat_map(|(at, selection)| {
                let kept = selection.kept.iter().enumerate();
                kept.map(move |(place, kept)| (&kept.key, kept.until, at, place))
            })
            .filter(|(key, ..)| ***key != *spared)
            .map(|(_, until, at, place)| (until, at, place))
            .min()?;
        let dropped = Some(self.selections[at].kept.remove(place).key);
        self.selections
            .retain(|selection| !selection.kept.is_empty());
        dropped
    }

    /// Until when any of them is kept.
    pub(super) fn keep_until(&self) -> Now {
        self.selections
            .iter()
            .flat_map(|selection| selection.kept.iter().map(|kept| kept.until))
            .max()
            .unwrap_or(Now::from_millis(0))
    }
}

impl Selection {
    fn keeps(&self, key: &[u8]) -> bool {
        self.kept.iter().any(|kept| *kept.key == *key)
    }

    /// The variants that the request would negotiate to, as far as can be told.
    fn negotiate(&self, base: &[u8], request: &HeaderMap) -> Vec<Vec<u8>> {
        let kept = self.kept.iter().filter(|kept| {
            let negotiated = kept.negotiated.as_ref();
            negotiated.is_some_and(|negotiated| negotiated.suits(base, &self.names, request))
        });
        kept.map(|kept| kept.key.to_vec()).collect()
    }
}

impl Kept {
    fn weight(&self) -> usize {
        let negotiated = self.negotiated.as_ref();
        self.key.len() + negotiated.map_or(0, |negotiated| negotiated.weight())
    }
}

impl HeadObject for Variants {
    fn weight(&self) -> usize {
        let parts: usize = self
            .selections
            .iter()
            .map(|selection| {
                size_of::<Selection>()
                    + selection.names.capacity() * size_of::<HeaderName>()
                    + selection
                        .names
                        .iter()
                        .map(|name| name.as_str().len())
                        .sum::<usize>()
                    + selection.kept.capacity() * size_of::<Kept>()
                    + selection.kept.iter().map(Kept::weight).sum::<usize>()
            })
            .sum();
        size_of::<Self>() + parts
    }

    fn to_wire(&self) -> Option<Vec<u8>> {
        self.write()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The key of the variant that a request selects by these fields; `None` when its values are too long to select anything.
pub(super) fn variant_key(
    base: &[u8],
    names: &[HeaderName],
    request: &HeaderMap,
) -> Option<Vec<u8>> {
    let mut key = base.to_vec();
    // No part of a page's key begins so.
    key.push(u8::MAX);
    let mut values = 0;
    for name in names {
        push(&mut key, name.as_str().as_bytes());
        // Absent matches only absent, and is not empty.
        match negotiate::selecting(request, name) {
            None => key.push(0),
            Some(value) => {
                values += value.len();
                key.push(1);
                push(&mut key, &value);
            }
        }
    }
    (values <= MOST_SELECTING).then_some(key)
}

fn push(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(part);
}

#[cfg(test)]
#[path = "variants_tests.rs"]
mod tests;
