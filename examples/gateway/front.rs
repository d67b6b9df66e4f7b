//! What is refused or put right before the cache sees it.

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
        header::{ALLOW, HOST, MAX_FORWARDS, TRANSFER_ENCODING},
        uri::{self, Authority, Scheme},
    },
};
use http_body_util::Full;

use crate::{failure::say, hop, proxy::Peer};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A request that goes on, with one host and a path, or the answer to one that does not.
pub(crate) fn admit<B>(mut request: Request<B>) -> Result<Request<B>, Box<Response<Full<Bytes>>>> {
    let refuse = |status, why: &str| Err(Box::new(say(status, why)));
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return refuse(
            StatusCode::NOT_IMPLEMENTED,
            "this gateway does not serve CONNECT and TRACE",
        );
    }
    if let Err(why) = check_host(&request) {
        return refuse(StatusCode::BAD_REQUEST, why);
    }
    if let Some(scheme) = request.uri().scheme()
        && *scheme != Scheme::HTTP
    {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this gateway serves plain http",
        );
    }
    if let Err(why) = to_origin_form(&mut request) {
        return refuse(StatusCode::BAD_REQUEST, why);
    }
    if !is_framed_plainly(request.headers()) {
        return refuse(
            StatusCode::NOT_IMPLEMENTED,
            "this gateway understands no transfer coding but chunked",
        );
    }
    hop::strip_named(request.headers_mut());
    name_peer(&mut request);
    match take_step(&mut request) {
        Step::Forward => Ok(request),
        Step::Answer => Err(Box::new(options())),
        Step::Refuse => refuse(StatusCode::BAD_REQUEST, "Max-Forwards is no number"),
    }
}

/// RFC 9112 §3.2: a request of HTTP/1.1 names one host.
fn check_host<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        (None, _) => Err("the request names no host"),
        (Some(_), Some(_)) => Err("the request names more than one host"),
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if !host.as_str().contains('@') => Ok(()),
            _ => Err("the request's host is none"),
        },
    }
}

/// RFC 9112 §3.2.2: what an absolute target says of the host counts, and not what `Host` says.
fn to_origin_form<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    let Some(path) = uri.path_and_query else {
        return Err("the request's target is no path");
    };
    let is_star = path.as_str() == "*" && *request.method() == Method::OPTIONS;
    if !is_star && !path.path().starts_with('/') {
        return Err("the request's target is no path");
    }
    if let Some(authority) = uri.authority {
        if authority.as_str().contains('@') {
            return Err("the request's target has a user name");
        }
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| "the request's host is none")?;
        request.headers_mut().insert(HOST, host);
    }
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| "the request's target is no path")?;
    Ok(())
}

/// RFC 9112 §6.1: what is in another coding would reach the origin as if it were plain.
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"chunked"))
}

/// Adds the address to those that proxies before us have seen. Here, so that a response that varies by it is selected by what the origin sees.
fn name_peer<B>(request: &mut Request<B>) {
    if let Some(Peer(address)) = request.extensions().get::<Peer>()
        && let Ok(ip) = HeaderValue::from_str(&address.ip().to_string())
    {
        request.headers_mut().append(X_FORWARDED_FOR, ip);
    }
}

enum Step {
    Forward,
    Answer,
    Refuse,
}

/// RFC 9110 §7.6.2: OPTIONS may say how far it goes.
fn take_step<B>(request: &mut Request<B>) -> Step {
    if *request.method() != Method::OPTIONS {
        return Step::Forward;
    }
    let Some(steps) = request.headers().get(MAX_FORWARDS) else {
        return Step::Forward;
    };
    let steps = steps
        .to_str()
        .ok()
        .and_then(|steps| steps.parse::<u64>().ok());
    match steps {
        None => Step::Refuse,
        Some(0) => Step::Answer,
        Some(steps) => {
            let left = HeaderValue::from(steps - 1);
            request.headers_mut().insert(MAX_FORWARDS, left);
            Step::Forward
        }
    }
}

fn options() -> Response<Full<Bytes>> {
    let mut response = say(StatusCode::OK, "a gateway in front of its origin");
    let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::request::Builder;

    use super::*;

    fn admitted(request: Builder) -> Result<Request<()>, u16> {
        admit(request.body(()).expect("a request")).map_err(|answer| answer.status().as_u16())
    }

    fn get(target: &str) -> Builder {
        Request::get(target).header(HOST, "shop.example")
    }

    #[test]
    fn an_absolute_target_gives_the_host() {
        let request = admitted(get("http://other.example:81/a?b")).expect("it goes on");
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()[HOST], "other.example:81");
    }

    #[test]
    fn a_request_names_one_host() {
        for request in [
            Request::get("/"),
            Request::get("http://shop.example/"),
            get("/").header(HOST, "shop.example"),
            Request::get("/").header(HOST, "shop example"),
            Request::get("/").header(HOST, "me@shop.example"),
            Request::get("/").header(HOST, "shop.example/path"),
            Request::get("/").header(HOST, ""),
            get("http://me@shop.example/"),
        ] {
            let said = format!("{request:?}");
            assert_eq!(admitted(request).err(), Some(400), "{said}");
        }
        let old = Request::get("/").version(Version::HTTP_10);
        assert!(admitted(old).is_ok());
    }

    #[test]
    fn targets_that_are_no_path_are_refused() {
        assert_eq!(admitted(get("*")).err(), Some(400));
        assert_eq!(admitted(get("shop.example:80")).err(), Some(400));
        assert_eq!(admitted(get("https://shop.example/")).err(), Some(421));
        let star = Request::options("*").header(HOST, "shop.example");
        assert_eq!(admitted(star).expect("it goes on").uri(), "*");
    }

    #[test]
    fn tunnels_and_traces_are_not_served() {
        for (method, target) in [("CONNECT", "shop.example:80"), ("TRACE", "/")] {
            let request = Request::builder().method(method).uri(target);
            let request = request.header(HOST, "shop.example");
            assert_eq!(admitted(request).err(), Some(501), "{method}");
        }
    }

    #[test]
    fn options_go_as_far_as_they_say() {
        let options = |steps| {
            let request = Request::options("/").header(HOST, "shop.example");
            admitted(request.header(MAX_FORWARDS, steps))
        };
        assert_eq!(options("0").err(), Some(200));
        assert_eq!(options("x").err(), Some(400));
        let on = options("2").expect("it goes on");
        assert_eq!(on.headers()[MAX_FORWARDS], "1");
    }
}
