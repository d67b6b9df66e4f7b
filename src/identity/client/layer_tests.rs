use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use axum::extract::{Request as AxumRequest, State};
use axum::routing::get;
use http::{Response, StatusCode};
use tower::ServiceExt;

use super::*;
use crate::extract::ClientIpRejection;
use crate::identity::{Identify, Trace, client_ip};
use crate::request::RequestHead;

async fn whoami(client: ClientIp) -> String {
    client.addr().to_string()
}

/// From a trusted proxy, that passes on 203.0.113.9.
fn request(path: &str) -> AxumRequest {
    let peer = SocketAddr::from(([10, 0, 0, 1], 4711));
    AxumRequest::get(path)
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
        .extension(ConnectInfo(peer))
        .body(Body::empty())
        .unwrap()
}

async fn send(app: Router, request: AxumRequest) -> (StatusCode, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn answer(app: Router, path: &str) -> String {
    let (status, body) = send(app, request(path)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn private() -> ClientIpLayer {
    ClientIpLayer::new(TrustedProxies::private_ranges())
}

#[tokio::test]
async fn a_handler_reads_the_client_wherever_the_layer_stands() {
    let route = || Router::new().route("/whoami", get(whoami));
    let apps = [
        ("/whoami", route().layer(private())),
        ("/whoami", route().route_layer(private())),
        (
            "/whoami",
            Router::new().route("/whoami", get(whoami).layer(private())),
        ),
        (
            "/a/whoami",
            Router::new().nest("/a", route().layer(private())),
        ),
        (
            "/a/whoami",
            Router::new().nest("/a", route()).layer(private()),
        ),
        (
            "/a/whoami",
            Router::new().nest_service("/a", route().layer(private())),
        ),
        (
            "/whoami",
            Router::new()
                .route(
                    "/whoami",
                    get(async |State(_): State<u8>, client| whoami(client).await),
                )
                .layer(private())
                .with_state(7),
        ),
        ("/whoami", Router::new().fallback(whoami).layer(private())),
    ];
    for (path, app) in apps {
        assert_eq!(answer(app, path).await, "203.0.113.9");
    }
}

#[tokio::test]
async fn without_trust_the_client_is_the_peer() {
    let layer = ClientIpLayer::new(TrustedProxies::none());
    let app = Router::new().route("/", get(whoami)).layer(layer);
    assert_eq!(answer(app, "/").await, "10.0.0.1");
}

#[tokio::test]
async fn without_the_layer_it_is_a_500_that_names_it() {
    let app = Router::new().route("/", get(whoami));
    let (status, body) = send(app, request("/")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("ClientIpLayer"), "{body}");
}

#[tokio::test]
async fn without_a_peer_it_is_a_500_that_says_how_to_tell_it() {
    let app = Router::new().route("/", get(whoami)).layer(private());
    let spoofed = AxumRequest::get("/").header("x-forwarded-for", "6.6.6.6");
    let (status, body) = send(app, spoofed.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, ClientIpRejection::NoPeer.to_string());
}

#[tokio::test]
async fn a_route_that_may_run_without_gets_nothing_without_the_layer_or_a_peer() {
    let optional = async |client: Option<ClientIp>| match client {
        Some(client) => whoami(client).await,
        None => "nobody".to_owned(),
    };
    let app = || Router::new().route("/", get(optional));
    assert_eq!(answer(app(), "/").await, "nobody");
    assert_eq!(answer(app().layer(private()), "/").await, "203.0.113.9");
    let no_peer = AxumRequest::get("/").body(Body::empty()).unwrap();
    let (status, body) = send(app().layer(private()), no_peer).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "nobody"));
}

#[tokio::test]
async fn the_peer_is_found_where_it_is_said_to_stand() {
    #[derive(Clone)]
    struct UnixPeer;
    let layer = private().peer(|extensions| {
        extensions
            .get::<UnixPeer>()
            .map(|_| IpAddr::from([127, 0, 0, 1]))
    });
    let app = Router::new().route("/", get(whoami)).layer(layer);
    let mut unix = request("/");
    unix.extensions_mut().insert(UnixPeer);
    assert_eq!(send(app.clone(), unix).await.1, "203.0.113.9");
    let (status, _) = send(app, request("/")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_test_may_put_a_peer_in_place_of_a_connection() {
    let mocked = MockConnectInfo(SocketAddr::from(([192, 168, 0, 1], 80)));
    let app = Router::new()
        .route("/", get(whoami))
        .layer(private())
        .layer(mocked);
    let forwarded = AxumRequest::get("/").header("x-forwarded-for", "203.0.113.9");
    let (_, body) = send(app, forwarded.body(Body::empty()).unwrap()).await;
    assert_eq!(body, "203.0.113.9");
}

#[tokio::test]
async fn of_several_layers_the_outermost_that_knows_the_peer_counts() {
    let none = || ClientIpLayer::new(TrustedProxies::none());
    let unknowing = || private().peer(|_| None);
    let app = || Router::new().route("/", get(whoami));
    let inner_trusts = app().layer(private()).layer(none());
    assert_eq!(answer(inner_trusts, "/").await, "10.0.0.1");
    let outer_trusts = app().layer(none()).layer(private());
    assert_eq!(answer(outer_trusts, "/").await, "203.0.113.9");
    let outer_knows_none = app().layer(private()).layer(unknowing());
    assert_eq!(answer(outer_knows_none, "/").await, "203.0.113.9");
    let inner_knows_none = app().layer(unknowing()).layer(private());
    assert_eq!(answer(inner_knows_none, "/").await, "203.0.113.9");
}

#[tokio::test]
async fn a_handler_that_reads_the_client_has_read_an_identity() {
    let (mut parts, _) = request("/").into_parts();
    parts
        .extensions
        .insert(Found(Some(ClientIp::from(IpAddr::from([203, 0, 113, 9])))));
    let key = client_ip().identify(&RequestHead {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        extensions: &parts.extensions.clone(),
    });

    <ClientIp as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &())
        .await
        .unwrap();

    let trace = Trace::of(&parts.extensions).unwrap();
    assert!(trace.has_read_identity());
    assert!(!trace.is_covered_by(None, true, 0));
    assert!(trace.is_covered_by(Some(&key), true, 0));
}

#[tokio::test]
async fn that_there_is_no_client_is_read_too() {
    let (mut parts, _) = request("/").into_parts();
    let found = <ClientIp as axum::extract::OptionalFromRequestParts<()>>::from_request_parts(
        &mut parts,
        &(),
    );
    assert_eq!(found.await, Ok(None));
    let trace = Trace::of(&parts.extensions).unwrap();
    assert!(trace.has_read_identity() && !trace.is_covered_by(None, true, 0));
}

#[tokio::test]
async fn any_body_and_any_error_pass_untouched() {
    struct NoBody;
    #[derive(Debug, PartialEq)]
    struct Failed;
    let service =
        private().layer(tower::service_fn(
            async |request: Request<NoBody>| match ClientIp::of(request.extensions()) {
                Some(client) => Ok(Response::new(client.addr())),
                None => Err(Failed),
            },
        ));
    let peer = SocketAddr::from(([198, 51, 100, 1], 1));
    let request = Request::builder().extension(ConnectInfo(peer));
    let response = service.clone().oneshot(request.body(NoBody).unwrap()).await;
    assert_eq!(response.unwrap().into_body(), peer.ip());
    let no_peer = service.oneshot(Request::new(NoBody)).await;
    assert_eq!(no_peer.unwrap_err(), Failed);
}

#[test]
fn what_stands_in_an_application_can_be_sent_and_cloned() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<ClientIp>();
    check::<ClientIpLayer>();
    check::<ClientIpService<()>>();
    check::<TrustedProxies>();
}
