//! What handlers answer: the secret of whoever they see, in every place of a message.

use axum::extract::FromRequestParts;
use http::header::{CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE};
use http::request::Parts;

use super::super::*;
use super::people::Way;
use super::routes::{Route, USER};
use crate::extract::Personal;
use crate::header::RangeSpec;
use crate::identity::Identity;
use crate::page::validate::is_listed;
use crate::{Trace, Unreachable};

/// How a handler learns who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// It looks at the request, and larder does not see it.
    Looks,
    /// By the extractor of an `Identity`.
    Identity,
    /// By an extractor of its own within `Personal`.
    Personal,
    /// By itself, and says so to the request's trace.
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Streamed,
    Trailers,
    /// It ends with an error.
    Broken,
}

/// How the handler answers one request.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) reads: Reads,
    pub(super) status: u16,
    pub(super) control: &'static str,
    /// `CDN-Cache-Control`.
    pub(super) targeted: Option<&'static str>,
    pub(super) vary: Option<&'static str>,
    pub(super) tag: bool,
    pub(super) dated: bool,
    pub(super) sets_cookie: bool,
    /// Does it judge conditions and ranges?
    pub(super) honest: bool,
    pub(super) search: bool,
    pub(super) form: Form,
    /// Does it wait until it is let go on?
    pub(super) slow: bool,
    pub(super) panics: bool,
    pub(super) unreachable: bool,
}

/// A reply on its way to the handler, which a refresh of the same request gets as well.
#[derive(Clone)]
pub(super) struct Answering {
    pub(super) reply: Reply,
    pub(super) gate: Gate,
}

/// The date of every version.
const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

pub(super) async fn answer(route: Route, data: Data, request: Request<Body>) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    let Answering { reply, gate } = parts.extensions.get().cloned().expect("every request");
    let version = data.read();
    let seen = reply.see(route, &mut parts).await;
    if reply.slow {
        gate.pass().await;
    }
    if reply.panics {
        // Without the hook, which would write of each.
        std::panic::resume_unwind(Box::new("a handler that panics"));
    }
    let shown = seen.filter(|(way, _)| !reply.is_for_all(route, *way));
    let secret = shown.map(|(_, secret)| secret);
    reply.response(route, version, secret.as_deref(), &parts)
}

impl Reply {
    /// Has the application promised that this answer is the same for all? Whoever it sees by what no key holds, it then shows to none.
    ///
    /// That it reads who is asking outweighs the promise, if it tells larder of it.
    fn is_for_all(&self, route: Route, by: Way) -> bool {
        let says = |word: &str| self.control.contains(word);
        let promises = says("public")
            || says("s-maxage")
            || self.targeted.is_some_and(|said| said.contains("public"))
            || (route.is_gateway() && says("must-revalidate"));
        promises && self.reads == Reads::Looks && !route.keyed().contains(&by)
    }

    async fn see(&self, route: Route, parts: &mut Parts) -> Option<(Way, String)> {
        let ways: &[Way] = match self.reads {
            Reads::Looks => route.looked_at(),
            Reads::Identity => {
                let read = Identity::from_request_parts(parts, &()).await;
                if read.is_err() {
                    return None;
                }
                &USER
            }
            Reads::Personal => {
                let read = Personal::<HeaderMap>::from_request_parts(parts, &()).await;
                if read.is_err() {
                    return None;
                }
                &Way::ALL
            }
            Reads::Trace => {
                Trace::of(&parts.extensions)?.read_identity();
                &Way::ALL
            }
        };
        let mut ways = ways.iter();
        ways.find_map(|way| Some((*way, way.seen(&parts.headers, &parts.extensions)?)))
    }

    fn response(
        &self,
        route: Route,
        version: u64,
        secret: Option<&str>,
        asked: &Parts,
    ) -> Response<Body> {
        let who = secret.unwrap_or("nobody");
        let body = format!("page {version} for {who}, {who} and {who}");
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: String| {
            headers.append(name, HeaderValue::try_from(value).unwrap());
        };
        say("x-for", who.to_owned());
        say("link", format!("</{who}>; rel=next"));
        if self.status == 301 {
            say("location", format!("/{who}"));
        }
        if !self.control.is_empty() {
            say("cache-control", self.control.to_owned());
        }
        if let Some(said) = self.targeted {
            say("cdn-cache-control", said.to_owned());
        }
        if let Some(names) = self.vary {
            say("vary", names.to_owned());
        }
        if self.tag {
            say("etag", format!("\"{version}-{}-{who}\"", self.status));
        }
        // Dates do not tell people apart, and where no layer knows that, the application must.
        let dated = self.dated && (secret.is_none() || route.is_of_people());
        if dated {
            say("last-modified", MODIFIED.to_owned());
        }
        if self.sets_cookie {
            say("set-cookie", format!("session={who}"));
        }
        if self.search {
            say("no-vary-search", "params=(\"utm\")".to_owned());
        }
        if asked.method == Method::POST {
            say("content-location", asked.uri.to_string());
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = headers;
        if self.unreachable && self.status == 503 {
            response.extensions_mut().insert(Unreachable);
        }
        CacheTags::new(["handler"]).add_to(response.extensions_mut());
        if self.honest && self.status == 200 && asked.method != Method::POST {
            if has_it(asked, response.headers(), dated) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return response;
            }
            if asked.method == Method::GET
                && let Some(part) = part_of(asked, &body, &response)
            {
                let (first, last) = part;
                let range = format!("bytes {first}-{}/{}", last - 1, body.len());
                let range = HeaderValue::try_from(range).unwrap();
                response.headers_mut().insert(CONTENT_RANGE, range);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                *response.body_mut() = Body::from(body[first..last].to_owned());
                return response;
            }
        }
        if asked.method != Method::HEAD {
            *response.body_mut() = self.form.body(body, who);
        }
        response
    }
}

/// Does the client have this already, by its tag, or else by its date?
fn has_it(asked: &Parts, headers: &HeaderMap, dated: bool) -> bool {
    match asked.headers.contains_key("if-none-match") {
        true => is_listed(headers, &asked.headers),
        false => dated && asked.headers.contains_key(IF_MODIFIED_SINCE),
    }
}

fn part_of(asked: &Parts, body: &str, response: &Response<Body>) -> Option<(usize, usize)> {
    let holds = match (asked.headers.get("if-range"), response.headers().get(ETAG)) {
        (None, _) => true,
        (Some(tag), current) => Some(tag) == current,
    };
    let range = RangeSpec::single(&asked.headers)?.within(body.len() as u64)?;
    holds.then_some((range.start as usize, range.end as usize))
}

impl Form {
    fn body(self, text: String, who: &str) -> Body {
        let mut frames: Vec<Result<Frame<Bytes>, std::io::Error>> = Vec::new();
        let (first, second) = text.split_at(text.len() / 2);
        for piece in [first, second] {
            frames.push(Ok(Frame::data(Bytes::from(piece.to_owned()))));
        }
        match self {
            Self::Whole => return Body::from(text),
            Self::Streamed => {}
            Self::Broken => {
                frames.pop();
                frames.push(Err(std::io::Error::other("broken")));
            }
            Self::Trailers => {
                let trailer = HeaderValue::try_from(who).unwrap();
                let name = HeaderName::from_static("x-trailer-for");
                frames.push(Ok(Frame::trailers(HeaderMap::from_iter([(name, trailer)]))));
            }
        }
        Body::new(StreamBody::new(stream::iter(frames)))
    }
}
