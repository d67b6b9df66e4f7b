//! Layers and response parts as a client sees them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{ACCEPT_LANGUAGE, COOKIE};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use super::{CacheControl, CacheControlLayer};
use crate::clock::ManualClock;
use crate::{Cache, CacheTags, MIB, MemoryStore, hours, minutes, seconds};

const NEVER: &str = "max-age=0, no-cache, no-store, must-revalidate, private";
const NOW: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const IN_A_MINUTE: &str = "Thu, 01 Jan 2026 00:01:00 GMT";
const IN_AN_HOUR: &str = "Thu, 01 Jan 2026 01:00:00 GMT";

type Fields = &'static [(&'static str, &'static str)];

async fn ask(app: &Router, path: &str) -> Response {
    let request = Request::get(path)
        .header("host", "shop.example")
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    assert!(lines.len() <= 1, "{name}: {lines:?}");
    lines.first().map(|line| line.to_str().unwrap())
}

async fn control(app: &Router, path: &str) -> Option<String> {
    let response = ask(app, path).await;
    field(response.headers(), "cache-control").map(str::to_owned)
}

/// The head of an answer with this status and these fields, behind this layer.
async fn behind(layer: CacheControlLayer, status: u16, fields: Fields) -> HeaderMap {
    let answer = move || async move {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(Body::empty()).unwrap()
    };
    let layer = layer.clock(ManualClock::new());
    let app = Router::new().route("/", get(answer)).layer(layer);
    ask(&app, "/").await.headers().clone()
}

async fn control_behind(layer: CacheControlLayer, status: u16, fields: Fields) -> Option<String> {
    let headers = behind(layer, status, fields).await;
    field(&headers, "cache-control").map(str::to_owned)
}

fn a_minute() -> CacheControl {
    CacheControl::public().max_age(minutes(1)).finish()
}

#[tokio::test]
async fn each_constructor_does_what_it_says() {
    let set = || CacheControlLayer::set(a_minute());
    let absent = || CacheControlLayer::if_not_present(a_minute());
    let patch = || CacheControlLayer::patch(a_minute());
    let never = CacheControlLayer::never_cache;
    let said = "public, max-age=60";

    const OWN: Fields = &[("cache-control", "private, max-age=9, x")];
    for (layer, fields, after) in [
        (set(), &[][..], said),
        (set(), OWN, said),
        (absent(), &[], said),
        (absent(), OWN, "private, max-age=9, x"),
        (absent(), &[("cache-control", " , ")], said),
        (patch(), &[], said),
        (patch(), OWN, "max-age=9, x, public"),
        (
            patch(),
            &[("cache-control", "max-age=99"), ("cache-control", "a")],
            "max-age=60, a, public",
        ),
        (never(), &[], NEVER),
        (
            never(),
            OWN,
            "private, max-age=0, x, no-cache, no-store, must-revalidate",
        ),
    ] {
        let found = control_behind(layer, 200, fields).await;
        assert_eq!(found.as_deref(), Some(after), "{fields:?}");
    }
}

#[tokio::test]
async fn who_says_nothing_adds_no_empty_field() {
    for new in [
        CacheControlLayer::set,
        CacheControlLayer::if_not_present,
        CacheControlLayer::patch,
    ] {
        let layer = new(CacheControl::new()).expires(true).vary([]).targeted(
            HeaderName::from_static("x-cache-control"),
            CacheControl::new(),
        );
        let headers = behind(layer.clone(), 204, &[]).await;
        for name in ["cache-control", "vary", "expires", "x-cache-control"] {
            assert_eq!(field(&headers, name), None);
        }
        const OWN: Fields = &[("cache-control", "A,b"), ("vary", "A ,b")];
        let headers = behind(layer, 204, OWN).await;
        assert_eq!(field(&headers, "cache-control"), Some("A,b"));
        assert_eq!(field(&headers, "vary"), Some("A ,b"));
    }
}

#[tokio::test]
async fn errors_are_not_kept_like_pages_but_are_restricted_like_them() {
    let permissive = [
        a_minute(),
        CacheControl::private().max_age(minutes(1)).finish(),
        CacheControl::new().s_maxage(minutes(1)).finish(),
        CacheControl::no_cache().stale_if_error(minutes(1)).finish(),
        CacheControl::public().finish(),
        CacheControl::new().immutable().finish(),
        CacheControl::private().must_understand().finish(),
        CacheControl::no_store().extension("x").unwrap().finish(),
    ];
    let restrictive = [
        CacheControl::private().finish(),
        CacheControl::no_store().no_transform().finish(),
        CacheControl::no_cache().max_age(seconds(0)).finish(),
        CacheControl::never_cache().finish(),
    ];
    for (said, on_errors) in permissive
        .into_iter()
        .map(|said| (said, false))
        .chain(restrictive.into_iter().map(|said| (said, true)))
    {
        for (status, expected) in [
            (200, true),
            (206, true),
            (301, true),
            (304, true),
            (404, on_errors),
            (500, on_errors),
        ] {
            let layer = CacheControlLayer::if_not_present(said.clone());
            let found = control_behind(layer, status, &[]).await;
            assert_eq!(found.is_some(), expected, "{said} on {status}");
        }
    }
}

#[tokio::test]
async fn statuses_and_requests_are_chosen() {
    let layer = || {
        CacheControlLayer::set(a_minute())
            .vary([COOKIE])
            .on_status(|status| status == StatusCode::NOT_FOUND)
    };
    let headers = behind(layer(), 404, &[]).await;
    assert_eq!(field(&headers, "cache-control"), Some("public, max-age=60"));
    assert_eq!(field(&headers, "vary"), Some("cookie"));
    let headers = behind(layer(), 200, &[]).await;
    assert_eq!(field(&headers, "cache-control"), None);
    assert_eq!(field(&headers, "vary"), None);

    let app = Router::new()
        .fallback(async || "")
        .layer(CacheControlLayer::never_cache().on_request(|head| head.uri.path() != "/open"));
    assert_eq!(control(&app, "/open").await, None);
    assert_eq!(control(&app, "/closed").await.as_deref(), Some(NEVER));
}

#[tokio::test]
async fn expires_is_in_step_with_max_age() {
    let set = || CacheControlLayer::set(a_minute()).expires(true);
    let absent = || CacheControlLayer::if_not_present(a_minute()).expires(true);
    let patch = || CacheControlLayer::patch(a_minute()).expires(true);
    let never = CacheControlLayer::never_cache;

    const LATER: Fields = &[("expires", IN_AN_HOUR)];
    const BOTH: Fields = &[("cache-control", "max-age=3600"), ("expires", IN_AN_HOUR)];
    for (layer, fields, after) in [
        (set(), &[][..], Some(IN_A_MINUTE)),
        (set(), BOTH, Some(IN_A_MINUTE)),
        (absent(), &[], Some(IN_A_MINUTE)),
        (absent(), BOTH, Some(IN_AN_HOUR)),
        (
            absent(),
            &[("cache-control", "max-age=3600")],
            Some(IN_AN_HOUR),
        ),
        (absent(), &[("cache-control", "no-store")], None),
        (patch(), BOTH, Some(IN_A_MINUTE)),
        (patch(), &[("expires", "0")], Some("0")),
        (patch(), &[("cache-control", "max-age=0")], Some(NOW)),
        (never(), &[], Some(NOW)),
        (never(), LATER, Some(IN_AN_HOUR)),
        (never().expires(false), &[], None),
        (CacheControlLayer::set(a_minute()), &[], None),
        (
            CacheControlLayer::set(CacheControl::no_store()).expires(true),
            &[],
            None,
        ),
    ] {
        let headers = behind(layer, 200, fields).await;
        assert_eq!(field(&headers, "expires"), after, "{fields:?}");
    }
}

#[tokio::test]
async fn vary_is_patched_on_every_answer() {
    let layer = || CacheControlLayer::set(a_minute()).vary([COOKIE, ACCEPT_LANGUAGE]);
    for (status, fields, after) in [
        (200, &[][..], "cookie, accept-language"),
        (404, &[], "cookie, accept-language"),
        (
            200,
            &[("vary", "Accept-Encoding , Cookie")],
            "Accept-Encoding, Cookie, accept-language",
        ),
        (200, &[("vary", "a"), ("vary", " *")], "*"),
    ] {
        let headers = behind(layer(), status, fields).await;
        assert_eq!(field(&headers, "vary"), Some(after), "{fields:?}");
    }
}

#[tokio::test]
async fn targeted_fields_are_written_by_the_same_rule() {
    let cdn = HeaderName::from_static("cdn-cache-control");
    let said = || CacheControl::new().max_age(hours(1));
    let private = || CacheControl::private().finish();
    const OWN: Fields = &[("cdn-cache-control", "max-age=9, public")];
    for (layer, fields, after) in [
        (CacheControlLayer::set(private()), &[][..], "max-age=3600"),
        (CacheControlLayer::set(private()), OWN, "max-age=3600"),
        (
            CacheControlLayer::if_not_present(private()),
            OWN,
            "max-age=9, public",
        ),
        (
            CacheControlLayer::if_not_present(private()),
            &[("cdn-cache-control", "A b")],
            "max-age=3600",
        ),
        (
            CacheControlLayer::patch(private()),
            OWN,
            "max-age=9, public",
        ),
    ] {
        let headers = behind(layer.targeted(cdn.clone(), said()), 200, fields).await;
        assert_eq!(
            field(&headers, "cdn-cache-control"),
            Some(after),
            "{fields:?}"
        );
        assert_eq!(field(&headers, "cache-control"), Some("private"));
    }
    let closed = CacheControlLayer::never_cache().targeted(cdn, CacheControl::no_store());
    let headers = behind(closed, 500, OWN).await;
    assert_eq!(
        field(&headers, "cdn-cache-control"),
        Some("max-age=9, public, no-store")
    );

    let itself = CacheControlLayer::set(private()).targeted(http::header::CACHE_CONTROL, said());
    assert_eq!(
        control_behind(itself, 200, &[]).await.as_deref(),
        Some("private")
    );
}

#[tokio::test]
async fn it_stands_round_routers_routes_and_nests() {
    let page = || get(async || "page");
    let app = Router::new()
        .route(
            "/layered",
            page().layer(CacheControlLayer::set(CacheControl::no_cache())),
        )
        .route("/plain", page())
        .route("/away", get(async || Redirect::to("/plain")))
        .route_layer(CacheControlLayer::if_not_present(a_minute()))
        .nest(
            "/orders",
            Router::new()
                .route("/5", page())
                .layer(CacheControlLayer::never_cache()),
        )
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(CacheControlLayer::patch(CacheControl::new().no_transform()));

    for (path, after) in [
        ("/layered", "no-cache, no-transform"),
        ("/plain", "public, max-age=60, no-transform"),
        ("/away", "public, max-age=60, no-transform"),
        ("/nowhere", "no-transform"),
    ] {
        assert_eq!(control(&app, path).await.as_deref(), Some(after), "{path}");
    }
    let nested = format!("{NEVER}, no-transform");
    for path in ["/orders/5", "/orders/nowhere"] {
        let found = control(&app, path).await;
        // A router that is nested leaves what it does not know to the fallback outside.
        let expected = if path == "/orders/5" {
            &*nested
        } else {
            "no-transform"
        };
        assert_eq!(found.as_deref(), Some(expected), "{path}");
    }
}

#[tokio::test]
async fn a_part_sets_the_field_or_adds_to_it() {
    let app = Router::new()
        .route(
            "/menu",
            get(async || {
                (
                    CacheControl::public().max_age(minutes(5)),
                    CacheTags::new(["menu"]),
                    "body",
                )
            }),
        )
        .route(
            "/own",
            get(async || {
                let inner = ([("cache-control", "PRIVATE, max-age=9")], "body").into_response();
                (CacheControl::public().max_age(minutes(5)), inner)
            }),
        )
        .route(
            "/twice",
            get(async || {
                let less = CacheControl::private().max_age(minutes(1));
                (CacheControl::public().max_age(minutes(5)), less, "body")
            }),
        );
    for (path, after) in [
        ("/menu", "public, max-age=300"),
        ("/own", "private, max-age=9"),
        ("/twice", "max-age=60, private"),
    ] {
        assert_eq!(control(&app, path).await.as_deref(), Some(after), "{path}");
    }
    let menu = ask(&app, "/menu").await;
    let tags = menu.extensions().get::<CacheTags>().unwrap().clone();
    assert_eq!(tags, CacheTags::new(["menu"]));
    let body = menu.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "body");
}

/// A cache, and a page of it that says for itself what `said` says, with a count of its runs.
fn cached(
    said: CacheControl,
    between: Option<CacheControlLayer>,
) -> (Cache, ManualClock, Router, Arc<AtomicUsize>) {
    let clock = ManualClock::new();
    let cache = Cache::builder(MemoryStore::new(MIB))
        .clock(clock.clone())
        .build()
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let mut page = get(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async move { (said, CacheTags::new(["menu"]), "body") }
    });
    if let Some(layer) = between {
        page = page.layer(layer);
    }
    let app = Router::new().route("/menu", page.layer(cache.page(minutes(30)).shared()));
    (cache, clock, app, runs)
}

/// Asks, and reads the answer to its end, so that it is stored.
async fn read(app: &Router) -> HeaderMap {
    let response = ask(app, "/menu").await;
    let (parts, body) = response.into_parts();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "body");
    parts.headers
}

fn is_hit(headers: &HeaderMap) -> bool {
    field(headers, "cache-status").is_some_and(|status| status.contains("; hit"))
}

#[tokio::test]
async fn a_part_rules_what_the_page_layer_stores() {
    let (cache, clock, app, runs) =
        cached(CacheControl::public().max_age(minutes(5)).finish(), None);
    read(&app).await;
    clock.advance(seconds(299));
    let hit = read(&app).await;
    assert!(is_hit(&hit));
    assert_eq!(field(&hit, "cache-control"), Some("public, max-age=300"));
    clock.advance(seconds(1));
    assert!(!is_hit(&read(&app).await));
    cache.purge_tag("menu").await.unwrap();
    assert!(!is_hit(&read(&app).await));
    assert_eq!(runs.load(Ordering::SeqCst), 3);

    let (_, _, app, runs) = cached(CacheControl::no_store().finish(), None);
    read(&app).await;
    assert!(!is_hit(&read(&app).await));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn inside_of_the_page_layer_it_rules_what_is_stored() {
    let page = || CacheControl::public().max_age(minutes(5)).finish();
    let shorter = CacheControlLayer::patch(CacheControl::new().max_age(minutes(1))).expires(true);
    let (_, clock, app, runs) = cached(page(), Some(shorter.clock(ManualClock::new())));
    read(&app).await;
    clock.advance(seconds(59));
    let hit = read(&app).await;
    assert!(is_hit(&hit));
    assert_eq!(field(&hit, "cache-control"), Some("public, max-age=60"));
    assert_eq!(field(&hit, "expires"), Some(IN_A_MINUTE));
    clock.advance(seconds(1));
    assert!(!is_hit(&read(&app).await));
    assert_eq!(runs.load(Ordering::SeqCst), 2);

    let (_, _, app, runs) = cached(page(), Some(CacheControlLayer::never_cache()));
    read(&app).await;
    assert!(!is_hit(&read(&app).await));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn outside_of_the_page_layer_it_speaks_to_clients() {
    let (_, clock, app, runs) = cached(CacheControl::public().max_age(minutes(5)).finish(), None);
    let app = app.layer(CacheControlLayer::never_cache());
    let first = read(&app).await;
    assert_eq!(
        field(&first, "cache-control"),
        Some("max-age=0, no-cache, no-store, must-revalidate, private")
    );
    clock.advance(seconds(200));
    let hit = read(&app).await;
    assert!(is_hit(&hit));
    assert_eq!(field(&hit, "cache-control"), field(&first, "cache-control"));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// A body that is neither sent, nor cloned, nor anything else.
struct Opaque(*const ());

async fn echo(request: Request<Opaque>) -> Result<http::Response<Opaque>, Infallible> {
    Ok(http::Response::new(request.into_body()))
}

async fn fail(_: Request<()>) -> Result<http::Response<()>, &'static str> {
    Err("down")
}

#[tokio::test]
async fn any_service_and_any_body_will_do() {
    let layer = CacheControlLayer::set(CacheControl::no_store());
    let service = layer.layer(tower::service_fn(echo));
    let request = Request::new(Opaque(std::ptr::null()));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(field(response.headers(), "cache-control"), Some("no-store"));
    assert!(response.into_body().0.is_null());
}

#[tokio::test]
async fn an_error_of_the_service_passes_by() {
    let service = CacheControlLayer::never_cache().layer(tower::service_fn(fail));
    assert_eq!(service.oneshot(Request::new(())).await.unwrap_err(), "down");
}

#[test]
fn the_layer_can_be_sent_cloned_and_shown() {
    fn is<T: Clone + Send + Sync + std::fmt::Debug + 'static>(it: &T) -> String {
        format!("{it:?}")
    }
    let layer = CacheControlLayer::never_cache();
    assert!(is(&layer).contains(NEVER));
    let _ = is(&layer.layer(()));
}
