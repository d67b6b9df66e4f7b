//! The answer to a POST that may serve later GETs (RFC 9110 §9.3.3): it names a lifetime, and its `Content-Location` is the very target.

use bytes::Bytes;
use http::header::CONTENT_LOCATION;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{PageBody, boxed};
use super::fill::{Fill, Judged};
use super::flight::Lead;
use super::flow::{Answer, Call};
use super::freshness::{Explicit, explicit_lifetime};
use super::handle::Looked;
use super::negotiate::normalise;
use super::respond;
use super::service::{is_canonical, withhold};
use crate::cache::Addressed;
use crate::content::BoxError;
use crate::header::ResponseDirectives;
use crate::monitor::{Bypass, Reason};
use crate::request::RequestHead;
use crate::store::{Key, Mark};

/// What a page layer has freed itself: an invalidation layer round it must not free it again, and with it what was just stored.
#[derive(Clone, Debug)]
pub(crate) struct Freed(pub(crate) Vec<Mark>);

impl<S, ReqBody> Call<S, ReqBody> {
    /// Forwards a POST, and stores its answer for GETs where it allows that.
    pub(super) async fn post<ResBody>(mut self) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let shared = &page.cache.shared;
        let now = shared.clock.now();
        let reason = Reason::Bypassed(Bypass::Method);
        // A handler must see the target of the key, and that of a POST is not to be rewritten.
        if self.want.no_store || !is_canonical(&page, &self.request, self.content) {
            return self.forward(reason).await;
        }
        // The stamp is of before the handler reads anything.
        let found = shared.get(&[Key::new(&self.base)], now).await;
        let Some(found) = found.ok().and_then(|found| found.into_iter().next()) else {
            return self.forward(reason).await;
        };
        withhold(&page, &mut self.request);
        let marks = self.marks();
        let addressed = {
            let head = RequestHead::of(&self.request);
            Addressed::of(&head, page.policy.forwarding)
        };
        normalise(self.request.headers_mut());
        let fill = self.fill(found.stamp, marks, Looked::Bypassed(Bypass::Method));
        let asking = self.want.account.around(self.inner.oneshot(self.request));
        let mut response = asking.await?;
        fill.handle.add_to(response.extensions_mut());
        let stored = match serves_gets(&fill, &addressed, &response) {
            None => Err(response),
            Some(judged) => fill.supersede(&addressed, response, judged).await,
        };
        let mut response = stored.unwrap_or_else(|response| response.map(PageBody::passed));
        let told = self.want.account.told();
        respond::forwarded(&page, &mut response, reason, told, &page.policy.tags);
        Ok(response)
    }
}

fn serves_gets<B: Body>(
    fill: &Fill,
    addressed: &Addressed,
    response: &Response<B>,
) -> Option<Judged> {
    let headers = response.headers();
    let mut locations = headers.get_all(CONTENT_LOCATION).iter();
    let is_target = match (locations.next(), locations.next()) {
        (Some(location), None) => addressed.is_target(location),
        _ => false,
    };
    if !is_target || !response.status().is_success() {
        return None;
    }
    let (directives, targeted) = ResponseDirectives::of(headers, &fill.page.policy.rules.targets);
    match explicit_lifetime(&directives, headers, targeted, &fill.exchange()) {
        Explicit::For(span) if !span.is_zero() => fill.judge(response).ok(),
        _ => None,
    }
}

impl Fill {
    /// Frees what stands at the target, which the POST may have changed, and stores its answer there, unless another purge was first.
    async fn supersede<B>(
        mut self,
        addressed: &Addressed,
        response: Response<B>,
        judged: Judged,
    ) -> Result<Response<PageBody<B>>, Response<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let space = &page.cache.shared.space;
        let (mut parts, body) = response.into_parts();
        let mut freed = addressed.marks(space);
        if page.policy.groups {
            // In the same step: its own page may be of a group that it has changed.
            freed.extend(addressed.group_marks(space, &parts.headers));
        }
        let carried = self.marks_of(&parts.headers, &parts.extensions);
        let superseded = page.cache.supersede(&freed, self.stamp, &carried).await;
        let stamp = match superseded {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return Err(Response::from_parts(parts, body)),
            Err(error) => {
                crate::log::purge_error(&error);
                return Err(Response::from_parts(parts, body));
            }
        };
        self.stamp = stamp;
        parts.extensions.insert(Freed(freed));
        let lead = Lead::alone(&page.cache.shared, &self.base, stamp);
        Ok(self.record(lead, parts, boxed(body), judged))
    }
}
