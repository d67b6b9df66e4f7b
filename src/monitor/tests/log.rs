//! What reaches a log.

use std::fmt::{Debug, Write};

use axum::Router;
use axum::routing::get as on_get;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

use super::super::Absence;
use super::*;

/// Keeps each event as `LEVEL message field=value …`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if !event.metadata().target().starts_with("larder") {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        }
        .unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

/// A handler that hits three times and misses once, in 123 ms or in as many as the path says.
fn app(world: &World, monitor: MonitorLayer) -> Router {
    let (cache, clock) = (world.cache.clone(), world.clock.clone());
    let handler = async move |request: Request<Body>| {
        count(&cache, Reason::Hit, 3);
        count(&cache, Reason::Stored(Absence::Uri), 1);
        let asked = request.uri().path()[1..].parse();
        clock.advance(millis(asked.unwrap_or(123)));
    };
    Router::new()
        .route("/menu", on_get(handler.clone()))
        .fallback(handler)
        .layer(monitor)
}

#[tokio::test]
async fn one_line_per_request_if_asked_for() {
    let (world, log) = (World::new(), Log::default());
    let _logged = tracing::subscriber::set_default(log.clone());
    ask(app(&world, world.monitor()), get("/menu")).await;
    assert_eq!(log.lines(), [""; 0]);

    let app = app(&world, world.monitor().log_requests());
    ask(app.clone(), get("/menu?token=secret")).await;
    assert_eq!(
        log.lines(),
        [
            "INFO request method=GET path=/menu status=200 hits=3 misses=1 sets=1 errors=0 rate=75.0% duration=0.123s"
        ]
    );
    ask(app, get("/%0d%0aINFO")).await;
    let lines = log.lines();
    assert!(lines[0].contains("path=/%0d%0aINFO "), "{lines:?}");
}

#[tokio::test]
async fn a_request_above_a_second_is_a_warning() {
    let (world, log) = (World::new(), Log::default());
    let _logged = tracing::subscriber::set_default(log.clone());
    let app = app(&world, world.monitor());
    for (millis, warned) in [
        ("1000", None),
        (
            "1001",
            Some("WARN slow request method=GET path=/1001 duration=1.001s"),
        ),
        (
            "61000",
            Some("WARN slow request method=GET path=/61000 duration=61.000s"),
        ),
    ] {
        ask(app.clone(), get(&format!("/{millis}?token=secret"))).await;
        assert_eq!(log.lines().first().map(String::as_str), warned);
    }
}

#[tokio::test]
async fn what_is_slow_can_be_said() {
    let (world, log) = (World::new(), Log::default());
    let _logged = tracing::subscriber::set_default(log.clone());
    let quick = app(&world, world.monitor().slow(millis(100)));
    ask(quick, get("/101")).await;
    assert_eq!(
        log.lines(),
        ["WARN slow request method=GET path=/101 duration=0.101s"]
    );
    let never = app(&world, world.monitor().slow(Duration::MAX));
    ask(never, get("/9999999")).await;
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test]
async fn a_slow_request_that_its_client_gives_up_is_a_warning_too() {
    let (world, log) = (World::new(), Log::default());
    let _logged = tracing::subscriber::set_default(log.clone());
    let clock = world.clock.clone();
    let app = Router::new()
        .fallback(async move || {
            clock.advance(millis(30_000));
            std::future::pending::<()>().await;
        })
        .layer(world.monitor());
    {
        let mut asking = std::pin::pin!(app.oneshot(get("/stuck")));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asking.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(
        log.lines(),
        ["WARN slow request method=GET path=/stuck duration=30.000s"]
    );
}
