//! Who is asking, as far as a shared page must not know it.
//!
//! A page that is shared must not depend on a person. Three things say that a request comes from one: `Authorization`, `Cookie`, and a request
//! extension of a type that the application registered with
//! [`CacheBuilder::identity`](crate::cache::CacheBuilder::identity), because its own authentication puts it there.

pub mod client;
mod identify;
#[cfg(feature = "axum")]
mod path;
mod secret;
mod sources;
#[cfg(feature = "tonic-tls")]
mod tls;
mod trace;
mod value;

use std::any::{TypeId, type_name};
use std::fmt;

use http::Extensions;

pub use self::client::{
    ClientIp, ClientIpLayer, ClientIpService, ClientNetwork, PrefixError, Translator,
    TrustedProxies, TrustedProxiesError, client_ip,
};
pub use self::identify::{And, Identify, OfNoPerson, Or};
#[cfg(feature = "axum")]
pub use self::path::{PathParam, path_param};
pub(crate) use self::secret::{IdentityDigest, Secret};
pub use self::sources::{
    Closure, Extension, Field, NamedCookie, closure, cookie, extension, header,
};
#[cfg(feature = "tonic-tls")]
pub use self::tls::{TlsPeer, TlsPeerBy, tls_peer, tls_peer_by};
pub use self::trace::Trace;
pub(crate) use self::trace::Traced;
pub use self::value::Identity;

/// An extension type that says who is asking.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct IdentityType {
    id: TypeId,
    name: &'static str,
    is_present: fn(&Extensions) -> bool,
    remove: fn(&mut Extensions),
}

impl IdentityType {
    pub(crate) fn of<T: Clone + Send + Sync + 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
            is_present: |extensions| extensions.get::<T>().is_some(),
            remove: |extensions| {
                extensions.remove::<T>();
            },
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(crate) fn is_present(&self, extensions: &Extensions) -> bool {
        (self.is_present)(extensions)
    }

    pub(crate) fn remove(&self, extensions: &mut Extensions) {
        (self.remove)(extensions);
    }
}

/// What says who is asking without being registered.
#[cfg(feature = "tonic-tls")]
pub(crate) fn usual_types() -> Vec<IdentityType> {
    vec![tls::certificate()]
}

#[cfg(not(feature = "tonic-tls"))]
pub(crate) fn usual_types() -> Vec<IdentityType> {
    Vec::new()
}

impl fmt::Debug for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
