//! What an unsafe method has changed is freed before its answer is released (RFC 9111 §4.4).

use axum::Router;
use axum::routing::any;

use super::*;
use crate::InvalidationLayer;

/// `/note` shows the data; any method but GET changes it, and answers with the status that `x-status` asks for. `/slow` passes the gate.
fn notes(world: &World, data: &Data, gate: &Gate) -> Site {
    let runs = Runs::default();
    let (counted, data, gate) = (runs.clone(), data.clone(), gate.clone());
    let note = async move |request: Request<Body>| {
        counted.begin();
        if request.method() != Method::GET && request.method() != Method::HEAD {
            data.change();
            let status = request.headers()["x-status"].to_str().unwrap();
            return with_status(status.parse().unwrap(), &[], Body::empty());
        }
        let version = data.read();
        if request.uri().path() == "/slow" {
            gate.pass().await;
        }
        page(&[("vary", "X-L")], version.to_string())
    };
    let router = Router::new()
        .route("/note", any(note.clone()).layer(world.page()))
        .route("/slow", any(note).layer(world.page()))
        .layer(InvalidationLayer::new(&world.cache));
    Site::of(world.clone(), runs, router)
}

fn change(method: &str, target: &str, status: u16) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    request(method, target, &[("x-status", &status.to_string())])
}

on_every_store! {
    an_unsafe_method_frees_its_target_before_its_answer_is_released
    a_method_that_changed_nothing_frees_nothing
    a_fill_under_way_during_an_unsafe_method_is_not_stored
}

async fn an_unsafe_method_frees_its_target_before_its_answer_is_released(world: World) {
    let data = Data::default();
    let site = notes(&world, &data, &Gate::opened());
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        for status in [200, 201, 204, 303] {
            // Every query, and every variant.
            for asked in ["/note", "/note?page=2"] {
                site.get(asked).await;
                site.ask(get_with(asked, &[("x-l", "de")])).await;
            }
            let runs = site.runs();
            // The head alone: the next request comes as soon as the client has it.
            let answer = site.open(change(method, "/note?x=1", status)).await;
            assert_eq!(
                (answer.status().as_u16(), site.runs()),
                (status, runs + 1),
                "written through"
            );
            let now = data.read().to_string();
            for asked in ["/note", "/note?page=2"] {
                assert_eq!(site.get(asked).await.body, now, "{method} {status}");
                assert_eq!(site.ask(get_with(asked, &[("x-l", "de")])).await.body, now);
            }
        }
    }
}

async fn a_method_that_changed_nothing_frees_nothing(world: World) {
    let data = Data::default();
    let site = notes(&world, &data, &Gate::opened());
    site.get("/note").await;
    let failed = ["POST", "DELETE", "FOO"].into_iter().flat_map(|method| {
        [400, 401, 403, 404, 405, 409, 429, 500, 501, 503].map(|status| (method, status))
    });
    let safe = ["OPTIONS", "TRACE", "QUERY"].map(|method| (method, 200));
    for (method, status) in failed.chain(safe) {
        site.ask(change(method, "/note", status)).await;
        assert!(site.get("/note").await.is_hit(), "{method} {status}");
    }
    // Nor does what changed another host's page, or one with another name.
    let mut elsewhere = change("POST", "/note", 200);
    elsewhere
        .headers_mut()
        .insert("host", "other.example".parse().unwrap());
    site.ask(elsewhere).await;
    site.ask(change("POST", "/slow", 200)).await;
    assert!(site.get("/note").await.is_hit());
}

async fn a_fill_under_way_during_an_unsafe_method_is_not_stored(world: World) {
    let (data, gate) = (Data::default(), Gate::closed());
    let site = notes(&world, &data, &gate);
    let old = site.start(get("/slow"));
    site.runs.reach(1).await;
    assert_eq!(site.ask(change("PUT", "/slow", 200)).await.status, 200);
    let after = site.start(get("/slow"));
    settle().await;
    gate.open();
    assert_eq!(old.await.unwrap().body, "0");
    assert_eq!(after.await.unwrap().body, "1");
    assert_eq!(site.get("/slow").await.body, "1");
    world.assert_at_rest().await;
}

/// Behind a proxy that is trusted, pages stand under the host that it names.
#[tokio::test(start_paused = true)]
async fn a_page_of_a_forwarded_host_is_freed_too() {
    let world = World::new();
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = async move || {
        counted.begin();
        "note"
    };
    let layer = world.page().forwarding(crate::Forwarding::Trusted);
    let router = Router::new()
        .route("/note", any(handler).layer(layer))
        .layer(InvalidationLayer::new(&world.cache).forwarding(crate::Forwarding::Trusted));
    let site = Site::of(world.clone(), runs, router);
    let forwarded = [
        ("x-forwarded-host", "Shop.example:443"),
        ("x-forwarded-proto", "https"),
    ];
    let ask = |method| {
        let mut request = request(method, "/note", &forwarded);
        request
            .headers_mut()
            .insert("host", "10.0.0.5".parse().unwrap());
        request
    };
    site.ask(ask(Method::GET)).await;
    assert!(site.ask(ask(Method::GET)).await.is_hit());
    site.ask(ask(Method::POST)).await;
    assert!(!site.ask(ask(Method::GET)).await.is_hit());
}
