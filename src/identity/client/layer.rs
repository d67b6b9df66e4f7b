//! The layer that finds the client's address.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::address::ClientIp;
use super::peer::connected;
use super::proxies::TrustedProxies;

/// Finds the [`ClientIp`] of each request and puts it into the request's extensions.
///
/// It stands outside everything that asks for it: a page that varies on it, a limit, a handler. Where several stand round a route, the
/// outermost that knows the peer counts, so that all of them, and the handler, see one client.
///
/// The peer is what `into_make_service_with_connect_info::<SocketAddr>()` told axum, or what [`peer`](Self::peer) finds. Where there is none,
/// as on a Unix socket, there is no [`ClientIp`], no field is read, and to [`client_ip`](super::client_ip) all such requests are one. See the
/// [module](super) for what may go wrong.
///
/// ```
/// use axum::{Router, routing::get};
/// use larder::{ClientIp, ClientIpLayer, TrustedProxies};
///
/// async fn whoami(client: ClientIp) -> String {
///     client.addr().to_string()
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

/// A layer has looked for the address, found or not.
#[derive(Clone, Copy)]
pub(crate) struct Sought;

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

    /// Where it stands who connected. Default: axum's `ConnectInfo<SocketAddr>`; without the feature `axum`, nowhere.
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
        if request.extensions().get::<ClientIp>().is_none() {
            let found = self.finder.find(&request);
            let extensions = request.extensions_mut();
            extensions.insert(Sought);
            if let Some(client) = found {
                extensions.insert(client);
            }
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
