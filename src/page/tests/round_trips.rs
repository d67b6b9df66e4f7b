//! How often a store elsewhere is asked for one page.

use super::*;

/// A site whose pages vary, on a store that has to be waited for, and a way to count how often it was.
fn by_accept() -> (Site, impl Fn() -> u64) {
    let world = World::waiting();
    let (origin, site) = world.origin(world.page().tag("menu"));
    origin.answers(|request| {
        let accept = request.headers().get("accept");
        let accept = accept.map_or("-", |value| value.to_str().unwrap());
        page(&[("vary", "Accept")], accept.to_owned())
    });
    let reads = move || world.cache.stats().store_latencies.read.count();
    (site, reads)
}

fn accepting(form: &'static str) -> Request<Body> {
    get_with("/menu", &[("accept", form)])
}

#[tokio::test(start_paused = true)]
async fn a_hit_takes_one_round_trip_also_with_tags_and_vary() {
    let (site, reads) = by_accept();
    for form in ["text/html", "text/plain"] {
        site.ask(accepting(form)).await;
        assert!(site.ask(accepting(form)).await.is_hit());
    }
    let before = reads();
    for form in ["text/html", "text/plain", "text/html"] {
        let answer = site.ask(accepting(form)).await;
        assert!(answer.is_hit());
        assert_eq!(answer.body, form);
    }
    assert_eq!(reads() - before, 3);
}

#[tokio::test(start_paused = true)]
async fn a_guess_decides_nothing() {
    let (site, reads) = by_accept();
    site.ask(accepting("text/html")).await;
    assert!(site.ask(accepting("text/html")).await.is_hit());
    // What was guessed by is purged: the guess brings nothing, and nothing old comes back.
    site.world.purge_page("/menu").await;
    assert!(!site.ask(accepting("text/html")).await.is_hit());
    assert!(site.ask(accepting("text/html")).await.is_hit());
    // A variant that the last index did not have is asked for by the one that is there.
    site.ask(accepting("text/plain")).await;
    let before = reads();
    assert!(site.ask(accepting("text/plain")).await.is_hit());
    assert!(reads() - before <= 2);
}
