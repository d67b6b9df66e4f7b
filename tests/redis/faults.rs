//! The bad days of a Redis server, and what visitors of a page notice of them: nothing but that it is made anew.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;

use crate::{
    client::{Answer, Client, send},
    process::{Fault as Proxied, Held, Options, Proxy, Redis},
    raw::within,
    server::{Scratch, Server, command},
};

/// A row: what is done to the server, and what a GET may take and say until it is undone. Every answer has status 200.
struct Fault {
    name: &'static str,
    done: Done,
    /// The longest that an answer may take.
    bound: Duration,
    /// What `Cache-Status` may say, by [`said`].
    says: &'static [&'static str],
    /// Why these are right.
    reason: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Done {
    Kill,
    Pause,
    CutAnswers,
    RestartEmpty,
    FillMemory,
    MakeReplica,
    ChangePassword,
    /// Puts something else under the keys of all pages.
    Replace(With),
    Slow,
    TakeAllConnections,
    FlushScripts,
}

#[derive(Clone, Copy, Debug)]
enum With {
    List,
    Garbage,
    Half,
}

/// A look-up that fails and the storing that is given up with it, each within 250 ms.
const TWO_CALLS: Duration = Duration::from_millis(500);
/// Whoever runs these tests may have other things to do. Without bounds, calls would take minutes.
const MARGIN: Duration = Duration::from_secs(3);

const FAULTS: &[Fault] = &[
    Fault {
        name: "refused",
        done: Done::Kill,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "nobody listens: each call fails at once",
    },
    Fault {
        name: "paused (SIGSTOP)",
        done: Done::Pause,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "the kernel accepts for it, and nothing answers: calls time out, then the breaker opens",
    },
    Fault {
        name: "killed in the middle of an answer",
        done: Done::CutAnswers,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "half an answer is no answer, and neither is the half of the next connection's first",
    },
    Fault {
        name: "restarted empty",
        done: Done::RestartEmpty,
        bound: TWO_CALLS,
        says: &["bypass", "missed", "stored", "hit"],
        reason: "the fence is new, so everything before it is gone, and what is stored from now on is good",
    },
    Fault {
        name: "out of memory (maxmemory 2mb)",
        done: Done::FillMemory,
        bound: TWO_CALLS,
        says: &["hit", "missed", "bypass"],
        reason: "what is there is read, nothing more is stored, and once a purge is owed nothing is read either",
    },
    Fault {
        name: "a read-only replica",
        done: Done::MakeReplica,
        bound: TWO_CALLS,
        says: &["hit", "bypass"],
        reason: "it is noticed within a second, or by the first write; what it held as a primary was good until then",
    },
    Fault {
        name: "wrong password",
        done: Done::ChangePassword,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "new connections are refused",
    },
    Fault {
        name: "wrong type under a key",
        done: Done::Replace(With::List),
        bound: TWO_CALLS,
        says: &["missed", "stored", "hit"],
        reason: "what is no string is no entry, and is written over",
    },
    Fault {
        name: "garbage under a key",
        done: Done::Replace(With::Garbage),
        bound: TWO_CALLS,
        says: &["stored", "hit"],
        reason: "what cannot be read is no entry, and is written over",
    },
    Fault {
        name: "a truncated entry",
        done: Done::Replace(With::Half),
        bound: TWO_CALLS,
        says: &["stored", "hit"],
        reason: "an entry whose checksum is wrong is no entry, and is written over",
    },
    Fault {
        name: "slow by 500 ms",
        done: Done::Slow,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "answers that come too late are not waited for",
    },
    Fault {
        name: "no connection left",
        done: Done::TakeAllConnections,
        bound: TWO_CALLS,
        says: &["bypass"],
        reason: "the server refuses further clients; pools of the application are tested beside the connections",
    },
    Fault {
        name: "script cache flushed",
        done: Done::FlushScripts,
        bound: TWO_CALLS,
        says: &["hit"],
        reason: "reading takes no script, and what writes sends its script again",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_the_server_fails_a_request_or_loses_a_purge() {
    // It may have to be built first, which takes longer than anything below.
    let built = tokio::task::spawn_blocking(|| command(&[])).await;
    drop(built.expect("the restaurant is built"));
    let ended: Vec<_> = stream::iter(FAULTS)
        .map(|fault| tokio::spawn(happens(fault)))
        .buffer_unordered(4)
        .collect()
        .await;
    for fault in ended {
        fault.expect("what went wrong is told above");
    }
}

/// A restaurant on a server behind a proxy, with another one that reaches it directly.
struct Stage {
    redis: Redis,
    proxy: Proxy,
    client: Client,
    here: Server,
    there: Server,
    held: Option<Held>,
}

async fn happens(fault: &'static Fault) {
    let name = fault.name;
    let dir = Scratch::new();
    let mut stage = Stage::set(&dir).await;
    let stored = async { while said(&stage.menu().await) != "hit" {} };
    within("the menu is stored", stored).await;
    stage.undergo(fault.done).await;
    for nth in 0..8 {
        let begun = Instant::now();
        let answer = stage.menu().await;
        let took = begun.elapsed();
        let said = said(&answer);
        assert_eq!(answer.status, StatusCode::OK, "{name}, request {nth}");
        assert!(
            took < fault.bound + MARGIN,
            "{name}, request {nth}: {took:?}"
        );
        assert!(
            fault.says.contains(&said),
            "{name}, request {nth}: {said}, but {}: {:?}",
            fault.reason,
            answer.headers
        );
    }

    let begun = Instant::now();
    let form = [("name", "Pasta after the fault"), ("price", "7.25")];
    let to = stage.client.post(&stage.here, "/menu/items/9", &form).await;
    assert_eq!(to, "/menu/pasta", "{name}");
    let took = begun.elapsed();
    assert!(took < fault.bound + MARGIN, "{name}, the change: {took:?}");
    stage.shows_the_change(name).await;

    stage.recover(fault.done).await;
    within(name, async {
        loop {
            let answer = stage.menu().await;
            assert!(answer.body.contains("Pasta after the fault"), "{name}");
            if said(&answer) == "hit" {
                return;
            }
        }
    })
    .await;
    // The purge that was owed has been delivered, or this node would read nothing.
    let elsewhere = stage.client.json(&stage.there, "/menu/pasta").await;
    assert_eq!(
        elsewhere["items"][0]["name"], "Pasta after the fault",
        "{name}"
    );
    stage.shows_the_change(name).await;
}

/// What became of a request.
fn said(answer: &Answer) -> &'static str {
    let status = answer.cache();
    match status.get("fwd") {
        _ if status.is_hit() => "hit",
        Some("bypass") => "bypass",
        // The one before is still being stored.
        _ if status.get("collapsed").is_some() => "stored",
        _ if status.get("stored").is_some() => "stored",
        _ => "missed",
    }
}

impl Stage {
    async fn set(dir: &Scratch) -> Self {
        let options = Options {
            flags: &["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"],
            ..Options::default()
        };
        let redis = Redis::start(options).await;
        let proxy = Proxy::start(redis.address()).await;
        let db = dir.file("shared.db");
        let through = format!("redis://127.0.0.1:{}", proxy.port());
        let here = Server::start(&["--db", &db, "--redis", &through]).await;
        let there = Server::start(&["--db", &db, "--redis", &redis.url()]).await;
        let client = Client::new();
        // The pages that are asked for later, in both nodes.
        client.json(&there, "/menu/pasta").await;
        Self {
            redis,
            proxy,
            client,
            here,
            there,
            held: None,
        }
    }

    async fn menu(&self) -> Answer {
        let ask = self.client.ask(reqwest::Method::GET, &self.here, "/menu");
        send(ask.header("accept", "application/json")).await
    }

    async fn shows_the_change(&self, name: &str) {
        for path in ["/menu/pasta", "/menu"] {
            let menu = self.client.json(&self.here, path).await.to_string();
            assert!(
                menu.contains("Pasta after the fault"),
                "{name}, {path}: {menu}"
            );
        }
    }

    async fn undergo(&mut self, done: Done) {
        let redis = &self.redis;
        match done {
            Done::Kill => redis.kill(),
            Done::Pause => redis.pause(),
            Done::CutAnswers => self.proxy.set(Proxied::CutAfter(10)),
            Done::RestartEmpty => redis.restart().await,
            Done::FillMemory => {
                let text = "x".repeat(50_000);
                for nth in 0.. {
                    let set = ["SET", &format!("filler{nth}"), &text].map(str::to_owned);
                    let set = set.each_ref().map(String::as_str);
                    if redis.ask(&set).await.starts_with("OOM") {
                        break;
                    }
                }
            }
            Done::MakeReplica => drop(redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await),
            Done::ChangePassword => {
                let mut held = redis.hold().await;
                held.ask(&["CONFIG", "SET", "requirepass", "another"]).await;
                held.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                    .await;
                self.held = Some(held);
            }
            Done::Replace(with) => {
                let keys = redis.ask(&["KEYS", "restaurant:1:*"]).await;
                assert!(!keys.is_empty(), "pages are stored");
                for key in keys.lines() {
                    replace(redis, key, with).await;
                }
            }
            Done::Slow => self.proxy.set(Proxied::Delay(Duration::from_millis(500))),
            Done::TakeAllConnections => {
                let mut held = redis.hold().await;
                held.ask(&["CONFIG", "SET", "maxclients", "1"]).await;
                held.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                    .await;
                self.held = Some(held);
            }
            Done::FlushScripts => drop(redis.ask(&["SCRIPT", "FLUSH"]).await),
        }
    }

    async fn recover(&mut self, done: Done) {
        let redis = &self.redis;
        match done {
            Done::Kill => redis.restart().await,
            Done::Pause => redis.resume(),
            Done::CutAnswers | Done::Slow => self.proxy.set(Proxied::None),
            Done::FillMemory => {
                let fillers = redis.ask(&["KEYS", "filler*"]).await;
                for key in fillers.lines() {
                    redis.ask(&["DEL", key]).await;
                }
            }
            Done::MakeReplica => drop(redis.ask(&["REPLICAOF", "NO", "ONE"]).await),
            Done::ChangePassword => self.tell(&["CONFIG", "SET", "requirepass", ""]).await,
            Done::TakeAllConnections => self.tell(&["CONFIG", "SET", "maxclients", "100"]).await,
            Done::RestartEmpty | Done::Replace(_) | Done::FlushScripts => {}
        }
    }

    /// Over the connection that was held.
    async fn tell(&mut self, command: &[&str]) {
        let held = self.held.as_mut().expect("a connection is held");
        assert_eq!(held.ask(command).await, "OK", "{command:?}");
    }
}

async fn replace(redis: &Redis, key: &str, with: With) {
    match with {
        With::List => {
            redis.ask(&["DEL", key]).await;
            redis.ask(&["LPUSH", key, "x"]).await;
        }
        With::Garbage => drop(redis.ask(&["SET", key, "no entry at all"]).await),
        With::Half => {
            const CUT: &str = "local v = redis.call('GET', KEYS[1]) \
                redis.call('SET', KEYS[1], string.sub(v, 1, math.floor(#v / 2)))";
            redis.ask(&["EVAL", CUT, "1", key]).await;
        }
    }
}
