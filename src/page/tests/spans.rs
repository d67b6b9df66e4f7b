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
