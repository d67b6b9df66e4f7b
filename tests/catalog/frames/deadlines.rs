//! Deadlines as they are on the wire.

use std::sync::Arc;

use larder::grpc::CallPolicy;
use larder::{minutes, seconds};
use tokio::sync::Semaphore;

use super::*;
use crate::raw::within;

/// A cache before an origin that waits until it is let go on.
async fn held(policy: CallPolicy) -> (Stage, Arc<Semaphore>) {
    let go_on = Arc::new(Semaphore::new(0));
    let mut steps = ok(b"soup");
    steps.insert(0, Step::Hold(go_on.clone()));
    (
        Stage::with_policy(Origin::of(steps).await, policy).await,
        go_on,
    )
}

#[tokio::test]
async fn a_deadline_is_its_own_clients_and_the_fill_goes_on() {
    let policy = CallPolicy::new(minutes(5)).fill_timeout(seconds(20));
    let (stage, go_on) = held(policy).await;
    let call = Call::of(ITEM, b"7");
    let hasty = call.clone().with("grpc-timeout", "30m");
    let (client, asked) = (stage.client.clone(), hasty.clone());
    let leader = tokio::spawn(async move { client.ask(&asked).await });
    stage.origin.has_come(1).await;
    let (client, asked) = (stage.client.clone(), call.clone());
    let patient = tokio::spawn(async move { client.ask(&asked).await });

    let seen = within("the deadline passes", leader).await.unwrap();
    assert_eq!((seen.code(), seen.in_one_block), ("4", true), "{seen:?}");
    let seen = stage.ask(&hasty).await;
    assert_eq!((seen.code(), seen.in_one_block), ("4", true), "{seen:?}");

    go_on.add_permits(1);
    let seen = within("the fill ends", patient).await.unwrap();
    assert_eq!((seen.code(), &seen.data), ("0", &message(b"soup")));
    assert_eq!(stage.origin.count(), 1);
    // The origin has the policy's time, and not that of whoever came first.
    assert_eq!(stage.origin.asked().fields["grpc-timeout"], "20000000u");
    // What is kept is in time for everyone.
    assert_eq!(stage.ask(&hasty).await.code(), "0");
    assert_eq!(stage.origin.count(), 1);
}

#[tokio::test]
async fn a_stale_answer_comes_before_the_deadline() {
    let policy = CallPolicy::new(minutes(5)).stale_if_error(minutes(60));
    let (stage, go_on) = held(policy).await;
    go_on.add_permits(1);
    let call = Call::of(ITEM, b"7");
    let kept = stage.is_kept(&call).await;
    stage.clock.advance(minutes(6));
    let seen = stage.ask(&call.clone().with("grpc-timeout", "200m")).await;
    assert_eq!(seen, kept);
    assert_eq!(stage.origin.count(), 2);
}

#[tokio::test]
async fn what_is_no_deadline_is_forwarded_and_waits() {
    let (stage, go_on) = held(CallPolicy::new(minutes(5))).await;
    for timeout in ["", "S", "1x", "-1S", "123456789n", "1 m"] {
        // As it is, where nothing is filled.
        let call = Call::of(ITEM, b"7").with("grpc-timeout", timeout);
        go_on.add_permits(1);
        let passed = stage.ask(&call.clone().and("x-unknown", b"1")).await;
        assert_eq!(passed.code(), "0", "{timeout:?}");
        assert_eq!(stage.origin.asked().fields["grpc-timeout"], timeout);
    }
    let before = stage.origin.count();
    go_on.add_permits(1);
    stage
        .is_kept(&Call::of(ITEM, b"7").with("grpc-timeout", "1x"))
        .await;
    // A deadline is not in the key.
    assert_eq!(
        stage
            .ask(&Call::of(ITEM, b"7").with("grpc-timeout", "9S"))
            .await
            .code(),
        "0"
    );
    assert_eq!(stage.origin.count(), before + 1);
}
