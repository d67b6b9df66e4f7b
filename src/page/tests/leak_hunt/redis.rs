//! The hunt over a server.

use proptest::test_runner::TestError;

use super::*;
use crate::store::redis::RedisStore;
use crate::store::redis::process::{Options, Redis};

async fn hunt(redis: &Redis, script: &Script) -> Result<Tally, String> {
    redis.ask(&["FLUSHALL"]).await;
    // However slow the machine is: what is not stored is not found either.
    let store = RedisStore::builder(redis.url())
        .acquire_timeout(FOREVER)
        .answer_timeout(FOREVER)
        .build();
    let world = world(store.unwrap());
    Hunt::new(world, script, Pace::Real).run().await
}

#[test]
fn none_does_so_on_a_server() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let redis = runtime.block_on(Redis::start(Options::default()));
    let cases = (Config::default().cases / 16).max(1);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..Config::default()
    });
    let tally = std::cell::RefCell::new(Tally::default());
    let answered = || tally.borrow().all().iter().sum::<usize>();
    // So few scripts may all be of requests that nothing stored answers: then it hunts on.
    for _ in 0..5 {
        let hunted = runner.run(&scripts(), |script| {
            let found = runtime.block_on(hunt(&redis, &script));
            tally.borrow_mut().add(found.map_err(TestCaseError::fail)?);
            Ok(())
        });
        match hunted {
            Ok(()) => {}
            Err(TestError::Fail(why, script)) => panic!("{why}\nin {script:?}"),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
        if answered() > 0 {
            break;
        }
    }
    let tally = tally.into_inner();
    assert!(
        tally.all().iter().sum::<usize>() > 0,
        "nobody is answered from it: {tally:?}"
    );
    println!("{tally:?}");
}
