//! The future of a [`MonitorService`](super::MonitorService).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

use super::fields::{self, HitRate, Seconds, Timing};
use super::layer::Options;
use super::reason::Reason;
use super::request::RequestCounts;
use super::summary::Asked;
use crate::request::RequestHead;

pin_project! {
    /// The future of a [`MonitorService`](crate::monitor::MonitorService).
    pub struct MonitorFuture<F> {
        #[pin]
        inner: TaskLocalFuture<RequestCounts, F>,
        watch: Watch,
    }
}

impl<F> MonitorFuture<F> {
    pub(super) fn new(inner: TaskLocalFuture<RequestCounts, F>, watch: Watch) -> Self {
        Self { inner, watch }
    }
}

impl<F, B, E> Future for MonitorFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.inner.poll(cx));
        let duration = this.watch.duration();
        if let Ok(response) = &mut answer {
            let reason = response.extensions().get().copied();
            this.watch.write(response.headers_mut(), reason, duration);
        }
        let status = answer.as_ref().ok().map(Response::status);
        this.watch.tell(status, duration);
        Poll::Ready(answer)
    }
}

/// One request, watched from its arrival to the head of its response.
pub(super) struct Watch {
    options: Arc<Options>,
    counts: RequestCounts,
    start: Duration,
    shown: bool,
    /// `None` when it has been told.
    asked: Option<Asked>,
}

impl Watch {
    pub(super) fn start(
        options: &Arc<Options>,
        head: &RequestHead<'_>,
        counts: RequestCounts,
    ) -> Self {
        Self {
            start: options.elapsed(),
            shown: options.is_shown_to(head),
            asked: Some(Asked::of(head)),
            options: options.clone(),
            counts,
        }
    }

    fn duration(&self) -> Duration {
        self.options.elapsed().saturating_sub(self.start)
    }

    fn write(&self, headers: &mut HeaderMap, reason: Option<Reason>, duration: Duration) {
        if !self.shown {
            return;
        }
        let (hits, misses) = (self.counts.hits(), self.counts.misses());
        if self.options.hit_fields {
            let rate = fields::rate(HitRate { hits, misses });
            fields::replace(headers, fields::X_CACHE_HITS, Some(fields::count(hits)));
            fields::replace(headers, fields::X_CACHE_MISSES, Some(fields::count(misses)));
            fields::replace(headers, fields::X_CACHE_HIT_RATE, rate);
        }
        if self.options.response_time {
            let time = fields::value(Seconds(duration));
            fields::replace(headers, fields::X_RESPONSE_TIME, time);
        }
        if self.options.server_timing {
            let timing = Timing {
                cache: fields::cache_word(reason, hits, misses),
                total: duration,
            };
            fields::append(headers, fields::SERVER_TIMING, fields::value(timing));
        }
    }

    fn tell(&mut self, status: Option<StatusCode>, duration: Duration) {
        if let Some(asked) = self.asked.take()
            && self.options.wants(duration)
        {
            self.options
                .tell(&asked.summary(status, &self.counts, duration));
        }
    }
}

impl Drop for Watch {
    /// The client went away, or the handler panicked: often the slowest requests of all.
    fn drop(&mut self) {
        if self.asked.is_some() {
            self.tell(None, self.duration());
        }
    }
}
