//! The layer inside and outside of a page cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body as AnyBody;
use axum::routing::get;

use super::*;
use crate::clock::ManualClock;
use crate::{Cache, MIB, MemoryStore, minutes};

/// A cached page, and how often its handler ran.
struct Site {
    app: Router,
    clock: ManualClock,
    runs: Arc<AtomicUsize>,
}

impl Site {
    /// `build` puts layers round the route.
    fn of(build: impl FnOnce(Router, &Cache) -> Router) -> Self {
        let clock = ManualClock::new();
        let cache = Cache::builder(MemoryStore::new(MIB)).clock(clock.clone());
        let cache = cache.build().unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let handler = {
            let runs = runs.clone();
            async move || {
                runs.fetch_add(1, Ordering::SeqCst);
                "soup"
            }
        };
        let route = Router::new().route("/note", get(handler));
        Self {
            app: build(route, &cache),
            clock,
            runs,
        }
    }

    async fn get(&self, lines: Fields<'_>) -> Response<AnyBody> {
        let lines = [&[("host", "shop.example")], lines].concat();
        let (mut head, ()) = request("GET", &lines).into_parts();
        head.uri = "/note".parse().unwrap();
        let request = Request::from_parts(head, AnyBody::empty());
        self.app.clone().oneshot(request).await.unwrap()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn said<B>(answer: &Response<B>) -> &str {
    field(answer, "cache-status").unwrap()
}

#[tokio::test]
async fn inside_the_tag_is_stored_with_the_page_and_confirms_it() {
    let site = Site::of(|route, cache| {
        let page = cache.page(minutes(1)).keep(minutes(60)).unwrap();
        route.layer(ConditionalLayer::new()).layer(page)
    });
    let first = site.get(&[]).await;
    assert_eq!(field(&first, "etag"), Some(&*tag("soup")));
    assert_eq!(body(first).await, "soup");

    let hit = site.get(&[("if-none-match", &tag("soup"))]).await;
    assert_eq!(hit.status(), 304);
    assert!(said(&hit).starts_with("larder; hit"));
    assert_eq!(site.runs(), 1);

    // Stale, the layer confirms it: the handler runs, and the page is kept.
    site.clock.advance(minutes(2));
    let confirmed = site.get(&[]).await;
    assert_eq!(confirmed.status(), 200);
    assert!(
        said(&confirmed).contains("fwd-status=304"),
        "{}",
        said(&confirmed)
    );
    assert_eq!(body(confirmed).await, "soup");
    assert_eq!(site.runs(), 2);
    assert!(said(&site.get(&[]).await).starts_with("larder; hit"));
}

#[tokio::test]
async fn outside_hits_are_tagged_and_their_304_says_so() {
    let site = Site::of(|route, cache| {
        route
            .layer(cache.page(minutes(1)))
            .layer(ConditionalLayer::new())
    });
    let first = site.get(&[]).await;
    assert_eq!(field(&first, "etag"), Some(&*tag("soup")));
    assert_eq!(body(first).await, "soup");
    site.clock.advance(crate::seconds(7));
    let hit = site.get(&[("if-none-match", &tag("soup"))]).await;
    assert_eq!(hit.status(), 304);
    assert!(said(&hit).starts_with("larder; hit"));
    assert_eq!(field(&hit, "age"), Some("7"));
    assert_eq!(site.runs(), 1);
}

#[tokio::test]
async fn outside_the_tags_and_answers_of_the_page_stay() {
    let site = Site::of(|route, cache| {
        route
            .layer(cache.page(minutes(1)).etag())
            .layer(ConditionalLayer::new())
    });
    assert_eq!(body(site.get(&[]).await).await, "soup");
    let hit = site.get(&[]).await;
    // Both make the same tag of the same bytes.
    assert_eq!(field(&hit, "etag"), Some(&*tag("soup")));
    let confirmed = site.get(&[("if-none-match", &tag("soup"))]).await;
    assert_eq!(confirmed.status(), 304);
    let part = site.get(&[("range", "bytes=1-2")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(field(&part, "etag"), Some(&*tag("soup")));
    assert_eq!(body(part).await, "ou");
    assert_eq!(site.runs(), 1);
}

#[tokio::test]
async fn a_412_goes_past_the_page_and_is_not_stored() {
    for inside in [true, false] {
        let site = Site::of(|route, cache| {
            let page = cache.page(minutes(1));
            match inside {
                true => route.layer(ConditionalLayer::new()).layer(page),
                false => route.layer(page).layer(ConditionalLayer::new()),
            }
        });
        let refused = site.get(&[("if-match", "\"other\"")]).await;
        assert_eq!(refused.status(), 412);
        let answer = site.get(&[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(body(answer).await, "soup");
    }
}
