//! Plain hits of requests whose content belongs to the key, for a layer that makes answers of its own of what is stored.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Extensions, HeaderValue};

use super::account::{Shown, Told};
use super::answer::Beside;
use super::asker::Asker;
use super::content::add_plain_to_key;
use super::key::{KeyBuf, key_of};
use super::layer::CacheLayer;
use super::lookup::{Asking, Lookup, lookup_now};
use super::respond::Inherited;
use super::screen::{Content, screen};
use super::stored::StoredPage;
use crate::between::Aged;
use crate::identity::Traced;
use crate::monitor::Reason;
use crate::request::RequestHead;
use crate::store::Record;

/// What answers a request, and is counted once it has.
pub(crate) struct Hit<'a> {
    layer: &'a CacheLayer,
    record: Arc<Record>,
    /// In seconds.
    age: u64,
    beside: Beside,
}

impl CacheLayer {
    /// What answers this request at once, if it is fresh, and nothing more is to be done than to give it: what
    /// [`ask_keyed`](super::CacheService::ask_keyed) would give, too.
    pub(crate) fn hit_now(&self, head: &RequestHead<'_>, content: &[u8]) -> Option<Hit<'_>> {
        let page = self.page();
        let shared = &page.cache.shared;
        let seen = screen(head, Content::Keyed, &shared.identities).ok()?;
        let asker = Asker::of(&page.cache, &page.policy, head).ok()?;
        let owner = asker.owner;
        let traced = head.extensions.get::<Traced>();
        let depth = traced.map_or(0, |traced| traced.depth);
        let mut key = KeyBuf::new();
        let of = (&page.prefix, &page.policy);
        key_of(&mut key, of.0, of.1, head, &seen, owner, depth).ok()?;
        if asker.unkeyed(page, head, &seen).credentials {
            return None;
        }
        add_plain_to_key(&mut key, content);
        let advice = page.policy.rules.request.of(seen.said);
        let asking = Asking {
            headers: head.headers,
            advice: &advice,
            owner,
            // Who asks reads it, or asks again.
            legible: None,
        };
        let now = shared.clock.now();
        match lookup_now(shared, key.as_bytes(), asking, now) {
            Poll::Ready(Ok(Lookup::Fresh(record))) => Some(Hit {
                layer: self,
                age: now.since(record.times.born).as_secs(),
                record,
                beside: Beside::traced(traced.is_some(), head.extensions),
            }),
            _ => None,
        }
    }
}

impl Hit<'_> {
    pub(crate) fn body(&self) -> &Bytes {
        &self.record.body
    }

    /// Counts it, and says beside the answer what layers further out want to know.
    pub(crate) fn count(&self, head: &RequestHead<'_>, extensions: &mut Extensions) {
        let page = self.layer.page();
        if self.beside.for_marks {
            extensions.insert(Inherited::of(page, self.record.marks.clone()));
            extensions.insert(Aged(HeaderValue::from(self.age)));
        }
        if self.beside.for_reason {
            extensions.insert(Reason::Hit);
        }
        let stored = self.record.head.downcast::<StoredPage>();
        let told = Told {
            route: page.route_of(head),
            shown: Shown::Nothing,
            key: None,
            span: None,
        };
        let took = stored.map_or(0, StoredPage::took_micros);
        told.hit(self.record.body.len() as u64, took);
    }
}
