//! The layer round axum routers, as `layer`, `route_layer` and under `nest`.

use axum::Router;
use axum::body::Body as AnyBody;
use axum::routing::get;

use super::*;

async fn ask(app: &Router, method: &str, target: &str, lines: Fields<'_>) -> Response<AnyBody> {
    let request = request(method, lines);
    let (mut head, ()) = request.into_parts();
    head.uri = target.parse().unwrap();
    let request = Request::from_parts(head, AnyBody::empty());
    app.clone().oneshot(request).await.unwrap()
}

fn note() -> Router {
    Router::new().route("/note", get(async || "soup").put(async || "changed"))
}

#[tokio::test]
async fn it_stands_round_routers_routes_and_nests() {
    let layer = ConditionalLayer::new;
    let apps = [
        ("/note", note().layer(layer())),
        ("/note", note().route_layer(layer())),
        (
            "/note",
            Router::new().route(
                "/note",
                get(async || "soup").layer(layer()).put(async || "changed"),
            ),
        ),
        (
            "/api/note",
            Router::new().nest("/api", note().layer(layer())),
        ),
        (
            "/api/note",
            Router::new().nest("/api", note()).layer(layer()),
        ),
    ];
    for (target, app) in &apps {
        let first = ask(app, "GET", target, &[]).await;
        assert_eq!(field(&first, "etag"), Some(&*tag("soup")));
        assert_eq!(field(&first, "content-length"), Some("4"));
        assert_eq!(body(first).await, "soup");

        let again = ask(app, "GET", target, &[("if-none-match", &tag("soup"))]).await;
        assert_eq!(again.status(), 304);
        assert_eq!(field(&again, "content-length"), None);
        assert_eq!(body(again).await, "");

        let head = ask(app, "HEAD", target, &[("if-match", "\"x\"")]).await;
        assert_eq!(head.status(), 200);
        assert_eq!(field(&head, "content-length"), Some("4"));

        let put = ask(app, "PUT", target, &[("if-match", "\"x\"")]).await;
        assert_eq!(put.status(), 200);
        assert_eq!(body(put).await, "changed");
    }
}

#[tokio::test]
async fn fallbacks_and_refusals_pass() {
    let app = note().layer(ConditionalLayer::new());
    let conditions = [("if-none-match", "*"), ("if-match", "\"x\"")];
    assert_eq!(ask(&app, "GET", "/other", &conditions).await.status(), 404);
    let refused = ask(&app, "DELETE", "/note", &conditions).await;
    assert_eq!(refused.status(), 405);
    assert_eq!(field(&refused, "allow"), Some("GET,HEAD,PUT"));
}

/// A handler's own tag and its 304 stay.
#[tokio::test]
async fn a_304_of_the_handler_stays_what_it_is() {
    let app = Router::new()
        .route(
            "/note",
            get(async || {
                (
                    http::StatusCode::NOT_MODIFIED,
                    [("x-own", "1"), ("etag", "\"a\"")],
                )
            }),
        )
        .layer(ConditionalLayer::new());
    let answer = ask(&app, "GET", "/note", &[("if-none-match", "\"b\"")]).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(field(&answer, "x-own"), Some("1"));
}
