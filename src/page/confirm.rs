//! What a handler's 304, or its answer to a HEAD, changes of what is stored (RFC 9111 §4.3.4, §4.3.5).

use std::sync::Arc;

use http::header::IF_NONE_MATCH;
use http::response::Parts;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use tower::ServiceExt;
use tower_service::Service;

use super::answer;
use super::body::PageBody;
use super::commit::Commit;
use super::complete::complete_fields;
use super::fill::{Fill, Judged};
use super::flow::{Answer, Call};
use super::freshness::born;
use super::handle::Looked;
use super::lead::{Asks, failure_of};
use super::lookup::{Missed, Stored};
use super::negotiate::normalise;
use super::respond::{self, Outcome, date_seconds};
use super::service::{canonicalise, withhold};
use super::storable::is_too_large;
use super::stored::StoredPage;
use super::validate::{Confirmed, confirmed, contradicts_length, head_confirms, is_listed, merged};
use super::want::Want;
use crate::header::cache_control::keep_private;
use crate::monitor::{Bypass, Failure, NotStored, Reason, Unanswered};
use crate::store::{Head, If, Key, Kind, Op, Record, Times};

/// What a 304 came to.
pub(super) enum Confirming {
    /// It confirms this, as it stands now.
    Holds(Stored, ForOthers),
    /// It is about what the client has.
    TheClients,
    /// It is about nothing that was asked; what is stored has been taken away, so that the next request asks for all of it.
    Contradicted,
}

/// What those who wait have of a confirmed response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForOthers {
    /// The same answer.
    Same,
    /// The same answer, of which nothing was stored anew.
    Unchanged,
    /// The same, since the store failed: it is not asked again for this request.
    Unwell,
    /// Another selection by now: they look it up.
    Selected,
    /// Nothing, for what the handler said with it.
    Refused(NotStored),
}

impl Confirming {
    pub(super) async fn of(
        fill: &Fill,
        missed: &Missed,
        want: &Want,
        asks: Asks,
        response: &Parts,
    ) -> Self {
        let answer = &response.headers;
        let stored: Vec<(&Stored, &StoredPage)> = missed
            .stored
            .iter()
            .filter_map(|stored| Some((stored, stored.page()?)))
            .collect();
        let pages: Vec<&StoredPage> = stored.iter().map(|(_, page)| *page).collect();
        let Some((first, _)) = stored.first() else {
            return Self::TheClients;
        };
        if asks == Asks::ForAll || (asks == Asks::AsTheClient && is_about_tags(want)) {
            // Nothing that is stored was asked about.
            return Self::TheClients;
        }
        match confirmed(&pages, answer) {
            Confirmed::Holds | Confirmed::Nothing if asks == Asks::AsTheClient => Self::TheClients,
            Confirmed::Updates(places)
                if !places.iter().any(|place| {
                    contradicts_length(answer, stored[*place].0.record.body.len())
                }) =>
            {
                let mut preferred = None;
                for place in places {
                    let (old, page) = stored[place];
                    let updated = fill.update(old, page, answer, &response.extensions).await;
                    let is_unwell = updated.1 == ForOthers::Unwell;
                    preferred.get_or_insert(updated);
                    if is_unwell {
                        break;
                    }
                }
                preferred.map_or(Self::Contradicted, |(stored, others)| {
                    Self::Holds(stored, others)
                })
            }
            // Its validator holds for this request, but what is stored may be a part of what there is: the next one asks for all of it.
            Confirmed::Updates(places) => {
                for place in &places {
                    fill.take_away(stored[*place].0).await;
                }
                let first = places.first().and_then(|place| stored.get(*place));
                first.map_or(Self::Contradicted, |(stored, _)| {
                    Self::Holds((*stored).clone(), ForOthers::Unchanged)
                })
            }
            // Which of several tags it is about cannot be told, unless the client's are those that are stored.
            Confirmed::Holds
                if !want.headers.contains_key(IF_NONE_MATCH)
                    || pages
                        .iter()
                        .all(|page| is_listed(page.headers(), &want.headers)) =>
            {
                Self::Holds((*first).clone(), ForOthers::Unchanged)
            }
            Confirmed::Nothing if is_listed(answer, &want.headers) => Self::TheClients,
            Confirmed::Holds | Confirmed::Nothing => {
                for (stored, _) in stored {
                    fill.take_away(stored).await;
                }
                Self::Contradicted
            }
        }
    }
}

/// A client that names tags asks about its own copy; a date may be from anywhere (§4.3.4).
fn is_about_tags(want: &Want) -> bool {
    want.headers.contains_key(IF_NONE_MATCH)
}

impl Fill {
    /// Files what is stored with the fields of a newer answer. What comes back answers this request, whether it could be filed or not.
    async fn update(
        &self,
        old: &Stored,
        page: &StoredPage,
        answer: &HeaderMap,
        extensions: &Extensions,
    ) -> (Stored, ForOthers) {
        if is_too_large(answer) {
            return (old.clone(), ForOthers::Unchanged);
        }
        let wall = self.page.cache.shared.clock.wall();
        let mut headers = merged(page.original_headers(), answer, wall);
        let length = Some(old.record.body.len() as u64);
        let judged = self
            .may_merge(answer)
            .and_then(|()| self.judge_head(page.status(), &headers, extensions, length));
        let marks = {
            let mut marks = self.marks_of(&headers, extensions).to_vec();
            marks.extend_from_slice(&old.record.marks);
            marks.sort_unstable();
            marks.dedup();
            Arc::<[_]>::from(marks)
        };
        let trailers = page.trailers().cloned();
        let body = old.record.body.clone();
        match judged {
            Ok(Judged {
                plan,
                exchange,
                base,
                rule,
                variant,
            }) => {
                let key = match plan.vary.is_empty() {
                    true => base.clone(),
                    false => variant.clone().into(),
                };
                let others = match key == old.key {
                    true => ForOthers::Same,
                    false => ForOthers::Selected,
                };
                let policy = &self.page.policy;
                let completed = complete_fields(&mut headers, policy, &plan.vary, exchange.wall);
                let lifetime = plan.lifetime.as_secs();
                let status = page.status();
                let commit = Commit {
                    page: self.page.clone(),
                    search: self.search.clone().zip(rule),
                    base,
                    variant,
                    vary: plan.vary,
                    selecting: self.selecting.clone(),
                    date: date_seconds(&headers, exchange.wall),
                    head: StoredPage::new(status, &headers, lifetime, plan.terms, completed)
                        .asked_at(self.asked)
                        .of(self.asker.owner)
                        .made_in(page.took_micros()),
                    stamp: self.stamp,
                    times: plan.times,
                    marks,
                    over: Some(old.record.id),
                };
                let record = commit.record(body, trailers);
                // Whatever becomes of it there, it was confirmed for this request.
                let others = match commit.file_record(&record).await {
                    Ok(()) => others,
                    Err(NotStored::Store) => ForOthers::Unwell,
                    Err(_) => ForOthers::Unchanged,
                };
                (Stored { key, record }, others)
            }
            Err(why) => {
                // Unless that is for what this request is, the old terms hold no more.
                if !matches!(why, NotStored::Credentials | NotStored::Identity) {
                    self.take_away(old).await;
                }
                if self.page.policy.identity.is_some() {
                    keep_private(&mut headers);
                }
                let head = StoredPage::new(
                    page.status(),
                    &headers,
                    0,
                    *page.terms(),
                    super::complete::Completed::default(),
                )
                .of(self.asker.owner)
                .completed(&body, trailers, false);
                let lenient = self.page.policy.rules.lenient_age;
                let exchange = self.exchange();
                let born = born(&headers, lenient, &exchange).unwrap_or(exchange.answered);
                let times = Times {
                    born,
                    fresh_until: born,
                    keep_until: born,
                };
                let head = Head::Live(std::sync::Arc::new(head));
                let record = Record::new(Kind::Page, self.stamp, times, marks, head, body);
                let stored = Stored {
                    key: old.key.clone(),
                    record: Arc::new(record),
                };
                (stored, ForOthers::Refused(why))
            }
        }
    }

    /// Takes away what is stored, unless another stands in its place by now.
    pub(super) async fn take_away(&self, stored: &Stored) {
        let shared = &self.page.cache.shared;
        let removal = Op::Remove(If::Same(stored.record.id));
        // A store that is unwell was counted and logged where it was called.
        let _ = shared
            .apply(Key::new(&stored.key), removal, shared.clock.now())
            .await;
    }
}

impl<S, ReqBody> Call<S, ReqBody> {
    /// Forwards a HEAD as it is. A 200 freshens what is stored, or shows that it no longer holds (§4.3.5).
    pub(super) async fn forward_head<ResBody>(mut self, missed: Missed) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        withhold(&self.page, &mut self.request);
        canonicalise(&self.page, &mut self.request, self.content);
        normalise(self.request.headers_mut());
        let marks = self.marks();
        // What one person gets says nothing of what is stored for all, and what says `no-store` leaves no trace (§5.2.1.5).
        let no_store = self.want.no_store;
        let fill = self.fill(missed.stamp, marks, Looked::Missed(missed.absence));
        let is_telling = !fill.credentials && !no_store;
        let asking = self.want.account.around(self.inner.oneshot(self.request));
        let page = self.page;
        let want = self.want;
        let stand_in = |how, status| {
            let unreachable = page.policy.rules.unreachable;
            let now = page.cache.shared.clock.now();
            let stored = missed.stand_in(&want.advice, how, unreachable, now)?;
            let outcome = Outcome::of(Reason::StaleOnError(how))
                .with_status(status)
                .with_absence(missed.absence);
            answer::from_record(&page, &stored.record, want.wish(), outcome, now)
        };
        let (mut parts, body) = match asking.await {
            Ok(response) => response.into_parts(),
            Err(error) => return stand_in(Failure::Unreachable, None).ok_or(error),
        };
        fill.handle.add_to(&mut parts.extensions);
        if let Some(how) = failure_of(parts.status, &parts.extensions) {
            if let Some(stale) = stand_in(how, Some(parts.status)) {
                return Ok(stale);
            }
            if how == Failure::Unreachable && missed.must_be_validated() {
                return Ok(answer::unanswered(
                    &page,
                    Unanswered::MustRevalidate,
                    want.account.told(),
                ));
            }
        }
        if parts.status == StatusCode::NOT_MODIFIED && !want.conditional {
            return Ok(answer::unanswered(
                &page,
                Unanswered::NotModified,
                want.account.told(),
            ));
        }
        if parts.status == StatusCode::OK && is_telling {
            for stored in &missed.stored {
                let Some(kept) = stored.page() else { continue };
                let length = stored.record.body.len();
                if head_confirms(kept, length, &parts.headers) {
                    fill.update(stored, kept, &parts.headers, &parts.extensions)
                        .await;
                } else {
                    fill.take_away(stored).await;
                }
            }
        }
        let mut response = Response::from_parts(parts, body);
        let reason = match missed.stored.is_empty() {
            true => Reason::Bypassed(Bypass::Head),
            false => Reason::Refused(missed.absence, NotStored::Head),
        };
        respond::forwarded(
            &page,
            &mut response,
            reason,
            want.account.told(),
            &page.policy.tags,
        );
        Ok(response.map(PageBody::passed))
    }
}
