//! Who connected, as the server told it.

use std::net::IpAddr;

use http::Extensions;

/// What axum's or tonic's server puts into requests, or a test in its place.
pub(super) fn connected(extensions: &Extensions) -> Option<IpAddr> {
    axum_peer(extensions).or_else(|| tonic_peer(extensions))
}

/// What `into_make_service_with_connect_info::<SocketAddr>()` puts into requests, or a test in its place.
#[cfg(feature = "axum")]
fn axum_peer(extensions: &Extensions) -> Option<IpAddr> {
    use std::net::SocketAddr;

    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    let mocked = || Some(extensions.get::<MockConnectInfo<SocketAddr>>()?.0);
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|connected| connected.0)
        .or_else(mocked)
        .map(|addr| addr.ip())
}

#[cfg(not(feature = "axum"))]
fn axum_peer(_: &Extensions) -> Option<IpAddr> {
    None
}

/// What tonic's server tells of a connection, with TLS or without.
#[cfg(feature = "tonic")]
fn tonic_peer(extensions: &Extensions) -> Option<IpAddr> {
    use tonic::transport::server::TcpConnectInfo;

    let plain = extensions.get::<TcpConnectInfo>();
    let connected = plain.or_else(|| within_tls(extensions));
    connected?.remote_addr().map(|addr| addr.ip())
}

#[cfg(not(feature = "tonic"))]
fn tonic_peer(_: &Extensions) -> Option<IpAddr> {
    None
}

/// Who uses `tokio_rustls` by itself gets the address within what is told of TLS.
#[cfg(feature = "tonic-tls")]
fn within_tls(extensions: &Extensions) -> Option<&tonic::transport::server::TcpConnectInfo> {
    use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

    let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    tls.map(TlsConnectInfo::get_ref)
}

#[cfg(all(feature = "tonic", not(feature = "tonic-tls")))]
fn within_tls(_: &Extensions) -> Option<&tonic::transport::server::TcpConnectInfo> {
    None
}
