//! Selection by what a request accepts: languages and content codings (RFC 9110 §12.5, RFC 9111 §4.1).

use super::*;

const LANGUAGE: &str = "accept-language";
const CODING: &str = "accept-encoding";

/// A page of one language at `/de`, `/en`, …, and of none at `/`.
fn by_language(world: &World) -> (super::origin::Origin, Site) {
    let (origin, site) = world.origin(world.page());
    origin.answers(|request| {
        let mut fields = vec![("vary", "Accept-Language")];
        let language = request.uri().path().trim_start_matches('/');
        if !language.is_empty() {
            fields.push(("content-language", language));
        }
        let accepted = request.headers().get(LANGUAGE);
        let accepted = accepted.map_or("-", |value| value.to_str().unwrap());
        page(&fields, accepted.to_owned())
    });
    (origin, site)
}

/// A page in this coding, or in none.
fn coded(world: &World, coding: &'static str) -> (super::origin::Origin, Site) {
    let (origin, site) = world.origin(world.page());
    origin.answers(move |_| match coding {
        "" => page(&[("vary", "Accept-Encoding")], "plain"),
        _ => page(
            &[("vary", "Accept-Encoding"), ("content-encoding", coding)],
            coding,
        ),
    });
    (origin, site)
}

fn ask(name: &str, target: &str, value: &str) -> Request<Body> {
    get_with(target, &[(name, value)])
}

on_every_store! {
    languages_match_whatever_their_order_case_blanks_and_spelling_of_weights
    other_preferences_are_another_variant
    a_page_is_selected_by_what_is_wanted_most
    a_page_of_unknown_language_is_matched_exactly
    codings_match_whatever_their_order_case_blanks_and_spelling_of_weights
    a_coded_page_answers_whoever_accepts_its_coding
    a_page_without_coding_is_matched_exactly
    other_fields_stay_exact
}

async fn languages_match_whatever_their_order_case_blanks_and_spelling_of_weights(world: World) {
    let (origin, site) = by_language(&world);
    site.ask(ask(LANGUAGE, "/", "de-AT, de;q=0.9,en;q=0.50"))
        .await;
    let seen = origin.asked(LANGUAGE);
    assert_eq!(seen.as_deref(), Some("de-AT, de;q=0.9, en;q=0.5"));
    for same in [
        "de-AT, de;q=0.9, en;q=0.5",
        "en;q=0.5,de;q=0.9,de-AT",
        "DE-at;q=1.000 ,de ; q=0.90, EN;Q=0.500",
        ",de-AT;q=1,, de;q=0.9, en;q=0.5,",
    ] {
        assert!(site.ask(ask(LANGUAGE, "/", same)).await.is_hit(), "{same}");
    }
    // Lines of one name are one list.
    let lines = [(LANGUAGE, "en;q=0.5"), (LANGUAGE, "de-AT, de;q=0.9")];
    assert!(site.ask(get_with("/", &lines)).await.is_hit());
    assert_eq!(site.runs(), 1);
}

async fn other_preferences_are_another_variant(world: World) {
    let (_, site) = by_language(&world);
    site.ask(ask(LANGUAGE, "/", "de, en;q=0.5")).await;
    for (n, other) in [
        "de, en;q=0.6",
        "de",
        "en, de;q=0.5",
        "de, en;q=0.5, fr;q=0.1",
        "de, en;q=0",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(
            !site.ask(ask(LANGUAGE, "/", other)).await.is_hit(),
            "{other}"
        );
        assert_eq!(site.runs(), n + 2);
    }
    assert!(!site.get("/").await.is_hit(), "absent is not empty");
    assert!(site.get("/").await.is_hit());
}

async fn a_page_is_selected_by_what_is_wanted_most(world: World) {
    let (_, site) = by_language(&world);
    site.ask(ask(LANGUAGE, "/de", "de-AT, de;q=0.9")).await;
    for (other, selected) in [
        ("de", true),
        ("en;q=0.5, de", true),
        ("*", true),
        ("DE;q=0.3", true),
        ("en, de;q=0.9", false),
        ("de;q=0", false),
        ("*, de;q=0", false),
        ("de-CH", false),
        ("fr", false),
        ("de, en", false),
        ("", false),
    ] {
        world.purge_page("/de").await;
        site.ask(ask(LANGUAGE, "/de", "de-AT, de;q=0.9")).await;
        let answer = site.ask(ask(LANGUAGE, "/de", other)).await;
        assert_eq!(answer.is_hit(), selected, "{other}");
    }
    world.purge_page("/de").await;
    site.ask(ask(LANGUAGE, "/de", "de")).await;
    assert!(
        !site.get("/de").await.is_hit(),
        "who says nothing may be given another"
    );
}

async fn a_page_of_unknown_language_is_matched_exactly(world: World) {
    let (_, site) = by_language(&world);
    site.ask(ask(LANGUAGE, "/", "de, en;q=0.5")).await;
    for other in ["de", "*"] {
        assert!(
            !site.ask(ask(LANGUAGE, "/", other)).await.is_hit(),
            "{other}"
        );
    }
}

async fn codings_match_whatever_their_order_case_blanks_and_spelling_of_weights(world: World) {
    let (origin, site) = coded(&world, "");
    site.ask(ask(CODING, "/p", "gzip, deflate, br;q=0.5")).await;
    for same in [
        "deflate,gzip,br;q=0.5",
        "GZIP , Deflate;q=1.0, BR;q=0.500",
        "x-gzip, deflate, br;q=0.5",
    ] {
        assert!(site.ask(ask(CODING, "/p", same)).await.is_hit(), "{same}");
    }
    let asked = origin.asked(CODING).unwrap();
    site.ask(ask(CODING, "/p", &asked)).await;
    assert_eq!(site.runs(), 1, "the handler sees what selects: {asked}");
}

async fn a_coded_page_answers_whoever_accepts_its_coding(world: World) {
    for (other, selected) in [
        ("gzip", true),
        ("br, gzip", true),
        ("gzip;q=0.1", true),
        ("*", true),
        ("br;q=1, *;q=0.5", true),
        ("GZIP", true),
        ("br", false),
        ("identity", false),
        ("", false),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("*;q=0", false),
    ] {
        let (origin, site) = coded(&world, "gzip");
        site.ask(ask(CODING, "/p", "gzip, deflate")).await;
        origin.says(200, &[("vary", "Accept-Encoding")], "plain");
        let answer = site.ask(ask(CODING, "/p", other)).await;
        assert_eq!(answer.is_hit(), selected, "{other}");
        let body = if selected { "gzip" } else { "plain" };
        assert_eq!(answer.body, body, "{other}");
        let _ = world.cache.clear().await.unwrap();
    }
    // Who names no coding may know none.
    let (origin, site) = coded(&world, "gzip");
    site.ask(ask(CODING, "/p", "gzip")).await;
    origin.says(200, &[("vary", "Accept-Encoding")], "plain");
    assert_eq!(site.get("/p").await.body, "plain");
    assert_eq!(site.ask(ask(CODING, "/p", "br, gzip")).await.body, "gzip");
}

async fn a_page_without_coding_is_matched_exactly(world: World) {
    let (origin, site) = coded(&world, "");
    site.ask(ask(CODING, "/p", "gzip")).await;
    origin.says(200, &[("vary", "Accept-Encoding")], "again");
    for other in ["br", "identity", "gzip;q=0.5", "gzip, br", ""] {
        assert!(
            !site.ask(ask(CODING, "/p", other)).await.is_hit(),
            "{other}"
        );
    }
    assert_eq!(site.ask(ask(CODING, "/p", "gzip")).await.body, "plain");
}

async fn other_fields_stay_exact(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.says(200, &[("vary", "Accept, Accept-Charset, X-L")], "page");
    for name in ["accept", "accept-charset", "x-l"] {
        site.ask(ask(name, "/p", "a, b")).await;
        for same in ["a, b", "a ,b", "a,b"] {
            assert!(
                site.ask(ask(name, "/p", same)).await.is_hit(),
                "{name}: {same}"
            );
        }
        let lines = [(name, "a"), (name, "b")];
        assert!(site.ask(get_with("/p", &lines)).await.is_hit(), "{name}");
        for other in ["b, a", "A, b", "a;q=1, b", "a, b, "] {
            let answer = site.ask(ask(name, "/p", other)).await;
            // Whether an empty member counts is left open; what is another list is another variant.
            assert!(!answer.is_hit() || other.ends_with(' '), "{name}: {other}");
        }
    }
}

/// An origin that forgets to say so has coded for one client all the same (RFC 9110 §12.5.3).
#[tokio::test(start_paused = true)]
async fn a_coding_is_never_served_to_whom_it_was_not_for() {
    let world = World::new();
    let (origin, site) = world.origin(world.page());
    origin.says(200, &[("content-encoding", "gzip")], "gzip");
    let first = site.ask(ask(CODING, "/p", "gzip")).await;
    assert_eq!(first.field("vary"), Some("accept-encoding"));
    origin.says(200, &[], "plain");
    assert_eq!(site.get("/p").await.body, "plain");
    for coding in ["identity", "", "br", "gzip;q=0"] {
        let answer = site.ask(ask(CODING, "/p", coding)).await;
        assert_eq!(answer.body, "plain", "{coding}");
    }
    assert!(site.ask(ask(CODING, "/p", "gzip")).await.is_hit());
}

/// Those who wait for a flight get what they accept, not what its leader did.
#[tokio::test(start_paused = true)]
async fn followers_are_given_no_coding_that_they_do_not_accept() {
    let world = World::new();
    let (origin, site) = world.origin(world.page());
    origin.answers(|request| match request.headers().get(CODING) {
        Some(codings) if codings.to_str().unwrap().contains("gzip") => page(
            &[("vary", "Accept-Encoding"), ("content-encoding", "gzip")],
            "gzip",
        ),
        _ => page(&[("vary", "Accept-Encoding")], "plain"),
    });
    let gate = origin.hold();
    let leader = site.start(ask(CODING, "/p", "gzip"));
    site.runs.reach(1).await;
    let plain = [
        site.start(get("/p")),
        site.start(ask(CODING, "/p", "identity")),
    ];
    let same = site.start(ask(CODING, "/p", "GZIP;q=1"));
    settle().await;
    gate.open();
    assert_eq!(leader.await.unwrap().body, "gzip");
    assert_eq!(same.await.unwrap().body, "gzip");
    for request in plain {
        assert_eq!(request.await.unwrap().body, "plain");
    }
    world.assert_at_rest().await;
}
