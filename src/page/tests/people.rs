//! No page crosses people (P1).

use axum::Extension;

use super::*;
use crate::seconds;

/// Who is asking, as an application's own authentication says.
#[derive(Clone)]
struct User(&'static str);

fn world() -> World {
    World::built(Cache::builder(MemoryStore::new(MIB)).identity::<User>())
}

/// How a request says who sends it.
#[derive(Clone, Copy, Debug)]
enum Shows {
    Nothing,
    Cookie,
    Authorization,
    Extension,
    All,
}

const SHOWS: [Shows; 5] = [
    Shows::Nothing,
    Shows::Cookie,
    Shows::Authorization,
    Shows::Extension,
    Shows::All,
];

fn from(user: &'static str, shows: Shows, mut request: Request<Body>) -> Request<Body> {
    let fields = request.headers_mut();
    if let Shows::Cookie | Shows::All = shows {
        fields.insert("cookie", user.parse().unwrap());
    }
    if let Shows::Authorization | Shows::All = shows {
        fields.insert("authorization", user.parse().unwrap());
    }
    if let Shows::Extension | Shows::All = shows {
        request.extensions_mut().insert(User(user));
    }
    request
}

/// A handler that echoes whoever it sees, in its body and in a field, with these fields of its own.
fn echo(world: &World, layer: CacheLayer, fields: Fields) -> Site {
    world.site(layer, move |request: Request<Body>| {
        let field = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        let extension = request.extensions().get::<User>().map(|user| user.0);
        let seen = field("cookie").or(field("authorization")).or(extension);
        let seen = seen.unwrap_or("nobody").to_owned();
        async move {
            // Long enough for others to join.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            page(&[fields, &[("x-seen", &*seen)]].concat(), seen.clone())
        }
    })
}

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Asks in random order, alone and side by side, and returns how many answers came from the store or from a flight.
async fn crowd(site: &Site, seed: u64, allowed: fn(&str, Shows) -> Vec<&str>) -> usize {
    let mut dice = Dice(seed);
    let mut shared = 0;
    for _ in 0..60 {
        let mut asked = Vec::new();
        for _ in 0..=dice.roll(6) {
            let (user, shows) = (dice.pick(&PEOPLE), dice.pick(&SHOWS));
            let method = dice
                .pick(&[Method::GET, Method::GET, Method::HEAD].each_ref())
                .clone();
            let fields = dice.pick(&[
                &[][..],
                &[],
                &[("cache-control", "no-store")],
                &[("range", "bytes=0-9")],
            ]);
            let request = from(user, shows, request(method, "/p", fields));
            asked.push((user, shows, site.start(request)));
        }
        for (user, shows, answer) in asked {
            let answer = answer.await.unwrap();
            let seen = answer.field("x-seen").unwrap();
            assert!(
                allowed(user, shows).contains(&seen),
                "{user}, {shows:?}: {answer:?}"
            );
            assert!(answer.body.is_empty() || answer.body == seen);
            shared += usize::from(answer.is_hit() || answer.said().ends_with("collapsed"));
        }
        if dice.roll(4) == 0 {
            site.world.purge_page("/p").await;
        }
        site.world.advance(seconds(dice.roll(5)));
    }
    shared
}

#[tokio::test(start_paused = true)]
async fn what_echoes_who_asks_is_answered_to_nobody_else() {
    let says: [Fields; 6] = [
        &[],
        &[("cache-control", "max-age=60")],
        // For all that RFC 9111 §3.5 permits it, an application that says this has not said that the page is for all.
        &[("cache-control", "must-revalidate, max-age=60")],
        &[("vary", "Cookie"), ("cache-control", "max-age=60")],
        &[("vary", "Cookie, Authorization")],
        &[("expires", "Thu, 01 Jan 2026 01:00:00 GMT")],
    ];
    for (n, fields) in says.into_iter().enumerate() {
        let world = world();
        let layers = [
            world.page(),
            world.page().vary_on_header(http::header::COOKIE),
            world.page().vary_on(KeyPart::computed("user", |head| {
                Some(head.extensions.get::<User>()?.0.into())
            })),
        ];
        for (m, layer) in layers.into_iter().enumerate() {
            let site = echo(&world, layer, fields);
            let seed = 1 + (n * 3 + m) as u64;
            // One's own page, or that of nobody: which may be stored, and answers everyone.
            let shared = crowd(&site, seed, |user, shows| match shows {
                Shows::Nothing => vec!["nobody"],
                _ => vec![user, "nobody"],
            })
            .await;
            assert!(shared > 0, "{fields:?}, layer {m}: {shared}");
            world.assert_at_rest().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_shared_route_the_handler_sees_nobody_whatever_the_request() {
    let says: [Fields; 3] = [&[], &[("vary", "Cookie")], &[("cache-control", "public")]];
    for (seed, fields) in (1..).zip(says) {
        let world = world();
        let site = echo(&world, world.page().shared(), fields);
        let shared = crowd(&site, seed, |_, _| vec!["nobody"]).await;
        assert!(shared > 50, "{fields:?}: {shared}");
        world.assert_at_rest().await;
    }
    // Other methods are not pages: who deletes something is for the handler to know.
    let world = world();
    let site = echo(&world, world.page().shared(), &[]);
    let delete = from("alice", Shows::All, request(Method::DELETE, "/p", &[]));
    assert_eq!(site.ask(delete).await.body, "alice");
}

#[tokio::test(start_paused = true)]
async fn what_credentials_filled_is_stored_only_if_it_says_that_it_is_for_all() {
    let for_all = [
        "public",
        "s-maxage=60",
        "Public, max-age=60",
        "must-revalidate, s-maxage=9",
    ];
    let not_for_all = [
        "max-age=60",
        "must-revalidate, max-age=60",
        "public=1",
        "public, private",
    ];
    let table = for_all
        .map(|said| (said, true))
        .into_iter()
        .chain(not_for_all.map(|said| (said, false)));
    for (said, stored) in table {
        for shows in SHOWS {
            let world = world();
            let site = world.site(world.page(), move |_| async move {
                page(&[("cache-control", said)], "x")
            });
            site.ask(from("alice", shows, get("/p"))).await;
            let stored = stored || (matches!(shows, Shows::Nothing) && !said.contains("private"));
            assert_eq!(site.get("/p").await.is_hit(), stored, "{said}, {shows:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_set_or_said_to_one_person_is_neither_stored_nor_shared() {
    let fields: [Fields; 6] = [
        &[("set-cookie", "session=alice")],
        &[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("cache-control", "public, max-age=60"),
        ],
        &[("set-cookie", "session=alice"), ("vary", "Cookie")],
        &[
            ("authentication-info", "nextnonce=\"x\""),
            ("cache-control", "public"),
        ],
        &[
            ("clear-site-data", "\"cookies\""),
            ("cache-control", "public"),
        ],
        &[("access-control-allow-origin", "https://a.example")],
    ];
    for fields in fields {
        for shared in [false, true] {
            let world = world();
            let layer = if shared {
                world.page().shared()
            } else {
                world.page()
            };
            let gate = Gate::closed();
            let held = gate.clone();
            let site = world.site(layer, move |_| {
                let held = held.clone();
                async move {
                    held.pass().await;
                    page(fields, "x")
                }
            });
            let asked: Vec<_> = (0..5).map(|_| site.start(get("/p"))).collect();
            settle().await;
            gate.open();
            for request in asked {
                let answer = request.await.unwrap();
                let lines = answer.lines(fields[0].0);
                assert!(
                    !lines.is_empty() && !answer.said().ends_with("collapsed"),
                    "{fields:?}"
                );
            }
            site.get("/p").await;
            assert_eq!(site.runs(), 6, "each for itself: {fields:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_to_one_origin_are_selected_by_it() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let origin = request.headers()["origin"].to_str().unwrap().to_owned();
        page(
            &[("access-control-allow-origin", &origin), ("vary", "Origin")],
            origin.clone(),
        )
    });
    for _ in 0..2 {
        for origin in ["https://a.example", "https://b.example"] {
            let answer = site.ask(get_with("/p", &[("origin", origin)])).await;
            assert_eq!(answer.field("access-control-allow-origin"), Some(origin));
        }
    }
    assert_eq!(site.runs(), 2);
    // With credentials, it must say that it is for all as well.
    for (control, stored) in [("max-age=60", false), ("public, max-age=60", true)] {
        let fields = move || {
            [
                ("access-control-allow-origin", "*"),
                ("access-control-allow-credentials", "true"),
                ("cache-control", control),
            ]
        };
        let site = world.site(world.page(), move |_| async move { page(&fields(), "x") });
        site.get("/q").await;
        assert_eq!(site.get("/q").await.is_hit(), stored);
    }
}

/// A page that a field steers is answered to those who send the same, and to nobody else.
#[tokio::test(start_paused = true)]
async fn no_unkeyed_field_steers_what_others_get() {
    let world = World::new();
    for name in super::super::screen::FORWARDING {
        let site = world.site(world.page(), move |request: Request<Body>| {
            let lines = request.headers().get_all(name).iter();
            let lines: Vec<_> = lines
                .map(|line| line.to_str().unwrap().to_owned())
                .collect();
            async move { page(&[], lines.join("|")) }
        });
        let asked: [&[(&str, &str)]; 4] = [
            &[(name, "evil.example")],
            &[],
            &[(name, "evil.example"), (name, "b")],
            &[(name, "")],
        ];
        for _ in 0..2 {
            for fields in asked {
                let sent: Vec<_> = fields.iter().map(|(_, value)| *value).collect();
                let target = format!("/{name}");
                assert_eq!(
                    site.ask(get_with(&target, fields)).await.body,
                    sent.join("|"),
                    "{name}"
                );
            }
        }
        assert_eq!(site.runs(), 4, "{name}");
        // More than is keyed passes by.
        let long = "a".repeat(2_000);
        let asked = get_with(&format!("/{name}"), &[(name, &long)]);
        assert_eq!(site.ask(asked).await.said(), "fwd=bypass");
    }
}

/// An identity that a layer outside sets for everyone, as `from_fn(auth)` does, is seen by larder where its type is registered.
#[tokio::test(start_paused = true)]
async fn tenants_that_an_extension_tells_apart_never_meet() {
    let world = World::new();
    let layer = || {
        world.page().vary_on(KeyPart::computed("tenant", |head| {
            Some(head.extensions.get::<User>()?.0.into())
        }))
    };
    let sites = ["one", "two"].map(|tenant| {
        let site = world.site(layer(), async |request| {
            page(&[], request.extensions().get::<User>().unwrap().0)
        });
        Site::of(
            world.clone(),
            site.runs.clone(),
            Extension(User(tenant)).layer(site.service),
        )
    });
    for said in ["fwd=uri-miss; stored", "hit; ttl=1800"] {
        for (site, tenant) in sites.iter().zip(["one", "two"]) {
            let answer = site.get("/p").await;
            assert_eq!((answer.said(), &*answer.body), (said, tenant));
        }
    }
}
