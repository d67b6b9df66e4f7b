use std::net::SocketAddr;

use http::{Request, Response};
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt;

use super::*;

fn told(peer: Option<[u8; 4]>) -> TcpConnectInfo {
    TcpConnectInfo {
        local_addr: None,
        remote_addr: peer.map(|addr| SocketAddr::from((addr, 4711))),
    }
}

async fn client<T: Clone + Send + Sync + 'static>(
    proxies: TrustedProxies,
    told: T,
) -> Option<IpAddr> {
    let service = ClientIpLayer::new(proxies).layer(tower::service_fn(
        async |request: Request<()>| -> Result<_, std::convert::Infallible> {
            Ok(Response::new(ClientIp::of(request.extensions())))
        },
    ));
    let request = Request::post("/catalog.Catalog/GetItem")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
        .extension(told)
        .body(())
        .unwrap();
    let answer = service.oneshot(request).await.unwrap();
    answer.into_body().map(|client| client.addr())
}

#[tokio::test]
async fn tonics_peer_is_the_client_and_a_trusted_one_is_asked_for_whom() {
    let ten = told(Some([10, 0, 0, 1]));
    assert_eq!(
        client(TrustedProxies::none(), ten.clone()).await,
        Some(IpAddr::from([10, 0, 0, 1]))
    );
    assert_eq!(
        client(TrustedProxies::private_ranges(), ten).await,
        Some(IpAddr::from([203, 0, 113, 9]))
    );
    // A Unix socket: nobody is believed.
    assert_eq!(
        client(TrustedProxies::private_ranges(), told(None)).await,
        None
    );
}
