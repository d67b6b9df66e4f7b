//! The layer that finds the client's address.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::address::ClientIp;
use super::network::full_address;
use super::peer::connected;
use super::proxies::TrustedProxies;
use crate::identity::Trace;

/// Finds the [`ClientIp`] of each request and puts it into the request's extensions.
///
/// It stands outside everything that asks for it: a page that varies on it, a limit, a handler. Where several stand round a route, the
/// outermost that knows the peer counts, so that all of them, and the handler, see one client.
///
/// The peer is what `into_make_service_with_connect_info::<SocketAddr>()` told axum, what tonic's server tells of a connection (`TcpConnectInfo`,
/// feature `tonic`; within `TlsConnectInfo`, feature `tonic-tls`), or what [`peer`](Self::peer) finds. Where there is none, as on a Unix socket, there is no [`ClientIp`], no field is read, and to [`client_ip`](super::client_ip) all such requests are one. See the
/// [module](super) for what may go wrong.
///
/// ```
/// use axum::{Router, routing::get};
/// use larder::{ClientIp, ClientIpLayer, TrustedProxies};
///
/// async fn whoami(client: ClientIp) -> String {
///     client.to_string()
/// }
///
/// let app: Router = Router::new()
///     .route("/whoami", get(whoami))
///     .layer(ClientIpLayer::new(TrustedProxies::private_ranges()));
/// # drop(app);
/// ```
#[derive(Clone)]
pub struct ClientIpLayer {
    finder: Finder,
}

#[derive(Clone)]
struct Finder {
    proxies: Arc<TrustedProxies>,
    peer: Peer,
}

type Peer = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// What a layer came to that has looked for the address. Private, so that nobody reads it without being seen.
#[derive(Clone, Copy)]
pub(crate) struct Found(pub(crate) Option<ClientIp>);

impl ClientIp {
    /// The address that a [`ClientIpLayer`] has found, for a service that is no axum handler. An answer that was made from it is stored only where
    /// pages vary on the whole address.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let client = Found::of(extensions);
        if let Some(trace) = Trace::of(extensions) {
            trace.read(full_address(client));
        }
        client
    }
}

impl Found {
    /// The address, where the reader is seen otherwise.
    pub(crate) fn of(extensions: &Extensions) -> Option<ClientIp> {
        extensions.get::<Self>().and_then(|found| found.0)
    }
}

impl ClientIpLayer {
    /// Believes these proxies.
    pub fn new(proxies: TrustedProxies) -> Self {
        Self {
            finder: Finder {
                proxies: Arc::new(proxies),
                peer: Arc::new(connected),
            },
        }
    }

    /// Where it stands who connected. Default: axum's `ConnectInfo<SocketAddr>`, or else tonic's `TcpConnectInfo`; without the features `axum` and
    /// `tonic`, nowhere.
    ///
    /// A proxy that connects by a Unix socket has no address; one may be given to it, so that it can be trusted:
    ///
    /// ```
    /// use larder::{ClientIpLayer, TrustedProxies};
    /// use std::net::{IpAddr, Ipv4Addr};
    ///
    /// let layer = ClientIpLayer::new(TrustedProxies::private_ranges())
    ///     .peer(|_| Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn peer(
        mut self,
        peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.finder.peer = Arc::new(peer);
        self
    }
}

impl fmt::Debug for ClientIpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIpLayer")
            .field("proxies", &self.finder.proxies)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ClientIpLayer {
    type Service = ClientIpService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientIpService {
            inner,
            finder: self.finder.clone(),
        }
    }
}

/// The service of a [`ClientIpLayer`].
#[derive(Clone)]
pub struct ClientIpService<S> {
    inner: S,
    finder: Finder,
}

impl<S> fmt::Debug for ClientIpService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIpService").finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<B>> for ClientIpService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if Found::of(request.extensions()).is_none() {
            let found = Found(self.finder.find(&request));
            request.extensions_mut().insert(found);
        }
        self.inner.call(request)
    }
}

impl Finder {
    fn find<B>(&self, request: &Request<B>) -> Option<ClientIp> {
        let peer = (self.peer)(request.extensions())?;
        Some(self.proxies.client(peer, request.headers()))
    }
}

#[cfg(all(test, feature = "axum"))]
#[path = "layer_tests.rs"]
mod tests;

#[cfg(all(test, feature = "tonic"))]
#[path = "tonic_tests.rs"]
mod tonic_tests;
