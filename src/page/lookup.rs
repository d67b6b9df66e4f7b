//! Looking a page up: what stands under its key, and which variant the request selects.

use std::sync::Arc;
use std::task::Poll;

use http::HeaderMap;

use super::freshness::is_fresh;
use super::stored::StoredPage;
use super::variants::{Variants, variant_key};
use crate::cache::Shared;
use crate::clock::Now;
use crate::monitor::Absence;
use crate::store::{Found, Key, Record, Stamp, StoreError};

/// What a look-up brought.
pub(super) enum Lookup {
    Fresh(Arc<Record>),
    Missed(Missed),
}

/// Nothing that may be answered, and what a fill needs to know of that.
pub(super) struct Missed {
    pub(super) absence: Absence,
    /// The fence's clock before anything is read.
    pub(super) stamp: Stamp,
    /// Under which key requests like this one collapse; the page's own, or that of the variant they all select.
    pub(super) flight: Vec<u8>,
}

/// The look-up without waiting; `Pending` when the store cannot answer so.
pub(super) fn lookup_now(
    shared: &Shared,
    base: &[u8],
    request: &HeaderMap,
    now: Now,
) -> Poll<Result<Lookup, StoreError>> {
    let found = match shared.get_now(Key::new(base), now) {
        Poll::Ready(Ok(found)) => found,
        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
        Poll::Pending => return Poll::Pending,
    };
    let (index, stamp) = match judge(shared, base, found, now) {
        Judged::Settled(lookup) => return Poll::Ready(Ok(lookup)),
        Judged::Variants(index, stamp) => (index, stamp),
    };
    let index = index_of(&index);
    let mut variants = Vec::new();
    for key in index.candidates(base, request) {
        match shared.get_now(Key::new(&key), now) {
            Poll::Ready(Ok(found)) => variants.push(found),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(select(index, base, request, variants, stamp, now)))
}

/// The look-up with a store that has to be waited for.
pub(super) async fn lookup(
    shared: &Shared,
    base: &[u8],
    request: &HeaderMap,
    now: Now,
) -> Result<Lookup, StoreError> {
    let found = shared.get(&[Key::new(base)], now).await?;
    let Some(found) = found.into_iter().next() else {
        return Err(StoreError::new("read", "no answer for the key"));
    };
    let (index, stamp) = match judge(shared, base, found, now) {
        Judged::Settled(lookup) => return Ok(lookup),
        Judged::Variants(index, stamp) => (index, stamp),
    };
    let index = index_of(&index);
    let keys = index.candidates(base, request);
    let keys: Vec<Key<'_>> = keys.iter().map(|key| Key::new(key)).collect();
    let variants = shared.get(&keys, now).await?;
    Ok(select(index, base, request, variants, stamp, now))
}

enum Judged {
    Settled(Lookup),
    Variants(Arc<Record>, Stamp),
}

fn judge(shared: &Shared, base: &[u8], found: Found, now: Now) -> Judged {
    let missed = |absence| {
        Judged::Settled(Lookup::Missed(Missed {
            absence,
            stamp: found.stamp,
            flight: base.to_vec(),
        }))
    };
    let Some(record) = found.record else {
        return missed(Absence::Uri);
    };
    if record.head.downcast::<StoredPage>().is_some() {
        if is_fresh(&record.times, now) {
            return Judged::Settled(Lookup::Fresh(record));
        }
        return missed(Absence::Stale);
    }
    if record.head.downcast::<Variants>().is_some() {
        return Judged::Variants(record, found.stamp);
    }
    // Foreign: another version's, or not ours at all.
    shared.counters.foreign();
    missed(Absence::Uri)
}

fn index_of(record: &Record) -> &Variants {
    static NONE: Variants = Variants::none();
    record.head.downcast().unwrap_or(&NONE)
}

/// Of the variants that the request selects, the one with the latest `Date` that is fresh (RFC 9111 §4).
fn select(
    index: &Variants,
    base: &[u8],
    request: &HeaderMap,
    variants: Vec<Found>,
    stamp: Stamp,
    now: Now,
) -> Lookup {
    let mut absence = Absence::Vary;
    let mut best: Option<Arc<Record>> = None;
    for record in variants.into_iter().filter_map(|found| found.record) {
        if record.head.downcast::<StoredPage>().is_none() {
            continue;
        }
        if !is_fresh(&record.times, now) {
            absence = Absence::Stale;
            continue;
        }
        // The younger was born later; dates of one second are told apart so too.
        if best
            .as_ref()
            .is_none_or(|best| best.times.born < record.times.born)
        {
            best = Some(record);
        }
    }
    match best {
        Some(record) => Lookup::Fresh(record),
        None => Lookup::Missed(Missed {
            absence,
            stamp,
            flight: index
                .newest()
                .and_then(|names| variant_key(base, names, request))
                .unwrap_or_else(|| base.to_vec()),
        }),
    }
}
