use std::collections::HashMap;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, http::StatusCode};
use proptest::prelude::*;
use tower::ServiceExt;

use super::*;

fn text(template: &str, path: &str, name: &str) -> Option<String> {
    param(template, path, name).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn a_parameter_is_found_where_its_template_has_it() {
    let table = [
        ("/{id}", "/7", "id", Some("7")),
        ("/{id}/", "/7/", "id", Some("7")),
        ("/a/{id}/b/{other}", "/a/7/b/8", "id", Some("7")),
        ("/a/{id}/b/{other}", "/a/7/b/8", "other", Some("8")),
        ("/a/{id}/b/{other}", "/a/7/b/8", "third", None),
        ("/v-{id}", "/v-7", "id", Some("7")),
        ("/{*rest}", "/a/b/c", "rest", Some("a/b/c")),
        ("/{id}/{*rest}", "/7/a//b/", "rest", Some("a//b/")),
        ("/{id}/{*rest}", "/7/a/b", "id", Some("7")),
        ("/{id}", "/7", "*id", None),
        ("/{*rest}", "/7", "*rest", None),
        ("/{id}", "/{id}", "id", Some("{id}")),
        ("/{id}", "/%2F", "id", Some("%2F")),
        ("/{id}", "/é", "id", Some("é")),
        // Braces that are letters.
        ("/{{id}}", "/{id}", "id", None),
        ("/{{{id}", "/{7", "id", Some("7")),
        ("/{{x}}/{id}", "/{x}/7", "id", Some("7")),
        ("/{a}}b}", "/7", "a}b", Some("7")),
        ("/{{a{{b}", "/{7", "a{b", None),
        ("/{a{{b}", "/7", "a{b", Some("7")),
        ("/{a}}}", "/7", "a}", Some("7")),
        // A router within a service, at its own root.
        ("/{id}/", "/7", "id", Some("7")),
    ];
    for (template, path, name, value) in table {
        assert_eq!(
            text(template, path, name).as_deref(),
            value,
            "{name} of {template} in {path}"
        );
    }
}

#[test]
fn a_path_that_is_not_the_templates_has_no_parameter() {
    for (template, path) in [
        ("/{id}", "/"),
        ("/{id}", ""),
        ("/{id}", "/7/8"),
        ("/{id}", "/7/"),
        ("/a/{id}", "/b/7"),
        ("/{id}/b", "/7/c"),
        ("/{id}/b", "/7"),
        ("/{id}/b", "/7/bc"),
        ("/{id}/{*rest}", "/7/"),
        ("/{id}/{*rest}", "/7"),
        ("/{id}", "*"),
        // No templates of axum's.
        ("/{id", "/7"),
        ("/{id}}", "/7"),
        ("{", ""),
    ] {
        assert_eq!(text(template, path, "id"), None, "{template} in {path}");
    }
}

#[test]
fn two_spellings_are_one_value() {
    let table = [
        ("abc", "abc"),
        ("a%62c", "abc"),
        ("%61%62%63", "abc"),
        ("a%2fb%2Fc", "a/b/c"),
        ("%C3%a9", "é"),
        ("a+b", "a+b"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz%4g", "%zz%4g"),
        ("%+1", "%+1"),
        ("%%41", "%A"),
        ("%2541", "%41"),
    ];
    for (spelled, value) in table {
        assert_eq!(decoded(spelled.as_bytes()), value.as_bytes(), "{spelled}");
    }
    assert_eq!(decoded(b"%ff%00"), [0xff, 0]);
}

proptest! {
    #[test]
    fn any_template_and_path_never_panic(
        template in "[/{}*a]{0,16}",
        path in "[/{}*a%4]{0,16}",
        name in "[{}*a]{0,3}",
    ) {
        if let Some(value) = param(&template, &path, &name) {
            prop_assert!(!value.is_empty());
            let _ = decoded(value);
        }
    }

    #[test]
    fn what_is_filled_in_is_found_again(
        before in "(/[a-z-]{1,4}){0,2}",
        value in "[a-z0-9%{}-]{1,8}",
        after in "(/[a-z-]{1,4}){0,2}",
        rest in "[a-z/]{1,8}",
    ) {
        let template = format!("{before}/x{{id}}{after}/{{*rest}}");
        let path = format!("{before}/x{value}{after}/{rest}");
        prop_assert_eq!(text(&template, &path, "id"), Some(value));
        prop_assert_eq!(text(&template, &path, "rest"), Some(rest));
    }
}

/// Puts who it is into the response, so that it can be compared with what the handler saw.
async fn identify(request: Request, next: Next) -> Response {
    let tenant = path_param("tenant").identify(&RequestHead::of(&request));
    let mut response = next.run(request).await;
    response.extensions_mut().insert(tenant);
    response
}

async fn tenant(Path(params): Path<HashMap<String, String>>) -> String {
    params.get("tenant").cloned().unwrap_or_default()
}

/// What the layer said, where the handler said the same of it.
async fn ask(app: &Router, path: &str) -> Option<String> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let identity = response.extensions().get::<Identity>().unwrap().clone();
    let seen = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    if seen.is_empty() {
        assert_eq!(
            identity,
            Identity::anonymous("path parameter tenant").of_no_person()
        );
        return None;
    }
    assert_eq!(
        identity,
        Identity::known("path parameter tenant", &seen).of_no_person(),
        "{path}"
    );
    Some(String::from_utf8(seen.to_vec()).unwrap())
}

#[tokio::test]
async fn a_layer_of_a_router_a_route_or_a_method_knows_the_parameter() {
    let routes = || Router::new().route("/{tenant}/report", get(tenant));
    let apps = [
        routes().layer(from_fn(identify)),
        routes().route_layer(from_fn(identify)),
        Router::new().route("/{tenant}/report", get(tenant).layer(from_fn(identify))),
        Router::new()
            .route(
                "/{tenant}/report",
                get(async |State(_): State<u8>, path| tenant(path).await),
            )
            .layer(from_fn(identify))
            .with_state(7),
    ];
    for app in apps {
        assert_eq!(ask(&app, "/abc/report?x=1").await.unwrap(), "abc");
        assert_eq!(ask(&app, "/a%62c/report").await.unwrap(), "abc");
        assert_eq!(ask(&app, "/%C3%A9%2F/report").await.unwrap(), "é/");
        assert_eq!(ask(&app, "/a+b%zz/report").await.unwrap(), "a+b%zz");
        assert_eq!(
            ask(&app, "http://host.example/abc/report").await.unwrap(),
            "abc"
        );
    }
}

#[tokio::test]
async fn under_nest_the_parameters_of_the_prefix_count_too() {
    let inner = || {
        Router::new()
            .route("/", get(tenant))
            .route("/report", get(tenant))
            .route("/{other}/x", get(tenant))
            .layer(from_fn(identify))
    };
    let apps = [
        Router::new().nest("/t/{tenant}", inner()),
        Router::new().nest("/t", Router::new().nest("/{tenant}", inner())),
        Router::new().nest_service("/t/{tenant}", inner()),
        Router::new()
            .nest("/t/{tenant}", Router::new().nest("/deep", inner()))
            .nest("/u/{tenant}", inner()),
    ];
    for (app, prefix) in apps.iter().zip(["/t/abc", "/t/abc", "/t/abc", "/u/abc"]) {
        for path in ["", "/report", "/y/x"] {
            assert_eq!(
                ask(app, &format!("{prefix}{path}")).await.as_deref(),
                Some("abc"),
                "{prefix}{path}"
            );
        }
    }
    assert_eq!(ask(&apps[3], "/t/abc/deep/report").await.unwrap(), "abc");
}

#[tokio::test]
async fn the_rest_of_a_path_is_a_parameter_and_literal_braces_are_none() {
    let app = Router::new()
        .route("/files/{*tenant}", get(tenant))
        .route("/{{tenant}}/{other}", get(tenant))
        .layer(from_fn(identify));
    assert_eq!(ask(&app, "/files/a/b%20c/").await.unwrap(), "a/b c/");
    assert_eq!(ask(&app, "/{tenant}/x").await, None);
}

#[tokio::test]
async fn where_no_route_has_matched_it_is_nobody() {
    let app = Router::new()
        .route("/plain", get(async || ""))
        .route("/other/{id}", get(async || ""))
        .fallback(async || "")
        .layer(from_fn(identify));
    for path in ["/plain", "/other/7", "/nowhere/7"] {
        assert_eq!(ask(&app, path).await, None, "{path}");
    }
    let request = Request::get("/abc/report").body(()).unwrap();
    let outside = path_param("tenant").identify(&RequestHead::of(&request));
    assert!(!outside.is_known() && !outside.is_unclear());
}
