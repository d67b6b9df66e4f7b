//! Where the layer can stand in a `Router`, and what a request is called there.

use axum::Router;
use axum::routing::get as on_get;
use tower::Layer;

use super::*;

fn tables() -> Router {
    Router::new().route("/tables/{id}", on_get(async || "a table"))
}

/// How the request for `target` is told of.
async fn path_of(app: Router, told: &Told, target: &str) -> String {
    ask(app, get(target)).await;
    path_of_line(told)
}

fn path_of_line(told: &Told) -> String {
    told.line().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_request_is_called_by_its_route() {
    let (world, told) = (World::new(), Told::default());
    let app = tables().layer(told.by(world.monitor()));
    assert_eq!(path_of(app, &told, "/tables/7?t=k").await, "/tables/{id}");
}

#[tokio::test]
async fn a_request_under_nest_is_called_by_its_whole_route() {
    let (world, told) = (World::new(), Told::default());
    let app = Router::new().nest("/{shop}", tables().layer(told.by(world.monitor())));
    assert_eq!(
        path_of(app, &told, "/soups/tables/7").await,
        "/{shop}/tables/{id}"
    );
}

#[tokio::test]
async fn round_a_nest_it_is_the_same() {
    let (world, told) = (World::new(), Told::default());
    let app = Router::new().nest("/{shop}", tables());
    let app = app.layer(told.by(world.monitor()));
    assert_eq!(
        path_of(app, &told, "/soups/tables/7").await,
        "/{shop}/tables/{id}"
    );
}

#[tokio::test]
async fn a_route_layer_leaves_what_matches_no_route() {
    let (world, told) = (World::new(), Told::default());
    let app = tables().route_layer(told.by(world.monitor()));
    ask(app.clone(), get("/elsewhere")).await;
    assert!(told.lines().is_empty());
    assert_eq!(path_of(app, &told, "/tables/7").await, "/tables/{id}");
}

#[tokio::test]
async fn where_no_route_matches_the_path_is_told_without_its_query() {
    let (world, told) = (World::new(), Told::default());
    let app = tables().layer(told.by(world.monitor()));
    let path = path_of(app, &told, "/elsewhere?token=secret").await;
    assert_eq!(path, "/elsewhere");
    assert!(told.line().starts_with("GET /elsewhere 404 "));
}

#[tokio::test]
async fn round_a_router_as_a_service_the_path_is_told() {
    let (world, told) = (World::new(), Told::default());
    let app = told.by(world.monitor()).layer(tables());
    ask(
        app,
        get("http://user:secret@shop.example/tables/7?token=secret"),
    )
    .await;
    assert_eq!(path_of_line(&told), "/tables/7");
}

#[tokio::test]
async fn a_long_path_is_cut() {
    let (world, told) = (World::new(), Told::default());
    let app = Router::new().layer(told.by(world.monitor()));
    let path = path_of(app, &told, &format!("/{}", "x".repeat(5_000))).await;
    assert_eq!(path, format!("/{}...", "x".repeat(199)));
}

#[tokio::test]
async fn one_layer_stands_round_many_routes() {
    let (world, told) = (World::new(), Told::default());
    let monitor = told.by(world.monitor());
    let app = Router::<()>::new()
        .route("/a", on_get(async || "a").layer(monitor.clone()))
        .route("/b", on_get(async || "b").post(async || "b").layer(monitor));
    for target in ["/a", "/b"] {
        ask(app.clone(), get(target)).await;
    }
    let post = Request::post("/b").body(Body::empty()).unwrap();
    ask(app, post).await;
    let told: Vec<_> = told
        .lines()
        .iter()
        .map(|line| line.split(" hits").next().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["GET /a 200", "GET /b 200", "POST /b 200"]);
}
