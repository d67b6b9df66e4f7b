//! Nobody gets what is another's.

use http::HeaderName;

use super::*;
use crate::grpc::CallPolicy;
use crate::identity::{Identity, Trace, header};
use crate::store::Store;
use crate::ttl::minutes;

/// The application's own authentication puts it there.
#[derive(Clone)]
struct CurrentUser;

const USER: HeaderName = HeaderName::from_static("x-user");

fn users(store: impl Store) -> Cache {
    let builder = Cache::builder(store)
        .user(header(USER))
        .identity::<CurrentUser>();
    built(builder).0
}

fn memory() -> MemoryStore {
    MemoryStore::new(16 * MIB)
}

fn from(user: &str) -> Request<Body> {
    call_with(ITEM, message(b"7"), &[("x-user", user)])
}

/// A handler that answers with who it saw.
fn who() -> Counted {
    Counted::new(|request| async move {
        let seen = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|who| who.as_bytes().to_vec())
        };
        ok(&seen("x-user").or(seen("authorization")).unwrap_or_default())
    })
}

const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

#[tokio::test]
async fn credentials_pass_by_on_a_method_for_everyone() {
    let cache = users(memory());
    let policy = CallPolicy::new(minutes(5)).ignore_other_metadata();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    // What is there for all is not for those who say who they are: their answer may be another.
    ask(&layer, &who(), call(ITEM, b"7")).await;
    for name in CREDENTIALS.into_iter().chain(["x-user"]) {
        let handler = who();
        for _ in 0..2 {
            let asked = call_with(ITEM, message(b"7"), &[(name, "x")]);
            ask(&layer, &handler, asked)
                .await
                .assert_bypassed(Bypass::Credentials);
        }
        assert_eq!(handler.count(), 2, "{name}");
    }
    let mut asked = call(ITEM, b"7");
    asked.extensions_mut().insert(CurrentUser);
    ask(&layer, &who(), asked)
        .await
        .assert_bypassed(Bypass::Credentials);
}

#[tokio::test]
async fn a_handler_that_is_for_all_sees_nobody() {
    let cache = users(memory());
    let policy = CallPolicy::new(minutes(5)).shared();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = Counted::new(|request| async move {
        for name in CREDENTIALS.into_iter().chain(["x-user"]) {
            assert!(!request.headers().contains_key(name), "{name}");
        }
        assert!(request.extensions().get::<CurrentUser>().is_none());
        ok(b"soup")
    });
    for name in CREDENTIALS.into_iter().chain(["x-user"]) {
        let mut asked = call_with(ITEM, message(b"7"), &[(name, "x")]);
        asked.extensions_mut().insert(CurrentUser);
        ask(&layer, &handler, asked).await;
    }
    assert_eq!(handler.count(), 1);
}

/// Two users never share, on a store in memory or elsewhere.
async fn each_user_has_answers_of_their_own(cache: Cache) {
    let policy = CallPolicy::new(minutes(5)).vary_on_user();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = who();
    for _ in 0..2 {
        for user in ["ann", "bob"] {
            let seen = ask(&layer, &handler, from(user)).await;
            assert_eq!(seen.data, message(user.as_bytes()));
        }
    }
    assert_eq!(handler.count(), 2);
}

#[tokio::test]
async fn users_never_share_an_answer() {
    each_user_has_answers_of_their_own(users(memory())).await;
}

#[tokio::test]
async fn users_never_share_an_answer_of_a_store_that_has_to_be_waited_for() {
    each_user_has_answers_of_their_own(users(Waiting(memory()))).await;
}

#[tokio::test]
async fn tokens_never_share_an_answer() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).vary_on_identity(header(http::header::AUTHORIZATION));
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = who();
    for _ in 0..2 {
        for token in ["Bearer a", "Bearer b"] {
            let asked = call_with(ITEM, message(b"7"), &[("authorization", token)]);
            assert_eq!(
                ask(&layer, &handler, asked).await.data,
                message(token.as_bytes())
            );
        }
    }
    assert_eq!(handler.count(), 2);
    let two = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    let seen = ask(&layer, &handler, call_with(ITEM, message(b"7"), &two)).await;
    seen.assert_bypassed(Bypass::Identity);
}

#[tokio::test]
async fn what_is_private_is_kept_for_its_owner_alone() {
    let cache = users(memory());
    let policy = || CallPolicy::new(minutes(5));
    let handler = Counted::new(|_| async {
        let private = [("cache-control", "private")];
        answer_of(
            &private,
            Some(message(b"soup")),
            Some(&[("grpc-status", "0")]),
        )
    });
    let layer = cache.grpc().method(ITEM, policy()).build().unwrap();
    ask(&layer, &handler, call(ITEM, b"7"))
        .await
        .assert_refused(NotStored::Private);
    let layer = cache
        .grpc()
        .method(ITEM, policy().vary_on_user())
        .build()
        .unwrap();
    // Nobody in particular is no person.
    ask(&layer, &handler, call(ITEM, b"7"))
        .await
        .assert_refused(NotStored::Private);
    ask(&layer, &handler, from("ann")).await;
    assert_eq!(ask(&layer, &handler, from("ann")).await.reason, None);
    assert_eq!(handler.count(), 3);
    ask(&layer, &handler, from("bob")).await;
    assert_eq!(handler.count(), 4);
}

#[tokio::test]
async fn a_handler_that_reads_who_is_asking_is_for_nobody_else() {
    let cache = users(memory());
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|request| async move {
        Trace::of(request.extensions())
            .unwrap()
            .read(Identity::known("account", "7"));
        ok(b"soup")
    });
    for _ in 0..2 {
        ask(&layer, &handler, call(ITEM, b"7"))
            .await
            .assert_refused(NotStored::Identity);
    }
}

#[tokio::test]
async fn purging_an_identity_frees_what_is_one_persons() {
    let cache = users(memory());
    let policy = CallPolicy::new(minutes(5)).vary_on_user();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let handler = who();
    for user in ["ann", "bob"] {
        ask(&layer, &handler, from(user)).await;
    }
    let ann = from("ann");
    let ann = crate::identity::Identify::identify(&header(USER), &crate::RequestHead::of(&ann));
    cache.purge_identity(&ann).await.unwrap();
    for user in ["ann", "bob"] {
        ask(&layer, &handler, from(user)).await;
    }
    assert_eq!(handler.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn users_do_not_wait_for_one_another() {
    let cache = users(memory());
    let policy = CallPolicy::new(minutes(5)).vary_on_user();
    let layer = cache.grpc().method(ITEM, policy).build().unwrap();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let handler = Counted::new(move |request: Request<Body>| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            ok(request.headers()["x-user"].as_bytes())
        }
    });
    let calls: Vec<_> = ["ann", "bob", "ann", "bob"]
        .into_iter()
        .map(|user| (user, start(&layer, &handler, from(user))))
        .collect();
    let_others_run().await;
    assert_eq!(handler.count(), 2);
    opened.add_permits(2);
    for (user, call) in calls {
        assert_eq!(call.await.unwrap().data, message(user.as_bytes()));
    }
    assert_eq!(handler.count(), 2);
}
