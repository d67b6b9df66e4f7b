//! What the leak hunt has found.

use axum::Router;
use axum::routing::get as on_get;

use super::*;
use crate::extract::Personal;
use crate::identity;

fn world() -> World {
    World::built(Cache::builder(MemoryStore::new(MIB)).user(identity::cookie("session")))
}

/// The route knows people by their session, and its handler knows them by an API key as well.
#[tokio::test]
async fn whom_the_handler_has_read_is_not_kept_for_those_whom_the_key_takes_for_nobody() {
    let world = world();
    let greet = async |Personal(headers): Personal<HeaderMap>| match headers.get("x-api-key") {
        Some(key) => format!("for {}", key.to_str().unwrap()),
        None => "for nobody".to_owned(),
    };
    let layer = world.page().vary_on_user().unwrap();
    let app = Router::new().route("/", on_get(greet).layer(layer));
    let site = Site::of(world, Runs::default(), app);
    let alice = site.ask(get_with("/", &[("x-api-key", "alice")])).await;
    assert_eq!(alice.body, "for alice");
    assert_eq!(site.get("/").await.body, "for nobody");
}

/// The route heeds no dates, since they do not tell people apart; a page layer round it stores nothing of it, and judged them all the same.
#[tokio::test]
async fn a_date_tells_nobody_apart_through_a_page_layer_outside() {
    let world = world();
    let runs = Runs::default();
    let fields = &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")];
    let handler = runs.handler(async |_| page(fields, "for bob"));
    let key = identity::header(HeaderName::from_static("x-api-key"));
    let inner = world.page().vary_on_identity(key).unwrap();
    let service = world.page().layer(inner.layer(handler));
    let site = Site::of(world, runs, service);
    let since = ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT");
    let answer = site
        .ask(get_with("/", &[("x-api-key", "bob"), since]))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// A cache outside may store the answer to a POST for later GETs (RFC 9110 §9.3.3).
#[tokio::test]
async fn all_answers_of_a_route_that_varies_on_the_user_leave_as_private() {
    let world = world();
    let fields = &[("cache-control", "max-age=60"), ("content-location", "/")];
    let site = world.site(world.page().vary_on_user().unwrap(), async |_| {
        page(fields, "for alice")
    });
    let posted = request(Method::POST, "/", &[("cookie", "session=alice")]);
    let says = site.ask(posted).await;
    let says = says.field("cache-control").unwrap();
    assert!(says.contains("private"), "{says}");
}
