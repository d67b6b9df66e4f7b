//! What is told of calls: counts, reasons, `Cache-Status`, and what stands outside.

use super::*;
use crate::between::AsksReason;
use crate::clock::Clock;
use crate::grpc::CallPolicy;
use crate::monitor::{MonitorLayer, Reason};
use crate::ttl::{minutes, seconds};

/// A handler that takes two seconds.
fn slow(clock: &ManualClock) -> Counted {
    let clock = clock.clone();
    Counted::new(move |_| {
        clock.advance(seconds(2));
        async { ok(b"soup") }
    })
}

#[tokio::test]
async fn every_call_is_counted_under_the_path_of_its_method() {
    let (cache, clock) = cache();
    let policy = CallPolicy::new(minutes(5)).max_request(100);
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = slow(&clock);
    for _ in 0..3 {
        ask(&layer, &handler, call(ITEM, b"7")).await;
    }
    let private = Counted::new(|_| async {
        let metadata = [("cache-control", "private")];
        answer_of(
            &metadata,
            Some(message(b"soup")),
            Some(&[("grpc-status", "0")]),
        )
    });
    ask(&layer, &private, call(ITEM, b"8")).await;
    for metadata in [("authorization", "x"), ("x-tenant", "x")] {
        ask(
            &layer,
            &handler,
            call_with(ITEM, message(b"7"), &[metadata]),
        )
        .await;
    }
    ask(&layer, &handler, call_with(ITEM, message(&[0; 96]), &[])).await;
    ask(
        &layer,
        &handler,
        call_with(ITEM, Bytes::from_static(&[0; 4]), &[]),
    )
    .await;
    // What is not kept is not larder's to count.
    ask(&layer, &handler, call("/catalog.Catalog/Other", b"7")).await;

    let stats = cache.stats();
    assert_eq!(stats.routes.len(), 1);
    let route = stats.route(ITEM).unwrap();
    assert_eq!((route.requests(), route.hits(), route.misses()), (8, 2, 2));
    assert_eq!((route.stored(), route.bypassed()), (1, 4));
    let refused: Vec<_> = route.refused_by_reason().into_keys().collect();
    assert_eq!(refused, ["private"]);
    let bypassed: Vec<_> = route.bypassed_by_reason().into_iter().collect();
    assert_eq!(
        bypassed,
        [
            ("content", 1),
            ("credentials", 1),
            ("message", 1),
            ("metadata", 1)
        ]
    );
    // Two hits have saved two seconds each, and gave a message with its metadata.
    let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
    assert_eq!(json["seconds_saved"], 4.0);
    let least = 2 * message(b"soup").len() as u64;
    assert!(
        (least..2 * 200).contains(&stats.bytes_served()),
        "{}",
        stats.bytes_served()
    );
}

#[tokio::test]
async fn the_reason_stands_beside_the_answer_for_those_who_ask() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let reason = async |request: Request<Body>| {
        let answer = layer.layer(handler.clone()).oneshot(request).await;
        answer.unwrap().extensions().get::<Reason>().copied()
    };
    let stored = reason(call(ITEM, b"7")).await.unwrap();
    assert!(matches!(stored, Reason::Stored(_)), "{stored:?}");
    // A plain hit says nothing of itself, for it would cost: unless a layer outside wants to know.
    assert_eq!(reason(call(ITEM, b"7")).await, None);
    let mut asking = call(ITEM, b"7");
    asking.extensions_mut().insert(AsksReason);
    assert_eq!(reason(asking).await, Some(Reason::Hit));
}

#[tokio::test]
async fn the_status_is_in_the_metadata_of_those_who_may_see_it_and_by_option_alone() {
    let statuses = async |build: fn(crate::cache::CacheBuilder) -> crate::cache::CacheBuilder,
                          tells: bool| {
        let clock = ManualClock::new();
        let store = Cache::builder(MemoryStore::new(16 * MIB)).clock(clock.clone());
        let cache = build(store).build().unwrap();
        let builder = cache.grpc().method(ITEM, minutes(5));
        let builder = match tells {
            true => builder.cache_status(),
            false => builder,
        };
        let layer = builder.build().unwrap();
        let handler = Counted::new(|_| async { ok(b"soup") });
        let mut told = Vec::new();
        for metadata in [
            &[][..],
            &[],
            &[("x-request-id", "ours")],
            &[("cookie", "a=1")],
        ] {
            let request = call_with(ITEM, message(b"7"), metadata);
            let seen = ask(&layer, &handler, request).await;
            assert!(!seen.metadata.contains_key("age"));
            let trailers = seen.trailers.unwrap();
            assert!(!trailers.contains_key("cache-status"));
            let status = seen.metadata.get("cache-status");
            told.push(status.map_or(String::new(), |line| line.to_str().unwrap().to_owned()));
        }
        told
    };
    assert_eq!(statuses(|cache| cache, false).await, [""; 4]);
    assert_eq!(
        statuses(|cache| cache, true).await,
        [
            "larder; fwd=uri-miss; stored",
            "larder; hit; ttl=300",
            "larder; hit; ttl=300",
            "larder; fwd=bypass",
        ]
    );
    let off = |cache: crate::cache::CacheBuilder| cache.without_cache_status();
    assert_eq!(statuses(off, true).await, [""; 4]);
    let some = |cache: crate::cache::CacheBuilder| {
        cache.cache_status_if(|head| head.headers.contains_key("x-request-id"))
    };
    let told = statuses(some, true).await;
    assert_eq!((&*told[0], &*told[1], &*told[3]), ("", "", ""));
    assert!(told[2].starts_with("larder; hit; ttl=300"), "{told:?}");
    assert_eq!(statuses(some, false).await, [""; 4]);
}

#[tokio::test]
async fn a_monitor_outside_counts_calls_as_it_counts_pages() {
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = slow(&clock);
    let lines: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let told = lines.clone();
    let monitor = MonitorLayer::new(&cache)
        .fields_on_calls(true)
        .on_request(move |summary| told.lock().unwrap().push(summary.to_string()));
    for (hits, misses) in [("0", "1"), ("1", "0")] {
        let service = monitor.layer(layer.layer(handler.clone()));
        let answer = service.oneshot(call(ITEM, b"7")).await.unwrap();
        assert_eq!(answer.headers()["x-cache-hits"], hits);
        assert_eq!(answer.headers()["x-cache-misses"], misses);
        assert_eq!(
            answer
                .into_body()
                .collect()
                .await
                .unwrap()
                .trailers()
                .unwrap()["grpc-status"],
            "0"
        );
    }
    assert_eq!(
        *lines.lock().unwrap(),
        [
            format!("POST {ITEM} 200 hits=0 misses=1 sets=1 errors=0 rate=0.0% duration=2.000s"),
            format!("POST {ITEM} 200 hits=1 misses=0 sets=0 errors=0 rate=100.0% duration=0.000s"),
        ]
    );
    assert!(clock.elapsed() >= seconds(2));
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn prometheus_reads_calls_by_their_methods() {
    use crate::monitor::metrics::Exporter;

    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = slow(&clock);
    for _ in 0..2 {
        ask(&layer, &handler, call(ITEM, b"7")).await;
    }
    ask(
        &layer,
        &handler,
        call_with(ITEM, message(b"7"), &[("x-tenant", "x")]),
    )
    .await;
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let scrape = recorder.handle();
    metrics::with_local_recorder(&recorder, || Exporter::new(&cache).publish());
    let text = scrape.render();
    for (result, detail) in [
        ("hit", ""),
        ("stored", "uri-miss"),
        ("bypassed", "metadata"),
    ] {
        let line = format!(
            r#"larder_requests_total{{cache="larder",route="{ITEM}",result="{result}",detail="{detail}"}} 1"#
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    let saved = format!(r#"larder_saved_milliseconds_total{{cache="larder",route="{ITEM}"}} 2000"#);
    assert!(text.contains(&saved), "{text}");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn listeners_are_told_the_method_and_what_became_of_the_call() {
    use std::sync::Mutex;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata};

    #[derive(Clone, Default)]
    struct Listener(Arc<Mutex<Vec<String>>>);

    impl tracing::Subscriber for Listener {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("larder")
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.0.lock().unwrap().push(format!("{span:?}"));
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }

        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    // While there is one dispatcher alone, a callsite that another thread comes to first asks that thread's, which is none.
    let _second = tracing::Dispatch::new(Listener::default());
    let listener = Listener::default();
    let _listening = tracing::subscriber::set_default(listener.clone());
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    for _ in 0..2 {
        ask(&layer, &handler, call(ITEM, b"hush")).await;
    }
    let lines = std::mem::take(&mut *listener.0.lock().unwrap());
    assert!(
        lines[0].contains("larder.fill") && lines[0].contains(ITEM),
        "{lines:?}"
    );
    let last = lines.last().unwrap();
    assert!(last.contains("\"hit\"") && last.contains(ITEM), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("\"stored\"")),
        "{lines:?}"
    );
    assert!(!lines.concat().contains("hush"), "{lines:?}");

    // Which metadata a call passes by for, by its name alone.
    let tenant = call_with(ITEM, message(b"7"), &[("x-tenant", "hush")]);
    ask(&layer, &handler, tenant).await;
    let lines = std::mem::take(&mut *listener.0.lock().unwrap()).concat();
    assert!(
        lines.contains("\"x-tenant\"") && lines.contains(".vary_on_metadata"),
        "{lines}"
    );
    assert!(!lines.contains("hush"), "{lines}");
}
