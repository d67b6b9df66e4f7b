//! The way of an answer: read what gets a tag, then judge.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http::header::ETAG;
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ConditionalBody;
use super::head::{Judge, to_not_modified, to_precondition_failed};
use super::layer::Tags;
use super::reading::{Reading, Wholeness};
use crate::precondition::{CurrentTag, Verdict};

pin_project! {
    /// The future of a [`ConditionalService`](super::ConditionalService).
    pub struct ConditionalFuture<F, B>
    where
        B: Body,
    {
        #[pin]
        stage: Stage<F, B>,
        judge: Option<Judge>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, B>
    where
        B: Body,
    {
        Asking { #[pin] inner: F },
        // Boxed: an answer is read once, and the future is moved often.
        Reading { answer: Option<Box<Unread<B>>> },
    }
}

struct Unread<B: Body> {
    head: Parts,
    reading: Reading<B>,
}

impl<F, B: Body> ConditionalFuture<F, B> {
    /// `judge` is `None` for an answer that passes.
    pub(super) fn new(inner: F, judge: Option<Judge>) -> Self {
        Self {
            stage: Stage::Asking { inner },
            judge,
        }
    }
}

impl<F, B, E> Future for ConditionalFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ConditionalBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Asking { inner } => {
                    let (head, body) = ready!(inner.poll(cx))?.into_parts();
                    let Some(judge) = this.judge else {
                        let body = ConditionalBody::passed(body);
                        return Poll::Ready(Ok(Response::from_parts(head, body)));
                    };
                    if !judge.wants_tag(&head) {
                        let body = ConditionalBody::passed(body);
                        return Poll::Ready(Ok(judged(judge, head, body, CurrentTag::None)));
                    }
                    if !judge.has_content() {
                        let body = ConditionalBody::passed(body);
                        return Poll::Ready(Ok(judged(judge, head, body, CurrentTag::Unknown)));
                    }
                    match Reading::begin(body, &head.headers, judge.options.max_body as u64) {
                        Ok(reading) => this.stage.set(Stage::Reading {
                            answer: Some(Box::new(Unread { head, reading })),
                        }),
                        Err(body) => {
                            let body = ConditionalBody::passed(body);
                            return Poll::Ready(Ok(judged(judge, head, body, CurrentTag::Unknown)));
                        }
                    }
                }
                StageProjection::Reading { answer } => {
                    let unread = answer.as_mut().expect("polled after it was ready");
                    let wholeness = ready!(unread.reading.poll(cx));
                    let unread = answer.take().expect("it was there a line ago");
                    let judge = this.judge.as_ref().expect("only what is judged is read");
                    return Poll::Ready(Ok(tagged(judge, *unread, wholeness)));
                }
            }
        }
    }
}

/// Gives the answer its tag, where its body is whole and not empty, and judges it.
fn tagged<B>(judge: &Judge, answer: Unread<B>, wholeness: Wholeness) -> Response<ConditionalBody<B>>
where
    B: Body<Data = Bytes>,
{
    let Unread { mut head, reading } = answer;
    let tag = match wholeness {
        Wholeness::Whole if reading.is_empty() => CurrentTag::None,
        Wholeness::Whole => {
            let tag = match judge.options.tags {
                Tags::Weak => reading.tag().weakened(),
                Tags::Strong | Tags::None => reading.tag(),
            };
            head.headers.insert(ETAG, tag.into());
            CurrentTag::None
        }
        Wholeness::Partial => CurrentTag::Unknown,
    };
    judged(
        judge,
        head,
        ConditionalBody::replayed(reading.into_replay()),
        tag,
    )
}

fn judged<B: Body>(
    judge: &Judge,
    mut head: Parts,
    body: ConditionalBody<B>,
    tag: CurrentTag<'_>,
) -> Response<ConditionalBody<B>> {
    match judge.verdict(&head, tag) {
        Verdict::Proceed => Response::from_parts(head, body),
        Verdict::NotModified => {
            to_not_modified(&mut head);
            Response::from_parts(head, ConditionalBody::omitted())
        }
        Verdict::Failed => {
            to_precondition_failed(&mut head);
            Response::from_parts(head, ConditionalBody::omitted())
        }
    }
}
