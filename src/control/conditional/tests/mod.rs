//! The conditional layer as a client sees it.

mod bodies;
mod cached;
mod conditions;
mod property;
mod readiness;
mod routers;
mod tags;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

use super::{ConditionalBody, ConditionalLayer};
use crate::ETag;

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

type Fields<'a> = &'a [(&'a str, &'a str)];

/// One step of a body that is made by hand.
#[derive(Clone, Debug)]
enum Step {
    Data(&'static str),
    /// Nothing is ready, until the body is polled again.
    Wait,
    Trailers,
    Error,
}
use Step::{Data, Trailers, Wait};

/// The error of a body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body broke")]
struct Broken;

/// A body of these steps. It panics when it is polled after its end, as generators do.
#[derive(Debug)]
struct Steps {
    steps: std::vec::IntoIter<Step>,
    hint: SizeHint,
    is_over: bool,
}

impl Steps {
    /// One that does not say how long it is.
    fn of(steps: impl Into<Vec<Step>>) -> Self {
        Self {
            steps: steps.into().into_iter(),
            hint: SizeHint::new(),
            is_over: false,
        }
    }

    /// One that says so.
    fn sized(length: u64, steps: impl Into<Vec<Step>>) -> Self {
        Self {
            hint: SizeHint::with_exact(length),
            ..Self::of(steps)
        }
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        assert!(!self.is_over, "polled after its end");
        let step = self.steps.next();
        self.is_over = matches!(step, None | Some(Step::Error));
        Poll::Ready(match step {
            Some(Data(text)) => {
                if let Some(exact) = self.hint.exact() {
                    self.hint = SizeHint::with_exact(exact.saturating_sub(text.len() as u64));
                }
                Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            }
            Some(Trailers) => Some(Ok(Frame::trailers(fields(&[("x-sum", "1")])))),
            Some(Step::Error) => Some(Err(Broken)),
            Some(Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn fields(fields: Fields<'_>) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn request(method: &str, lines: Fields<'_>) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method.parse::<Method>().unwrap();
    *request.headers_mut() = fields(lines);
    request
}

fn answer<B>(status: u16, lines: Fields<'_>, body: B) -> Response<B> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status.try_into().unwrap();
    *answer.headers_mut() = fields(lines);
    answer
}

fn text(text: &str) -> Full<Bytes> {
    Full::new(Bytes::copy_from_slice(text.as_bytes()))
}

/// What comes through the layer where the handler gives `inner`.
async fn through<B>(
    layer: ConditionalLayer,
    request: Request<()>,
    inner: Response<B>,
) -> Response<ConditionalBody<B>>
where
    B: Body<Data = Bytes>,
{
    let mut inner = Some(inner);
    let handler = tower::service_fn(move |_: Request<()>| {
        let inner = inner.take().expect("asked once");
        async move { Ok::<_, Infallible>(inner) }
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

/// The same for a 200 to GET with this body.
async fn got<B: Body<Data = Bytes>>(lines: Fields<'_>, body: B) -> Response<ConditionalBody<B>> {
    through(
        ConditionalLayer::new(),
        request("GET", &[]),
        answer(200, lines, body),
    )
    .await
}

fn field<'a, B>(answer: &'a Response<B>, name: &str) -> Option<&'a str> {
    let mut lines = answer.headers().get_all(name).iter();
    let line = lines.next().map(|line| line.to_str().unwrap());
    assert!(lines.next().is_none(), "{name}: {:?}", answer.headers());
    line
}

fn tag(body: &str) -> String {
    ETag::of(body).to_string()
}

async fn body<B>(answer: Response<B>) -> String
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

/// Polls once, as a task would that is woken for nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
