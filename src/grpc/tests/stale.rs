//! Stale answers: while they are refreshed, and where the handler fails.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::grpc::CallPolicy;
use crate::monitor::{Failure, StaleUse};
use crate::ttl::{minutes, seconds};

fn policy() -> CallPolicy {
    CallPolicy::new(minutes(5))
}

/// A layer in whose store an answer is that has just become stale.
async fn stale(policy: CallPolicy) -> (Cache, GrpcCacheLayer) {
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"old") });
    ask(&layer, &handler, call(ITEM, b"7")).await;
    clock.advance(minutes(5) + seconds(1));
    (cache, layer)
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_while_it_is_refreshed_by_the_same_call() {
    let policy = policy()
        .stale_while_revalidate(minutes(1))
        .vary_on_metadata(http::HeaderName::from_static("x-tenant"))
        .inert_metadata(http::HeaderName::from_static("x-inert"));
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let asked = || {
        let metadata = [
            ("x-tenant", "a"),
            ("x-inert", "b"),
            ("grpc-accept-encoding", "gzip"),
        ];
        call_with(ITEM, message(b"7"), &metadata)
    };
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = calls.clone();
    let handler = Counted::new(move |request| {
        let noted = noted.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            noted
                .lock()
                .unwrap()
                .push((parts.method, parts.uri, parts.headers, body));
            ok(b"soup")
        }
    });
    ask(&layer, &handler, asked()).await;
    clock.advance(minutes(5) + seconds(1));
    let seen = ask(&layer, &handler, asked()).await;
    let reason = Reason::StaleHit(StaleUse::WhileRevalidated);
    assert_eq!((seen.data, seen.reason), (message(b"soup"), Some(reason)));
    cache.background().idle().await;
    assert_eq!(ask(&layer, &handler, asked()).await.reason, None);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0], calls[1]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_one_users_answer_is_that_users() {
    let user = http::HeaderName::from_static("x-user");
    let (cache, clock) =
        built(Cache::builder(MemoryStore::new(MIB)).user(crate::identity::header(user)));
    let policy = policy().vary_on_user().stale_while_revalidate(minutes(1));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler =
        Counted::new(
            |request: Request<Body>| async move { ok(request.headers()["x-user"].as_bytes()) },
        );
    let from = |user| call_with(ITEM, message(b"7"), &[("x-user", user)]);
    for user in ["ann", "bob"] {
        ask(&layer, &handler, from(user)).await;
    }
    clock.advance(minutes(5) + seconds(1));
    for _ in 0..2 {
        for user in ["ann", "bob"] {
            let seen = ask(&layer, &handler, from(user)).await;
            assert_eq!(seen.data, message(user.as_bytes()));
            cache.background().idle().await;
        }
    }
    assert_eq!(handler.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_stands_in_for_a_handler_that_fails() {
    type Answers = fn() -> Response<Body>;
    let failing: &[(&str, Answers)] = &[
        ("unavailable", || {
            answer_of(&[("grpc-status", "14")], None, None)
        }),
        ("internal", || {
            answer_of(&[("grpc-status", "13")], None, None)
        }),
        ("unknown", || answer_of(&[("grpc-status", "2")], None, None)),
        ("data loss", || {
            answer_of(&[("grpc-status", "15")], None, None)
        }),
        ("deadline exceeded", || {
            answer_of(&[("grpc-status", "4")], None, None)
        }),
        ("in trailers", || {
            answer_of(&[], None, Some(&[("grpc-status", "14")]))
        }),
        ("behind a message", || {
            answer_of(&[], Some(message(b"new")), Some(&[("grpc-status", "14")]))
        }),
        ("no trailers", || {
            answer_of(&[], Some(message(b"new")), None)
        }),
        ("a body that breaks off", || {
            let body = frames([Err(std::io::Error::other("reset"))]);
            answer_of(&[], None, None).map(|_| body)
        }),
        ("a proxy's error", || {
            let mut answer = ok(b"new");
            *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
            answer
        }),
    ];
    for (what, answers) in failing {
        let (_, layer) = stale(policy().stale_if_error(minutes(1))).await;
        let handler = Counted::new(move |_| async move { answers() });
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!(
            (seen.data.clone(), seen.code()),
            (message(b"old"), "0"),
            "{what}"
        );
        let reason = Reason::StaleOnError(Failure::Status);
        assert_eq!((handler.count(), seen.reason), (1, Some(reason)), "{what}");
        let (_, layer) = stale(policy()).await;
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_ne!(seen.data, message(b"old"), "{what}, where nothing lets it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_caller_is_no_failure() {
    for code in ["7", "8", "16", "3", "5", "10"] {
        let (_, layer) = stale(policy().stale_if_error(minutes(1))).await;
        let handler =
            Counted::new(move |_| async move { answer_of(&[("grpc-status", code)], None, None) });
        assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_stands_in_for_a_service_that_errs() {
    let (_, layer) = stale(policy().stale_if_error(minutes(1))).await;
    let erring = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::other("connection refused"))
    });
    let response = layer.layer(erring).oneshot(call(ITEM, b"7")).await.unwrap();
    let seen = seen(response).await;
    let reason = Reason::StaleOnError(Failure::Unreachable);
    assert_eq!((seen.data, seen.reason), (message(b"old"), Some(reason)));
    // Where nothing is at hand, the error is the service's own.
    let response = layer.layer(erring).oneshot(call(ITEM, b"8")).await;
    assert_eq!(response.unwrap_err().to_string(), "connection refused");
}

/// A handler that takes so long.
fn slow(takes: Duration) -> Counted {
    Counted::new(move |_| async move {
        tokio::time::sleep(takes).await;
        ok(b"new")
    })
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_comes_before_the_clients_deadline_does() {
    let (cache, layer) = stale(policy().stale_if_error(minutes(1))).await;
    let handler = slow(seconds(20));
    let began = tokio::time::Instant::now();
    let asked = call_with(ITEM, message(b"7"), &[("grpc-timeout", "10S")]);
    let seen = ask(&layer, &handler, asked).await;
    assert_eq!(began.elapsed(), seconds(9));
    let reason = Reason::StaleOnError(Failure::Slow);
    assert_eq!((seen.data, seen.reason), (message(b"old"), Some(reason)));
    cache.background().idle().await;
    let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!((seen.data, handler.count()), (message(b"new"), 1));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_comes_after_the_soft_timeout() {
    let policy = policy().stale_if_error(minutes(1)).soft_timeout(seconds(1));
    let (cache, layer) = stale(policy).await;
    let handler = slow(seconds(2));
    let began = tokio::time::Instant::now();
    let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!((seen.data, began.elapsed()), (message(b"old"), seconds(1)));
    cache.background().idle().await;
    assert_eq!(
        ask(&layer, &handler, call(ITEM, b"7")).await.data,
        message(b"new")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_for_too_long_is_not_given() {
    let windows = policy()
        .stale_while_revalidate(seconds(20))
        .stale_if_error(seconds(20));
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, windows).build().unwrap();
    ask(
        &layer,
        &Counted::new(|_| async { ok(b"old") }),
        call(ITEM, b"7"),
    )
    .await;
    clock.advance(minutes(5) + seconds(21));
    let failing = Counted::new(|_| async { answer_of(&[("grpc-status", "14")], None, None) });
    assert_eq!(ask(&layer, &failing, call(ITEM, b"7")).await.code(), "14");
}
