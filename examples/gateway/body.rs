//! Bodies on their way: requests to the origin, and its answers. Neither is ever held as a whole.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::pool::{Connection, Pool};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far a request has been taken.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Shared>);

struct Shared {
    last: Mutex<Instant>,
    waits_for_client: AtomicBool,
    complete: AtomicBool,
}

impl Progress {
    fn new(complete: bool) -> Self {
        Self(Arc::new(Shared {
            last: Mutex::new(Instant::now()),
            waits_for_client: AtomicBool::new(false),
            complete: AtomicBool::new(complete),
        }))
    }

    pub(crate) fn moved(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Would the next part be sent if only the client had sent it?
    pub(crate) fn waits_for_client(&self) -> bool {
        self.0.waits_for_client.load(Ordering::Acquire)
    }

    fn is_complete(&self) -> bool {
        self.0.complete.load(Ordering::Acquire)
    }
}

/// The body of a request.
pub(crate) struct Upload {
    body: UnsyncBoxBody<Bytes, BoxError>,
    progress: Progress,
}

impl Upload {
    pub(crate) fn new<B>(body: B) -> (Self, Progress)
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let progress = Progress::new(body.is_end_stream());
        let body = body.map_err(Into::into).boxed_unsync();
        let upload = Self {
            body,
            progress: progress.clone(),
        };
        (upload, progress)
    }

    pub(crate) fn empty() -> (Self, Progress) {
        Self::new(Empty::new())
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let shared = &self.progress.0;
        let pending = polled.is_pending();
        shared.waits_for_client.store(pending, Ordering::Release);
        if let Poll::Ready(frame) = &polled {
            self.progress.moved();
            if frame.is_none() || self.body.is_end_stream() {
                shared.complete.store(true, Ordering::Release);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. It breaks when the origin is silent for too long, and gives its connection back at its end.
pub(crate) struct Download {
    body: Incoming,
    patience: Duration,
    /// Runs while the origin is waited for, not while the client is.
    silence: Option<Pin<Box<Sleep>>>,
    lease: Option<Lease>,
}

/// A connection that another request may follow on.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) request: Progress,
    pub(crate) pool: Pool,
}

impl Lease {
    /// An origin may answer before it has read the whole request; nothing can follow then.
    fn end(self) {
        if self.request.is_complete() {
            self.pool.put(self.connection);
        }
    }
}

impl Download {
    /// Without a lease the connection is closed at the end.
    pub(crate) fn new(body: Incoming, patience: Duration, lease: Option<Lease>) -> Self {
        let mut download = Self {
            body,
            patience,
            silence: None,
            lease,
        };
        download.note_end();
        download
    }

    /// Nobody polls a body that has said it is at its end.
    fn note_end(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let silence = this
                .silence
                .get_or_insert_with(|| Box::pin(sleep(this.patience)));
            ready!(silence.as_mut().poll(cx));
            return Poll::Ready(Some(Err("the origin stopped in the middle".into())));
        };
        this.silence = None;
        match &frame {
            Some(Ok(_)) => this.note_end(),
            Some(Err(_)) => this.lease = None,
            None => this.end(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
