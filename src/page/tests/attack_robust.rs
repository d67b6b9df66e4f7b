//! Attacks: stores that bring what is somebody else's, purges of one person that meet fills, and heads that have no room.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use http_body::Body as _;

use super::*;
use crate::clock::Now;
use crate::identity::{self, Identity};
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Record, Scanned,
    Stamp, StoreError,
};
use crate::{Identify, hours, seconds};

on_every_store! {
    a_purge_of_one_person_wins_against_their_running_fill
    a_purge_of_one_person_wins_against_their_refresh
    a_leader_that_leaves_a_page_of_one_person_leaves_it_to_its_followers
    a_follower_whose_identity_panics_joins_nobody
    a_full_request_fails_nothing_whatever_is_keyed
    fields_of_64_kib_fail_nothing_whatever_is_keyed
}

fn by_field() -> identity::Field {
    identity::header(HeaderName::from_static("x-user"))
}

fn from(name: &str, target: &str) -> Request<Body> {
    get_with(target, &[("x-user", name)])
}

/// The same world with users, told apart by a field.
fn users(world: &World) -> World {
    let clock = world.clock.clone();
    let waits = world.cache.store().get_now(Key::new(b""), clock.now());
    let builder = match waits {
        Poll::Pending => Cache::builder(Waiting(MemoryStore::new(16 * MIB))),
        Poll::Ready(_) => Cache::builder(MemoryStore::new(16 * MIB)),
    };
    let cache = builder
        .secret([7; 32])
        .user(by_field())
        .clock(clock.clone());
    World {
        cache: cache.build().unwrap(),
        clock,
    }
}

use crate::clock::Clock as _;

/// Data that a handler reads before it waits, as one that asks a database does.
#[derive(Clone)]
struct Slow {
    data: Arc<AtomicUsize>,
    gate: Gate,
}

impl Slow {
    fn new() -> Self {
        Self {
            data: Arc::default(),
            gate: Gate::closed(),
        }
    }

    fn site(&self, world: &World, layer: CacheLayer, fields: Fields) -> Site {
        let Self { data, gate } = self.clone();
        world.site(layer, move |request: Request<Body>| {
            let (data, gate) = (data.clone(), gate.clone());
            async move {
                let read = data.load(Ordering::SeqCst);
                gate.pass().await;
                let name = request.headers()["x-user"].to_str().unwrap().to_owned();
                page(fields, format!("{name} {read}"))
            }
        })
    }

    fn changes(&self) {
        self.data.fetch_add(1, Ordering::SeqCst);
    }
}

/// P2, for the purge of one identity.
async fn a_purge_of_one_person_wins_against_their_running_fill(world: World) {
    let world = users(&world);
    let slow = Slow::new();
    let site = slow.site(&world, world.page().vary_on_user().unwrap(), &[]);
    let alice = site.start(from("alice", "/p"));
    let bob = site.start(from("bob", "/p"));
    site.runs.reach(2).await;
    let follower = site.start(from("alice", "/p"));
    settle().await;
    slow.changes();
    let alices = Identity::known("field x-user", "alice");
    let _ = world.cache.purge_identity(&alices).await.unwrap();
    let later = site.start(from("alice", "/p"));
    settle().await;
    slow.gate.open();
    assert_eq!(alice.await.unwrap().body, "alice 0", "it began before");
    let _ = follower.await.unwrap();
    assert_eq!(later.await.unwrap().body, "alice 1");
    assert_eq!(bob.await.unwrap().body, "bob 0");
    world.cache.background().idle().await;
    assert_eq!(site.ask(from("alice", "/p")).await.body, "alice 1");
    let bobs = site.ask(from("bob", "/p")).await;
    assert!(
        bobs.is_hit(),
        "his fill had nothing to do with it: {bobs:?}"
    );
    world.assert_at_rest().await;
}

async fn a_purge_of_one_person_wins_against_their_refresh(world: World) {
    let world = users(&world);
    let slow = Slow::new();
    let layer = world.cache.page(seconds(10)).vary_on_user().unwrap();
    let layer = layer
        .stale_while_revalidate(hours(1))
        .stale_if_error(hours(1));
    let site = slow.site(&world, layer, &[("etag", "\"same\"")]);
    slow.gate.open_for(1);
    assert_eq!(site.ask(from("alice", "/p")).await.body, "alice 0");
    world.advance(seconds(20));
    let stale = read(site.open(from("alice", "/p")).await).await;
    assert_eq!(stale.body, "alice 0");
    site.runs.reach(2).await;
    slow.changes();
    let alices = Identity::known("field x-user", "alice");
    let _ = world.cache.purge_identity(&alices).await.unwrap();
    let later = site.start(from("alice", "/p"));
    settle().await;
    slow.gate.open();
    assert_eq!(later.await.unwrap().body, "alice 1");
    world.cache.background().idle().await;
    assert_eq!(site.ask(from("alice", "/p")).await.body, "alice 1");
    world.assert_at_rest().await;
}

async fn a_leader_that_leaves_a_page_of_one_person_leaves_it_to_its_followers(world: World) {
    let world = users(&world);
    let slow = Slow::new();
    let site = slow.site(&world, world.page().vary_on_user().unwrap(), &[]);
    let leader = site.start(from("alice", "/p"));
    site.runs.reach(1).await;
    let follower = site.start(from("alice", "/p"));
    let stranger = site.start(from("bob", "/p"));
    site.runs.reach(2).await;
    leader.abort();
    settle().await;
    slow.gate.open();
    assert_eq!(follower.await.unwrap().body, "alice 0");
    assert_eq!(stranger.await.unwrap().body, "bob 0");
    assert_eq!(site.runs(), 2);
    for name in ["alice", "bob"] {
        let answer = site.ask(from(name, "/p")).await;
        assert_eq!((answer.is_hit(), answer.body), (true, format!("{name} 0")));
    }
    world.assert_at_rest().await;
}

async fn a_follower_whose_identity_panics_joins_nobody(world: World) {
    let world = users(&world);
    let by = identity::closure("broken", |head| {
        assert!(!head.headers.contains_key("x-panic"), "cannot tell");
        Some("alice")
    });
    let slow = Slow::new();
    let site = slow.site(&world, world.page().vary_on_identity(by).unwrap(), &[]);
    let leader = site.start(from("alice", "/p"));
    site.runs.reach(1).await;
    let broken = get_with("/p", &[("x-user", "bob"), ("x-panic", "1")]);
    let broken = site.start(broken);
    site.runs.reach(2).await;
    slow.gate.open();
    assert_eq!(leader.await.unwrap().body, "alice 0");
    let broken = broken.await.unwrap();
    assert_eq!((broken.said(), &*broken.body), ("fwd=bypass", "bob 0"));
    assert_eq!(site.ask(from("alice", "/p")).await.body, "alice 0");
    world.assert_at_rest().await;
}

/// The types that an identity registers are withheld on shared routes, also where it is shared with the application.
#[tokio::test(start_paused = true)]
async fn a_shared_identity_is_the_one_that_it_shares() {
    #[derive(Clone)]
    struct User(&'static str);
    let by = Arc::new(identity::extension("user", |user: &User| user.0));
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).user(by.clone()));
    let asked = |target| {
        let mut request = get(target);
        request.extensions_mut().insert(User("alice"));
        request
    };
    let answer = |request: Request<Body>| async move {
        let user = request.extensions().get::<User>().map(|user| user.0);
        page(&[], user.unwrap_or("nobody"))
    };
    let shared = world.site(world.page().shared(), answer);
    assert_eq!(shared.ask(asked("/shared")).await.body, "nobody");
    let own = world.site(world.page().vary_on_user().unwrap(), answer);
    assert_eq!(own.ask(asked("/own")).await.body, "alice");
    assert!(own.ask(asked("/own")).await.is_hit());
    let alice = by.identify(&RequestHead::of(&asked("/other")));
    let _ = world.cache.purge_identity(&alice).await.unwrap();
    assert!(!own.ask(asked("/own")).await.is_hit());
}

/// P1: a field that names a tenant is withheld on shared routes, as one that names a person.
#[tokio::test(start_paused = true)]
async fn a_field_that_names_no_person_is_withheld_on_shared_routes_too() {
    type Users = fn(CacheBuilder) -> CacheBuilder;
    let sources: [(&str, Users); 4] = [
        ("alone", |cache| cache.user(by_field())),
        ("no person", |cache| cache.user(by_field().of_no_person())),
        ("shared", |cache| cache.user(Arc::new(by_field()))),
        ("together", |cache| {
            cache.user(by_field().of_no_person().and(identity::cookie("a")))
        }),
    ];
    for (what, user) in sources {
        let world = World::built(user(Cache::builder(MemoryStore::new(MIB))));
        let site = world.site(world.page().shared(), async |request: Request<Body>| {
            let seen = request.headers().get("x-user").cloned();
            page(&[], seen.map_or("", |_| "of one tenant"))
        });
        for name in ["one", "two"] {
            assert_eq!(site.ask(from(name, "/p")).await.body, "", "{what}");
        }
    }
}

fn layers(world: &World) -> Vec<CacheLayer> {
    let field = HeaderName::from_static("x-part");
    vec![
        world.page(),
        world.page().shared().vary_on(KeyPart::cookie("a")),
        world
            .page()
            .shared()
            .vary_on(KeyPart::cookie("a").one_of(["b"])),
        world
            .page()
            .vary_on(KeyPart::time_zone("a", ["Europe/Berlin"])),
        world
            .page()
            .vary_on(KeyPart::language(["de", "en-GB"]).unwrap()),
        world
            .page()
            .vary_on(KeyPart::encoding(["br", "gzip"]).unwrap()),
        world.page().vary_on(KeyPart::user_agent()),
        world.page().vary_on(KeyPart::header(field.clone())),
        world.page().vary_on(KeyPart::header(field).one_of(["a"])),
        world
            .page()
            .vary_on_identity(identity::cookie("a"))
            .unwrap(),
        world.page().vary_on_user().unwrap(),
        world
            .page()
            .vary_on_identity(
                by_field()
                    .and(identity::cookie("a"))
                    .or(identity::path_param("b")),
            )
            .unwrap(),
        world.cache.gateway(),
    ]
}

/// What keys are made of, each field with this value.
fn filled(value: &str) -> Request<Body> {
    let mut request = get("/p");
    for name in [
        "cookie",
        "accept-language",
        "accept-encoding",
        "user-agent",
        "x-part",
        "x-user",
        "accept",
        "forwarded",
        "if-none-match",
    ] {
        request
            .headers_mut()
            .append(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

async fn a_full_request_fails_nothing_whatever_is_keyed(world: World) {
    let world = users(&world);
    for host in ["shop.example", "SHOP.example:80"] {
        for (n, layer) in layers(&world).into_iter().enumerate() {
            let site = world.site(layer, async |_| {
                page(&[("vary", "accept-language")], "soup")
            });
            let mut asked = filled("a=b");
            asked.headers_mut().insert("host", host.parse().unwrap());
            for number in 0.. {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                let one = HeaderValue::from_static("1");
                if asked.headers_mut().try_insert(name, one).is_err() {
                    break;
                }
            }
            let answer = tokio::spawn(async move { site.ask(asked).await }).await;
            assert!(
                answer.is_ok_and(|answer| answer.body == "soup"),
                "{host} {n}"
            );
        }
    }
}

async fn fields_of_64_kib_fail_nothing_whatever_is_keyed(world: World) {
    let world = users(&world);
    let values = [
        "a".repeat(65_536),
        "a=b; ".repeat(13_000),
        "a=b;a=c;".repeat(8_000),
        "de,".repeat(21_000),
        "a-".repeat(32_000) + "a",
        ",".repeat(65_536),
        ";".repeat(65_536),
        "\"".repeat(65_536),
        "a=\"\\".repeat(16_000),
        "for=\"".repeat(13_000),
        "*;q=0,".repeat(10_000),
    ];
    for value in &values {
        for layer in layers(&world) {
            let site = world.site(layer, async |_| page(&[], "soup"));
            let answer = site.ask(filled(value)).await;
            assert_eq!(answer.body, "soup");
        }
    }
}

/// A store that brings, for whatever is asked, what stands under another key of the same length: that of somebody else.
#[derive(Clone)]
struct Lying {
    store: MemoryStore,
    at_once: bool,
    put: Arc<Mutex<Vec<Put>>>,
    lies: Arc<AtomicBool>,
}

/// What was put under a key.
type Put = (Vec<u8>, Arc<Record>);

impl Lying {
    fn new(at_once: bool) -> Self {
        Self {
            store: MemoryStore::new(MIB),
            at_once,
            put: Arc::default(),
            lies: Arc::default(),
        }
    }

    fn found(&self, key: Key<'_>, now: Now) -> Found {
        let Poll::Ready(Ok(mut found)) = self.store.get_now(key, now) else {
            unreachable!("memory answers at once")
        };
        if self.lies.load(Ordering::SeqCst) {
            let put = self.put.lock().unwrap();
            let is_like =
                |other: &[u8]| other != key.as_bytes() && other.len() == key.as_bytes().len();
            let other = put.iter().find(|(other, _)| is_like(other));
            found.record = other.map(|(_, record)| record.clone());
        }
        found
    }

    fn done(&self, key: Key<'_>, op: &Op, now: Now) -> Done {
        if let Op::Put(record, _) = op
            && !self.lies.load(Ordering::SeqCst)
        {
            self.put
                .lock()
                .unwrap()
                .push((key.as_bytes().to_vec(), record.clone()));
        }
        match self.store.apply_now(key, op, now) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => unreachable!("memory answers at once"),
        }
    }
}

#[async_trait]
impl Store for Lying {
    fn about(&self) -> About {
        self.store.about()
    }

    fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        match self.at_once {
            true => Poll::Ready(Ok(self.found(key, now))),
            false => Poll::Pending,
        }
    }

    fn apply_now(&self, key: Key<'_>, op: &Op, now: Now) -> Poll<Result<Done, StoreError>> {
        match self.at_once {
            true => Poll::Ready(Ok(self.done(key, op, now))),
            false => Poll::Pending,
        }
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        Ok(keys.iter().map(|key| self.found(*key, now)).collect())
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        Ok(ops
            .iter()
            .map(|(key, op)| self.done(*key, op, now))
            .collect())
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.store.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<crate::store::Struck, PurgeError> {
        self.store.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.store.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.store.watch()
    }
}

/// P1 and P4: whose a page is stands in the entry too, and is compared whichever way the entry is used.
#[tokio::test(start_paused = true)]
async fn a_store_that_brings_the_page_of_another_shows_it_to_nobody() {
    let fields: [Fields; 4] = [
        &[],
        &[("vary", "accept")],
        &[("etag", "\"alices\""), ("x-name", "alice")],
        &[
            ("vary", "accept"),
            ("etag", "\"alices\""),
            ("x-name", "alice"),
        ],
    ];
    for at_once in [true, false] {
        for fields in fields {
            for age in [0, 30] {
                let store = Lying::new(at_once);
                let world = World::built(
                    Cache::builder(store.clone())
                        .secret([7; 32])
                        .user(by_field()),
                );
                let layer = world.cache.page(seconds(10)).vary_on_user().unwrap();
                let layer = layer
                    .stale_while_revalidate(hours(1))
                    .stale_if_error(hours(1));
                let site = world.site(layer, move |request: Request<Body>| async move {
                    let name = request.headers()["x-user"].to_str().unwrap().to_owned();
                    assert!(
                        name == "alice" || !request.headers().contains_key("if-none-match"),
                        "asked with hers"
                    );
                    match &*name {
                        "alice" => page(fields, "for alice"),
                        "bob" => page(&[], "for bob"),
                        _ => with_status(503, &[], "for nobody"),
                    }
                });
                assert_eq!(site.ask(from("alice", "/p")).await.body, "for alice");
                assert!(site.ask(from("alice", "/p")).await.is_hit());
                world.advance(seconds(age));
                store.lies.store(true, Ordering::SeqCst);
                for name in ["bob", "carl", "bob"] {
                    for request in [
                        from(name, "/p"),
                        get_with("/p", &[("x-user", name), ("range", "bytes=0-3")]),
                        request(Method::HEAD, "/p", &[("x-user", name)]),
                        get_with(
                            "/p",
                            &[("x-user", name), ("cache-control", "only-if-cached")],
                        ),
                    ] {
                        let answer = site.ask(request).await;
                        assert!(
                            !answer.body.contains("alice"),
                            "{at_once} {fields:?} {age}: {answer:?}"
                        );
                        assert_eq!(
                            answer.field("x-name"),
                            None,
                            "{at_once} {fields:?} {age}: {answer:?}"
                        );
                    }
                }
                world.assert_at_rest().await;
                store.lies.store(false, Ordering::SeqCst);
                assert_eq!(site.ask(from("alice", "/p")).await.body, "for alice");
                assert_eq!(site.ask(from("bob", "/p")).await.body, "for bob");
            }
        }
    }
}

/// The bound of a conditional layer holds memory, whatever the page layer inside of it does with the body.
#[tokio::test(start_paused = true)]
async fn a_page_that_never_ends_streams_through_a_conditional_layer() {
    let world = World::new();
    let endless = || {
        let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])));
        page(&[], Body::from_stream(pieces))
    };
    let site = world.site(world.page(), move |_| async move { endless() });
    let layer = crate::ConditionalLayer::new().max_body(64 * 1024);
    let site = Site::of(world.clone(), site.runs.clone(), layer.layer(site.service));
    let response = site.open(get("/p")).await;
    assert!(!response.headers().contains_key("etag"));
    assert!(!response.body().is_end_stream());
    let mut body = response.into_body().into_data_stream();
    let mut length = 0;
    while length < 2 * MIB {
        length += body.next().await.unwrap().unwrap().len();
    }
    drop(body);
    world.assert_at_rest().await;
}
