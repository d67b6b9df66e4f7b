//! A cluster of three servers.

use super::*;
use deadpool_redis::Runtime;
use deadpool_redis::cluster::{Config, Pool};
use std::num::NonZeroU32;
use tokio::task::JoinSet;

struct Cluster([Redis; 3]);

impl Cluster {
    async fn start() -> Self {
        let start = || {
            Redis::start(Options {
                flags: &["--cluster-enabled", "yes"],
                ..Options::default()
            })
        };
        let nodes = [start().await, start().await, start().await];
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (epoch, (node, (from, to))) in (1..).zip(nodes.iter().zip(slots)) {
            let epoch: String = u32::to_string(&epoch);
            let set = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            assert_eq!(set, "OK");
            let added = node.ask(&["CLUSTER", "ADDSLOTSRANGE", from, to]).await;
            assert_eq!(added, "OK");
        }
        for node in &nodes[1..] {
            let port = node.port().to_string();
            let met = nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
            assert_eq!(met, "OK");
        }
        let cluster = Self(nodes);
        let formed = tokio::time::timeout(PATIENCE, cluster.formed()).await;
        formed.expect("the cluster forms");
        cluster
    }

    async fn formed(&self) {
        for node in &self.0 {
            loop {
                let info = node.ask(&["CLUSTER", "INFO"]).await;
                let slots = node.ask(&["CLUSTER", "SLOTS"]).await;
                let knows_all = self
                    .0
                    .iter()
                    .all(|node| slots.contains(&node.port().to_string()));
                if info.contains("cluster_state:ok") && knows_all {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    fn pool(&self) -> Pool {
        let urls: Vec<String> = self.0.iter().map(Redis::url).collect();
        Config::from_urls(urls)
            .create_pool(Some(Runtime::Tokio1))
            .unwrap()
    }

    fn node(&self) -> RedisLimiterBuilder {
        RedisLimiter::from_cluster(self.pool()).server(|server| {
            server
                .acquire_timeout(PATIENCE)
                .connect_timeout(PATIENCE)
                .answer_timeout(PATIENCE)
        })
    }

    /// How many keys each server has.
    async fn sizes(&self) -> [u64; 3] {
        let mut sizes = [0; 3];
        for (size, node) in sizes.iter_mut().zip(&self.0) {
            *size = node.ask(&["DBSIZE"]).await.parse().unwrap();
        }
        sizes
    }
}

fn day(amount: u64) -> Quota {
    let day = Duration::from_secs(86_400);
    Quota::new(amount, day).unwrap().strict()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_counts_exactly() {
    let cluster = Cluster::start().await;

    // Groups lie together, names of one group too.
    let node = cluster.node().build().unwrap();
    let quotas = [day(3), day(2)];
    let asks = |name| quotas.each_ref().map(|quota| Ask::new(key(name), quota));
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert!(node.acts(Action::Acquire, &asks(name)).await.is_admitted());
    }
    assert_eq!(
        cluster
            .sizes()
            .await
            .iter()
            .filter(|size| **size > 0)
            .count(),
        1
    );

    // Of several groups all are taken or none.
    let ask = |group, quota| Ask::new(LimitKey::new(group, b"k"), quota);
    let (one, many) = (day(1), day(1_000));
    let groups = ["a", "b", "c", "d"];
    let all = groups.map(|group| ask(group, &many));
    let refused = [all[0], all[1], all[2], all[3], ask("e", &one).cost(2)];
    let decision = node.acts(Action::Acquire, &refused).await;
    let admitted = decision
        .standings()
        .iter()
        .map(|standing| standing.admitted);
    assert_eq!(
        admitted.collect::<Vec<_>>(),
        [true, true, true, true, false]
    );
    for ask in all {
        assert_eq!(node.one(Action::Peek, ask).await.remaining, 1_000);
    }
    assert!(node.acts(Action::Acquire, &all).await.is_admitted());
    for ask in all {
        assert_eq!(node.one(Action::Peek, ask).await.remaining, 999);
    }
    node.acts(Action::Reset, &all).await;
    assert_eq!(node.one(Action::Peek, all[3]).await.remaining, 1_000);

    // Spread, names lie apart; never is more admitted than each quota allows.
    let before = cluster.sizes().await;
    let names = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let quotas = [day(40), day(30)];
    let places = Quota::in_flight(NonZeroU32::new(35).unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let node = cluster.node().spread().build().unwrap();
        for task in 0..4 {
            let (node, quotas, places) = (node.clone(), quotas.clone(), places.clone());
            tasks.spawn(async move {
                let mut admitted = 0;
                for _ in 0..20 {
                    let asks = names.map(|name| Ask::new(key(name), &quotas[task % 2]));
                    let mut asks = asks.to_vec();
                    asks.push(Ask::new(key("places"), &places));
                    admitted += u64::from(node.acts(Action::Acquire, &asks).await.is_admitted());
                }
                admitted
            });
        }
    }
    let admitted: u64 = tasks.join_all().await.into_iter().sum();
    assert!((1..=35).contains(&admitted), "{admitted}");
    let after = cluster.sizes().await;
    let grown = after
        .iter()
        .zip(before)
        .all(|(after, before)| *after > before);
    assert!(grown, "{before:?} {after:?}");
    let node = cluster.node().spread().build().unwrap();
    let mut used = 0;
    for quota in &quotas {
        let peeked = names.map(|name| Ask::new(key(name), quota));
        let decision = node.acts(Action::Peek, &peeked).await;
        let left: Vec<u64> = decision
            .standings()
            .iter()
            .map(|standing| standing.remaining)
            .collect();
        assert!(left.iter().all(|one| *one == left[0]), "{left:?}");
        used += quota.told().unwrap().0 - left[0];
    }
    assert_eq!(used, admitted, "what was refused is given back");
}

#[tokio::test]
async fn spread_on_one_server_undoes_what_is_refused() {
    let redis = Redis::start(Options::default()).await;
    let node = patient(&redis).spread().build().unwrap();
    let (one, many) = (day(1), day(1_000));
    let asks = [Ask::new(key("a"), &many), Ask::new(key("b"), &one)];
    assert!(node.acts(Action::Acquire, &asks).await.is_admitted());
    let decision = node.acts(Action::Acquire, &asks).await;
    let told: Vec<_> = decision
        .standings()
        .iter()
        .map(|standing| (standing.admitted, standing.remaining))
        .collect();
    assert_eq!(told, [(true, 999), (false, 0)]);
    assert_eq!(node.one(Action::Peek, asks[0]).await.remaining, 999);
}
