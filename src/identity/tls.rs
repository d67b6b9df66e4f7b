//! Who has proved to be the holder of a certificate.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;

use http::Extensions;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use super::IdentityType;
use super::identify::Identify;
use super::value::Identity;
use crate::request::RequestHead;

/// What tonic's server, or `tokio_rustls` under it, tells of a connection.
type Told = TlsConnectInfo<TcpConnectInfo>;

/// Whoever holds the certificate that the client has shown in its TLS handshake (feature `tonic-tls`), by the digest of that certificate. A client
/// without one is anonymous.
///
/// The server has found it good, if it was told whom to trust (`ServerTlsConfig::client_ca_root`); one that asks for no certificates gets none.
/// It is the certificate that is named, and not the one whose name stands in it: with each renewal a client becomes somebody else, with a quota and
/// pages of its own. [`tls_peer_by`] reads what stays the same.
///
/// ```
/// use larder::limit::RateLimiter;
/// use larder::{MemoryLimiter, identity};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let layer = limiter.layer("calls").quota("100/m", identity::tls_peer()).build()?;
/// # drop(layer);
/// # Ok::<(), larder::limit::RateLimitError>(())
/// ```
pub const fn tls_peer() -> TlsPeer {
    TlsPeer(())
}

/// Whoever `tell` says holds a certificate, of which it is given the DER: a subject or an alternative name, by the application's own parser. `None`
/// is nobody in particular. `name` says what it tells, and is the kind of the [`Identity`].
///
/// ```
/// use larder::identity;
///
/// let by_service = identity::tls_peer_by("service", |certificate| service_name(certificate));
/// # fn service_name(_: &[u8]) -> Option<String> { None }
/// # let _ = by_service;
/// ```
pub fn tls_peer_by<V>(
    name: impl Into<Cow<'static, str>>,
    tell: impl Fn(&[u8]) -> Option<V> + Send + Sync + 'static,
) -> TlsPeerBy<impl Fn(&[u8]) -> Option<V> + Send + Sync + 'static>
where
    V: AsRef<[u8]> + 'static,
{
    TlsPeerBy {
        name: name.into(),
        tell,
    }
}

/// See [`tls_peer`].
#[derive(Clone, Copy, Debug)]
pub struct TlsPeer(());

impl Identify for TlsPeer {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let digest = |certificate: &[u8]| *blake3::hash(certificate).as_bytes();
        match with_certificate(request.extensions, digest) {
            Some(digest) => Identity::known(self.name(), digest),
            None => Identity::anonymous(self.name()),
        }
    }

    fn name(&self) -> String {
        "certificate of the TLS peer".to_owned()
    }

    fn types(&self) -> Vec<IdentityType> {
        vec![certificate()]
    }
}

/// See [`tls_peer_by`].
#[derive(Clone)]
pub struct TlsPeerBy<F> {
    name: Cow<'static, str>,
    tell: F,
}

impl<F, V> Identify for TlsPeerBy<F>
where
    F: Fn(&[u8]) -> Option<V> + Send + Sync + 'static,
    V: AsRef<[u8]> + 'static,
{
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name.clone();
        match with_certificate(request.extensions, &self.tell).flatten() {
            Some(value) => Identity::known(kind, value),
            None => Identity::anonymous(kind),
        }
    }

    fn name(&self) -> String {
        format!("{} of the TLS peer", self.name)
    }

    fn types(&self) -> Vec<IdentityType> {
        vec![certificate()]
    }
}

impl<F> fmt::Debug for TlsPeerBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the TLS peer", self.name)
    }
}

/// The certificate of a client as an extension that says who is asking. A connection with TLS on which no client has shown one says nothing.
pub(super) fn certificate() -> IdentityType {
    IdentityType {
        id: TypeId::of::<Told>(),
        name: "certificate of the TLS peer",
        is_present: |extensions| with_certificate(extensions, |_| ()).is_some(),
        remove: |extensions| {
            extensions.remove::<Told>();
        },
    }
}

/// Reads the client's own certificate, which stands before those of its authorities (RFC 8446 §4.4.2).
fn with_certificate<T>(extensions: &Extensions, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let chain = extensions.get::<Told>()?.peer_certs()?;
    chain.first().map(|leaf| read(leaf.as_ref()))
}
