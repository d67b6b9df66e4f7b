//! What the answer to an unsafe method refers to is freed too, where it is of the same origin (RFC 9111 §4.4).

use super::origin::Origin;
use super::*;
use crate::InvalidationLayer;

/// Pages of half an hour, by `X-L`; any other method answers as it is told.
fn site(world: &World) -> (Origin, Site) {
    let (origin, site) = world.origin(world.page());
    let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
    (origin, Site::of(world.clone(), site.runs.clone(), layered))
}

fn answers(origin: &Origin, status: u16, fields: &[(&'static str, &'static str)]) {
    let fields = fields.to_vec();
    origin.answers(move |request| match *request.method() {
        Method::GET => page(&[("vary", "X-L")], "page"),
        _ => with_status(status, &fields, ""),
    });
}

/// All variants and queries of these paths.
fn asked() -> Vec<(&'static str, Vec<Request<Body>>)> {
    ["/orders", "/orders/1", "/other"]
        .map(|path| {
            let mut requests = Vec::new();
            for query in ["", "?a=1", "?a=2"] {
                for language in ["de", "en"] {
                    let target = format!("{path}{query}");
                    requests.push(get_with(&target, &[("x-l", language)]));
                }
            }
            (path, requests)
        })
        .into()
}

/// Which of these paths are freed altogether by a POST to `/orders` that is answered so; no other may be touched.
async fn freed(
    world: &World,
    status: u16,
    fields: &[(&'static str, &'static str)],
) -> Vec<&'static str> {
    freed_by(
        world,
        request(Method::POST, "/orders?new", &[]),
        status,
        fields,
    )
    .await
}

async fn freed_by(
    world: &World,
    changing: Request<Body>,
    status: u16,
    fields: &[(&'static str, &'static str)],
) -> Vec<&'static str> {
    let (origin, site) = site(world);
    answers(&origin, status, fields);
    for (_, requests) in asked() {
        for request in requests {
            site.ask(request).await;
        }
    }
    // By the head alone: the next request comes as soon as the client has it.
    let answer = site.open(changing).await;
    assert_eq!(answer.status(), status);
    let mut freed = Vec::new();
    for (path, requests) in asked() {
        let mut hits = Vec::new();
        for request in requests {
            hits.push(site.ask(request).await.is_hit());
        }
        assert!(hits.iter().all(|hit| *hit == hits[0]), "{path}: {hits:?}");
        if !hits[0] {
            freed.push(path);
        }
    }
    let _ = world.cache.clear().await.unwrap();
    freed
}

on_every_store! {
    what_an_answer_refers_to_is_freed_with_all_its_variants_and_queries
    what_is_of_another_origin_is_left
    an_answer_that_says_nothing_was_done_frees_nothing
    a_fill_of_what_is_referred_to_that_is_under_way_is_not_stored
}

async fn what_an_answer_refers_to_is_freed_with_all_its_variants_and_queries(world: World) {
    for name in ["location", "content-location"] {
        for reference in [
            "/orders/1",
            "/orders/1?view=long",
            "orders/1",
            "./orders/1",
            "../orders/1",
            "/other/../orders/1",
            "//shop.example/orders/1",
            "http://shop.example/orders/1",
            "HTTP://SHOP.example:80/orders/1#top",
        ] {
            let freed = freed(&world, 201, &[(name, reference)]).await;
            assert_eq!(freed, ["/orders", "/orders/1"], "{name}: {reference}");
        }
    }
    let both = [("location", "/orders/1"), ("content-location", "/other")];
    assert_eq!(
        freed(&world, 303, &both).await,
        ["/orders", "/orders/1", "/other"]
    );
    for status in [200, 201, 204, 301, 303, 307] {
        let freed = freed(&world, status, &[("location", "/orders/1")]).await;
        assert_eq!(freed, ["/orders", "/orders/1"], "{status}");
    }
}

async fn what_is_of_another_origin_is_left(world: World) {
    for reference in [
        "//other.example/orders/1",
        "http://other.example/orders/1",
        "http://shop.example.other.example/orders/1",
        "http://shop.example:8080/orders/1",
        "https://shop.example/orders/1",
        "https://shop.example:8443/orders/1",
        "http://user@shop.example/orders/1",
        "ftp://shop.example/orders/1",
        "http:///orders/1",
        "http://shop.example@other.example/orders/1",
        "\\\\shop.example/orders/1",
        "/orders/2",
        "#/orders/1",
        "",
    ] {
        for name in ["location", "content-location"] {
            let freed = freed(&world, 201, &[(name, reference)]).await;
            assert_eq!(freed, ["/orders"], "{name}: {reference}");
        }
    }
    // The other scheme is another origin.
    let fields = [("location", "http://shop.example/orders/1")];
    let changing = request(Method::POST, "https://shop.example/orders", &[]);
    assert_eq!(freed_by(&world, changing, 201, &fields).await, ["/orders"]);
    // Nor does what was sent to another host free anything here.
    let mut elsewhere = request(Method::POST, "/orders", &[]);
    elsewhere
        .headers_mut()
        .insert("host", "other.example".parse().unwrap());
    let fields = [("location", "http://shop.example/orders/1")];
    let none: [&str; 0] = [];
    assert_eq!(freed_by(&world, elsewhere, 201, &fields).await, none);
}

async fn an_answer_that_says_nothing_was_done_frees_nothing(world: World) {
    let fields = [("location", "/orders/1"), ("content-location", "/other")];
    let none: [&str; 0] = [];
    for status in [400, 404, 409, 412, 500, 503] {
        assert_eq!(freed(&world, status, &fields).await, none, "{status}");
    }
    for method in ["OPTIONS", "TRACE", "HEAD", "QUERY"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let safe = request(method, "/orders", &[]);
        assert_eq!(freed_by(&world, safe, 200, &fields).await, none);
    }
}

async fn a_fill_of_what_is_referred_to_that_is_under_way_is_not_stored(world: World) {
    let (origin, site) = site(&world);
    answers(&origin, 201, &[("location", "/orders/1")]);
    let gate = origin.hold();
    let old = site.start(get("/orders/1"));
    site.runs.reach(1).await;
    origin.hold().open();
    site.ask(request(Method::POST, "/orders", &[])).await;
    gate.open();
    old.await.unwrap();
    world.cache.background().idle().await;
    assert!(!site.get("/orders/1").await.is_hit());
    world.assert_at_rest().await;
}
