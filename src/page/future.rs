//! The future of a [`CacheService`](super::CacheService).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::account::Account;
use super::body::PageBody;
use super::handle::Handle;
use super::layer::Page;
use super::respond;
use crate::background::{Background, LONGEST_ALONE};
use crate::log::Asking;
use crate::monitor::Reason;

pin_project! {
    /// The future of a [`CacheService`](crate::page::CacheService).
    pub struct ResponseFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
        S::Error: 'static,
        ResBody: 'static,
    {
        #[pin]
        kind: Kind<S, ReqBody, ResBody>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>>,
        S::Error: 'static,
        ResBody: 'static,
    {
        // A hit neither boxes nor waits.
        Ready { response: Option<Response<PageBody<ResBody>>> },
        // Boxed, so that a hit need not move the room for it.
        Forwarding { inner: Pin<Box<Asking<Oneshot<S, Request<ReqBody>>>>>, then: Then },
        Filling { filling: Filling<Result<Response<PageBody<ResBody>>, S::Error>> },
    }
}

struct Then {
    page: Arc<Page>,
    reason: Reason,
    account: Account,
    handle: Handle,
}

/// How far a fill has come, as far as its future must know.
#[derive(Debug, Default)]
pub(super) struct Course {
    leading: AtomicBool,
    asked: AtomicBool,
    detached: AtomicBool,
}

impl Course {
    /// Others count on it from here on: it outlives its client.
    pub(super) fn lead(&self) {
        self.leading.store(true, Ordering::Release);
    }

    /// The handler is asked, for others or for this request alone.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    pub(super) fn is_leading(&self) -> bool {
        self.leading.load(Ordering::Acquire)
    }

    /// Has its client gone, so that it goes on in the background?
    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }
}

type AnyFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A fill. When its client goes away while it leads a flight, it goes on in the background.
struct Filling<T: 'static> {
    future: Option<AnyFuture<T>>,
    /// Did the last poll not return? Then the handler panicked, and the future must not be polled again.
    panicked: bool,
    course: Arc<Course>,
    background: Background,
}

impl<S, ReqBody, ResBody> ResponseFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>>,
    S::Error: 'static,
    ResBody: 'static,
{
    pub(super) fn ready(response: Response<PageBody<ResBody>>) -> Self {
        Self {
            kind: Kind::Ready {
                response: Some(response),
            },
        }
    }

    pub(super) fn forwarding(
        inner: Oneshot<S, Request<ReqBody>>,
        page: Arc<Page>,
        reason: Reason,
        mut account: Account,
        handle: Handle,
    ) -> Self {
        Self {
            kind: Kind::Forwarding {
                inner: Box::pin(account.around(inner)),
                then: Then {
                    page,
                    reason,
                    account,
                    handle,
                },
            },
        }
    }

    pub(super) fn filling(
        background: &Background,
        make: impl FnOnce(Arc<Course>) -> AnyFuture<Result<Response<PageBody<ResBody>>, S::Error>>,
    ) -> Self {
        let course = Arc::new(Course::default());
        Self {
            kind: Kind::Filling {
                filling: Filling {
                    future: Some(make(course.clone())),
                    panicked: false,
                    course,
                    background: background.clone(),
                },
            },
        }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody, ResBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: 'static,
    ResBody: 'static,
{
    type Output = Result<Response<PageBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Ready { response } => {
                Poll::Ready(Ok(response.take().expect("polled after it was ready")))
            }
            KindProjection::Forwarding { inner, then } => {
                let mut response = ready!(inner.as_mut().poll(cx))?;
                let Then {
                    page,
                    reason,
                    account,
                    handle,
                } = then;
                handle.add_to(response.extensions_mut());
                let told = account.told();
                respond::forwarded(page, &mut response, *reason, told, &page.policy.tags);
                Poll::Ready(Ok(response.map(PageBody::passed)))
            }
            KindProjection::Filling { filling } => filling.poll(cx),
        }
    }
}

impl<T: 'static> Filling<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let future = self.future.as_mut().expect("polled after it was ready");
        self.panicked = true;
        let polled = future.as_mut().poll(cx);
        self.panicked = false;
        let output = ready!(polled);
        self.future = None;
        Poll::Ready(output)
    }
}

impl<T: 'static> Drop for Filling<T> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        if self.course.is_leading() && !self.panicked {
            self.course.detached.store(true, Ordering::Release);
            self.background.spawn(Box::pin(async move {
                // The answer has no reader; dropping it leaves its recording to the pump.
                let answer = tokio::time::timeout(LONGEST_ALONE, future).await;
                drop(answer);
            }));
        }
    }
}
