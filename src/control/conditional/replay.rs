//! A body that was read ahead: what it gave, and then what it gives.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What was read, and what is still to be read.
pub(super) struct Replay<B: Body> {
    pub(super) data: VecDeque<Bytes>,
    /// What came after the data: trailers, or the error that ended it.
    pub(super) last: Option<Result<Frame<Bytes>, B::Error>>,
    /// `None` if it is over.
    pub(super) rest: Option<Pin<Box<B>>>,
    /// The size of all, as far as it is known.
    pub(super) size: SizeHint,
    /// How much of it was given.
    pub(super) given: u64,
}

impl<B: Body<Data = Bytes>> Replay<B> {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(data) = self.data.pop_front() {
            self.given += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(last) = self.last.take() {
            return Poll::Ready(Some(last));
        }
        match &mut self.rest {
            Some(rest) => rest.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn has_frames(&self) -> bool {
        !self.data.is_empty() || self.last.is_some()
    }

    pub(super) fn is_end_stream(&self) -> bool {
        !self.has_frames() && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Some(rest) if !self.has_frames() => rest.size_hint(),
            _ => self.left(),
        }
    }

    fn left(&self) -> SizeHint {
        let mut left = SizeHint::new();
        if let Some(upper) = self.size.upper() {
            left.set_upper(upper.saturating_sub(self.given));
        }
        left.set_lower(self.size.lower().saturating_sub(self.given));
        left
    }
}
