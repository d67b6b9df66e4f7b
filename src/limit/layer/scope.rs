//! Which requests a limit is about.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use crate::identity::client::{Found, canonical};
use crate::request::RequestHead;

/// A question that the application answers for each request.
pub(super) type Predicate = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// Which requests a limit is about.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) methods: Methods,
    /// The paths of the gRPC methods that it is about alone.
    pub(super) calls: Option<HashSet<String>>,
    pub(super) allowed: Vec<IpNet>,
    pub(super) denied: Vec<IpNet>,
    pub(super) exempt: Option<Predicate>,
}

/// The methods of a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Methods {
    #[default]
    All,
    /// All that RFC 9110 §9.2.1 does not call safe.
    Unsafe,
    These(Vec<Method>),
}

/// What to do with a request, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Deny,
    Limit,
}

impl Scope {
    pub(super) fn of(&self, head: &RequestHead<'_>) -> Verdict {
        if !self.methods.contains(head.method) {
            return Verdict::Pass;
        }
        // By their paths alone: a handler may answer what does not look like a call. Within `nest` it sees a rest of the path.
        let is_other = |paths: &HashSet<String>| {
            !paths.contains(head.uri.path()) && !paths.contains(head.target().path())
        };
        if self.calls.as_ref().is_some_and(is_other) {
            return Verdict::Pass;
        }
        if self
            .exempt
            .as_ref()
            .is_some_and(|is_exempt| is_exempt(head))
        {
            return Verdict::Pass;
        }
        if self.allowed.is_empty() && self.denied.is_empty() {
            return Verdict::Limit;
        }
        let Some(client) = Found::of(head.extensions) else {
            return Verdict::Limit;
        };
        let holds = |networks: &[IpNet]| networks.iter().any(|net| net.contains(&client.addr()));
        if holds(&self.allowed) {
            return Verdict::Pass;
        }
        match holds(&self.denied) {
            true => Verdict::Deny,
            false => Verdict::Limit,
        }
    }
}

impl Methods {
    fn contains(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Unsafe => !method.is_safe(),
            Self::These(methods) => methods.contains(method),
        }
    }
}

/// A network, or an address as a network of its own. Addresses of IPv4 that are written mapped into IPv6 are addresses of IPv4.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let addr = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| addr());
    network.ok().map(canonical)
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("methods", &self.methods)
            .field("calls", &self.calls)
            .field("allowed", &self.allowed)
            .field("denied", &self.denied)
            .finish_non_exhaustive()
    }
}
