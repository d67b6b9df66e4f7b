//! Random histories of several nodes on one mistreated server: purges win every race (P2).
//!
//! Clients of each node change data, purge what was made of it, and read pages and values, while the server is paused, killed and restarted
//! empty, loses its scripts or its fence, and connections are slow, cut or dead.
//!
//! * No read that starts after a purge has returned `Ok`, on whatever node, is older than what that purge followed; nor is one on the node of
//!   a purge that has returned anything, or whose caller has gone away.
//! * Once the server is back, what is owed is delivered, though nobody asks; then every node serves the newest.
//!
//! `LARDER_HISTORY_SEED` repeats what the dice decide, and `LARDER_HISTORY_STEPS` (default 30) says how much is done to the server.

mod chaos;
mod clients;
mod data;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use self::chaos::Trouble;
use self::clients::{Client, Site};
use self::data::{Data, ITEMS};
use super::*;

const NODES: usize = 3;
const CLIENTS: u64 = 5;

/// After how much of it all is read once more.
const ROUND: u64 = 10;

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, of: u64) -> Self {
        Self(
            (seed ^ of.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD134_2543_DE82_EF95) | 1,
        )
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()]
    }

    /// Mostly not at all.
    async fn dawdle(&mut self, most: u64) {
        match self.roll(3) {
            0 => tokio::time::sleep(Duration::from_millis(self.roll(most))).await,
            _ => tokio::task::yield_now().await,
        }
    }
}

/// What happened, for whoever has to find out why.
#[derive(Debug)]
struct Log {
    begun: Instant,
    lines: std::sync::Mutex<Vec<String>>,
    wrong: std::sync::Mutex<Option<String>>,
}

impl Log {
    fn note(&self, line: impl FnOnce() -> String) {
        let line = format!("{:8.3?} {}", self.begun.elapsed(), line());
        self.lines.lock().unwrap().push(line);
    }

    /// Only the first counts: the others follow from it.
    fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.is_none() {
            let lines = self.lines.lock().unwrap();
            let last = lines.len().saturating_sub(60);
            *wrong = Some(format!(
                "{}\n\n{:8.3?} {what}",
                lines[last..].join("\n"),
                self.begun.elapsed()
            ));
        }
    }

    fn is_wrong(&self) -> bool {
        self.wrong.lock().unwrap().is_some()
    }
}

/// How often what was to be tested has happened.
#[derive(Debug, Default)]
struct Tally {
    hits: AtomicU64,
    made: AtomicU64,
    delivered: AtomicU64,
    undelivered: AtomicU64,
    abandoned: AtomicU64,
}

/// Everything that the tasks of a history share.
struct World {
    data: Data,
    log: Log,
    tally: Tally,
    is_over: AtomicBool,
}

struct History {
    redis: Redis,
    proxies: Vec<Proxy>,
    sites: Vec<Arc<Site>>,
    world: Arc<World>,
    dice: Dice,
    seed: u64,
}

impl History {
    async fn new(seed: u64) -> Self {
        let redis = Redis::start(Options::default()).await;
        let world = Arc::new(World {
            data: Data::new(NODES),
            log: Log {
                begun: Instant::now(),
                lines: std::sync::Mutex::default(),
                wrong: std::sync::Mutex::default(),
            },
            tally: Tally::default(),
            is_over: AtomicBool::new(false),
        });
        let (mut proxies, mut sites) = (Vec::new(), Vec::new());
        for number in 0..NODES {
            let proxy = Proxy::start(redis.address()).await;
            let url = format!("redis://127.0.0.1:{}", proxy.port());
            // The last one is on the server itself.
            let url = if number + 1 == NODES {
                redis.url()
            } else {
                url
            };
            sites.push(Arc::new(Site::new(number, hasty(url), &world, seed)));
            proxies.push(proxy);
        }
        Self {
            redis,
            proxies,
            sites,
            world,
            dice: Dice::new(seed, 0),
            seed,
        }
    }

    async fn run(mut self, steps: u64) {
        let mut done = 0;
        while done < steps && !self.world.log.is_wrong() {
            let clients = self.clients(done);
            for _ in 0..ROUND.min(steps - done) {
                let trouble = Trouble::any(&mut self.dice, NODES - 1);
                self.world.log.note(|| format!("{trouble:?}"));
                trouble
                    .make(&self.redis, &self.proxies, &mut self.dice)
                    .await;
                self.world.log.note(|| "all is well".to_owned());
                tokio::time::sleep(Duration::from_millis(self.dice.roll(100))).await;
            }
            done += ROUND;
            self.end(clients).await;
            self.settles().await;
        }
        let World { log, tally, .. } = &*self.world;
        let wrong = log.wrong.lock().unwrap().take();
        if let Some(wrong) = wrong {
            panic!("{wrong}\nLARDER_HISTORY_SEED={}", self.seed);
        }
        for (what, count) in [
            ("hits", &tally.hits),
            ("reads that made something", &tally.made),
            ("purges that arrived", &tally.delivered),
        ] {
            assert!(
                count.load(Ordering::Relaxed) > 10,
                "hardly any {what}: {tally:?}"
            );
        }
        println!("{tally:?}");
    }

    fn clients(&self, turn: u64) -> JoinSet<()> {
        self.world.is_over.store(false, Ordering::SeqCst);
        let mut clients = JoinSet::new();
        for (site, first) in self.sites.iter().zip((0..).step_by(1_000)) {
            for number in 0..CLIENTS {
                let dice = Dice::new(self.seed, 1 + turn * 10_000 + first + number);
                clients.spawn(Client::new(site.clone(), dice).run());
            }
        }
        clients
    }

    async fn end(&self, mut clients: JoinSet<()>) {
        self.world.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = clients.join_next().await {
            if let Err(error) = ended {
                self.world.log.wrong(format!("a client ended: {error}"));
            }
        }
    }

    /// The server is back: what is owed is delivered, and all serve the newest.
    async fn settles(&self) {
        let log = &self.world.log;
        for site in &self.sites {
            let delivered = async {
                while site.node.owed() > 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            if tokio::time::timeout(PATIENCE, delivered).await.is_err() {
                log.wrong(format!("node {} owes {}", site.number, site.node.owed()));
            }
        }
        for site in &self.sites {
            for item in 0..ITEMS {
                if !log.is_wrong() {
                    site.reads_the_newest(item).await;
                }
            }
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_history_on_many_nodes_shows_what_was_purged() {
    let seed = setting("LARDER_HISTORY_SEED", crate::store::random() >> 1);
    let steps = setting("LARDER_HISTORY_STEPS", 30);
    println!("LARDER_HISTORY_SEED={seed}");
    History::new(seed).await.run(steps).await;
}
