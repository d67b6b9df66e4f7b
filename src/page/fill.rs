//! What a handler's answer is judged by, and how it is recorded on its way to the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::response::Parts;
use http::{Extensions, HeaderMap, Response, StatusCode};
use http_body::Body;

use super::asker::{Asker, Read};
use super::body::{PageBody, Reader};
use super::commit::{Commit, Ending};
use super::complete::complete_fields;
use super::control::PageControl;
use super::flight::Lead;
use super::freshness::{Exchange, is_fresh};
use super::handle::Handle;
use super::layer::Page;
use super::record::{Bounds, Recording, Role};
use super::respond::{self, Inherited};
use super::search::SearchKey;
use super::share::SharedPage;
use super::storable::{Asked, Plan, shares, storable};
use super::stored::StoredPage;
use super::variants::variant_key;
use crate::between::Unstorable;
use crate::cache::{CacheTags, Origin};
use crate::clock::Now;
use crate::content::AnyBody;
use crate::header::no_vary_search::NoVarySearch;
use crate::header::{CacheGroups, ResponseDirectives};
use crate::monitor::NotStored;
use crate::store::{Mark, Stamp};

/// The most tags and groups that a handler can give its page: each is looked at after every purge.
const MOST_TAGS: usize = 1_000;

/// What was known when the handler was asked.
pub(super) struct Fill {
    pub(super) page: Arc<Page>,
    pub(super) base: Box<[u8]>,
    pub(super) asker: Asker,
    pub(super) read: Read,
    pub(super) credentials: bool,
    pub(super) authorization_alone: bool,
    pub(super) handle: Handle,
    pub(super) stamp: Stamp,
    pub(super) marks: Vec<Mark>,
    /// Whose groups it may belong to, where groups count.
    pub(super) origin: Option<Origin>,
    /// The request's fields, for those that select.
    pub(super) selecting: HeaderMap,
    pub(super) asked: Now,
    /// The same by the finer clock.
    pub(super) asked_micros: u64,
    pub(super) route: Option<String>,
    pub(super) plain_path: bool,
    pub(super) search: Option<SearchKey>,
    /// Was a part asked for?
    pub(super) ranged: bool,
}

/// A response that will be stored.
pub(super) struct Judged {
    pub(super) plan: Plan,
    pub(super) exchange: Exchange,
    /// The page's key, or that of its equivalents.
    pub(super) base: Box<[u8]>,
    /// The rule by which it has equivalents.
    pub(super) rule: Option<NoVarySearch>,
    /// The key under the fields that select it.
    pub(super) variant: Vec<u8>,
}

impl Fill {
    pub(super) fn judge<B: Body>(&self, response: &Response<B>) -> Result<Judged, NotStored> {
        self.judge_head(
            response.status(),
            response.headers(),
            response.extensions(),
            response.body().size_hint().exact(),
        )
    }

    /// The same of a head alone, and what is known of the length of the body.
    pub(super) fn judge_head(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
        length: Option<u64>,
    ) -> Result<Judged, NotStored> {
        let shared = &self.page.cache.shared;
        if let Some(Unstorable(why)) = extensions.get() {
            return Err(*why);
        }
        // A part that nobody asked for is no page, and not what its client can make anything of.
        if status == StatusCode::PARTIAL_CONTENT && !self.ranged {
            return Err(NotStored::Status);
        }
        let exchange = self.exchange();
        let inherited = extensions.get::<Inherited>();
        if inherited.is_some_and(|inherited| inherited.separated) {
            return Err(NotStored::KeyParts);
        }
        if inherited.is_some_and(|inherited| inherited.stale) {
            return Err(NotStored::Stale);
        }
        let tags = extensions.get::<CacheTags>();
        let tags = tags.map_or(0, |tags| tags.iter().count());
        // Left out, a group could not free the page any more.
        if tags + self.groups(headers).iter().count() > MOST_TAGS {
            return Err(NotStored::Tags);
        }
        let asked = Asked {
            plain_path: self.plain_path,
            credentials: self.credentials,
            withheld: &shared.identity_fields,
            authorization_alone: self.authorization_alone,
            for_one_person: self.asker.owner.is_one_person(),
            identity_read: !self.read.is_known_to(&self.asker),
            default_ttl: shared.default_ttl,
        };
        let plan = storable(
            status,
            headers,
            PageControl::of(extensions),
            length,
            asked,
            &self.page.policy,
            &exchange,
        )?;
        // Selecting values that are too long to be looked up again are not stored under either.
        let filed = self
            .search
            .as_ref()
            .and_then(|search| search.file_under(headers));
        let (base, rule) = match filed {
            Some((base, rule)) => (base.into(), Some(rule)),
            None => (self.base.clone(), None),
        };
        let variant =
            variant_key(&base, &plan.vary, &self.selecting).ok_or(NotStored::VaryBounds)?;
        Ok(Judged {
            plan,
            exchange,
            base,
            rule,
            variant,
        })
    }

    /// May what an answer with these fields says be merged into what is for everyone? What it leaves unsaid is no permission of its own.
    pub(super) fn may_merge(&self, answer: &HeaderMap) -> Result<(), NotStored> {
        let policy = &self.page.policy;
        let (directives, _) = ResponseDirectives::of(answer, &policy.rules.targets);
        match !self.credentials || shares(&directives, self.authorization_alone, policy) {
            true => Ok(()),
            false => Err(NotStored::Credentials),
        }
    }

    /// The exchange with the handler, whose answer has just come.
    pub(super) fn exchange(&self) -> Exchange {
        let clock = &self.page.cache.shared.clock;
        Exchange {
            asked: self.asked,
            answered: clock.now(),
            wall: clock.wall(),
        }
    }

    pub(super) fn refuse(&self, lead: Lead, why: NotStored) {
        let shared = &self.page.cache.shared;
        shared
            .remembered
            .note(lead.key(), self.credentials, shared.clock.now());
        lead.refuse(why);
        let route = self.route.as_deref().unwrap_or("(unnamed)");
        let warned = |flag: &AtomicBool| flag.swap(true, Ordering::Relaxed);
        match why {
            NotStored::Credentials if !warned(&self.page.warned_credentials) => {
                crate::log::credentials(route);
            }
            NotStored::Identity if !warned(&self.page.warned_identity) => {
                crate::log::identity(route);
            }
            _ => {}
        }
    }

    /// Records the body on its way to the client.
    pub(super) fn record<B>(
        self,
        lead: Lead,
        mut parts: Parts,
        body: AnyBody,
        judged: Judged,
    ) -> Response<PageBody<B>> {
        let shared = self.page.cache.shared.clone();
        let policy = &self.page.policy;
        let Judged {
            plan,
            exchange,
            base,
            rule,
            variant,
        } = judged;

        let marks = self.marks_of(&parts.headers, &parts.extensions);
        Inherited::add(&self.page, &mut parts.extensions, &marks);
        let (lead, is_for_all) = self.released(lead, &plan);

        let completed = complete_fields(&mut parts.headers, policy, &plan.vary, exchange.wall);
        let took = shared.clock.micros().saturating_sub(self.asked_micros);
        let head = || {
            StoredPage::new(
                parts.status,
                &parts.headers,
                plan.lifetime.as_secs(),
                plan.terms,
                completed.clone(),
            )
            .asked_at(self.asked)
            .of(self.asker.owner)
            .made_in(took)
        };
        let bounds = Bounds {
            limit: policy.max_body,
            length: plan.length,
            trailers: parts.headers.contains_key(http::header::TRAILER),
        };
        let recording = Recording::new(
            body,
            bounds,
            shared.budget.share(),
            shared.background.clone(),
        );
        lead.share(Arc::new(SharedPage {
            head: head(),
            times: plan.times,
            stamp: self.stamp,
            marks: marks.clone(),
            vary: plan.vary.clone(),
            variant: match base == self.base {
                true => variant.clone(),
                false => variant_key(&self.base, &plan.vary, &self.selecting).unwrap_or_default(),
            },
            length: plan.length,
            recording: recording.clone(),
        }));
        recording.begin(Ending {
            commit: Commit {
                page: self.page.clone(),
                search: self.search.zip(rule),
                base,
                variant,
                vary: plan.vary,
                selecting: self.selecting,
                date: respond::date_seconds(&parts.headers, exchange.wall),
                head: head(),
                stamp: self.stamp,
                times: plan.times,
                marks,
                over: None,
            },
            asker: self.asker,
            read: self.read,
            is_for_all,
            lead,
            credentials: self.credentials,
            background: shared.background.clone(),
        });
        let reader = Reader::new(recording, Role::Leader, plan.length);
        Response::from_parts(parts, PageBody::recorded(reader))
    }

    /// The groups that an answer with these fields belongs to.
    fn groups(&self, headers: &HeaderMap) -> CacheGroups {
        match self.origin {
            Some(_) => CacheGroups::of(headers),
            None => CacheGroups::default(),
        }
    }

    /// The marks of an answer with these fields and extensions.
    pub(super) fn marks_of(&self, headers: &HeaderMap, extensions: &Extensions) -> Arc<[Mark]> {
        let shared = &self.page.cache.shared;
        let mut marks = self.marks.clone();
        if let Some(tags) = extensions.get::<CacheTags>() {
            marks.extend(tags.iter().map(|tag| shared.tag_mark(tag)));
        }
        if let Some(origin) = &self.origin {
            marks.extend(origin.member(&shared.space, self.groups(headers).iter()));
        }
        if let Some(inherited) = extensions.get::<Inherited>() {
            marks.extend_from_slice(&inherited.marks);
        }
        marks.sort_unstable();
        marks.dedup();
        marks.into()
    }

    /// What must be validated before each use is nothing that others could be given: they ask each for themselves, and do not queue.
    fn released(&self, lead: Lead, plan: &Plan) -> (Lead, bool) {
        let shared = &self.page.cache.shared;
        let now = shared.clock.now();
        if !plan.terms.no_cache && is_fresh(&plan.times, now) {
            return (lead, true);
        }
        let alone = Lead::alone(shared, lead.key(), lead.stamp());
        shared.remembered.note(lead.key(), self.credentials, now);
        lead.refuse(NotStored::NoCache);
        (alone, false)
    }
}
