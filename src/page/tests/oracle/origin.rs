//! What the origin of a script says, and how it is written on the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::*;
use crate::Unreachable;

/// 2026-01-01T00:00:00Z, at which the clock of a [`World`] starts.
const START: u64 = 1_767_225_600;

/// A directive of a response's `Cache-Control`, in seconds where it has an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Say {
    MaxAge(i64),
    SMaxage(i64),
    NoCache,
    NoStore,
    Private,
    Public,
    MustRevalidate,
    ProxyRevalidate,
    WhileRevalidate(i64),
    IfError(i64),
    Immutable,
    MustUnderstand,
}

impl Say {
    fn text(self) -> String {
        match self {
            Self::MaxAge(n) => format!("max-age={n}"),
            Self::SMaxage(n) => format!("s-maxage={n}"),
            Self::NoCache => "no-cache".to_owned(),
            Self::NoStore => "no-store".to_owned(),
            Self::Private => "private".to_owned(),
            Self::Public => "public".to_owned(),
            Self::MustRevalidate => "must-revalidate".to_owned(),
            Self::ProxyRevalidate => "proxy-revalidate".to_owned(),
            Self::WhileRevalidate(n) => format!("stale-while-revalidate={n}"),
            Self::IfError(n) => format!("stale-if-error={n}"),
            Self::Immutable => "immutable".to_owned(),
            Self::MustUnderstand => "must-understand".to_owned(),
        }
    }
}

pub(super) fn said(says: &[Say]) -> String {
    let texts: Vec<_> = says.iter().map(|say| say.text()).collect();
    texts.join(", ")
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tags {
    None,
    Strong,
    Weak,
}

/// How a resource tells its versions and variants apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) tags: Tags,
    pub(super) modified: bool,
    pub(super) vary: bool,
}

/// How the origin answers during one step.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) status: u16,
    pub(super) unreachable: bool,
    pub(super) says: Vec<Say>,
    /// `Expires`, so many seconds from now.
    pub(super) expires: Option<i64>,
    /// `Date`, so many seconds ago.
    pub(super) date: Option<i64>,
    pub(super) age: Option<i64>,
    /// Does it judge conditions?
    pub(super) honest: bool,
}

/// What a handler was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) tags: Option<String>,
    pub(super) since: Option<i64>,
    pub(super) range: bool,
    pub(super) lang: Option<String>,
    pub(super) authorization: bool,
}

impl Seen {
    pub(super) fn of(request: &Request<Body>) -> Self {
        let text = |name: &str| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            method: request.method().clone(),
            tags: text("if-none-match"),
            since: text("if-modified-since").and_then(|date| seconds_of(&date)),
            range: text("range").is_some(),
            lang: text("x-l"),
            authorization: text("authorization").is_some(),
        }
    }
}

/// An answer of the origin. Dates are seconds since the start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) unreachable: bool,
    pub(super) says: Vec<Say>,
    pub(super) expires: Option<i64>,
    pub(super) date: Option<i64>,
    pub(super) age: Option<i64>,
    pub(super) tag: Option<String>,
    pub(super) modified: Option<i64>,
    pub(super) vary: bool,
    /// Which step made it.
    pub(super) run: usize,
    pub(super) body: String,
}

/// The version of a resource that an answer is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) url: usize,
    pub(super) number: i64,
}

impl Version {
    pub(super) fn tag(self, kind: Kind, lang: Option<&str>) -> Option<String> {
        let text = format!("\"{}\"", self.name(kind, lang));
        match kind.tags {
            Tags::None => None,
            Tags::Strong => Some(text),
            Tags::Weak => Some(format!("W/{text}")),
        }
    }

    pub(super) fn modified(self) -> i64 {
        self.number * 100 - 1_000
    }

    fn name(self, kind: Kind, lang: Option<&str>) -> String {
        let lang = lang.filter(|_| kind.vary).map_or("-", |lang| lang);
        format!("u{}v{}{lang}", self.url, self.number)
    }
}

impl Origin {
    pub(super) fn reply(
        &self,
        now: i64,
        kind: Kind,
        version: Version,
        run: usize,
        seen: &Seen,
    ) -> Reply {
        let second = now.div_euclid(1_000);
        let shown = self.status == 200 && !self.unreachable;
        let lang = seen.lang.as_deref();
        // Nobody was there to say anything.
        let silent = Self {
            says: Vec::new(),
            expires: None,
            date: None,
            age: None,
            ..self.clone()
        };
        let says = if self.unreachable { &silent } else { self };
        let name = version.name(kind, lang);
        let mut reply = Reply {
            status: if self.unreachable { 503 } else { self.status },
            unreachable: self.unreachable,
            says: says.says.clone(),
            expires: says.expires.map(|after| second + after),
            date: says.date.map(|ago| second - ago),
            age: says.age,
            tag: version.tag(kind, lang).filter(|_| shown),
            modified: Some(version.modified()).filter(|_| shown && kind.modified),
            vary: kind.vary,
            run,
            body: if shown {
                format!("page {name} of the site")
            } else {
                format!("{} by run {run}", self.status)
            },
        };
        let safe = seen.method == Method::GET || seen.method == Method::HEAD;
        if shown && safe && self.honest && is_unmodified(&reply, seen) {
            reply.status = 304;
        }
        if matches!(reply.status, 204 | 304) {
            reply.body.clear();
        }
        reply
    }
}

fn is_unmodified(reply: &Reply, seen: &Seen) -> bool {
    match (&seen.tags, seen.since) {
        (Some(tags), _) => lists(tags, reply.tag.as_deref()),
        (None, Some(since)) => reply.modified.is_some_and(|modified| modified <= since),
        (None, None) => false,
    }
}

/// Does `If-None-Match` name this tag, by the weak comparison, or any (RFC 9110 §13.1.2)? A star among tags makes it no list.
pub(super) fn lists(list: &str, tag: Option<&str>) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if list.contains('*') {
        return list == "*";
    }
    let mut listed = list.split(',').map(opaque);
    tag.is_some_and(|tag| listed.any(|listed| listed == opaque(tag)))
}

impl Reply {
    pub(super) fn response(&self, head: bool) -> Response<Body> {
        let mut fields = vec![("x-run", self.run.to_string())];
        if !self.says.is_empty() {
            fields.push(("cache-control", said(&self.says)));
        }
        if let Some(expires) = self.expires {
            fields.push(("expires", date(expires)));
        }
        if let Some(at) = self.date {
            fields.push(("date", date(at)));
        }
        if let Some(age) = self.age {
            fields.push(("age", age.to_string()));
        }
        if let Some(tag) = &self.tag {
            fields.push(("etag", tag.clone()));
        }
        if let Some(at) = self.modified {
            fields.push(("last-modified", date(at)));
        }
        if self.vary {
            fields.push(("vary", "X-L".to_owned()));
        }
        if head && self.status == 200 {
            fields.push(("content-length", self.body.len().to_string()));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = if head {
            Body::empty()
        } else {
            Body::from(self.body.clone())
        };
        let mut response = with_status(self.status, &fields, body);
        if self.unreachable {
            response.extensions_mut().insert(Unreachable);
        }
        response
    }
}

/// The HTTP date of a second since the start.
pub(super) fn date(second: i64) -> String {
    let at = START.checked_add_signed(second).unwrap();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at))
}

fn seconds_of(date: &str) -> Option<i64> {
    let at: SystemTime = httpdate::parse_http_date(date).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(i64::try_from(since).unwrap() - i64::try_from(START).unwrap())
}
