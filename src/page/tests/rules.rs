//! Single rules of the specifications that no other theme shows.

use super::*;
use crate::InvalidationLayer;

/// Fields that a cache must leave as they are, and decide nothing by.
#[tokio::test(start_paused = true)]
async fn fields_that_mean_nothing_here_pass_through_and_decide_nothing() {
    let fields = [
        ("cache-control", "max-age=60, foo=1"),
        ("pragma", "no-cache"),
        ("warning", "110 - \"Response is Stale\""),
        ("via", "1.1 a, 1.1 b"),
        ("no-vary-search", "params=(\"x\")"),
        ("cdn-cache-control", "no-store"),
        ("foo-cache-control", "no-store"),
        ("cache-groups", "\"a\""),
    ];
    let world = World::new();
    let site = world.site(
        world.page(),
        move |_| async move { page(&fields, "a page") },
    );
    let miss = site.get("/p?x=1").await;
    let hit = site.get("/p?x=1").await;
    assert!(hit.is_hit());
    for (name, value) in fields {
        assert_eq!(miss.field(name), Some(value), "{name} on a miss");
        assert_eq!(hit.field(name), Some(value), "{name} on a hit");
    }
    assert!(
        !site.get("/p?x=2").await.is_hit(),
        "the whole query is the key"
    );
}

#[tokio::test(start_paused = true)]
async fn no_warning_is_written_and_a_stale_page_is_not_answered() {
    let world = World::new();
    let site = world.site(world.page().keep(minutes(60)).unwrap(), |_| async {
        page(&[("cache-control", "max-age=60")], "a page")
    });
    site.get("/p").await;
    world.advance(minutes(2));
    let again = site.get("/p").await;
    assert_eq!((again.said(), site.runs()), ("fwd=stale; stored", 2));
    assert_eq!(again.field("warning"), None);
}

#[tokio::test(start_paused = true)]
async fn request_fields_of_cache_groups_have_no_effect() {
    let world = World::new();
    let site = world.site(world.page(), |_| async { page(&[], "a page") });
    site.get("/p").await;
    let groups = [
        ("cache-groups", "\"a\""),
        ("cache-group-invalidation", "\"a\""),
    ];
    assert!(site.ask(get_with("/p", &groups)).await.is_hit());
    assert!(site.get("/p").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn query_is_forwarded_each_time_and_frees_nothing() {
    let world = World::new();
    let runs = Runs::default();
    let inner = world
        .page()
        .layer(runs.handler(|_| async { page(&[], "a page") }));
    let layer = InvalidationLayer::new(&world.cache);
    let site = Site::of(world.clone(), runs, layer.layer(inner));
    site.get("/p").await;
    for runs in [2, 3] {
        let query = Method::from_bytes(b"QUERY").unwrap();
        let answer = site.ask(request(query, "/p", &[])).await;
        assert_eq!((answer.said(), site.runs()), ("fwd=method", runs));
    }
    assert!(site.get("/p").await.is_hit());
}

/// A coding goes to none that may not accept it, also where the handler forgot to say what it looked at.
#[tokio::test(start_paused = true)]
async fn a_coded_page_is_selected_by_accept_encoding() {
    let world = World::new();
    let site = world.site(world.page(), |request: Request<Body>| async move {
        if request.headers().contains_key("accept-encoding") {
            page(&[("content-encoding", "gzip")], "coded, as it came")
        } else {
            page(&[], "plain")
        }
    });
    let coded = [("accept-encoding", "gzip")];
    let first = site.ask(get_with("/p", &coded)).await;
    assert_eq!(first.field("vary"), Some("accept-encoding"));
    let hit = site.ask(get_with("/p", &coded)).await;
    assert!(hit.is_hit());
    assert_eq!(
        (&*hit.body, hit.field("content-encoding")),
        ("coded, as it came", Some("gzip"))
    );
    let plain = site.get("/p").await;
    assert_eq!(
        (&*plain.body, plain.field("content-encoding")),
        ("plain", None)
    );
    assert!(site.ask(get_with("/p", &coded)).await.is_hit());
}

/// The cache adds no coding of its own (BREACH), whatever a client would accept.
#[tokio::test(start_paused = true)]
async fn bodies_are_answered_as_they_came() {
    let world = World::new();
    let text = "the same line\n".repeat(1_000);
    let sent = text.clone();
    let site = world.site(world.page(), move |_| {
        let text = sent.clone();
        async move { page(&[("cache-control", "no-transform, max-age=60")], text) }
    });
    for _ in 0..2 {
        let answer = site
            .ask(get_with("/p", &[("accept-encoding", "gzip, br")]))
            .await;
        assert_eq!(
            (&answer.body, answer.field("content-encoding")),
            (&text, None)
        );
    }
    assert_eq!(site.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_key_depends_on_stands_in_vary_for_caches_outside() {
    let world = World::new();
    let layer = world.page().vary_on_header(HeaderName::from_static("x-l"));
    let site = world.site(layer, |_| async { page(&[("vary", "Accept")], "a page") });
    for _ in 0..2 {
        let answer = site.ask(get_with("/p", &[("x-l", "de")])).await;
        assert_eq!(answer.lines("vary"), ["Accept", "x-l"]);
    }
    assert_eq!(site.runs(), 1);
    assert!(!site.ask(get_with("/p", &[("x-l", "en")])).await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn purge_is_a_method_like_any_other_and_lists_of_it_are_refused_cheaply() {
    let world = World::new();
    let runs = Runs::default();
    let inner = world
        .page()
        .layer(runs.handler(|request: Request<Body>| async move {
            let known = request.method() == Method::GET;
            with_status(if known { 200 } else { 405 }, &[], "a page")
        }));
    let layer = InvalidationLayer::new(&world.cache);
    let site = Site::of(world.clone(), runs, layer.layer(inner));
    site.get("/p").await;
    for method in ["PURGE", "BAN", "FOO"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(site.ask(request(method, "/p", &[])).await.status, 405);
    }
    assert!(site.get("/p").await.is_hit());
}

/// Of several variants that a request selects, the younger one (RFC 9111 §4).
#[tokio::test(start_paused = true)]
async fn of_several_variants_the_youngest_is_answered() {
    let world = World::new();
    let runs = Runs::default();
    let asked = runs.clone();
    let handler = runs.handler(move |request: Request<Body>| {
        let run = asked.count();
        async move {
            // What selects a page is for each response to say.
            let by = request.headers()["x-by"].to_str().unwrap().to_owned();
            page(&[("vary", &by)], run.to_string())
        }
    });
    let site = Site::of(world.clone(), runs.clone(), world.page().layer(handler));
    let by_language = get_with("/p", &[("x-by", "x-l"), ("x-l", "de"), ("x-d", "desk")]);
    assert_eq!(site.ask(by_language).await.body, "1");
    world.advance(Duration::from_secs(5));
    let by_device = get_with("/p", &[("x-by", "x-d"), ("x-l", "fr"), ("x-d", "phone")]);
    assert_eq!(site.ask(by_device).await.body, "2");
    let both = get_with("/p", &[("x-by", "x-d"), ("x-l", "de"), ("x-d", "phone")]);
    let answer = site.ask(both).await;
    assert!(answer.is_hit());
    assert_eq!(answer.body, "2");
}

#[tokio::test(start_paused = true)]
async fn a_shut_down_cache_leaves_nothing_running() {
    let world = World::new();
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            page(&[], "a page")
        }
    });
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    assert_eq!(
        world.cache.background().running(),
        1,
        "it goes on without its client"
    );
    world.cache.background().shutdown();
    world.assert_at_rest().await;
}

/// The handler sees the host of the key, however a client spells it: else its page would carry one client's spelling to all.
#[tokio::test(start_paused = true)]
async fn the_handler_sees_the_host_of_the_key() {
    let world = World::new();
    let site = world.site(world.page(), |request: Request<Body>| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        page(&[], format!("https://{host}{}", request.uri().path()))
    });
    let mut spelled = get("/x");
    spelled
        .headers_mut()
        .insert("host", HeaderValue::from_static("Shop.Example:80"));
    assert_eq!(site.ask(spelled).await.body, "https://shop.example/x");
    let absolute = get("http://shop.example:80/y");
    assert_eq!(
        site.ask(absolute).await.said(),
        "fwd=bypass",
        "two spellings are two hosts"
    );
    let hit = site.get("/x").await;
    assert!(hit.is_hit());
    assert_eq!(hit.body, "https://shop.example/x");
}

#[tokio::test(start_paused = true)]
async fn proxy_authorization_is_a_credential() {
    let world = World::new();
    let site = world.site(world.page(), |_| async { page(&[], "for one") });
    for _ in 0..2 {
        let asked = get_with("/p", &[("proxy-authorization", "Basic x")]);
        assert!(!site.ask(asked).await.is_hit());
    }
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn heads_and_tags_beyond_all_measure_are_not_stored() {
    let world = World::new();
    let site = world.site(world.page(), |request: Request<Body>| async move {
        let mut response = page(&[], "a page");
        match request.uri().path() {
            "/lines" => {
                for n in 0..20_000_u32 {
                    response
                        .headers_mut()
                        .append("x-line", HeaderValue::from(n));
                }
            }
            "/long" => {
                let long = HeaderValue::from_str(&"x".repeat(70_000)).unwrap();
                response.headers_mut().insert("x-long", long);
            }
            _ => {
                CacheTags::new((0..2_000).map(|n| n.to_string())).add_to(response.extensions_mut())
            }
        }
        response
    });
    for target in ["/lines", "/long", "/tags"] {
        assert_eq!(site.get(target).await.said(), "fwd=uri-miss", "{target}");
        assert!(!site.get(target).await.is_hit());
    }
}

/// A few invented values do not switch a page off for everyone.
#[tokio::test(start_paused = true)]
async fn invented_variants_do_not_keep_real_ones_out() {
    let world = World::new();
    let site = world.site(world.page(), |_| async {
        page(&[("vary", "Accept-Language")], "text")
    });
    for n in 0..40 {
        site.ask(get_with("/p", &[("accept-language", &format!("x-{n}"))]))
            .await;
    }
    site.ask(get_with("/p", &[("accept-language", "de")])).await;
    assert!(
        site.ask(get_with("/p", &[("accept-language", "de")]))
            .await
            .is_hit()
    );
}

/// A body without end must not hold its place in the background for ever once its client has gone.
#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_given_up_some_time_after_its_client() {
    let world = World::new();
    let site = world.site(world.page().max_body(MIB).unwrap(), |_| async {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>("drop"), ()))
        });
        page(&[], Body::from_stream(drops))
    });
    drop(site.open(get("/p")).await);
    assert_eq!(world.cache.background().running(), 1);
    world.assert_at_rest().await;
}

/// What selects is what the handler sees, after any layer outside has rewritten it (RFC 9111 §4.1).
#[tokio::test(start_paused = true)]
async fn a_field_selects_as_it_reaches_the_layer() {
    let world = World::new();
    let runs = Runs::default();
    let handler = runs.handler(|request: Request<Body>| async move {
        let language = request.headers()["x-l"].to_str().unwrap().to_owned();
        page(&[("vary", "X-L")], language)
    });
    let rewriting = tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
        request
            .headers_mut()
            .insert("x-l", HeaderValue::from_static("de"));
        request
    });
    let site = Site::of(
        world.clone(),
        runs.clone(),
        rewriting.layer(world.page().layer(handler)),
    );
    site.ask(get_with("/p", &[("x-l", "de-AT")])).await;
    let hit = site.ask(get_with("/p", &[("x-l", "de-CH")])).await;
    assert!(hit.is_hit());
    assert_eq!(hit.body, "de");
}
