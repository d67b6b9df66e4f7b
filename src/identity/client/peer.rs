//! Who connected, as the server told it.

use std::net::IpAddr;
#[cfg(feature = "axum")]
use std::net::SocketAddr;

#[cfg(feature = "axum")]
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use http::Extensions;

/// What `into_make_service_with_connect_info::<SocketAddr>()` puts into requests, or a test in its place.
#[cfg(feature = "axum")]
pub(super) fn connected(extensions: &Extensions) -> Option<IpAddr> {
    let mocked = || Some(extensions.get::<MockConnectInfo<SocketAddr>>()?.0);
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|connected| connected.0)
        .or_else(mocked)
        .map(|addr| addr.ip())
}

/// Nothing that is known without axum.
#[cfg(not(feature = "axum"))]
pub(super) fn connected(_: &Extensions) -> Option<IpAddr> {
    None
}
