//! The address of a call under a client, which the channel gives it only further in: until then it has that of its layer.

use http::header::HOST;
use http::uri::{Authority, Parts, Scheme};
use http::{Request, Uri};

/// Whose address a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Own,
    /// That of the layer, which the inner service does not see.
    Lent,
}

impl Address {
    /// Addresses a call to `upstream` that is addressed to nobody.
    pub(super) fn lend<B>(request: &mut Request<B>, upstream: Option<&Authority>) -> Self {
        let is_addressed =
            request.uri().authority().is_some() || request.headers().contains_key(HOST);
        let Some(upstream) = upstream.filter(|_| !is_addressed) else {
            return Self::Own;
        };
        let mut parts = request.uri().clone().into_parts();
        // The scheme is that of a channel that nobody has seen: all are keyed as one.
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(upstream.clone());
        let Ok(uri) = Uri::from_parts(parts) else {
            return Self::Own;
        };
        *request.uri_mut() = uri;
        Self::Lent
    }

    /// The call again as its client has sent it.
    pub(super) fn take_back<B>(self, request: &mut Request<B>) {
        if self == Self::Own {
            return;
        }
        let mut parts = Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_lent_to_who_has_none_and_taken_back() {
        let upstream = Authority::from_static("catalog.internal:443");
        let mut call = Request::post("/catalog.Catalog/GetItem?x")
            .body(())
            .unwrap();
        assert_eq!(Address::lend(&mut call, None), Address::Own);
        let address = Address::lend(&mut call, Some(&upstream));
        assert_eq!(address, Address::Lent);
        let lent = "http://catalog.internal:443/catalog.Catalog/GetItem?x";
        assert_eq!(call.uri(), lent);
        // It is one of its own now.
        assert_eq!(Address::lend(&mut call, Some(&upstream)), Address::Own);
        Address::Own.take_back(&mut call);
        assert_eq!(call.uri(), lent);
        address.take_back(&mut call);
        assert_eq!(call.uri(), "/catalog.Catalog/GetItem?x");
        call.headers_mut().insert(HOST, "a".parse().unwrap());
        assert_eq!(Address::lend(&mut call, Some(&upstream)), Address::Own);
    }
}
