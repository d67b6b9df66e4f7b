//! Bad input about who is asking: a refusal or a bypass with its reason, and never a page that others share.

use http::header::COOKIE;

use super::*;
use crate::identity::{self, Identify};
use crate::monitor::{Absence, Bypass, NotStored, Reason};

/// The site's people, who sign in with a session.
fn people(world: World) -> World {
    let World { cache, clock } = world;
    let waits = cache
        .store()
        .get_now(
            crate::store::Key::new(b""),
            crate::clock::Clock::now(&clock),
        )
        .is_pending();
    let builder = match waits {
        true => Cache::builder(Waiting(MemoryStore::new(16 * MIB))),
        false => Cache::builder(MemoryStore::new(16 * MIB)),
    };
    World::built(
        builder
            .user(identity::cookie("session"))
            .secret([7; 32])
            .clock(clock.clone()),
    )
}

fn varying(world: &World) -> CacheLayer {
    world.page().vary_on_user().unwrap()
}

/// Every page is of its own, and shows what it was asked with.
fn echo(world: &World, layer: CacheLayer, fields: Fields) -> Site {
    let runs = Runs::default();
    let handler = runs.clone();
    let handler = handler.handler(move |request: Request<Body>| {
        let shown: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii()))
            .collect();
        async move { page(fields, shown.join("\n")) }
    });
    Site::of(world.clone(), runs, layer.layer(handler))
}

fn with_bytes(fields: &[(&'static str, &[u8])]) -> Request<Body> {
    let mut request = get("/");
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value).unwrap();
        request
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    request
}

/// Why it was answered as it was; `None` for a plain hit.
async fn reason(site: &Site, request: Request<Body>) -> Option<Reason> {
    let response = site.open(request).await;
    let reason = response.extensions().get().copied();
    let _ = read(response).await;
    site.world.cache.background().idle().await;
    reason
}

const fn refused(why: NotStored) -> Option<Reason> {
    Some(Reason::Refused(Absence::Uri, why))
}

const fn passed(why: Bypass) -> Option<Reason> {
    Some(Reason::Bypassed(why))
}

/// Asked twice, each is answered for itself, and for this reason.
async fn never_shared(site: &Site, why: Option<Reason>, asked: impl Fn() -> Request<Body>) {
    let before = site.runs();
    for _ in 0..2 {
        assert_eq!(reason(site, asked()).await, why);
    }
    assert_eq!(site.runs(), before + 2);
    // Nor is it shared by those who ask at the same time.
    let both = [site.start(asked()), site.start(asked())];
    for answer in both {
        assert!(!answer.await.unwrap().is_hit());
    }
    assert_eq!(site.runs(), before + 4);
}

on_every_store! {
    bytes_that_are_no_text_tell_people_apart
    a_cookie_of_64_kib_is_nobodys_session
    a_cookie_of_64_kib_beside_a_session_changes_nothing
    a_cookie_of_64_kib_selects_no_page
    a_page_that_varies_on_thousands_of_fields_is_not_stored
    more_fields_than_are_looked_at_pass_by
    thousands_of_sessions_in_one_request_are_nobodys
    a_session_without_a_value_is_nobodys
    a_spoofed_chain_of_forwarders_is_answered_to_its_sender_alone
    a_closure_that_panics_for_some_leaves_the_others_their_pages
    a_page_layer_outside_hears_that_it_cannot_be_told
}

/// A server refuses the control characters; a tab and bytes above ASCII may come.
async fn bytes_that_are_no_text_tell_people_apart(world: World) {
    for byte in (0..=31_u8).chain([127]).filter(|byte| *byte != b'\t') {
        assert!(HeaderValue::from_bytes(&[b'a', byte]).is_err(), "{byte}");
    }
    let world = people(world);
    let site = echo(&world, varying(&world), &[]);
    let sessions: [&[u8]; 6] = [
        b"session=a\tb",
        b"session=a b",
        b"session=a\x80b",
        b"session=a\xffb",
        b"session=\"a\x80b",
        b"session=a%80b",
    ];
    for round in 0..2 {
        for session in sessions {
            let asked = with_bytes(&[("cookie", session)]);
            let answer = site.ask(asked).await;
            assert_eq!(answer.is_hit(), round == 1);
            let own = format!("cookie={}", session.escape_ascii());
            assert!(answer.body.contains(&own), "{}", answer.body);
        }
    }
    assert_eq!(site.runs(), sessions.len());
}

async fn a_cookie_of_64_kib_is_nobodys_session(world: World) {
    let world = people(world);
    let long = format!("session={}", "a".repeat(64 << 10));
    // Also where the application says that its page is for all.
    let says: [Fields; 2] = [&[], &[("cache-control", "public, max-age=60")]];
    for fields in says {
        let site = echo(&world, varying(&world), fields);
        let asked = || get_with("/", &[("cookie", &long)]);
        never_shared(&site, passed(Bypass::Identity), asked).await;
    }
}

async fn a_cookie_of_64_kib_beside_a_session_changes_nothing(world: World) {
    let world = people(world);
    let site = echo(&world, varying(&world), &[]);
    let long = format!("other={}; session=alice", "a".repeat(64 << 10));
    assert_eq!(
        reason(&site, get_with("/", &[("cookie", &long)])).await,
        Some(Reason::Stored(Absence::Uri))
    );
    assert!(site.ask(get_with("/", &[("cookie", &long)])).await.is_hit());
    let other = site.ask(get_with("/", &[("cookie", "session=bob")])).await;
    assert!(!other.is_hit() && !other.body.contains("alice"));
    // On a page for everyone it is a credential like any other.
    let site = echo(&world, world.page(), &[]);
    let asked = || get_with("/", &[("cookie", &long)]);
    never_shared(&site, refused(NotStored::Credentials), asked).await;
}

async fn a_cookie_of_64_kib_selects_no_page(world: World) {
    let world = people(world);
    let long = "a".repeat(64 << 10);
    let asked = || get_with("/", &[("cookie", &long)]);
    let fields = &[("vary", "cookie"), ("cache-control", "public, max-age=60")];
    let site = echo(&world, world.page(), fields);
    never_shared(&site, refused(NotStored::VaryBounds), asked).await;
    let layer = world.page().vary_on_header(COOKIE);
    let site = echo(&world, layer, &[("cache-control", "public, max-age=60")]);
    never_shared(&site, passed(Bypass::KeyLength), asked).await;
}

async fn a_page_that_varies_on_thousands_of_fields_is_not_stored(world: World) {
    let world = people(world);
    let names: Vec<_> = (0..5_000).map(|n| format!("x-{n}")).collect();
    let lists = [
        names.join(","),
        format!("*, {}", names.join(",")),
        ",".repeat(9_000) + "*",
    ];
    for (vary, why) in lists.into_iter().zip([
        NotStored::VaryBounds,
        NotStored::VaryAny,
        NotStored::VaryAny,
    ]) {
        for layer in [world.page(), varying(&world)] {
            let vary = vary.clone();
            let site = world.site(layer, move |_| {
                let vary = vary.clone();
                async move { page(&[("vary", &vary)], "x") }
            });
            never_shared(&site, refused(why), || get("/")).await;
        }
    }
}

async fn more_fields_than_are_looked_at_pass_by(world: World) {
    let world = people(world);
    let lines: Vec<_> = (0..4_200).map(|n| format!("c{n}=a")).collect();
    let fields: Vec<_> = lines.iter().map(|line| ("cookie", &**line)).collect();
    for layer in [world.page(), varying(&world)] {
        let site = echo(&world, layer, &[("cache-control", "public, max-age=60")]);
        let asked = || get_with("/", &fields);
        never_shared(&site, passed(Bypass::Fields), asked).await;
    }
}

async fn thousands_of_sessions_in_one_request_are_nobodys(world: World) {
    let world = people(world);
    let site = echo(&world, varying(&world), &[("cache-control", "public")]);
    let line: Vec<_> = (0..3_000).map(|n| format!("session={n}")).collect();
    let line = line.join("; ");
    let asked = || get_with("/", &[("cookie", &line)]);
    never_shared(&site, passed(Bypass::Identity), asked).await;
}

async fn a_session_without_a_value_is_nobodys(world: World) {
    let world = people(world);
    let site = echo(&world, varying(&world), &[]);
    for line in [
        "session=",
        "session=\"\"",
        "session",
        "=session",
        ";;;",
        "",
        "Session=a",
    ] {
        let asked = || get_with("/", &[("cookie", line)]);
        never_shared(&site, refused(NotStored::Credentials), asked).await;
    }
}

async fn a_spoofed_chain_of_forwarders_is_answered_to_its_sender_alone(world: World) {
    let world = people(world);
    let chain = |length: usize| {
        let members: Vec<_> = (0..length)
            .map(|n| format!("for=10.0.0.{n};host=evil.example;proto=https"))
            .collect();
        members.join(", ")
    };
    for layer in [world.page(), varying(&world)] {
        let site = echo(&world, layer.named("chains"), &[]);
        let before = site.get("/").await;
        assert!(!before.is_hit());
        let (one, many) = (chain(1), chain(2_000));
        let answer = site.ask(get_with("/", &[("forwarded", &one)])).await;
        assert!(!answer.is_hit() && answer.body.contains("evil.example"));
        let asked = || get_with("/", &[("forwarded", &many)]);
        never_shared(&site, passed(Bypass::Forwarding), asked).await;
        let lines: Vec<_> = (0..300)
            .map(|_| ("x-forwarded-host", "evil.example"))
            .collect();
        let asked = || get_with("/", &lines);
        never_shared(&site, passed(Bypass::Forwarding), asked).await;
        let after = site.get("/").await;
        assert!(after.is_hit() && !after.body.contains("evil"));
        world.cache.clear().await.map(drop).unwrap();
    }
}

async fn a_closure_that_panics_for_some_leaves_the_others_their_pages(world: World) {
    let world = people(world);
    let by = || {
        identity::closure("sometimes", |request| {
            let name = request.headers.get("x-user")?.to_str().ok()?;
            assert_ne!(name, "mallory", "cannot tell");
            Some(name.to_owned())
        })
    };
    let layers = [
        world.page().vary_on_identity(by()).unwrap(),
        world
            .page()
            .vary_on_identity(by().or(identity::cookie("session")))
            .unwrap(),
        world
            .page()
            .vary_on_identity(identity::cookie("session").and(by()))
            .unwrap(),
    ];
    for layer in layers {
        let site = echo(&world, layer, &[("cache-control", "public, max-age=60")]);
        let asked = || get_with("/", &[("x-user", "mallory"), ("cookie", "session=a")]);
        never_shared(&site, passed(Bypass::Identity), asked).await;
        for hit in [false, true] {
            let alice = site.ask(get_with("/", &[("x-user", "alice")])).await;
            assert_eq!(alice.is_hit(), hit);
            assert!(alice.body.contains("alice"));
        }
        never_shared(&site, passed(Bypass::Identity), asked).await;
    }
}

async fn a_page_layer_outside_hears_that_it_cannot_be_told(world: World) {
    let world = people(world);
    let runs = Runs::default();
    let handler = runs.handler(async |_| page(&[("cache-control", "public, max-age=60")], "x"));
    let service = world.page().layer(varying(&world).layer(handler));
    let site = Site::of(world.clone(), runs, service);
    for _ in 0..2 {
        let asked = get_with("/", &[("cookie", "session=a; session=b")]);
        let response = site.open(asked).await;
        let outer: Option<&Reason> = response.extensions().get();
        assert!(
            matches!(
                outer,
                Some(Reason::Refused(Absence::Uri, NotStored::KeyParts))
            ),
            "{outer:?}"
        );
    }
    assert_eq!(site.runs(), 2);
}
