//! Which metadata a call may carry.

use http::HeaderName;

use super::*;
use crate::grpc::{CallPolicy, GrpcCacheError};
use crate::ttl::minutes;

/// Asks twice with these metadata; what became of the second call.
async fn twice(policy: CallPolicy, metadata: &[(&str, &str)]) -> Option<Reason> {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let asked = || call_with(ITEM, message(b"7"), metadata);
    ask(&layer, &handler, asked()).await;
    let second = ask(&layer, &handler, asked()).await;
    assert_eq!(second.data, message(b"soup"));
    second.reason
}

fn policy() -> CallPolicy {
    CallPolicy::new(minutes(5))
}

fn tenant() -> HeaderName {
    HeaderName::from_static("x-tenant")
}

const UNKNOWN: Option<Reason> = Some(Reason::Bypassed(Bypass::Metadata));

#[tokio::test]
async fn unknown_metadata_pass_by_unless_they_are_declared() {
    let sent: &[(&str, &str)] = &[("x-tenant", "a")];
    assert_eq!(twice(policy(), sent).await, UNKNOWN);
    assert_eq!(twice(policy().vary_on_metadata(tenant()), sent).await, None);
    assert_eq!(twice(policy().inert_metadata(tenant()), sent).await, None);
    assert_eq!(twice(policy().ignore_other_metadata(), sent).await, None);
    for name in [
        "accept",
        "accept-language",
        "origin",
        "pragma",
        "x-data-bin",
    ] {
        assert_eq!(twice(policy(), &[(name, "1")]).await, UNKNOWN, "{name}");
    }
}

#[tokio::test]
async fn what_is_inert_is_seen_by_the_handler_and_tells_no_calls_apart() {
    let (cache, _) = cache();
    let policy = policy().inert_metadata(tenant());
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|request| async move {
        let tenant = request.headers()["x-tenant"].as_bytes().to_vec();
        ok(&tenant)
    });
    for tenant in ["a", "b"] {
        let seen = ask(
            &layer,
            &handler,
            call_with(ITEM, message(b"7"), &[("x-tenant", tenant)]),
        )
        .await;
        assert_eq!(seen.data, message(b"a"));
    }
}

/// They have a meaning in HTTP, and none in gRPC: neither a 304 nor a part is ever made of a call.
#[tokio::test]
async fn fields_that_are_foreign_to_grpc_are_not_answered_by_the_rules_of_http() {
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-modified-since", "Sun, 06 Nov 2044 08:49:37 GMT"),
        ("if-match", "\"a\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-range", "\"a\""),
        ("range", "bytes=0-1"),
        ("upgrade", "h2c"),
        ("connection", "x-tenant"),
    ] {
        let sent: &[(&str, &str)] = &[(name, value)];
        for policy in [policy(), policy().ignore_other_metadata()] {
            assert_eq!(twice(policy, sent).await, UNKNOWN, "{name}");
        }
    }
}

#[tokio::test]
async fn a_call_that_says_no_store_is_answered_from_the_store_and_not_stored() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let asked = || call_with(ITEM, message(b"7"), &[("cache-control", "no-store")]);
    for _ in 0..2 {
        ask(&layer, &handler, asked())
            .await
            .assert_bypassed(Bypass::NoStore);
    }
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(ask(&layer, &handler, asked()).await.reason, None);
    assert_eq!(handler.count(), 3);
    // It cannot make the handler work.
    let forcing = call_with(
        ITEM,
        message(b"7"),
        &[("cache-control", "no-cache, max-age=0")],
    );
    assert_eq!(ask(&layer, &handler, forcing).await.reason, None);
}

/// Nor can anybody find out what others have asked for.
#[tokio::test]
async fn a_call_for_what_is_stored_alone_is_like_any_other() {
    assert_eq!(
        twice(policy(), &[("cache-control", "only-if-cached")]).await,
        None
    );
}

#[test]
fn no_policy_speaks_of_what_has_a_rule_of_its_own() {
    let (cache, _) = cache();
    for name in [
        "grpc-timeout",
        "te",
        "content-type",
        "authorization",
        "cookie",
        "range",
    ] {
        let name = HeaderName::from_static(name);
        for policy in [
            policy().vary_on_metadata(name.clone()),
            policy().inert_metadata(name.clone()),
        ] {
            let built = cache.grpc().method(ITEM, policy).build();
            let expected = GrpcCacheError::Metadata(ITEM.to_owned(), name.clone());
            assert_eq!(built.unwrap_err(), expected);
        }
    }
}
