//! What a handler says of its own answer: it can take away from what the policy gives, and add tags.

use tonic::Code;

use super::*;
use crate::cache::CacheTags;
use crate::grpc::CallPolicy;
use crate::page::PageControl;
use crate::ttl::{minutes, seconds};

const OK: (&str, &str) = ("grpc-status", "0");

/// A handler that says this in `cache-control`.
fn saying(said: &'static str) -> Counted {
    Counted::new(move |_| async move {
        answer_of(
            &[("cache-control", said)],
            Some(message(b"soup")),
            Some(&[OK]),
        )
    })
}

/// For how many seconds the answers of this handler are kept, up to 600.
async fn kept_for(policy: CallPolicy, handler: &Counted) -> u64 {
    let (cache, clock) = cache();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    ask(&layer, handler, call(ITEM, b"7")).await;
    for second in 1..=600 {
        clock.advance(seconds(1));
        let seen = ask(&layer, handler, call(ITEM, b"7")).await;
        if seen.reason.is_some() {
            return second;
        }
    }
    u64::MAX
}

fn policy() -> CallPolicy {
    CallPolicy::new(minutes(5))
}

#[tokio::test]
async fn directives_shorten_the_life_of_an_answer_and_never_lengthen_it() {
    for (said, lives) in [
        ("max-age=60", 60),
        ("max-age=600", 300),
        ("public, max-age=31536000, immutable", 300),
        ("s-maxage=20", 20),
        ("s-maxage=600, max-age=30", 30),
        ("s-maxage=30, max-age=600", 30),
        ("stale-while-revalidate=600", 300),
        ("stale-if-error=600", 300),
        ("x-unknown=1", 300),
    ] {
        assert_eq!(kept_for(policy(), &saying(said)).await, lives, "{said}");
    }
}

#[tokio::test]
async fn directives_forbid_to_keep_an_answer() {
    for (said, why) in [
        ("no-store", NotStored::NoStore),
        ("No-Store", NotStored::NoStore),
        ("max-age=60, must-understand, no-store", NotStored::NoStore),
        ("no-cache", NotStored::NoCache),
        ("no-cache=\"x-a\"", NotStored::NoCache),
        ("private", NotStored::Private),
        ("private=\"x-a\"", NotStored::Private),
        ("max-age=0", NotStored::Expired),
        ("max-age=-1", NotStored::Expired),
        ("max-age=soon", NotStored::Expired),
        ("s-maxage=0, max-age=60", NotStored::Expired),
        ("no-store=\"", NotStored::Malformed),
    ] {
        let (cache, _) = cache();
        let layer = cache.grpc().method(ITEM, policy()).build().unwrap();
        let handler = saying(said);
        for _ in 0..2 {
            let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
            assert_eq!(seen.metadata["cache-control"], said);
            let refused = Some(Reason::Refused(Absence::Uri, why));
            assert_eq!(
                (seen.data, seen.reason),
                (message(b"soup"), refused),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn directives_in_trailers_count_as_well() {
    let handler = Counted::new(|_| async {
        let trailers = [OK, ("cache-control", "max-age=40")];
        answer_of(
            &[("cache-control", "max-age=60")],
            Some(message(b"soup")),
            Some(&trailers),
        )
    });
    // The first of two lifetimes counts, or none does: never the longer one.
    assert!(kept_for(policy(), &handler).await <= 60);
    let handler = Counted::new(|_| async {
        answer_of(
            &[],
            Some(message(b"soup")),
            Some(&[OK, ("cache-control", "no-store")]),
        )
    });
    assert_eq!(kept_for(policy(), &handler).await, 1);
}

#[tokio::test]
async fn directives_bear_on_errors_as_well() {
    let absent = |said: &'static str| {
        Counted::new(move |_| async move {
            answer_of(&[("grpc-status", "5"), ("cache-control", said)], None, None)
        })
    };
    let policy = || policy().code(Code::NotFound, seconds(10));
    assert_eq!(kept_for(policy(), &absent("max-age=60")).await, 10);
    assert_eq!(kept_for(policy(), &absent("max-age=4")).await, 4);
    assert_eq!(kept_for(policy(), &absent("no-store")).await, 1);
}

#[tokio::test]
async fn what_must_be_revalidated_is_never_given_stale() {
    let (cache, clock) = cache();
    let policy = policy()
        .stale_while_revalidate(minutes(5))
        .stale_if_error(minutes(5));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    for said in ["must-revalidate", "proxy-revalidate"] {
        let first = ask(&layer, &saying(said), call(ITEM, said.as_bytes())).await;
        assert_eq!(first.code(), "0");
        clock.advance(minutes(6));
        let failing = Counted::new(|_| async { answer_of(&[("grpc-status", "14")], None, None) });
        let seen = ask(&layer, &failing, call(ITEM, said.as_bytes())).await;
        assert_eq!(seen.code(), "14", "{said}");
    }
}

/// A handler with this in the extensions of its response.
fn controlled(control: PageControl, metadata: &'static [(&'static str, &'static str)]) -> Counted {
    Counted::new(move |_| async move {
        let mut answer = match metadata.is_empty() {
            true => ok(b"soup"),
            false => answer_of(metadata, None, None),
        };
        answer.extensions_mut().insert(control);
        answer
    })
}

#[tokio::test]
async fn a_handler_says_by_an_extension_how_long_its_answer_lives() {
    let control = PageControl::new();
    assert_eq!(
        kept_for(policy(), &controlled(control.ttl(seconds(10)), &[])).await,
        10
    );
    assert_eq!(
        kept_for(policy(), &controlled(control.ttl(seconds(500)), &[])).await,
        500
    );
    assert_eq!(
        kept_for(policy(), &controlled(control.do_not_store(), &[])).await,
        1
    );
    let policy = || policy().code(Code::NotFound, seconds(10));
    const ABSENT: &[(&str, &str)] = &[("grpc-status", "5")];
    assert_eq!(
        kept_for(policy(), &controlled(control.ttl(seconds(3)), ABSENT)).await,
        3
    );
    assert_eq!(
        kept_for(policy(), &controlled(control.ttl(seconds(30)), ABSENT)).await,
        10
    );
    assert_eq!(
        kept_for(policy(), &controlled(control.do_not_store(), ABSENT)).await,
        1
    );
}

#[tokio::test]
async fn a_handler_tags_its_answer_by_an_extension() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async {
        let mut answer = ok(b"soup");
        answer.extensions_mut().insert(CacheTags::new(["item-7"]));
        answer
    });
    ask(&layer, &handler, call(ITEM, b"7")).await;
    cache.purge_tag("item-8").await.unwrap();
    assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.reason, None);
    cache.purge_tag("item-7").await.unwrap();
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(handler.count(), 2);
}
