//! What answers tell of quotas.

use super::*;
use crate::limit::Unit;

#[tokio::test]
async fn fields_stand_where_they_are_asked_for() {
    for (fields, on_success, on_refusal) in [
        (Fields::OnRefusal, false, true),
        (Fields::Always, true, true),
        (Fields::Never, false, false),
    ] {
        let world = World::new();
        let app = world.app(|limit| limit.quota("1/m", client_ip()).fields(fields));
        for expected in [on_success, on_refusal] {
            let answer = send(&app, from(ALICE)).await;
            for name in ["ratelimit", "ratelimit-policy"] {
                assert_eq!(
                    field(&answer, name).is_some(),
                    expected,
                    "{fields:?} {name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn jitter_makes_clients_come_back_later_and_never_earlier() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip());
        limit.retry_jitter(Duration::from_secs(9))
    });
    send(&app, from(ALICE)).await;
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let refused = send(&app, from(ALICE)).await;
        let wait: u64 = field(&refused, "retry-after").unwrap().parse().unwrap();
        assert!((60..=69).contains(&wait), "{wait} s");
        assert_eq!(field(&refused, "ratelimit"), Some("\"test\";r=0;t=60"));
        waits.insert(wait);
    }
    assert!(waits.len() > 1, "always {waits:?}");
}

#[tokio::test]
async fn no_field_is_a_trailer() {
    let world = World::new();
    let app = world.app(|limit| {
        let bytes = "9/m".parse::<Quota>().unwrap().unit(Unit::ContentBytes);
        let limit = limit.quota(bytes, client_ip()).settle_bytes();
        limit.fields(Fields::Always)
    });
    let answer = send(&app, from(ALICE)).await;
    assert!(field(&answer, "ratelimit").is_some());
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), None);
}

#[tokio::test]
async fn the_policy_stays_the_same_while_what_remains_falls() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("3/m", client_ip()).fields(Fields::Always));
    for remaining in [2, 1, 0] {
        let answer = send(&app, from(ALICE)).await;
        assert_eq!(
            field(&answer, "ratelimit-policy"),
            Some("\"test\";q=3;w=60")
        );
        let expected = format!("\"test\";r={remaining};t=20");
        assert_eq!(field(&answer, "ratelimit"), Some(&*expected));
    }
}

#[tokio::test]
async fn only_those_who_may_know_are_told() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip()).fields(Fields::Always);
        limit.tell_if(|head| head.headers.contains_key("authorization"))
    });
    for _ in 0..2 {
        let answer = send(&app, from(ALICE)).await;
        assert_eq!(field(&answer, "ratelimit"), None);
        assert_eq!(field(&answer, "ratelimit-policy"), None);
    }
    let mut known = from(BOB);
    known
        .headers_mut()
        .insert("authorization", "Basic x".parse().unwrap());
    assert!(field(&send(&app, known).await, "ratelimit").is_some());
}

#[tokio::test]
async fn limits_that_stack_tell_of_both() {
    let world = World::new();
    let layer = |name: &str, quota: &str| {
        let layer = world.layer(name).quota(quota, client_ip());
        layer.fields(Fields::Always).build().unwrap()
    };
    let app = world
        .route()
        .layer(layer("inner", "5/m"))
        .layer(layer("outer", "9/m"));
    let answer = send(&app, from(ALICE)).await;
    let all = answer.headers().get_all("ratelimit").iter();
    let all: Vec<_> = all.map(|value| value.to_str().unwrap()).collect();
    assert_eq!(all.join(", "), "\"inner\";r=4;t=12, \"outer\";r=8;t=7");
}

#[tokio::test]
async fn a_redirection_tells_nothing() {
    let world = World::new();
    let layer = world.layer("test").quota("9/m", client_ip());
    let redirect = async || (StatusCode::FOUND, [("location", "/there")]);
    let app = Router::new().fallback(any(redirect));
    let app = app.layer(layer.fields(Fields::Always).build().unwrap());
    let answer = send(&app, from(ALICE)).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(field(&answer, "ratelimit"), None);
}
