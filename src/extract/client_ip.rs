//! The client's address, for a handler.

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::MissingLayer;
use crate::identity::client::{Found, full_address};
use crate::identity::{ClientIp, Trace};

/// Whoever reads the address makes an answer for this client: only a page that varies on the whole of it is stored.
impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = ClientIpRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        read(parts).ok_or_else(|| match parts.extensions.get::<Found>() {
            Some(_) => ClientIpRejection::NoPeer,
            None => ClientIpRejection::MissingLayer(MissingLayer {
                wanted: "ClientIp",
                layer: "ClientIpLayer",
            }),
        })
    }
}

/// `None` without the layer, and without a peer.
impl<S: Sync> OptionalFromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(read(parts))
    }
}

fn read(parts: &mut Parts) -> Option<ClientIp> {
    let client = Found::of(&parts.extensions);
    Trace::of_or_new(&mut parts.extensions).read(full_address(client));
    client
}

/// A handler asks for the [`ClientIp`], and there is none: a 500 that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIpRejection {
    /// No [`ClientIpLayer`](crate::ClientIpLayer) stands round the route.
    #[error(transparent)]
    MissingLayer(MissingLayer),
    /// The layer does not know who connected.
    #[error(
        "larder: ClientIp was asked for, but ClientIpLayer does not know who connected; \
         serve with `into_make_service_with_connect_info::<SocketAddr>()`, or tell `ClientIpLayer::peer` where it stands"
    )]
    NoPeer,
}

impl IntoResponse for ClientIpRejection {
    fn into_response(self) -> Response {
        match self {
            Self::MissingLayer(missing) => missing.into_response(),
            Self::NoPeer => (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response(),
        }
    }
}
