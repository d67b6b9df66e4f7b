//! Random requests and answers, on which the cache and a model of one that was written from the texts alone must agree.
//!
//! A script is a list of requests with the answers that the origin has for them, in the cache's own time. After each request everything that
//! follows from it is waited for. `PROPTEST_CASES` sets how many scripts are tried.

mod found;
mod model;
mod origin;
mod script;

use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::runtime::Builder;

use super::*;
use crate::InvalidationLayer;

use self::model::{Aged, Model, Outcome, Run, Said};
use self::origin::{Kind, Origin, Seen, Version};
use self::script::{Ask, Script, scripts};

/// What the handlers of a script answer now, and what they have been asked.
struct Stage {
    now: i64,
    kind: Kind,
    version: Version,
    origin: Origin,
    number: usize,
    runs: Vec<Run>,
}

/// What was seen of one request.
#[derive(Debug)]
struct Observed {
    status: u16,
    body: String,
    age: Option<i64>,
    said: Option<String>,
    made: Option<usize>,
    runs: Vec<Run>,
}

impl Observed {
    fn of(answer: &Answer, runs: Vec<Run>) -> Self {
        Self {
            status: answer.status.as_u16(),
            body: answer.body.clone(),
            age: answer.field("age").map(|age| age.parse().unwrap()),
            said: answer.field("cache-status").map(str::to_owned),
            made: answer.field("x-run").map(|run| run.parse().unwrap()),
            runs,
        }
    }

    fn is(&self, expected: &Outcome) -> bool {
        let said = self.said.as_deref().unwrap_or_default();
        let said = said.strip_prefix("larder; ").unwrap_or_default();
        let said_so = match &expected.said {
            Said::Hit => said.starts_with("hit"),
            Said::Forwarded(reasons) => reasons
                .iter()
                .any(|reason| said.split(';').next() == Some(&format!("fwd={reason}"))),
            Said::Anything => true,
        };
        let aged = match expected.age {
            Aged::Exactly(age) => self.age == Some(age),
            Aged::IfAny(age) => self.age.is_none_or(|seen| seen == age),
            Aged::Anyhow => true,
        };
        self.status == expected.status
            && expected.body.as_ref().is_none_or(|body| *body == self.body)
            && expected.made.is_none_or(|made| self.made == Some(made))
            && said_so
            && aged
    }
}

/// Runs a script on a cache, and says where the model would not follow.
async fn play(
    world: World,
    layer: CacheLayer,
    model: Model,
    script: &Script,
) -> Result<(), String> {
    let stage = Arc::new(Mutex::new(None::<Stage>));
    let seen = stage.clone();
    let runs = Runs::default();
    let handler = runs.handler(move |request: Request<Body>| {
        let mut stage = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = stage.as_mut().expect("a step");
        let seen = Seen::of(&request);
        let reply = stage
            .origin
            .reply(stage.now, stage.kind, stage.version, stage.number, &seen);
        let response = reply.response(seen.method == Method::HEAD);
        stage.runs.push(Run { seen, reply });
        async move { response }
    });
    let layered = InvalidationLayer::new(&world.cache).layer(layer.layer(handler));
    let site = Site::of(world.clone(), runs, layered);

    let mut versions = [1, 1];
    let mut models = vec![model];
    let mut now = 0;
    for (number, step) in script.steps.iter().enumerate() {
        now += step.wait;
        world.advance(Duration::from_millis(step.wait.unsigned_abs()));
        let url = step.plan.url;
        let kind = script.kinds[url];
        let version = |number| Version { url, number };
        let ask: Ask = step.plan.ask(kind, version(versions[url]));
        versions[url] += i64::from(step.changed);
        let put = |stand: Option<Stage>| {
            let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *stage, stand)
        };
        put(Some(Stage {
            now,
            kind,
            version: version(versions[url]),
            origin: step.origin.clone(),
            number,
            runs: Vec::new(),
        }));
        let answer = site.ask(ask.request()).await;
        let observed = Observed::of(&answer, put(None).expect("the stage").runs);

        let mut followed: Vec<Model> = Vec::new();
        let mut refused = Vec::new();
        for model in &models {
            for (future, expected) in model.futures(&ask, now, &observed.runs) {
                match expected {
                    Ok(outcome) if observed.is(&outcome) => {
                        if !followed.contains(&future) {
                            followed.push(future);
                        }
                    }
                    Ok(outcome) => refused.push(format!("{outcome:?} by {:?}", future.asked)),
                    Err(wanted) => refused.push(format!("expected {wanted}")),
                }
            }
        }
        if followed.is_empty() {
            refused.dedup();
            return Err(format!(
                "step {number}\nexpected {}\nseen     {observed:?}\nstored   {models:?}\nscript {script:?}",
                refused.join("\n      or "),
            ));
        }
        models = followed;
    }
    Ok(())
}

/// Runs a script in its own time, on a cache whose layer and whose model are these.
fn agrees(
    store: impl Store,
    layer: fn(&Cache) -> CacheLayer,
    model: Model,
    script: &Script,
) -> Result<(), TestCaseError> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let played = runtime.block_on(async {
        let world = World::built(Cache::builder(store).refresh_backoff(Duration::ZERO));
        let layer = layer(&world.cache);
        play(world, layer, model, script).await
    });
    played.map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_gateway_does_what_the_model_does(script in scripts()) {
        agrees(MemoryStore::new(MIB), Cache::gateway, Model::default(), &script)?;
    }

    #[test]
    fn a_gateway_does_so_on_a_store_that_has_to_be_waited_for(script in scripts()) {
        let store = Waiting(MemoryStore::new(MIB));
        agrees(store, Cache::gateway, Model::default(), &script)?;
    }

    #[test]
    fn a_page_does_what_the_model_does_and_no_client_forces_work(script in scripts()) {
        let layer = |cache: &Cache| cache.page(Duration::from_secs(7));
        agrees(MemoryStore::new(MIB), layer, Model::of_pages(7_000), &script)?;
    }
}
