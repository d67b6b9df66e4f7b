//! `Preconditions` as a client of an axum application sees them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body as _;
use tower::ServiceExt;

use super::*;
use crate::{Cache, ConditionalLayer, ETag, MIB, MemoryStore, minutes};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::new(784_111_777, 500_000_000)
}

/// What the handler of one site says of its page, and how often it got to work.
#[derive(Clone)]
struct Site {
    etag: Option<ETag>,
    modified: Option<SystemTime>,
    worked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Site {
    fn of(etag: Option<&str>, modified: Option<SystemTime>) -> Self {
        Self {
            etag: etag.map(|etag| etag.parse().unwrap()),
            modified,
            worked: std::sync::Arc::default(),
        }
    }

    fn worked(&self) -> usize {
        self.worked.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn work(&self) {
        self.worked
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }

    fn app(&self) -> Router {
        Router::new()
            .route("/note", get(note).put(note).delete(note))
            .with_state(self.clone())
    }

    async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Response {
        ask(self.app(), method, fields).await
    }
}

async fn note(
    State(site): State<Site>,
    preconditions: Preconditions,
) -> Result<(Validators, &'static str), NotMet> {
    let validators = preconditions.check(site.etag.clone(), site.modified)?;
    site.work();
    Ok((validators, "text"))
}

async fn ask(app: Router, method: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri("/note");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.header("host", "shop.example").body(Body::empty());
    app.oneshot(request.unwrap()).await.unwrap()
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// CO-08: conditions are decided before the handler works.
#[tokio::test]
async fn the_handler_works_only_where_the_conditions_hold() {
    for (method, fields, status) in [
        ("GET", &[][..], 200),
        ("GET", &[("if-none-match", "\"7\"")], 304),
        ("HEAD", &[("if-none-match", "\"7\"")], 304),
        ("GET", &[("if-none-match", "W/\"7\"")], 304),
        ("GET", &[("if-none-match", "\"8\"")], 200),
        ("GET", &[("if-modified-since", MODIFIED)], 304),
        ("GET", &[("if-modified-since", EARLIER)], 200),
        ("GET", &[("if-match", "\"8\"")], 412),
        (
            "GET",
            &[("if-match", "\"7\""), ("if-none-match", "\"7\"")],
            304,
        ),
        ("PUT", &[], 200),
        ("PUT", &[("if-match", "\"7\"")], 200),
        ("PUT", &[("if-match", "\"8\"")], 412),
        ("PUT", &[("if-match", "W/\"7\"")], 412),
        ("PUT", &[("if-match", "7")], 412),
        ("PUT", &[("if-none-match", "*")], 412),
        ("PUT", &[("if-none-match", "\"8\"")], 200),
        ("PUT", &[("if-unmodified-since", MODIFIED)], 200),
        ("PUT", &[("if-unmodified-since", EARLIER)], 412),
        ("PUT", &[("if-modified-since", MODIFIED)], 200),
        ("DELETE", &[("if-match", "*")], 200),
    ] {
        let site = Site::of(Some("7"), Some(modified()));
        let answer = site.ask(method, fields).await;
        assert_eq!(answer.status(), status, "{method} {fields:?}");
        assert_eq!(
            site.worked(),
            usize::from(status == 200),
            "{method} {fields:?}"
        );
    }
}

/// CO-08: validators are set on the answers to GET and HEAD alone.
#[tokio::test]
async fn validators_are_set_on_answers_to_readers_alone() {
    let site = Site::of(Some("7"), Some(modified()));
    for method in ["GET", "HEAD"] {
        for (fields, status) in [(&[][..], 200), (&[("if-none-match", "*")], 304)] {
            let answer = site.ask(method, fields).await;
            assert_eq!(answer.status(), status);
            assert_eq!(field(answer.headers(), "etag"), Some("\"7\""));
            assert_eq!(field(answer.headers(), "last-modified"), Some(MODIFIED));
        }
    }
    for (method, fields) in [
        ("PUT", &[][..]),
        ("DELETE", &[]),
        ("PUT", &[("if-match", "\"8\"")]),
        ("GET", &[("if-match", "\"8\"")]),
    ] {
        let answer = site.ask(method, fields).await;
        assert_eq!(field(answer.headers(), "etag"), None);
        assert_eq!(field(answer.headers(), "last-modified"), None);
    }
}

/// CO-08: not over existing ones.
#[tokio::test]
async fn validators_of_the_answer_itself_stay() {
    async fn own(preconditions: Preconditions) -> Result<impl IntoResponse, NotMet> {
        let validators = preconditions.check("7".parse().ok(), Some(modified()))?;
        Ok((validators, [("etag", "\"own\"")], "text"))
    }
    let answer = ask(Router::new().route("/note", get(own)), "GET", &[]).await;
    assert_eq!(answer.headers().get_all("etag").iter().count(), 1);
    assert_eq!(field(answer.headers(), "etag"), Some("\"own\""));

    async fn inner(preconditions: Preconditions) -> Result<Response, NotMet> {
        let validators = preconditions.check("7".parse().ok(), Some(modified()))?;
        let own = ([("etag", "\"own\"")], "text").into_response();
        Ok((validators, own).into_response())
    }
    let answer = ask(Router::new().route("/note", get(inner)), "GET", &[]).await;
    assert_eq!(field(answer.headers(), "etag"), Some("\"own\""));
    assert_eq!(field(answer.headers(), "last-modified"), Some(MODIFIED));
}

#[tokio::test]
async fn a_304_has_no_content_and_no_length() {
    let site = Site::of(Some("7"), None);
    let answer = site.ask("GET", &[("if-none-match", "\"7\"")]).await;
    assert!(answer.body().is_end_stream());
    assert_eq!(field(answer.headers(), "content-length"), None);
    assert_eq!(field(answer.headers(), "content-type"), None);
}

#[tokio::test]
async fn without_validators_only_stars_and_lists_decide() {
    for (method, fields, status) in [
        ("GET", &[("if-none-match", "*")][..], 304),
        ("GET", &[("if-none-match", "\"7\"")], 200),
        ("GET", &[("if-modified-since", MODIFIED)], 200),
        ("PUT", &[("if-match", "*")], 200),
        ("PUT", &[("if-match", "\"7\"")], 412),
        ("PUT", &[("if-unmodified-since", EARLIER)], 200),
    ] {
        let answer = Site::of(None, None).ask(method, fields).await;
        assert_eq!(answer.status(), status, "{method} {fields:?}");
    }
}

#[tokio::test]
async fn a_page_of_the_future_is_of_now() {
    let in_a_year = crate::clock::Clock::wall(&crate::clock::SystemClock::new())
        + Duration::from_secs(31_536_000);
    let site = Site::of(None, Some(in_a_year));
    let answer = site.ask("GET", &[]).await;
    let sent = answer.headers()["last-modified"].clone();
    let date = crate::header::date::parse(&sent, in_a_year).unwrap();
    assert!(date < in_a_year - Duration::from_secs(86_400));

    let site = Site::of(None, UNIX_EPOCH.checked_sub(Duration::from_secs(5)));
    let answer = site.ask("GET", &[("if-modified-since", MODIFIED)]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(field(answer.headers(), "last-modified"), None);
}

#[tokio::test]
async fn where_nothing_is_a_star_creates_and_a_match_fails() {
    async fn create(preconditions: Preconditions) -> Result<StatusCode, NotMet> {
        preconditions.check_absent()?;
        Ok(StatusCode::CREATED)
    }
    let app = Router::new().route("/note", get(async || StatusCode::NOT_FOUND).put(create));
    for (fields, status) in [
        (&[][..], 201),
        (&[("if-none-match", "*")], 201),
        (&[("if-none-match", "\"7\"")], 201),
        (&[("if-match", "*")], 412),
        (&[("if-match", "\"7\"")], 412),
        (&[("if-unmodified-since", MODIFIED)], 201),
    ] {
        let answer = ask(app.clone(), "PUT", fields).await;
        assert_eq!(answer.status(), status, "{fields:?}");
    }
}

#[test]
fn what_is_not_met_is_an_error_that_says_so() {
    let error = NotMet { not_modified: None };
    assert_eq!(error.status(), StatusCode::PRECONDITION_FAILED);
    let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    assert_eq!(
        error.to_string(),
        "a precondition of the request does not hold"
    );
    let not_modified = Some(Validators::default());
    let error = NotMet { not_modified };
    assert_eq!(error.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn behind_a_conditional_layer_the_answer_stays() {
    let site = Site::of(Some("7"), Some(modified()));
    let app = || site.app().layer(ConditionalLayer::new());
    let answer = ask(app(), "GET", &[("if-none-match", "\"7\"")]).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(site.worked(), 0);
    assert_eq!(
        ask(app(), "PUT", &[("if-match", "\"8\"")]).await.status(),
        412
    );
    assert_eq!(
        field(ask(app(), "GET", &[]).await.headers(), "etag"),
        Some("\"7\"")
    );
}

/// The page cache asks for its own copy, and a check against that confirms it.
#[tokio::test]
async fn in_a_page_cache_a_304_confirms_what_is_stored() {
    let site = Site::of(Some("7"), None);
    let clock = crate::clock::ManualClock::new();
    let cache = Cache::builder(MemoryStore::new(MIB)).clock(clock.clone());
    let cache = cache.build().unwrap();
    let app = site
        .app()
        .layer(cache.page(minutes(1)).keep(minutes(60)).unwrap());

    // A client's condition does not keep the page from being filled.
    let answer = ask(app.clone(), "GET", &[("if-none-match", "\"7\"")]).await;
    assert_eq!(answer.status(), 304);
    let page = ask(app.clone(), "GET", &[]).await;
    assert_eq!(
        axum::body::to_bytes(page.into_body(), MIB).await.unwrap(),
        "text"
    );
    assert_eq!(site.worked(), 1);

    clock.advance(Duration::from_secs(90));
    let answer = ask(app.clone(), "GET", &[]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(field(answer.headers(), "etag"), Some("\"7\""));
    assert_eq!(
        site.worked(),
        1,
        "the stored page was confirmed, not made again"
    );

    let answer = ask(app, "GET", &[("if-match", "\"8\"")]).await;
    assert_eq!(answer.status(), 412);
}
