//! The layers beside the cache, round one service of a tonic server: it is added by the name of the service within.

use tonic::server::NamedService;

use crate::cache::CachesService;
use crate::control::InvalidationService;
use crate::identity::client::ClientIpService;
use crate::monitor::MonitorService;

/// So that a service with its layer can be added to a tonic server.
impl<S: NamedService> NamedService for CachesService<S> {
    const NAME: &'static str = S::NAME;
}

/// So that a service with its layer can be added to a tonic server.
impl<S: NamedService> NamedService for ClientIpService<S> {
    const NAME: &'static str = S::NAME;
}

/// So that a service with its layer can be added to a tonic server.
impl<S: NamedService> NamedService for InvalidationService<S> {
    const NAME: &'static str = S::NAME;
}

/// So that a service with its layer can be added to a tonic server.
impl<S: NamedService> NamedService for MonitorService<S> {
    const NAME: &'static str = S::NAME;
}
