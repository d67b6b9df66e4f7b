//! The layer as a tower service: readiness, clones, failures and cancellation.

use std::pin::pin;
use std::sync::Arc;

use tower::limit::ConcurrencyLimit;

use super::*;

#[tokio::test]
async fn a_handler_that_fails_fails_alike() {
    let handler = tower::service_fn(async |_: Request<()>| Err::<Response<Full<Bytes>>, _>(Broken));
    let service = ConditionalLayer::new().layer(handler);
    let error = service.oneshot(request("GET", &[])).await.unwrap_err();
    assert_eq!(error, Broken);
}

#[tokio::test]
async fn it_is_as_ready_as_what_it_stands_round() {
    let handler =
        tower::service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(text("soup"))));
    let mut first = ConditionalLayer::new().layer(ConcurrencyLimit::new(handler, 1));
    let mut second = first.clone();
    first.ready().await.unwrap();
    assert!(poll_once(pin!(second.ready())).is_pending());
    let answer = first.call(request("GET", &[])).await.unwrap();
    assert!(field(&answer, "etag").is_some());
    second.ready().await.unwrap();
}

#[tokio::test]
async fn a_clone_answers_beside_the_first() {
    let handler =
        tower::service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(text("soup"))));
    let service = ConditionalLayer::new().layer(handler);
    let (one, two) = tokio::join!(
        service.clone().oneshot(request("GET", &[])),
        service.oneshot(request("GET", &[("if-none-match", &tag("soup"))])),
    );
    assert_eq!(one.unwrap().status(), 200);
    assert_eq!(two.unwrap().status(), 304);
}

/// A body that knows when it is dropped.
struct Guarded(Steps, #[expect(dead_code)] Arc<()>);

impl Body for Guarded {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_body_with_it() {
    let alive = Arc::new(());
    let body = Guarded(
        Steps::sized(8, [Data("four"), Wait, Data("four")]),
        alive.clone(),
    );
    let mut asked = Box::pin(through(
        ConditionalLayer::new(),
        request("GET", &[]),
        answer(200, &[], body),
    ));
    assert!(poll_once(asked.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(asked);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn a_304_lets_go_of_the_body_at_once() {
    let alive = Arc::new(());
    let body = Guarded(Steps::sized(4, [Data("soup")]), alive.clone());
    let request = request("GET", &[("if-none-match", &tag("soup"))]);
    let answer = through(ConditionalLayer::new(), request, answer(200, &[], body)).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn its_parts_are_send_and_cloneable() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync_and_cloned<T: Send + Sync + Clone>(_: &T) {}
    let layer = ConditionalLayer::new();
    is_sync_and_cloned(&layer);
    let handler = tower::service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(text("soup"))))
    });
    let mut service = layer.layer(handler);
    is_sync_and_cloned(&service);
    is_send(&service.call(request("GET", &[])));
    assert_eq!(
        format!("{layer:?}"),
        "ConditionalLayer { tags: Strong, max_body: 1048576, .. }"
    );
}
