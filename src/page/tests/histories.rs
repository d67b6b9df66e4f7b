//! Random histories on several threads: no request that starts after a purge has returned sees what was read before it (P2).

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

impl Dice {
    async fn dawdle(&mut self, most: u64) {
        for _ in 0..self.roll(most) {
            tokio::task::yield_now().await;
        }
    }
}

/// A page of the data, in a random shape: known length or not, in the handler or in the body for a while, with or without `Vary`.
fn random_site(world: &World, data: &Data, seed: u64) -> Site {
    let data = data.clone();
    let turn = Arc::new(AtomicU64::new(seed));
    world.site(world.page().tag("layer"), move |_| {
        let version = data.read();
        let turn = turn.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        async move {
            let mut dice = Dice(turn | 1);
            dice.dawdle(20).await;
            let vary: &[(&str, &str)] = if dice.roll(2) == 0 {
                &[("vary", "X-L")]
            } else {
                &[]
            };
            let mut response = if dice.roll(3) == 0 {
                page(vary, format!("version {version}"))
            } else {
                let end = stream::once(async move {
                    dice.dawdle(20).await;
                    Ok::<_, Infallible>(version.to_string())
                });
                let beginning = stream::iter([Ok("version ".to_owned())]);
                page(vary, Body::from_stream(beginning.chain(end)))
            };
            CacheTags::new(["handler"]).add_to(response.extensions_mut());
            response
        }
    })
}

/// Asks often; some requests are given up on the way, some answers are not read.
async fn reader(site: Site, purged: Arc<AtomicU64>, seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..150 {
        let language = dice.pick(&["de", "en"]);
        let request = get_with("/p?q", &[("x-l", language)]);
        match dice.roll(6) {
            0 => {
                let task = site.start(request);
                dice.dawdle(10).await;
                task.abort();
            }
            1 => drop(site.open(request).await),
            _ => {
                let floor = purged.load(Ordering::SeqCst);
                // A leader that was given up may have cut the body short for those behind it.
                if let Ok(answer) = try_read(site.open(request).await).await {
                    let version: u64 = answer
                        .body
                        .strip_prefix("version ")
                        .unwrap()
                        .parse()
                        .unwrap();
                    assert!(
                        version >= floor,
                        "version {version}, though {floor} was purged before"
                    );
                }
            }
        }
        dice.dawdle(5).await;
    }
}

async fn writer(world: World, data: Data, purged: Arc<AtomicU64>, seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..100 {
        let version = data.change();
        world.purge(dice.pick(&How::ALL)).await;
        purged.fetch_max(version, Ordering::SeqCst);
        dice.dawdle(60).await;
    }
}

async fn histories(open: fn() -> World, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let world = open();
        let (data, purged) = (Data::default(), Arc::new(AtomicU64::new(0)));
        let site = random_site(&world, &data, seed);
        let seed = |n: u64| {
            (seed + 1)
                .wrapping_mul(0xD134_2543_DE82_EF95)
                .wrapping_add(n)
                | 1
        };
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..4 {
            tasks.spawn(reader(site.clone(), purged.clone(), seed(2 * n)));
        }
        for n in 0..2 {
            tasks.spawn(writer(
                world.clone(),
                data.clone(),
                purged.clone(),
                seed(100 + 2 * n),
            ));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        world.assert_at_rest().await;
        assert!(world.cache.stats().hits() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_history_in_memory_shows_what_was_purged() {
    histories(World::new, 0..12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_history_on_a_store_that_waits_shows_what_was_purged() {
    histories(World::waiting, 0..12).await;
}
