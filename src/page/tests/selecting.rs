//! Which variant answers (RFC 9111 §4.1).

use super::*;
use crate::seconds;

on_every_store! {
    a_variant_answers_only_those_who_sent_the_same
    what_vary_names_is_compared_by_its_list_and_absent_is_not_empty
    every_variant_of_a_purged_page_is_gone
}

/// A page that echoes this field, and says so in `Vary`.
fn echoing(world: &World, layer: CacheLayer, name: &'static str, vary: &'static str) -> Site {
    world.site(layer, move |request: Request<Body>| async move {
        let lines = request.headers().get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        let body = if lines.is_empty() {
            "absent".to_owned()
        } else {
            format!("[{}]", lines.join("|"))
        };
        page(&[("vary", vary)], body)
    })
}

async fn a_variant_answers_only_those_who_sent_the_same(world: World) {
    let site = echoing(&world, world.page(), "accept-language", "Accept-Language");
    let ask = async |language| {
        let answer = site
            .ask(get_with("/p", &[("accept-language", language)]))
            .await;
        assert_eq!(answer.body, format!("[{language}]"));
        answer.said().to_owned()
    };
    assert_eq!(ask("de").await, "fwd=uri-miss; stored");
    assert_eq!(ask("en").await, "fwd=vary-miss; stored");
    for language in ["de", "en"] {
        assert_eq!(ask(language).await, "hit; ttl=1800");
    }
    assert_eq!(site.get("/p").await.body, "absent");
    assert_eq!(site.runs(), 3);
    world.assert_at_rest().await;
}

async fn what_vary_names_is_compared_by_its_list_and_absent_is_not_empty(world: World) {
    let site = echoing(&world, world.page(), "x-l", ",x-l,");
    let asked: [&[(&str, &str)]; 5] = [
        &[("x-l", "a, b")],
        &[("x-l", "b, a")],
        &[("x-l", "a")],
        &[("x-l", "")],
        &[],
    ];
    for (n, fields) in asked.into_iter().enumerate() {
        assert!(
            !site.ask(get_with("/p", fields)).await.is_hit(),
            "{fields:?}"
        );
        assert_eq!(site.runs(), n + 1);
    }
    let same: [&[(&str, &str)]; 3] = [
        &[("x-l", "a"), ("x-l", "b")],
        &[("x-l", " a ,\tb ")],
        &[("x-l", "a,b")],
    ];
    for fields in same {
        let answer = site.ask(get_with("/p", fields)).await;
        assert_eq!(
            (answer.is_hit(), &*answer.body),
            (true, "[a, b]"),
            "{fields:?}"
        );
    }
}

async fn every_variant_of_a_purged_page_is_gone(world: World) {
    let site = echoing(&world, world.page(), "x-l", "X-L");
    for language in ["de", "en"] {
        site.ask(get_with("/p", &[("x-l", language)])).await;
    }
    world.purge_page("/p").await;
    for language in ["de", "en"] {
        assert!(
            !site
                .ask(get_with("/p", &[("x-l", language)]))
                .await
                .is_hit()
        );
    }
    assert_eq!(site.runs(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_star_in_vary_is_never_stored() {
    let world = World::new();
    for vary in ["*", " * ", "X-A, *", "\t*\t,X-A"] {
        let site = echoing(&world, world.page(), "x-a", vary);
        for _ in 0..2 {
            assert_eq!(site.get("/p").await.said(), "fwd=uri-miss", "{vary:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_part_of_the_key_is_told_to_caches_outside() {
    let world = World::new();
    let layer = world.page().vary_on_header(http::header::ACCEPT_LANGUAGE);
    let site = world.site(layer, async |_| page(&[("vary", "Accept")], "soup"));
    let vary = |answer: &Answer| answer.lines("vary").join(", ").to_ascii_lowercase();
    assert_eq!(vary(&site.get("/p").await), "accept, accept-language");
    assert_eq!(vary(&site.get("/p").await), "accept, accept-language");
    let german = get_with("/p", &[("accept-language", "de")]);
    assert!(!site.ask(german).await.is_hit());
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_fit_the_younger_answers() {
    let world = World::new();
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = runs.handler(move |request: Request<Body>| {
        // The second run, for another language, no longer varies on it.
        let vary = if counted.count() == 1 { "X-L" } else { "X-M" };
        let language = request.headers()["x-l"].to_str().unwrap().to_owned();
        async move { page(&[("vary", vary)], language) }
    });
    let site = Site::of(world.clone(), runs, world.page().layer(handler));
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await.body;
    assert_eq!(ask("de").await, "de");
    world.advance(seconds(1));
    assert_eq!(ask("en").await, "en");
    // Both fit a request for German now: that of `X-L: de`, and that of no `X-M`.
    assert_eq!(ask("de").await, "en");
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_vary_is_not_used_blindly_once_a_younger_has_one() {
    let world = World::new();
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = runs.handler(move |request: Request<Body>| {
        let plain = counted.count() == 1;
        let language = request
            .headers()
            .get("x-l")
            .map(|l| l.to_str().unwrap().to_owned());
        async move {
            let fields: &[(&str, &str)] = if plain {
                &[("cache-control", "max-age=5")]
            } else {
                &[("vary", "X-L")]
            };
            page(fields, language.unwrap_or_default())
        }
    });
    let site = Site::of(world.clone(), runs, world.page().layer(handler));
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await.body;
    assert_eq!(ask("de").await, "de");
    world.advance(seconds(5));
    assert_eq!(ask("en").await, "en");
    assert_eq!(ask("fr").await, "fr");
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn values_too_long_to_select_by_are_not_stored_under() {
    let world = World::new();
    let site = echoing(&world, world.page(), "x-l", "X-L");
    let long = "a".repeat(5_000);
    for _ in 0..2 {
        assert!(!site.ask(get_with("/p", &[("x-l", &long)])).await.is_hit());
    }
    assert_eq!(site.runs(), 2);
}
