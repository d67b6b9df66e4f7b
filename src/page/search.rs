//! `No-Vary-Search`: a page that answers for more targets than the one it was made for.
//!
//! Such a page stands under the key of its path, with its rule and what is left of the query by that rule. An index under the key of the path
//! names the rule of the newest such page, and only by that are others looked up.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Response};

use super::answer::{self, Beside};
use super::asker::Owner;
use super::flow::{Call, Looked};
use super::key::{KeyBuf, path_key_of};
use super::layer::Page;
use super::lookup::{Asking, Lookup, Missed, lookup};
use super::respond::Outcome;
use super::screen::Seen;
use super::search_variance::{emit, holds_for};
use super::wire::{Reader, Writer};
use crate::cache::Shared;
use crate::header::no_vary_search::{NO_VARY_SEARCH, NoVarySearch};
use crate::monitor::Reason;
use crate::request::RequestHead;
use crate::store::{Head, HeadObject, Key, Kind, Op, Record, Stamp, StoreError, Times, When};

/// What follows a path's key. No part of a page's key begins so.
const RULE: u8 = u8::MAX - 2;
const EQUIVALENT: u8 = u8::MAX - 3;

/// Where the equivalents of a target stand.
#[derive(Clone, Debug)]
pub(super) struct SearchKey {
    /// The key of the page without its query.
    path: Box<[u8]>,
    query: Option<String>,
    never_ignored: Vec<String>,
}

impl SearchKey {
    /// That of a request; `None` where the field is not honoured, and for signed requests (SPEC XNVS-8-01).
    pub(super) fn of(
        page: &Page,
        head: &RequestHead<'_>,
        seen: &Seen<'_>,
        owner: Owner,
        depth: u8,
    ) -> Option<Self> {
        let policy = &page.policy;
        let never_ignored = policy.rules.no_vary_search.as_ref()?;
        if head.headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let mut path = KeyBuf::new();
        path_key_of(&mut path, &page.prefix, policy, head, seen, owner, depth).ok()?;
        let query = policy.query.apply(head.target().query());
        Some(Self {
            path: path.as_bytes().into(),
            query: query.map(std::borrow::Cow::into_owned),
            never_ignored: never_ignored.clone(),
        })
    }

    fn index(&self) -> Vec<u8> {
        let mut key = self.path.to_vec();
        key.push(RULE);
        key
    }

    /// Where the equivalents of the target by this rule stand; `None` if it has none.
    fn equivalents(&self, rule: NoVarySearch) -> Option<Vec<u8>> {
        let rule = rule.without_ignoring(&self.never_ignored);
        if rule.is_default() {
            return None;
        }
        let bytes = rule.to_bytes();
        let mut key = self.path.to_vec();
        key.push(EQUIVALENT);
        key.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        key.extend_from_slice(&bytes);
        if let Some(left) = rule.canonical(self.query.as_deref()) {
            key.push(1);
            key.extend_from_slice(left.as_bytes());
        }
        Some(key)
    }

    /// The key under which an answer with these fields is filed, and the rule that is to be known for its path.
    pub(super) fn file_under(&self, answer: &HeaderMap) -> Option<(Vec<u8>, NoVarySearch)> {
        let rule = NoVarySearch::parse(answer);
        Some((self.equivalents(rule.clone())?, rule))
    }

    /// Makes the rule of a stored page known, unless that of a newer one is.
    pub(super) async fn know(&self, shared: &Shared, known: Known) {
        let key = self.index();
        let now = shared.clock.now();
        let found = shared.get(&[Key::new(&key)], now).await;
        let Some(found) = found.ok().and_then(|found| found.into_iter().next()) else {
            return;
        };
        let standing = found.record.as_ref();
        let rule = standing.and_then(|record| record.head.downcast::<Rule>());
        if rule.is_some_and(|rule| rule.date > known.date) {
            return;
        }
        // Of one rule, the page that lasts longest is to be found as long as it lasts.
        let before = standing.filter(|_| rule.is_some_and(|rule| rule.rule == known.rule));
        let keep_until = before.map_or(known.keep_until, |record| {
            record.times.keep_until.max(known.keep_until)
        });
        let times = Times {
            born: now,
            fresh_until: keep_until,
            keep_until,
        };
        let head = Head::Live(std::sync::Arc::new(known.rule()));
        // It says nothing that a purge of one page could make untrue; the pages carry their own marks.
        let marks = shared.space_marks();
        let record = Record::new(Kind::Rule, known.stamp, times, marks, head, Bytes::new());
        // Without it, equivalents are misses; the store was counted and logged where it failed.
        let _ = shared
            .apply(Key::new(&key), Op::Put(Arc::new(record), When::Always), now)
            .await;
    }
}

/// The rule of a page that has been stored.
pub(super) struct Known {
    pub(super) rule: NoVarySearch,
    /// The page's `Date`, in seconds since the epoch.
    pub(super) date: u64,
    pub(super) stamp: Stamp,
    pub(super) keep_until: crate::clock::Now,
}

impl Known {
    fn rule(&self) -> Rule {
        Rule {
            rule: self.rule.clone(),
            date: self.date,
        }
    }
}

/// The index of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    rule: NoVarySearch,
    date: u64,
}

impl Rule {
    /// Of its bytes: version │ date: u64 │ the rule, up to the end.
    const VERSION: u8 = 1;

    /// What [`to_wire`](HeadObject::to_wire) wrote.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.version(Self::VERSION)?;
        Some(Self {
            date: reader.u64()?,
            rule: NoVarySearch::from_bytes(reader.rest())?,
        })
    }
}

impl HeadObject for Rule {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.rule.to_bytes().len() * 2
    }

    fn to_wire(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::new(Self::VERSION);
        writer.u64(self.date);
        writer.raw(&self.rule.to_bytes());
        writer.finish()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<S, B> Call<S, B> {
    /// Looks for a page of an equivalent target. What may not answer at once is added to what was missed.
    pub(super) async fn look_up_equivalent<R>(
        &mut self,
        mut missed: Missed,
    ) -> Result<Looked<R>, StoreError> {
        let Some(search) = self.search.clone() else {
            return Ok(Looked::Missed(missed));
        };
        let page = self.page.clone();
        let shared = &page.cache.shared;
        let now = shared.clock.now();
        let index = search.index();
        let found = shared.get(&[Key::new(&index)], now).await?;
        let record = found.into_iter().next().and_then(|found| found.record);
        let rule = record.and_then(|record| match record.head.downcast::<Rule>() {
            Some(rule) => Some(rule.rule.clone()),
            None => {
                shared.counters.foreign();
                None
            }
        });
        let Some(base) = rule.and_then(|rule| search.equivalents(rule)) else {
            return Ok(Looked::Missed(missed));
        };
        let asking = Asking {
            headers: self.request.headers(),
            advice: &self.want.advice,
            owner: self.asker.owner,
            legible: self.page.policy.legible,
        };
        let found = lookup(shared, &base, asking, now).await?;
        match found {
            Lookup::Fresh(record) => {
                if !self.admits(&record).await? {
                    return Ok(Looked::Missed(missed));
                }
                let beside = Beside::of(self.request.extensions());
                Ok(answer::hit(&page, &record, self.want.wish(), beside, now)
                    .map_or(Looked::Missed(missed), Looked::Answered))
            }
            Lookup::Stale(record, why, found) => {
                if !self.admits(&record).await? {
                    return Ok(Looked::Missed(missed));
                }
                // It is one page that is refreshed, whichever of its targets is asked for.
                missed.flight = found.flight.clone();
                missed.take_over(found);
                let outcome = Outcome::of(Reason::StaleHit(why));
                let wish = self.want.wish();
                Ok(
                    match answer::from_record(&page, &record, wish, outcome, now) {
                        Some(response) => Looked::of_stale(response, why, missed),
                        None => Looked::Missed(missed),
                    },
                )
            }
            Lookup::Missed(mut found) => {
                let mut admitted = Vec::new();
                for stored in std::mem::take(&mut found.stored) {
                    if self.admits(&stored.record).await? {
                        admitted.push(stored);
                    }
                }
                found.stored = admitted;
                if !found.stored.is_empty() {
                    missed.take_over(found);
                }
                Ok(Looked::Missed(missed))
            }
        }
    }

    /// Does what was filled for another target survive the purges of this one?
    async fn admits(&mut self, record: &Record) -> Result<bool, StoreError> {
        let marks = self.marks();
        let shared = self.page.cache.shared.clone();
        shared.admits(record.stamp, &marks).await
    }

    /// What clients are told of the query rule, for a target as its client has sent it.
    pub(super) fn search_field(&self) -> Option<HeaderValue> {
        let policy = &self.page.policy;
        let query = RequestHead::of(&self.request).target().query();
        (policy.says_query_rule && holds_for(&policy.query, query))
            .then(|| emit(&policy.query))
            .flatten()
    }
}

impl Missed {
    /// The stamp stays: it is of before anything was read.
    fn take_over(&mut self, found: Self) {
        self.absence = found.absence;
        self.stored = found.stored;
    }
}

/// Adds what clients are told of the query rule, unless the handler says something of its own.
pub(super) fn tell<B>(response: &mut Response<B>, field: Option<HeaderValue>) {
    if let Some(field) = field
        && !response.headers().contains_key(NO_VARY_SEARCH)
    {
        let _ = response.headers_mut().try_insert(NO_VARY_SEARCH, field);
    }
}

#[cfg(test)]
#[path = "search_wire_tests.rs"]
pub(super) mod wire_tests;
