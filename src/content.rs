//! The content of a request, read ahead within a bound and handed on as it came.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The error of a body, whatever its type.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A body, whatever its type.
pub(crate) type AnyBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// How a layer makes the service's own body type of what it has read.
#[derive(Clone)]
pub(crate) struct ContentRule {
    pub(crate) limit: usize,
    rebuild: Arc<dyn Any + Send + Sync>,
}

type Rebuild<B> = Box<dyn Fn(ReplayedBody) -> B + Send + Sync>;

impl ContentRule {
    pub(crate) fn new<B: 'static>(
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
    pub(crate) fn makes<B: 'static>(&self) -> bool {
        self.rebuild.is::<Rebuild<B>>()
    }

    pub(crate) fn rebuild<B: 'static>(&self, body: ReplayedBody) -> Option<B> {
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
    rest: Option<AnyBody>,
}

impl ReplayedBody {
    /// What was read of a body, an error that came after it, and the rest.
    pub(crate) fn of(
        read: VecDeque<Frame<Bytes>>,
        failed: Option<BoxError>,
        rest: Option<AnyBody>,
    ) -> Self {
        Self { read, failed, rest }
    }
}

/// What reading a request's content came to.
pub(crate) struct ReadContent {
    pub(crate) body: ReplayedBody,
    /// All of it, if it ended well within the limit, without trailers.
    pub(crate) whole: Option<Bytes>,
}

/// The client did not finish what it sent.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the content of the request failed")]
struct Failed;

pin_project! {
    /// A body of any type as one of bytes.
    struct Plain<B> {
        #[pin]
        body: B,
    }
}

impl<B: Body> Body for Plain<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.project().body.poll_frame(cx);
        frame.map(|frame| {
            frame.map(|frame| match frame {
                Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
                Err(_) => Err(Failed.into()),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads the content of a request, at most `limit` bytes and one frame of it.
pub(crate) async fn read<B>(body: B, limit: usize) -> ReadContent
where
    B: Body + Send + 'static,
{
    let mut reading = Reading::of(body, limit);
    let whole = poll_fn(|cx| reading.poll(cx)).await;
    ReadContent {
        body: reading.into_body(),
        whole,
    }
}

/// Content that is being read.
pub(crate) struct Reading {
    rest: Option<AnyBody>,
    limit: usize,
    frames: usize,
    held: Held,
    /// What came behind it and does not belong to it.
    last: Option<Frame<Bytes>>,
    failed: Option<BoxError>,
}

impl Reading {
    pub(crate) fn of<B>(body: B, limit: usize) -> Self
    where
        B: Body + Send + 'static,
    {
        Self {
            rest: Some(Box::pin(Plain { body })),
            limit,
            frames: 0,
            held: Held::default(),
            last: None,
            failed: None,
        }
    }

    /// Reads on. Ready with the whole content, or with `None` where it does not end well within the limit; and so again afterwards.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while let Some(rest) = &mut self.rest {
            match ready!(rest.as_mut().poll_frame(cx)) {
                None => {
                    self.rest = None;
                    return Poll::Ready(Some(self.held.freeze()));
                }
                Some(Err(error)) => {
                    self.rest = None;
                    self.failed = Some(error);
                }
                Some(Ok(frame)) => {
                    if !self.take(frame) {
                        return Poll::Ready(None);
                    }
                }
            }
        }
        Poll::Ready(None)
    }

    /// Takes one frame more. Is it data, and all of it within the limit?
    fn take(&mut self, frame: Frame<Bytes>) -> bool {
        self.frames += 1;
        match frame.into_data() {
            Ok(data) if self.held.len() + data.len() <= self.limit && self.frames <= self.limit => {
                self.held.push(data);
                return true;
            }
            Ok(data) => self.last = Some(Frame::data(data)),
            Err(frame) => self.last = Some(frame),
        }
        false
    }

    /// The content as it came, what was read and the rest.
    pub(crate) fn into_body(mut self) -> ReplayedBody {
        let held = self.held.freeze();
        let held = (!held.is_empty()).then(|| Frame::data(held));
        ReplayedBody::of(
            held.into_iter().chain(self.last).collect(),
            self.failed,
            self.rest,
        )
    }
}

/// Content as far as it has come, as one piece: frames have a weight of their own, and a client that sends them empty or byte by byte must
/// not have them collected. Most content comes in one frame, and is not copied.
#[derive(Default)]
struct Held {
    first: Bytes,
    further: Vec<u8>,
}

impl Held {
    fn len(&self) -> usize {
        self.first.len().max(self.further.len())
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.further.is_empty() && !data.is_empty() {
            self.further
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.further.extend_from_slice(&data);
    }

    /// All of it.
    fn freeze(&mut self) -> Bytes {
        if !self.further.is_empty() {
            self.first = std::mem::take(&mut self.further).into();
        }
        self.first.clone()
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
        hint.set_lower(read.saturating_add(rest.as_ref().map_or(0, SizeHint::lower)));
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

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http::{HeaderMap, HeaderValue};
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    async fn all(body: ReplayedBody) -> Result<Bytes, BoxError> {
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn content_is_handed_on_as_it_came_whatever_its_length() {
        for length in [0, 1, 99, 100, 101, 10_000] {
            let sent = Bytes::from(vec![b'x'; length]);
            let read = read(Full::new(sent.clone()), 100).await;
            assert_eq!(
                read.whole.as_deref(),
                (length <= 100).then_some(&*sent),
                "{length}"
            );
            assert_eq!(read.body.size_hint().exact(), Some(length as u64));
            assert_eq!(all(read.body).await.unwrap(), sent, "{length}");
        }
    }

    #[tokio::test]
    async fn content_in_many_frames_is_held_as_one_piece() {
        let frames = |frames: Vec<&'static [u8]>| {
            let frames = frames.into_iter().map(Bytes::from_static).map(Frame::data);
            StreamBody::new(stream::iter(frames.map(Ok::<_, BoxError>)))
        };
        let mut sent: Vec<&[u8]> = vec![b""; 40];
        sent.extend([&b"a"[..]; 30]);
        let read = read(frames(sent), 100).await;
        assert_eq!(read.whole.as_deref(), Some(&[b'a'; 30][..]));
        assert_eq!(read.body.read.len(), 1);
        assert_eq!(all(read.body).await.unwrap(), vec![b'a'; 30]);

        let read = super::read(frames(vec![b""; 101]), 100).await;
        assert_eq!((read.whole, read.body.read.len()), (None, 1));
        assert_eq!(all(read.body).await.unwrap(), Bytes::new());
    }

    #[tokio::test]
    async fn trailers_are_no_content_and_go_on_behind_it() {
        let trailers: HeaderMap = [(http::header::TE, HeaderValue::from_static("x"))]
            .into_iter()
            .collect();
        let frames = [
            Ok::<_, BoxError>(Frame::data(Bytes::from("abc"))),
            Ok(Frame::trailers(trailers.clone())),
        ];
        let read = read(StreamBody::new(stream::iter(frames)), 100).await;
        assert_eq!(read.whole, None);
        let sent = read.body.collect().await.unwrap();
        assert_eq!(sent.trailers(), Some(&trailers));
        assert_eq!(sent.to_bytes(), "abc");
    }

    #[tokio::test]
    async fn content_that_fails_is_no_key_and_fails_behind_what_came() {
        let frames = [Ok(Frame::data(Bytes::from("abc"))), Err("gone")];
        let read = read(StreamBody::new(stream::iter(frames)), 100).await;
        assert_eq!(read.whole, None);
        let mut body = read.body;
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&*first, b"abc");
        assert!(body.frame().await.unwrap().is_err());
    }
}
