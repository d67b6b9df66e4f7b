//! Looking a page up: what stands under its key, which variant the request selects, and whether that may answer.

use std::sync::Arc;
use std::task::Poll;

use http::HeaderMap;

use super::asker::Owner;
use super::reuse::{Reuse, stands_in};
use super::storable::has_validator;
use super::stored::StoredPage;
use super::variants::{Variants, variant_key};
use crate::cache::Shared;
use crate::clock::Now;
use crate::header::RequestDirectives;
use crate::monitor::{Absence, Failure, StaleUse};
use crate::mutant::is_off;
use crate::store::{Found, Key, Record, Stamp, StoreError};

/// What a look-up brought.
pub(super) enum Lookup {
    Fresh(Arc<Record>),
    /// It may answer though it is stale. What is known of it is for its refresh.
    Stale(Arc<Record>, StaleUse, Missed),
    Missed(Missed),
}

/// Nothing that may be answered at once, and what a fill needs to know of that.
pub(super) struct Missed {
    pub(super) absence: Absence,
    /// The fence's clock before anything is read.
    pub(super) stamp: Stamp,
    /// Under which key requests like this one collapse; the page's own, or that of the variant they all select.
    pub(super) flight: Vec<u8>,
    /// What the request selects and may not be answered with as it is, the preferable first: to be validated, or to stand in.
    pub(super) stored: Vec<Stored>,
}

impl Missed {
    /// Is there a validator to ask with?
    pub(super) fn can_be_validated(&self) -> bool {
        let mut pages = self.stored.iter().filter_map(Stored::page);
        pages.any(|page| has_validator(page.headers()))
    }

    /// Is an error better than something stale?
    pub(super) fn must_be_validated(&self) -> bool {
        let mut pages = self.stored.iter().filter_map(Stored::page);
        pages.any(|page| page.terms().must_revalidate || page.terms().no_stale)
    }

    /// What may answer instead of a handler that failed so.
    pub(super) fn stand_in(
        &self,
        advice: &RequestDirectives,
        how: Failure,
        unreachable_counts: bool,
        now: Now,
    ) -> Option<&Stored> {
        let unreachable = unreachable_counts && how == Failure::Unreachable;
        self.stored.iter().find(|stored| {
            stored.page().is_some_and(|page| {
                stands_in(&stored.record.times, page.terms(), advice, unreachable, now)
            })
        })
    }
}

/// A stored response and where it stands.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) key: Box<[u8]>,
    pub(super) record: Arc<Record>,
}

impl Stored {
    /// Its head, if it is one of ours; a look-up keeps no other.
    pub(super) fn page(&self) -> Option<&StoredPage> {
        self.record.head.downcast()
    }
}

/// What a request asks with: its fields, and those of its directives that count.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) advice: &'a RequestDirectives,
    /// Whose page is asked for.
    pub(super) owner: Owner,
    /// See [`Policy`](super::policy::Policy).
    pub(super) legible: Option<fn(&[u8]) -> bool>,
}

impl Asking<'_> {
    /// Is it a page of whom it is asked for, and can it be read?
    fn may_have(&self, page: &StoredPage, record: &Record) -> bool {
        (is_off("identity") || page.owner() == self.owner)
            && self.legible.is_none_or(|legible| legible(&record.body))
    }
}

/// The look-up without waiting; `Pending` when the store cannot answer so.
pub(super) fn lookup_now(
    shared: &Shared,
    base: &[u8],
    asking: Asking<'_>,
    now: Now,
) -> Poll<Result<Lookup, StoreError>> {
    let found = match shared.get_now(Key::new(base), now) {
        Poll::Ready(Ok(found)) => found,
        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
        Poll::Pending => return Poll::Pending,
    };
    let (index, stamp) = match judge(shared, base, found, asking, now) {
        Judged::Settled(lookup) => return Poll::Ready(Ok(lookup)),
        Judged::Variants(index, stamp) => (index, stamp),
    };
    let index = index_of(&index);
    let mut variants = Vec::new();
    for key in index.candidates(base, asking.headers) {
        match shared.get_now(Key::new(&key), now) {
            Poll::Ready(Ok(found)) => variants.push((key, found)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(select(
        shared, index, base, asking, variants, stamp, now,
    )))
}

/// The look-up with a store that has to be waited for.
pub(super) async fn lookup(
    shared: &Shared,
    base: &[u8],
    asking: Asking<'_>,
    now: Now,
) -> Result<Lookup, StoreError> {
    let guess = shared.guesses.of(base);
    let guessed = guess.map_or_else(Vec::new, |index| {
        index_of(&index).candidates(base, asking.headers)
    });
    let mut found = read(shared, Some(base), &guessed, now).await?;
    let (index, stamp) = match judge(shared, base, found.remove(0), asking, now) {
        Judged::Settled(lookup) => return Ok(lookup),
        Judged::Variants(index, stamp) => (index, stamp),
    };
    shared.guesses.note(base, &index);
    let index = index_of(&index);
    let candidates = index.candidates(base, asking.headers);
    let mut known: Vec<(Vec<u8>, Found)> = guessed.into_iter().zip(found).collect();
    known.retain(|(key, _)| candidates.contains(key));
    let is_unknown = |key: &&Vec<u8>| !known.iter().any(|(known, _)| known == *key);
    let others: Vec<Vec<u8>> = candidates.iter().filter(is_unknown).cloned().collect();
    if !others.is_empty() {
        let found = read(shared, None, &others, now).await?;
        known.extend(others.into_iter().zip(found));
        // As preferable as the index has them.
        known.sort_by_key(|(key, _)| candidates.iter().position(|candidate| candidate == key));
    }
    Ok(select(shared, index, base, asking, known, stamp, now))
}

/// One answer for each key.
async fn read(
    shared: &Shared,
    first: Option<&[u8]>,
    others: &[Vec<u8>],
    now: Now,
) -> Result<Vec<Found>, StoreError> {
    let keys = first.into_iter().chain(others.iter().map(Vec::as_slice));
    let keys: Vec<Key<'_>> = keys.map(Key::new).collect();
    let found = shared.get(&keys, now).await?;
    match found.len() == keys.len() {
        true => Ok(found),
        false => Err(StoreError::new("read", "no answer for the key")),
    }
}

enum Judged {
    Settled(Lookup),
    Variants(Arc<Record>, Stamp),
}

fn judge(shared: &Shared, base: &[u8], found: Found, asking: Asking<'_>, now: Now) -> Judged {
    let missed = |absence, stored| Missed {
        absence,
        stamp: found.stamp,
        flight: base.to_vec(),
        stored,
    };
    let Some(record) = found.record else {
        return Judged::Settled(Lookup::Missed(missed(Absence::Uri, Vec::new())));
    };
    if let Some(page) = record.head.downcast::<StoredPage>()
        && asking.may_have(page, &record)
    {
        let reuse = page.reuse(&record.times, asking.advice, now);
        if reuse == Reuse::Fresh {
            return Judged::Settled(Lookup::Fresh(record));
        }
        let stored = || {
            vec![Stored {
                key: base.into(),
                record: record.clone(),
            }]
        };
        return Judged::Settled(match reuse {
            Reuse::Stale(why) => {
                Lookup::Stale(record.clone(), why, missed(Absence::Stale, stored()))
            }
            Reuse::Validate(absence) => Lookup::Missed(missed(absence, stored())),
            Reuse::Fresh => Lookup::Fresh(record),
        });
    }
    if record.head.downcast::<Variants>().is_some() {
        return Judged::Variants(record, found.stamp);
    }
    // Foreign: another version's, another owner's, or not ours at all.
    shared.counters.foreign();
    Judged::Settled(Lookup::Missed(missed(Absence::Uri, Vec::new())))
}

fn index_of(record: &Record) -> &Variants {
    static NONE: Variants = Variants::none();
    record.head.downcast().unwrap_or(&NONE)
}

/// Of the variants that the request selects, the one with the latest `Date` that may answer (RFC 9111 §4).
fn select(
    shared: &Shared,
    index: &Variants,
    base: &[u8],
    asking: Asking<'_>,
    variants: Vec<(Vec<u8>, Found)>,
    stamp: Stamp,
    now: Now,
) -> Lookup {
    let mut stored: Vec<Stored> = variants
        .into_iter()
        .filter_map(|(key, found)| {
            Some(Stored {
                key: key.into(),
                record: found.record?,
            })
        })
        .filter(|stored| match stored.page() {
            Some(page) => asking.may_have(page, &stored.record),
            None => {
                shared.counters.foreign();
                false
            }
        })
        .collect();
    // The younger was born later; dates of one second are told apart so too.
    stored.sort_by_key(|stored| std::cmp::Reverse(stored.record.times.born));
    let uses: Vec<Reuse> = stored
        .iter()
        .filter_map(|stored| {
            let page = stored.page()?;
            Some(page.reuse(&stored.record.times, asking.advice, now))
        })
        .collect();
    if let Some(fresh) = uses.iter().position(|reuse| *reuse == Reuse::Fresh) {
        return Lookup::Fresh(stored.swap_remove(fresh).record);
    }
    let flight = index
        .newest()
        .and_then(|names| variant_key(base, names, asking.headers))
        .unwrap_or_else(|| base.to_vec());
    let absence = match uses.first() {
        None => Absence::Vary,
        Some(Reuse::Validate(absence)) => *absence,
        Some(_) => Absence::Stale,
    };
    let answering = uses
        .iter()
        .enumerate()
        .find_map(|(place, reuse)| match reuse {
            Reuse::Stale(why) => Some((stored[place].record.clone(), *why)),
            _ => None,
        });
    let missed = Missed {
        absence,
        stamp,
        flight,
        stored,
    };
    match answering {
        Some((record, why)) => Lookup::Stale(record, why, missed),
        None => Lookup::Missed(missed),
    }
}
