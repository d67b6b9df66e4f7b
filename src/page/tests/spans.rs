//! Spans and events for `tracing`: what they say, and that they say no key.

use std::fmt::{Debug, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Listener {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Listener {
    fn note(&self, line: Line) {
        self.lines.lock().unwrap().push(line.0);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("larder")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("new {}", span.metadata().name()));
        span.record(&mut line);
        self.note(line);
        Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("record".to_owned());
        values.record(&mut line);
        self.note(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line("event".to_owned());
        event.record(&mut line);
        self.note(line);
    }

    fn enter(&self, _: &Id) {
        self.note(Line("enter".to_owned()));
    }

    fn exit(&self, _: &Id) {
        self.note(Line("exit".to_owned()));
    }

    fn try_close(&self, _: Id) -> bool {
        self.note(Line("close".to_owned()));
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_fill_is_a_span_that_ends_with_its_reason() {
    // While there is one dispatcher alone, a callsite that another thread comes to first asks that thread's, which is none.
    let _second = tracing::Dispatch::new(Listener::default());
    let listener = Listener::default();
    let _listening = tracing::subscriber::set_default(listener.clone());
    let world = World::new();
    let site = world.site(world.page().named("menu"), async |_| {
        tracing::debug!(target: "larder::test", "at work");
        page(&[], "soup")
    });
    let target = "/menu?token=hush";
    site.get(target).await;
    let missed = listener.taken();
    let told = "result=\"stored\" detail=\"uri-miss\"";
    assert_eq!(missed[0], "new larder.fill route=\"menu\"");
    let at = |line: &str| missed.iter().position(|other| other == line);
    let worked = at("event message=at work").unwrap();
    assert_eq!(missed[worked - 1], "enter");
    assert_eq!(missed[worked + 1], "exit");
    let answered = at(&format!("event message=answered route=\"menu\" {told}"));
    assert!(answered > Some(worked), "{missed:?}");
    assert!(missed.iter().any(|line| line == "record result=\"stored\""));
    assert!(
        missed
            .iter()
            .any(|line| line == "record detail=\"uri-miss\"")
    );
    assert!(missed.iter().any(|line| line == "close"));

    site.get(target).await;
    let hit = "event message=answered route=\"menu\" result=\"hit\" detail=\"\"";
    assert_eq!(listener.taken(), [hit]);

    site.ask(request(Method::POST, target, &[])).await;
    let posted = listener.taken();
    assert_eq!(posted[0], "new larder.fill route=\"menu\"");
    let said = missed.concat() + &posted.concat();
    for secret in ["hush", "token", "shop.example"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_freed_is_told() {
    use super::stores::{Call, Trouble, Troubled};
    use crate::{Invalidation, InvalidationLayer};

    let _second = tracing::Dispatch::new(Listener::default());
    let listener = Listener::default();
    let _listening = tracing::subscriber::set_default(listener.clone());
    let store = Troubled::new(true);
    let world = World::on(store.clone());
    let rules = Invalidation::new(&world.cache)
        .try_on::<u8>(|_, purges| {
            purges.tag("menu");
            Err("no stock".into())
        })
        .named("stock");
    let pending = || {
        let mut pending = rules.pending();
        pending.add(1_u8);
        pending.add(2_u8);
        pending
    };
    drop(pending());
    let dropped = "event message=events were dropped that nobody has emitted: they free nothing";
    assert_eq!(listener.taken(), [format!("{dropped} events=2")]);
    pending().discard();
    drop(rules.pending());
    assert_eq!(listener.taken(), [""; 0]);

    store.has(&[(Call::Purge, Trouble::Fails)]);
    rules.emit(1_u8).await.unwrap_err();
    let failed = "event message=an invalidation rule failed rule=\"stock\" event=\"u8\"";
    let undelivered = "event message=a purge was not delivered";
    let told = listener.taken();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with(failed) && told[0].contains("no stock"));
    assert!(told[1].starts_with(undelivered), "{told:?}");

    let site = world.site(world.page(), async |_| page(&[], ""));
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    let site = Site::of(world.clone(), site.runs.clone(), layered);
    site.ask(request(Method::PUT, "/menu", &[])).await;
    let told = listener.taken();
    assert!(
        told.iter().any(|line| line.starts_with(undelivered)),
        "{told:?}"
    );
}
