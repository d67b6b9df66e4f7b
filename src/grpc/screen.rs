//! May this call use the cache, as far as its metadata tell? (SPEC GRPC-09)

use http::{HeaderMap, HeaderName};

use crate::page::FORWARDING;

/// What belongs to the protocol, or tells where a call came from and not what it asks for. None of it is in the key.
const INERT: [&str; 32] = [
    "accept-encoding",
    "b3",
    "content-length",
    "content-type",
    "date",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message-type",
    "grpc-previous-rpc-attempts",
    "grpc-tags-bin",
    "grpc-timeout",
    "grpc-trace-bin",
    "host",
    "te",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-real-ip",
    "x-request-id",
];

/// What the page cache has rules of its own for, beside what steers handlers behind proxies, which it keys: credentials, which are bypassed
/// unless they are keyed or withheld, and directives.
const JUDGED: [&str; 4] = [
    "authorization",
    "cache-control",
    "cookie",
    "proxy-authorization",
];

/// What has a meaning in HTTP that a cache would have to act upon, and none in gRPC: no call that carries it is answered from the store.
const FOREIGN: [&str; 10] = [
    "connection",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Which metadata a method's answers may be stored with.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// They are in the key.
    pub(super) keyed: Vec<HeaderName>,
    /// Answers do not depend on them.
    pub(super) inert: Vec<HeaderName>,
    /// They say who is asking, which is in the key.
    pub(super) identity: Vec<HeaderName>,
    /// Do answers depend on no other?
    pub(super) lenient: bool,
}

/// Is everything known that could bear on the answer? Else the first name that is not.
pub(super) fn screen<'a>(headers: &'a HeaderMap, known: &Known) -> Result<(), &'a HeaderName> {
    let is_of = |names: &[HeaderName], name: &HeaderName| names.contains(name);
    for name in headers.keys() {
        let text = name.as_str();
        if FOREIGN.contains(&text) {
            return Err(name);
        }
        let is_known = known.lenient
            || INERT.binary_search(&text).is_ok()
            || JUDGED.contains(&text)
            || FORWARDING.contains(&text)
            || is_of(&known.keyed, name)
            || is_of(&known.inert, name)
            || is_of(&known.identity, name);
        if !is_known {
            return Err(name);
        }
    }
    Ok(())
}

/// Is it nothing that a policy can speak of: part of the protocol, foreign to it, or a credential?
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    const PROTOCOL: [&str; 3] = ["content-type", "te", "host"];
    const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
    let name = name.as_str();
    name.starts_with("grpc-")
        || PROTOCOL.contains(&name)
        || CREDENTIALS.contains(&name)
        || FOREIGN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_inert_names_is_sorted() {
        assert!(INERT.is_sorted());
    }
}
