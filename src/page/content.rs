//! Requests whose content belongs to the key (QUERY, RFC 10008): read within a bound, keyed byte for byte, and handed on as they came.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::body::{BoxError, Boxed};

/// How a layer makes the service's own body type of what it has read.
#[derive(Clone)]
pub(super) struct ContentRule {
    pub(super) limit: usize,
    rebuild: Arc<dyn Any + Send + Sync>,
}

type Rebuild<B> = Box<dyn Fn(ReplayedBody) -> B + Send + Sync>;

impl ContentRule {
    pub(super) fn new<B: 'static>(
        limit: usize,
        rebuild: impl Fn(ReplayedBody) -> B + Send + Sync + 'static,
    ) -> Self {
        let rebuild: Rebuild<B> = Box::new(rebuild);
        Self {
            limit,
            rebuild: Arc::new(rebuild),
        }
    }

    /// Does it make bodies of this type?
    pub(super) fn makes<B: 'static>(&self) -> bool {
        self.rebuild.is::<Rebuild<B>>()
    }

    pub(super) fn rebuild<B: 'static>(&self, body: ReplayedBody) -> Option<B> {
        self.rebuild
            .downcast_ref::<Rebuild<B>>()
            .map(|rebuild| rebuild(body))
    }
}

impl fmt::Debug for ContentRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentRule")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The content of a request after a layer has read its beginning: the same bytes in the same order, trailers and errors included.
pub struct ReplayedBody {
    read: VecDeque<Frame<Bytes>>,
    /// An error that came after what was read.
    failed: Option<BoxError>,
    rest: Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>,
}

/// What reading a request's content came to.
pub(super) struct ReadContent {
    pub(super) body: ReplayedBody,
    /// All of it, if it ended well within the limit, without trailers.
    pub(super) whole: Option<Vec<u8>>,
}

/// Reads the content of a request, at most `limit` bytes and one frame of it.
pub(super) async fn read<B>(body: B, limit: usize) -> ReadContent
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut body = Box::pin(Boxed {
        body: body.map_frame(|frame| {
            frame.map_data(|mut data| {
                use bytes::Buf;
                data.copy_to_bytes(data.remaining())
            })
        }),
    });
    let mut read = VecDeque::new();
    let mut whole = Some(Vec::new());
    loop {
        let Some(bytes) = &mut whole else {
            let body = ReplayedBody {
                read,
                failed: None,
                rest: Some(body),
            };
            return ReadContent { body, whole };
        };
        match body.frame().await {
            None => {
                let body = ReplayedBody {
                    read,
                    failed: None,
                    rest: None,
                };
                return ReadContent { body, whole };
            }
            Some(Err(error)) => {
                let body = ReplayedBody {
                    read,
                    failed: Some(error),
                    rest: None,
                };
                return ReadContent { body, whole: None };
            }
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    // A flood of empty frames must not grow without bound either.
                    Some(data) if bytes.len() + data.len() <= limit && read.len() <= limit => {
                        bytes.extend_from_slice(data);
                    }
                    _ => whole = None,
                }
                read.push_back(frame);
            }
        }
    }
}

impl Body for ReplayedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            None => Poll::Ready(None),
            Some(rest) => rest.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty()
            && self.failed.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self
            .read
            .iter()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64)
            .sum();
        let rest = self.rest.as_ref().map(|rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.as_ref().map_or(0, SizeHint::lower));
        match (&rest, &self.failed) {
            (None, None) => hint.set_exact(read),
            (Some(rest), None) => {
                if let Some(upper) = rest.upper() {
                    hint.set_upper(read.saturating_add(upper));
                }
            }
            (_, Some(_)) => {}
        }
        hint
    }
}

impl fmt::Debug for ReplayedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedBody").finish_non_exhaustive()
    }
}
