//! The leak hunt: random requests of several people, in which no answer may tell one of them what is another's.
//!
//! Each person has a secret, which handlers show in the body, in fields and in trailers to whom they take for that person. They learn who is
//! asking in every way there is, and answer in every way there is. After each answer, nothing in it may be of another's secret, and a 304 may
//! confirm no copy but the asker's own.
//!
//! What is the application's own promise, handlers keep:
//!
//! * An answer says `public` or `s-maxage`, or on a gateway `must-revalidate`, and no layer varies on that by which the handler knows the
//!   person. Then the application has declared the page to be for all, and so the handler shows no secret. That it tells larder whom it has
//!   read outweighs this, and then it shows one.
//! * Tags are as different as pages are (RFC 9110 §8.8.1). Dates are not, so where no layer tells people apart, only what is for all has one.
//! * A handler looks in silence only at what the route varies on, and at what larder takes for a credential. Where it knows somebody by an
//!   API key that no layer was told of, it tells larder.
//!
//! A quarter of `PROPTEST_CASES` is how many scripts are tried on each store, since each is long; and a sixteenth on one in Redis, where time
//! is real.

mod clients;
mod origin;
mod people;
#[cfg(feature = "redis")]
mod redis;
mod routes;
mod script;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

use super::*;
use crate::identity::{Identify, cookie, extension};

use self::clients::{Clients, Received, Tally};
use self::people::{Person, User, Way};
use self::routes::PATIENCE;
use self::script::{Ask, Fate, Purge, Script, Step, scripts};

/// Longer than anything here waits for.
const FOREVER: Duration = Duration::from_secs(60);

fn user() -> impl Identify {
    extension("user", |user: &User| user.0.clone()).or(cookie("session"))
}

fn world(store: impl Store) -> World {
    let builder = Cache::builder(store).user(user()).secret([7; 32]);
    // What was refused once is tried again at once, so that more is shared.
    let builder = builder.remember_refusals(Duration::ZERO);
    World::built(builder.refresh_backoff(Duration::ZERO))
}

/// A script under way.
struct Hunt<'a> {
    script: &'a Script,
    world: World,
    data: Data,
    sites: [Site; 2],
    clients: Clients,
    tally: Tally,
    pace: Pace,
}

/// How one waits until everybody waits for something.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Paused,
    /// There is a network, and nobody can tell.
    Real,
}

impl Pace {
    async fn settle(self) {
        match self {
            Self::Paused => settle().await,
            Self::Real => tokio::time::sleep(Duration::from_millis(4)).await,
        }
    }
}

impl<'a> Hunt<'a> {
    fn new(world: World, script: &'a Script, pace: Pace) -> Self {
        let data = Data::default();
        let site = |place: usize| script.routes[place].site(&world, &data, script.options);
        Self {
            sites: [site(0), site(1)],
            script,
            world: world.clone(),
            data,
            clients: Clients::default(),
            tally: Tally::default(),
            pace,
        }
    }

    async fn run(mut self) -> Result<Tally, String> {
        for (number, step) in self.script.steps.iter().enumerate() {
            match step {
                Step::Ask { asks, late, purge } => {
                    let asked = self.ask(asks, *late, *purge).await;
                    asked.map_err(|why| format!("step {number}: {why}"))?;
                }
                Step::Change => drop(self.data.change()),
                Step::Wait(seconds) => self.world.advance(Duration::from_secs(*seconds)),
                Step::Purge(purge) => self.purge(*purge).await,
            }
        }
        Ok(self.tally)
    }

    fn secret(&self, person: Person) -> String {
        person.secret(self.script.token)
    }

    /// Requests side by side; each answer is judged.
    async fn ask(&mut self, asks: &[Ask], late: bool, purge: Option<Purge>) -> Result<(), String> {
        let mut asked = Vec::new();
        for ask in asks {
            let route = self.script.routes[ask.route];
            let tags = self.clients.tags(ask, route);
            let gate = Gate::closed();
            let request = ask.request(
                route,
                &self.secret(ask.person),
                &tags,
                self.clients.last_tag(ask.person, route),
                gate.clone(),
            );
            let site = self.sites[ask.route].clone();
            let reads = ask.fate != Fate::DropsTheBody;
            let answer =
                tokio::spawn(async move { Received::of(site.open(request).await, reads).await });
            asked.push((ask, tags, gate, answer));
        }
        self.pace.settle().await;
        if late {
            tokio::time::sleep(2 * PATIENCE).await;
        }
        if let Some(purge) = purge {
            self.purge(purge).await;
        }
        let gone = asked.iter().filter(|(ask, ..)| ask.fate == Fate::GoesAway);
        gone.for_each(|(.., answer)| answer.abort());
        let mut turns: Vec<_> = asked
            .iter()
            .map(|(ask, _, gate, _)| (ask.turn, gate))
            .collect();
        turns.sort_by_key(|(turn, _)| *turn);
        for (_, gate) in turns {
            gate.open();
            self.pace.settle().await;
        }
        for (ask, tags, _, answer) in asked {
            let answer = tokio::time::timeout(FOREVER, answer).await;
            // Whose client has gone away, or whose handler has panicked, has no answer.
            let Ok(received) = answer.map_err(|_| format!("no answer to {ask:?}"))? else {
                continue;
            };
            let route = self.script.routes[ask.route];
            let judged = self.clients.judge(ask, route, &tags, &received);
            judged.map_err(|why| format!("{why}\n{ask:?}\non {route:?}\n{received:?}"))?;
            self.tally.count(ask, &received);
        }
        self.world.cache.background().idle().await;
        Ok(())
    }

    async fn purge(&self, purge: Purge) {
        match purge {
            Purge::Layers => self.world.purge_tag("all").await,
            Purge::Handlers => self.world.purge_tag("handler").await,
            Purge::Page => self.world.purge_page(&self.script.routes[0].path()).await,
            Purge::Alice => {
                let mut asked = get("/");
                Way::Session.add_to(&mut asked, &self.secret(Person::Alice));
                let alice = user().identify(&RequestHead::of(&asked));
                let _ = self.world.cache.purge_identity(&alice).await.unwrap();
            }
            Purge::Clear => {
                let _ = self.world.cache.clear().await.unwrap();
            }
        }
    }
}

/// Runs a script in its own time.
fn hunt(store: impl Store, script: &Script) -> Result<Tally, String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { Hunt::new(world(store), script, Pace::Paused).run().await })
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases / 4, max_shrink_iters: 1_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_answer_tells_what_is_another_persons(script in scripts()) {
        hunt(MemoryStore::new(MIB), &script).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn none_does_so_on_a_store_that_has_to_be_waited_for(script in scripts()) {
        hunt(Waiting(MemoryStore::new(MIB)), &script).map_err(TestCaseError::fail)?;
    }
}

/// A hunt in which nobody is ever answered by the cache would find nothing.
#[test]
fn the_hunt_sees_people_answered_with_their_own_in_every_way() {
    let mut runner = TestRunner::deterministic();
    let mut tally = Tally::default();
    for number in 0..300 {
        let script = scripts().new_tree(&mut runner).unwrap().current();
        let store = MemoryStore::new(MIB);
        let hunted = match number % 2 {
            0 => hunt(store, &script),
            _ => hunt(Waiting(store), &script),
        };
        tally.add(hunted.unwrap_or_else(|why| panic!("{why}\nin {script:?}")));
    }
    assert!(tally.all().iter().all(|count| *count > 2), "{tally:?}");
    println!("{tally:?}");
}
