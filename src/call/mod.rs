//! Is this request a gRPC call, and what do layers have to know of it that are not about calls?

mod timeout;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

pub(crate) use self::timeout::grpc_timeout;
#[cfg(feature = "tonic")]
pub(crate) use self::timeout::{GRPC_TIMEOUT, timeout_value};
use crate::request::RequestHead;

/// Is it one (gRPC over HTTP/2, Requests)? gRPC-Web is not.
pub(crate) fn is_call(head: &RequestHead<'_>) -> bool {
    *head.method == Method::POST && has_grpc_content(head.headers)
}

/// Does a message with these fields carry gRPC content: `application/grpc`, alone or before `+` or `;`?
pub(crate) fn has_grpc_content(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    const NAME: &[u8] = b"application/grpc";
    let line = line.as_bytes();
    line.get(..NAME.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        && matches!(line.get(NAME.len()), None | Some(b'+' | b';'))
}

/// Does the head of an answer end a call with a code that is an error (Trailers-Only)? What comes in trailers is not known yet.
pub(crate) fn has_failed(headers: &HeaderMap) -> bool {
    let mut codes = headers.get_all("grpc-status").iter();
    has_grpc_content(headers) && codes.any(|code| code != "0")
}

/// Can this be the path of a method: `/package.Service/Method`?
pub(crate) fn is_method_path(path: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    path.strip_prefix('/')
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(service, method)| is_name(service) && is_name(method))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    #[test]
    fn content_types_tell_calls() {
        for (content_type, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            let request = |method: &str| {
                Request::builder()
                    .method(method)
                    .uri("/a.B/C")
                    .header("content-type", content_type)
                    .body(())
                    .unwrap()
            };
            assert_eq!(
                is_call(&RequestHead::of(&request("POST"))),
                is,
                "{content_type}"
            );
            assert!(!is_call(&RequestHead::of(&request("GET"))));
        }
        let mut twice = HeaderMap::new();
        assert!(!has_grpc_content(&twice));
        for _ in 0..2 {
            twice.append("content-type", HeaderValue::from_static("application/grpc"));
        }
        assert!(!has_grpc_content(&twice));
    }

    #[test]
    fn methods_have_a_service_and_a_name() {
        for path in ["/catalog.Catalog/GetItem", "/Catalog/Get_Item"] {
            assert!(is_method_path(path), "{path}");
        }
        for path in [
            "",
            "/",
            "//",
            "catalog.Catalog/GetItem",
            "/catalog.Catalog",
            "/catalog.Catalog/",
            "/catalog.Catalog/Get/Item",
            "/catalog.Catalog/GetItem?x",
            "/catalog Catalog/GetItem",
        ] {
            assert!(!is_method_path(path), "{path}");
        }
    }
}
