//! How a service tells the cache that it could not ask its origin.

/// Put into a response's extensions by a service that could not reach its origin, or got no answer in time.
///
/// To a cache that is not the same as an answer that says 502 or 504: while the origin cannot be reached, a cache may answer with what is
/// stale (RFC 9111 §4.2.4), and what must be revalidated becomes a 504 (§5.2.2.2).
///
/// ```
/// use http::{Response, StatusCode};
/// use larder::Unreachable;
///
/// fn bad_gateway() -> Response<String> {
///     let mut response = Response::new("the origin does not answer\n".to_owned());
///     *response.status_mut() = StatusCode::BAD_GATEWAY;
///     response.extensions_mut().insert(Unreachable);
///     response
/// }
/// # drop(bad_gateway());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreachable;
