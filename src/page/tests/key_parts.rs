//! Declared parts of the key: what the key leaves out, the handler does not see (P1).

use axum::Extension;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HOST, HeaderName, USER_AGENT, VARY,
};

use super::*;
use crate::monitor::{Bypass, Reason};
use crate::store::NullStore;
use crate::{hours, seconds};

on_every_store! {
    each_value_has_one_page_and_the_handler_sees_nothing_else
    a_vary_of_what_is_keyed_splits_no_pages
    a_shared_page_by_a_cookie_is_stored_for_all_who_send_it
    a_part_that_cannot_be_told_is_nobodys_page
    a_refresh_asks_in_the_form_that_is_keyed
    a_changed_list_reads_no_old_pages
    a_crowd_is_answered_as_each_would_be_alone
    a_crowd_of_one_class_runs_the_handler_once
}

const PLAN: HeaderName = HeaderName::from_static("x-plan");

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148";
const OTHER_PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) Chrome/126.0.0.0 Mobile";

fn language() -> KeyPart {
    KeyPart::language(["de", "en"]).unwrap()
}

fn encoding() -> KeyPart {
    KeyPart::encoding(["br", "gzip"]).unwrap()
}

fn currency() -> KeyPart {
    KeyPart::cookie("currency").one_of(["EUR", "USD"]).into()
}

/// All fields that a handler sees, but for its host.
fn seen(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != HOST)
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines.join("\n")
}

/// A handler that echoes all of its request.
fn echo(world: &World, layer: CacheLayer, fields: Fields) -> Site {
    world.site(layer, move |request: Request<Body>| async move {
        page(fields, seen(request.headers()))
    })
}

/// A field once per value: a request.
fn with(name: &HeaderName, lines: &[&str]) -> Request<Body> {
    let fields: Vec<_> = lines.iter().map(|line| (name.as_str(), *line)).collect();
    get_with("/p", &fields)
}

async fn each_value_has_one_page_and_the_handler_sees_nothing_else(world: World) {
    let plan = |value: Option<&str>| match value {
        Some(value) if value.starts_with("gold") => "rich",
        _ => "poor",
    };
    let own = KeyPart::classes(PLAN, plan);
    let listed: KeyPart = KeyPart::header(PLAN).one_of(["gold", "free"]).into();
    // What the handler sees, and what clients send.
    type Table = &'static [(&'static str, &'static [&'static [&'static str]])];
    let table: [(KeyPart, HeaderName, Table); 5] = [
        (
            language(),
            ACCEPT_LANGUAGE,
            &[
                (
                    "accept-language: de",
                    &[
                        &["de"],
                        &["DE-at, en;q=0.1"],
                        &[],
                        &["fr"],
                        &["en;q=0.2", "de"],
                    ],
                ),
                (
                    "accept-language: en",
                    &[&["en-GB"], &["EN"], &["fr", "en;q=0.1"], &["de;q=0"]],
                ),
            ],
        ),
        (
            encoding(),
            ACCEPT_ENCODING,
            &[
                (
                    "accept-encoding: br",
                    &[&["gzip, deflate, br, zstd"], &["gzip", "br"], &["BR"]],
                ),
                (
                    "accept-encoding: gzip",
                    &[&["gzip, deflate"], &["br;q=0.1,gzip"]],
                ),
                (
                    "accept-encoding: identity",
                    &[&[], &["zstd"], &["gzip;q=0"]],
                ),
                ("accept-encoding: gzip, identity;q=0", &[&["gzip, *;q=0"]]),
            ],
        ),
        (
            KeyPart::user_agent(),
            USER_AGENT,
            &[
                ("user-agent: mobile", &[&[PHONE], &[OTHER_PHONE]]),
                (
                    "user-agent: desktop",
                    &[&["Mozilla/5.0 (X11; Linux)"], &[], &[PHONE, "bot"]],
                ),
                ("user-agent: bot", &[&["Googlebot/2.1"], &["bingbot/2.0"]]),
            ],
        ),
        (
            own,
            PLAN,
            &[
                ("x-plan: rich", &[&["gold"], &["golden"]]),
                (
                    "x-plan: poor",
                    &[&["free"], &[], &["gold", "gold"], &["rich"]],
                ),
            ],
        ),
        (
            listed,
            PLAN,
            &[
                ("x-plan: gold", &[&["gold"], &[" gold "]]),
                ("x-plan: free", &[&["free"]]),
                (
                    "",
                    &[&[], &["Gold"], &["gold", "free"], &["gold, free"], &[""]],
                ),
            ],
        ),
    ];
    for (n, (part, name, classes)) in table.into_iter().enumerate() {
        let layer = world.page().named(n.to_string()).vary_on(part);
        let site = echo(&world, layer, &[]);
        for (runs, (seen, sent)) in classes.iter().enumerate() {
            for (n, lines) in sent.iter().enumerate() {
                let answer = site.ask(with(&name, lines)).await;
                assert_eq!(answer.body, *seen, "{lines:?}");
                assert_eq!(
                    (answer.is_hit(), site.runs()),
                    (n > 0, runs + 1),
                    "{lines:?}"
                );
                let vary = answer.field("vary").unwrap();
                assert!(vary.eq_ignore_ascii_case(name.as_str()), "{vary}");
            }
        }
        // And once more from the store, in any order.
        for (seen, sent) in classes.iter().rev() {
            let answer = site.ask(with(&name, sent[0])).await;
            assert!(answer.is_hit() && answer.body == *seen, "{answer:?}");
        }
    }
    world.assert_at_rest().await;
}

async fn a_vary_of_what_is_keyed_splits_no_pages(world: World) {
    let layer = world
        .page()
        .max_variants(1)
        .unwrap()
        .vary_on(language())
        .vary_on(KeyPart::user_agent())
        .vary_on_header(PLAN);
    let site = echo(
        &world,
        layer,
        &[("vary", "Accept-Language, user-agent, X-Plan")],
    );
    for (language, other) in [("de", "de-AT"), ("en", "en-US, en;q=0.9")] {
        let first = site.ask(with(&ACCEPT_LANGUAGE, &[language])).await;
        // Not of the address in another variant: another page.
        assert_eq!(first.said(), "fwd=uri-miss; stored");
        assert_eq!(
            first.field("vary"),
            Some("Accept-Language, user-agent, X-Plan")
        );
        assert!(site.ask(with(&ACCEPT_LANGUAGE, &[other])).await.is_hit());
    }
    for language in ["de", "en"] {
        assert!(site.ask(with(&ACCEPT_LANGUAGE, &[language])).await.is_hit());
    }
    // What is not keyed still selects.
    let layer = world.page().named("other").vary_on(language());
    let site = echo(&world, layer, &[("vary", "X-Plan")]);
    for plan in ["gold", "free"] {
        let ask = || get_with("/p", &[("x-plan", plan), ("accept-language", "de")]);
        assert!(!site.ask(ask()).await.is_hit());
        let answer = site.ask(ask()).await;
        assert!(answer.is_hit() && answer.body.contains(plan), "{answer:?}");
    }
}

async fn a_shared_page_by_a_cookie_is_stored_for_all_who_send_it(world: World) {
    let layer = world
        .page()
        .shared()
        .vary_on(currency())
        .vary_on(KeyPart::time_zone("tz", ["Europe/Berlin"]));
    let site = echo(&world, layer, &[]);
    let table: &[(&str, &[&[&str]])] = &[
        (
            "cookie: currency=EUR",
            &[
                &["session=alice; currency=EUR"],
                &["currency=EUR; session=bob"],
                &["session=carol", "currency=\"EUR\""],
                &["currency=EUR; currency=EUR; Currency=USD"],
                &["currency=EUR; tz=Mars"],
            ],
        ),
        (
            "cookie: currency=USD",
            &[&["currency=USD"], &["currency=USD; a=1"]],
        ),
        (
            "",
            &[
                &[],
                &["session=alice"],
                &["currency=XXX"],
                &["Currency=EUR"],
            ],
        ),
        (
            "cookie: currency=EUR; tz=Europe/Berlin",
            &[&["currency=EUR; tz=Europe%2FBerlin; session=alice"]],
        ),
    ];
    for (runs, (seen, sent)) in table.iter().enumerate() {
        for (n, lines) in sent.iter().enumerate() {
            let mut request = with(&COOKIE, lines);
            let bearer = HeaderValue::from_static("Bearer alice");
            request.headers_mut().insert(AUTHORIZATION, bearer);
            let answer = site.ask(request).await;
            assert_eq!(answer.body, *seen, "{lines:?}");
            assert_eq!(
                (answer.is_hit(), site.runs()),
                (n > 0, runs + 1),
                "{lines:?}"
            );
            assert_eq!(answer.field("vary"), Some("cookie"), "{lines:?}");
        }
    }
    // Elsewhere a cookie is one person's, whatever is declared.
    let layer = world.page().named("not shared").vary_on(currency());
    let site = echo(&world, layer.clone(), &[]);
    for _ in 0..2 {
        let answer = site.ask(with(&COOKIE, &["currency=EUR"])).await;
        assert_eq!(answer.said(), "fwd=uri-miss");
    }
    // Unless the page says that it is for all.
    let site = echo(&world, layer, &[("cache-control", "public, max-age=60")]);
    for hit in [false, true] {
        let answer = site.ask(with(&COOKIE, &["currency=\"EUR\""])).await;
        assert_eq!(
            (answer.is_hit(), &*answer.body),
            (hit, "cookie: currency=EUR")
        );
    }
    world.assert_at_rest().await;
}

async fn a_part_that_cannot_be_told_is_nobodys_page(world: World) {
    let refuses: fn(Option<&str>) -> &'static str = |value| match value {
        Some("boom") => panic!("a closure of the application"),
        _ => "fine",
    };
    let layer = world
        .page()
        .shared()
        .vary_on(KeyPart::cookie("currency"))
        .vary_on(KeyPart::classes(PLAN, refuses))
        .vary_on(KeyPart::computed("other", |request| {
            assert!(
                !request.headers.contains_key("x-boom"),
                "a closure of the application"
            );
            None
        }))
        .vary_on_header(HeaderName::from_static("x-long"));
    let site = echo(&world, layer, &[]);
    let long = "x".repeat(64 * 1_024);
    let long_cookie = format!("currency={long}");
    let many: Vec<_> = (0..5_000).map(|n| format!("currency={n}")).collect();
    let many = many.join("; ");
    let asked: [(&[(&str, &str)], Bypass); 6] = [
        (&[("cookie", "currency=EUR; currency=USD")], Bypass::KeyPart),
        (&[("cookie", &many)], Bypass::KeyPart),
        (&[("x-plan", "boom")], Bypass::KeyPart),
        (&[("x-boom", "")], Bypass::KeyPart),
        (&[("cookie", &long_cookie)], Bypass::KeyLength),
        (&[("x-long", &long)], Bypass::KeyLength),
    ];
    for (n, (fields, why)) in asked.iter().enumerate() {
        let fields = [*fields, &[("authorization", "Bearer alice")]].concat();
        for _ in 0..2 {
            let response = site.open(get_with("/p", &fields)).await;
            let reason = response.extensions().get::<Reason>().copied();
            assert_eq!(reason, Some(Reason::Bypassed(*why)), "{n}");
            let answer = read(response).await;
            assert!(!answer.body.contains("authorization"), "{n}");
        }
    }
    assert_eq!(site.runs(), 12);
    let first = site.get("/p").await;
    assert_eq!(
        (first.said(), &*first.body),
        ("fwd=uri-miss; stored", "x-plan: fine")
    );
    world.assert_at_rest().await;
}

fn refreshed(layer: CacheLayer) -> CacheLayer {
    let layer = layer.stale_while_revalidate(hours(10));
    layer.keep(hours(20)).unwrap()
}

async fn a_refresh_asks_in_the_form_that_is_keyed(world: World) {
    let fields: &[(&str, &str)] = &[
        ("accept-language", "en-GB, de;q=0.5"),
        ("user-agent", PHONE),
        ("cookie", "session=alice; currency=\"EUR\""),
        ("authorization", "Bearer alice"),
        ("x-other", "alice"),
    ];
    let declared = |layer: CacheLayer| {
        refreshed(layer)
            .vary_on(language())
            .vary_on(KeyPart::user_agent())
            .vary_on(currency())
    };
    let keyed = "accept-language: en\ncookie: currency=EUR\nuser-agent: mobile";
    let says: Fields = &[("cache-control", "public, max-age=60")];
    for layer in [world.page().shared(), world.page().named("not shared")] {
        let (origin, site) = world.origin(declared(layer));
        origin.says(200, says, "soup");
        site.ask(get_with("/p", fields)).await;
        origin.says(200, says, "bread");
        world.advance(seconds(61));
        let stale = site.ask(get_with("/p", fields)).await;
        assert!(stale.is_hit() && stale.is(200, "soup"), "{stale:?}");
        assert_eq!((site.runs(), seen(&origin.last().1)), (2, keyed.to_owned()));
        // Others of these classes find it.
        let others = [
            ("accept-language", "en"),
            ("user-agent", OTHER_PHONE),
            ("cookie", "currency=EUR; session=bob"),
        ];
        let hit = site.ask(get_with("/p", &others)).await;
        assert!(hit.is_hit() && hit.is(200, "bread"), "{hit:?}");
    }
    // Where the handler says that all cookies select, they all go with it.
    let says: Fields = &[("cache-control", "public, max-age=60"), ("vary", "Cookie")];
    let (origin, site) = world.origin(declared(world.page().named("by all")));
    origin.says(200, says, "soup");
    for _ in 0..2 {
        site.ask(get_with("/p", fields)).await;
        world.advance(seconds(61));
    }
    assert_eq!(site.runs(), 2);
    let cookies = origin.asked("cookie");
    assert_eq!(cookies.as_deref(), Some("session=alice; currency=EUR"));
    world.assert_at_rest().await;
}

async fn a_changed_list_reads_no_old_pages(world: World) {
    let lists: [&[&str]; 4] = [&["de"], &["de", "en"], &["en", "de"], &["de", "fr"]];
    for languages in lists {
        let part = KeyPart::language(languages).unwrap();
        let site = echo(&world, world.page().vary_on(part), &[]);
        for hit in [false, true] {
            let answer = site.ask(with(&ACCEPT_LANGUAGE, &["de"])).await;
            assert_eq!(
                (answer.is_hit(), &*answer.body),
                (hit, "accept-language: de")
            );
        }
    }
}

/// Requests of all kinds, whose answers come from the store or not: each is what its sender would be answered alone.
async fn a_crowd_is_answered_as_each_would_be_alone(world: World) {
    let nothing = World::on(NullStore);
    let declared = |world: &World| {
        let layer = world.page().shared();
        let layer = layer
            .vary_on(language())
            .vary_on(encoding())
            .vary_on(KeyPart::user_agent())
            .vary_on(currency())
            .vary_on(KeyPart::cookie("free"))
            .vary_on(KeyPart::query(["page"]));
        world.site(layer, async |request: Request<Body>| {
            let query = request.uri().query().unwrap_or("none");
            let body = format!("{query}\n{}", seen(request.headers()));
            page(&[("vary", "Accept-Language, Cookie")], body)
        })
    };
    let (site, alone) = (declared(&world), declared(&nothing));
    let mut dice = Dice(3);
    let mut hits = 0;
    for _ in 0..400 {
        let mut fields = Vec::new();
        for _ in 0..dice.roll(5) {
            fields.push(dice.pick(&[
                ("accept-language", "de"),
                ("accept-language", "en;q=0.5, DE;q=0.2"),
                ("accept-language", "*;q=0"),
                ("accept-encoding", "gzip, identity;q=0"),
                ("accept-encoding", ""),
                ("user-agent", PHONE),
                ("user-agent", "bot"),
                ("cookie", "currency=EUR; session=alice"),
                ("cookie", "currency=\"EUR\"; free=1"),
                ("cookie", "currency=\"\"EUR\"\""),
                ("cookie", "free=\" 1\""),
                ("cookie", "free=\"\"1\"\"; free=\"\"1\"\""),
                ("authorization", "Bearer alice"),
            ]));
        }
        let target = dice.pick(&[
            "/p",
            "/p?page=1&session=alice",
            "/p?page=1",
            "/p?session=bob",
        ]);
        let answer = site.ask(get_with(target, &fields)).await;
        let own = alone.ask(get_with(target, &fields)).await;
        assert_eq!(answer.body, own.body, "{target} {fields:?}: {answer:?}");
        let passes_by = answer.said() == "fwd=bypass";
        assert!(passes_by || !answer.body.contains("alice"), "{answer:?}");
        hits += usize::from(answer.is_hit());
    }
    assert!(hits > 100, "{hits}");
    world.assert_at_rest().await;
}

async fn a_crowd_of_one_class_runs_the_handler_once(world: World) {
    let (origin, site) = world.origin(world.page().vary_on(KeyPart::user_agent()));
    origin.answers(|request| page(&[("vary", "User-Agent")], seen(request.headers())));
    let gate = origin.hold();
    let asked: Vec<_> = (0..50)
        .map(|n| site.start(with(&USER_AGENT, &[&*format!("{PHONE} {n}")])))
        .collect();
    site.runs.reach(1).await;
    settle().await;
    gate.open();
    for answer in asked {
        assert_eq!(answer.await.unwrap().body, "user-agent: mobile");
    }
    assert_eq!(site.runs(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_million_values_make_no_more_pages_than_there_are_answers() {
    let store = MemoryStore::new(MIB);
    let world = World::on(store.clone());
    let layer = world
        .page()
        .shared()
        .vary_on(language())
        .vary_on(KeyPart::user_agent())
        .vary_on(currency());
    let site = echo(
        &world,
        layer,
        &[("vary", "Accept-Language, User-Agent, Cookie")],
    );
    for n in 0..2_000 {
        let language = format!("x-{n}, en-a{n};q=0.{}", n % 9 + 1);
        let agent = format!("{PHONE} {n}");
        let cookie = format!("session={n}; currency={}", ["EUR", "USD", "AUD"][n % 3]);
        let fields = [
            ("accept-language", &*language),
            ("user-agent", &agent),
            ("cookie", &cookie),
        ];
        site.ask(get_with("/p", &fields)).await;
    }
    assert_eq!(site.runs(), 3);
    assert_eq!(store.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn odd_values_are_one_of_those_there_are() {
    let world = World::new();
    let layer = world
        .page()
        .shared()
        .vary_on(language())
        .vary_on(encoding())
        .vary_on(KeyPart::user_agent())
        .vary_on(currency());
    let site = echo(&world, layer, &[]);
    let long = [b'x'; 64 * 1_024];
    let commas = [b','; 64 * 1_024];
    let semicolons = [b';'; 64 * 1_024];
    let values: [&[u8]; 7] = [
        &long,
        &commas,
        &semicolons,
        b"\t",
        b"\x80\xff",
        b"a\tb",
        b"",
    ];
    for name in [ACCEPT_LANGUAGE, ACCEPT_ENCODING, USER_AGENT, COOKIE] {
        for value in values {
            let mut request = get("/p");
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().insert(name.clone(), value);
            let answer = site.ask(request).await;
            let plain = "accept-encoding: identity\naccept-language: de\nuser-agent: desktop";
            assert_eq!(answer.body, plain);
        }
    }
    assert_eq!(site.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_asked_for_in_the_same_form() {
    let world = World::new();
    let layer = world.page().vary_on(language());
    let site = echo(&world, layer, &[("x-seen", "")]);
    let asked = |method, fields: &[(&'static str, &'static str)]| {
        let fields = [fields, &[("accept-language", "EN-gb, de;q=0.3")]].concat();
        request(method, "/p", &fields)
    };
    for fields in [
        &[("cache-control", "no-store")],
        &[("range", "bytes=0-")],
        &[("if-match", "\"a\"")],
    ] {
        let answer = site.ask(asked(Method::GET, fields)).await;
        assert!(!answer.is_hit());
        assert!(answer.body.contains("accept-language: en"), "{answer:?}");
        assert!(!answer.body.contains("EN-gb"), "{answer:?}");
        assert_eq!(answer.field("vary"), Some("accept-language"));
    }
    // A form is answered in the language that it was sent in.
    let post = site.ask(asked(Method::POST, &[])).await;
    assert!(
        post.body.contains("accept-language: EN-gb, de;q=0.3"),
        "{post:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_post_serves_gets_only_if_it_was_asked_in_their_form() {
    for (name, sent, asks, serves) in [
        ("accept-language", "en-GB", "en", false),
        ("accept-language", "en", "en-US", true),
        ("cookie", "currency=\"EUR\"", "currency=EUR", false),
        ("cookie", "currency=EUR", "currency=\"EUR\"", true),
    ] {
        let world = World::new();
        let layer = world.cache.gateway().vary_on(language());
        let site = echo(
            &world,
            layer.vary_on(currency()),
            &[
                ("cache-control", "public, max-age=60"),
                ("content-location", "/p"),
            ],
        );
        // A POST without a language is not in the form either.
        let rest = [("accept-language", "de")];
        let rest = if name == "cookie" { &rest[..] } else { &[] };
        let posted = [rest, &[(name, sent)]].concat();
        let posted = site.ask(request(Method::POST, "/p", &posted)).await;
        assert!(posted.body.contains(&format!("{name}: {sent}")));
        let got = site.ask(get_with("/p", &[(name, asks)])).await;
        assert_eq!(got.is_hit(), serves, "{name}: {sent}");
        let normal = if serves { sent } else { asks };
        assert!(got.body.contains(&format!("{name}: {normal}")), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_content_of_a_query_is_keyed_beside_the_parts() {
    let world = World::new();
    let layer = world.page().vary_on(language());
    let layer = layer.query_method(100, Body::new).unwrap();
    let site = echo(&world, layer, &[]);
    let query = |language| {
        let method = Method::from_bytes(b"QUERY").unwrap();
        let mut request = request(method, "/p", &[("accept-language", language)]);
        *request.body_mut() = "a".into();
        request
    };
    for (language, hit) in [
        ("de", false),
        ("de-AT", true),
        ("en", false),
        ("en-GB", true),
    ] {
        let answer = site.ask(query(language)).await;
        let seen = format!("accept-language: {}", &language[..2]);
        assert_eq!((answer.is_hit(), answer.body), (hit, seen));
    }
}

#[tokio::test(start_paused = true)]
async fn layers_within_one_another_agree() {
    let world = World::new();
    let layer = |name: &str| {
        let layer = world.page().shared().named(name).client_ttl(minutes(30));
        layer.vary_on(language()).vary_on(currency())
    };
    let runs = Runs::default();
    let handler = runs.handler(async |request: Request<Body>| page(&[], seen(request.headers())));
    let service = layer("outer").layer(layer("inner").layer(handler));
    let site = Site::of(world.clone(), runs, service);
    for (n, (language, cookie)) in [
        ("en-GB", "currency=EUR; session=alice"),
        ("en-US", "session=bob; currency=EUR"),
        ("en", "currency=\"EUR\""),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = [("accept-language", language), ("cookie", cookie)];
        let answer = site.ask(get_with("/p", &fields)).await;
        assert_eq!(answer.body, "accept-language: en\ncookie: currency=EUR");
        assert_eq!(
            (site.runs(), n > 0),
            (1, answer.lines("cache-status").join("").contains("hit"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_purged_by_any_request_of_its_class() {
    let world = World::new();
    let layer = world.page().vary_on(language()).vary_on(currency());
    let site = echo(&world, layer.clone(), &[]);
    let ask = || with(&ACCEPT_LANGUAGE, &["en"]);
    for (other, freed) in [("de", false), ("en-GB, de;q=0.1", true)] {
        site.ask(ask()).await;
        let key = layer
            .key(&RequestHead::of(&with(&ACCEPT_LANGUAGE, &[other])))
            .unwrap();
        let _ = world.cache.purge_key(&key).await.unwrap();
        assert_eq!(site.ask(ask()).await.is_hit(), !freed, "{other}");
    }
    let two = with(&COOKIE, &["currency=EUR; currency=USD"]);
    assert_eq!(layer.key(&RequestHead::of(&two)), Err(Bypass::KeyPart));
}

#[tokio::test(start_paused = true)]
async fn an_extension_of_a_layer_outside_tells_pages_apart() {
    #[derive(Clone)]
    struct Tenant(&'static str);

    let world = World::new();
    let layer = || {
        let by_tenant = KeyPart::extension("tenant", |tenant: &Tenant| tenant.0);
        world.page().vary_on(by_tenant).client_ttl(minutes(1))
    };
    let site = |tenant: Option<&'static str>| {
        let runs = Runs::default();
        let handler = runs.handler(async |request: Request<Body>| {
            let tenant = request.extensions().get::<Tenant>();
            page(&[], tenant.map_or("nobody", |tenant| tenant.0))
        });
        let service = layer().layer(handler);
        match tenant {
            Some(tenant) => Site::of(
                world.clone(),
                runs,
                Extension(Tenant(tenant)).layer(service),
            ),
            None => Site::of(world.clone(), runs, service),
        }
    };
    for tenant in [Some("one"), Some(""), None] {
        let site = site(tenant);
        for hit in [false, true] {
            let answer = site.get("/p").await;
            assert_eq!(
                (answer.is_hit(), &*answer.body),
                (hit, tenant.unwrap_or("nobody"))
            );
            // No `Vary` can say it, so no cache outside may share it.
            assert!(
                answer.headers["cache-control"]
                    .to_str()
                    .unwrap()
                    .contains("private")
            );
            assert!(!answer.headers.contains_key(VARY));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_of_the_query_add_up_and_others_are_not_seen() {
    let world = World::new();
    let layer = world
        .page()
        .vary_on(KeyPart::query(["page"]))
        .vary_on(KeyPart::query(["sort"]));
    let site = world.site(layer, async |request: Request<Body>| {
        page(&[], request.uri().query().unwrap_or("none").to_owned())
    });
    for (target, hit, seen) in [
        ("/p?sort=a&utm=1&page=2", false, "page=2&sort=a"),
        ("/p?page=2&sort=a&x", true, "page=2&sort=a"),
        ("/p?page=3", false, "page=3"),
        ("/p?utm=1", false, "none"),
        ("/p", true, "none"),
    ] {
        let answer = site.get(target).await;
        assert_eq!((answer.is_hit(), &*answer.body), (hit, seen), "{target}");
    }
}
