//! Leading a flight: the handler is asked, and its answer judged, recorded and shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{BoxError, Boxed, PageBody, Reader};
use super::commit::{Commit, Ending};
use super::control::PageControl;
use super::flight::Lead;
use super::flow::{Answer, Call};
use super::freshness::Exchange;
use super::layer::Page;
use super::record::{Bounds, Recording, Role};
use super::request::{RequestHead, matched_path};
use super::respond::{self, Inherited};
use super::service::{canonicalise, trace, withhold};
use super::share::SharedPage;
use super::storable::{Asked, Plan, is_plain_path, storable};
use super::stored::StoredPage;
use super::variants::variant_key;
use crate::cache::CacheTags;
use crate::clock::Now;
use crate::identity::Traced;
use crate::monitor::{Absence, NotStored, Reason};
use crate::store::{Mark, Stamp};

/// The most tags that a handler can give its page: each is looked at after every purge.
const MOST_TAGS: usize = 1_000;

impl<S, ReqBody> Call<S, ReqBody> {
    /// Asks the handler, and decides what becomes of its answer.
    pub(super) async fn lead<ResBody>(
        mut self,
        lead: Lead,
        absence: Absence,
        marks: Vec<Mark>,
        waited: bool,
    ) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let shared = &page.cache.shared;
        withhold(&page, &mut self.request);
        canonicalise(&page, &mut self.request);
        if lead.is_public() && !self.credentials {
            // What one client has already must not keep the page from everyone: a fill asks for all of it. What is asked with credentials is
            // seldom for everyone, and keeps its validation.
            for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
                self.request.headers_mut().remove(name);
            }
        }
        let traced = trace(&mut self.request);
        let fill = Fill {
            route: page
                .policy
                .label
                .clone()
                .or_else(|| matched_path(self.request.extensions()).map(str::to_owned)),
            stamp: traced.trace.stamp(lead.stamp()),
            selecting: self.request.headers().clone(),
            page: page.clone(),
            base: self.base,
            credentials: self.credentials,
            traced,
            marks,
            plain_path: is_plain_path(RequestHead::of(&self.request).target().path()),
            asked: shared.clock.now(),
        };

        let response = self.inner.oneshot(self.request).await?;
        let reason = |why| match waited {
            false => Reason::Refused(absence, why),
            true => Reason::RefusedAlone(absence, why),
        };
        let shown = self.shown;
        match fill.judge(&response) {
            Err(why) => {
                let marks = fill.marks.clone();
                if response.status() == StatusCode::NOT_MODIFIED {
                    // It answers this client's condition, and says nothing of the page: who waited begins anew.
                    drop(lead);
                } else {
                    fill.refuse(lead, why);
                }
                let mut response = response.map(PageBody::passed);
                respond::forwarded(&page, &mut response, reason(why), shown, &marks);
                Ok(response)
            }
            Ok(judged) => {
                let mut response = fill.record(lead, response, judged);
                let reason = match waited {
                    false => Reason::Stored(absence),
                    true => Reason::StoredAlone(absence),
                };
                // Its marks are in its extensions already.
                respond::forwarded(&page, &mut response, reason, shown, &[]);
                Ok(response)
            }
        }
    }
}

/// What was known when the handler was asked.
struct Fill {
    page: Arc<Page>,
    base: Box<[u8]>,
    credentials: bool,
    traced: Traced,
    stamp: Stamp,
    marks: Vec<Mark>,
    /// The request's fields, for those that select.
    selecting: HeaderMap,
    asked: Now,
    route: Option<String>,
    plain_path: bool,
}

/// A response that will be stored.
struct Judged {
    plan: Plan,
    exchange: Exchange,
    /// The key under the fields that select it.
    variant: Vec<u8>,
}

impl Fill {
    fn judge<B: Body>(&self, response: &Response<B>) -> Result<Judged, NotStored> {
        let shared = &self.page.cache.shared;
        let exchange = Exchange {
            asked: self.asked,
            answered: shared.clock.now(),
            wall: shared.clock.wall(),
        };
        let inherited = response.extensions().get::<Inherited>();
        if inherited.is_some_and(|inherited| inherited.separated) {
            return Err(NotStored::KeyParts);
        }
        let tags = response.extensions().get::<CacheTags>();
        if tags.is_some_and(|tags| tags.iter().count() > MOST_TAGS) {
            return Err(NotStored::Tags);
        }
        let asked = Asked {
            plain_path: self.plain_path,
            credentials: self.credentials,
            identity_read: self.traced.trace.has_read_identity(),
            default_ttl: shared.default_ttl,
        };
        let plan = storable(
            response.status(),
            response.headers(),
            PageControl::of(response.extensions()),
            response.body().size_hint().exact(),
            asked,
            &self.page.policy,
            &exchange,
        )?;
        // Selecting values that are too long to be looked up again are not stored under either.
        let variant =
            variant_key(&self.base, &plan.vary, &self.selecting).ok_or(NotStored::VaryBounds)?;
        Ok(Judged {
            plan,
            exchange,
            variant,
        })
    }

    fn refuse(&self, lead: Lead, why: NotStored) {
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
    fn record<B>(self, lead: Lead, response: Response<B>, judged: Judged) -> Response<PageBody<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = response.into_parts();
        let shared = self.page.cache.shared.clone();
        let policy = &self.page.policy;
        let Judged {
            plan,
            exchange,
            variant,
        } = judged;

        let mut marks = self.marks;
        if let Some(tags) = parts.extensions.get::<CacheTags>() {
            marks.extend(tags.iter().map(|tag| shared.tag_mark(tag)));
        }
        if let Some(inherited) = parts.extensions.get::<Inherited>() {
            marks.extend_from_slice(&inherited.marks);
        }
        marks.sort_unstable();
        marks.dedup();
        let marks: Arc<[Mark]> = marks.into();
        Inherited::add(&self.page, &mut parts.extensions, &marks);

        let client =
            respond::complete_fields(&mut parts.headers, policy, &plan.vary, exchange.wall);
        let head = || {
            StoredPage::new(
                parts.status,
                &parts.headers,
                plan.lifetime.as_secs(),
                client.clone(),
            )
        };
        let bounds = Bounds {
            limit: policy.max_body,
            length: plan.length,
            trailers: parts.headers.contains_key(http::header::TRAILER),
        };
        let recording = Recording::new(
            Box::pin(Boxed { body }),
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
            variant: variant.clone(),
            length: plan.length,
            recording: recording.clone(),
        }));
        recording.begin(Ending {
            commit: Commit {
                page: self.page.clone(),
                base: self.base,
                variant,
                vary: plan.vary,
                date: respond::date_seconds(&parts.headers, exchange.wall),
                head: head(),
                stamp: self.stamp,
                times: plan.times,
                marks,
            },
            lead,
            credentials: self.credentials,
            background: shared.background.clone(),
        });
        let reader = Reader::new(recording, Role::Leader, plan.length);
        Response::from_parts(parts, PageBody::recorded(reader))
    }
}
