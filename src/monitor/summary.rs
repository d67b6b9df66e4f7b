//! What is told of a request when its response begins.

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode, Uri};

use super::fields::{HitRate, Seconds, printable};
use super::request::RequestCounts;
use crate::request::RequestHead;

/// One request, as a log tells it: what [`MonitorLayer::on_request`](crate::MonitorLayer::on_request) hands over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestSummary {
    /// The method.
    pub method: Method,
    /// The route that it matched (`/tables/{id}`), where a router outside knows it, or else the path; never a query. Bounded in length, with
    /// everything escaped that is not visible ASCII.
    pub path: String,
    /// The status of the response; `None` where the service failed, or the request was dropped before there was one.
    pub status: Option<StatusCode>,
    /// Answers from what is stored.
    pub hits: u64,
    /// What was looked for and had to be made.
    pub misses: u64,
    /// What was stored.
    pub sets: u64,
    /// Calls of the store that failed or took too long.
    pub errors: u64,
    /// The time until the head of the response.
    pub duration: Duration,
}

impl RequestSummary {
    /// The share of hits among hits and misses, from 0 to 1; 0 where there were none of either.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            #[expect(
                clippy::cast_precision_loss,
                reason = "a request does not count that far"
            )]
            all => self.hits as f64 / all as f64,
        }
    }
}

/// As the log words it.
impl RequestSummary {
    pub(crate) fn printable_method(&self) -> String {
        printable(self.method.as_str())
    }

    pub(crate) const fn rate(&self) -> HitRate {
        HitRate {
            hits: self.hits,
            misses: self.misses,
        }
    }

    pub(crate) const fn seconds(&self) -> Seconds {
        Seconds(self.duration)
    }
}

/// `GET /menu 200 hits=3 misses=1 sets=1 errors=0 rate=75.0% duration=0.123s`; a request without a response has `-` for the status.
impl fmt::Display for RequestSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            hits,
            misses,
            sets,
            errors,
            ..
        } = self;
        write!(f, "{} {path} ", self.printable_method())?;
        match self.status {
            Some(status) => write!(f, "{}", status.as_str())?,
            None => f.write_str("-")?,
        }
        let (rate, duration) = (self.rate(), self.seconds());
        write!(
            f,
            " hits={hits} misses={misses} sets={sets} errors={errors} rate={rate} duration={duration}"
        )
    }
}

/// What was asked, kept without a copy of its text.
#[derive(Debug)]
pub(super) struct Asked {
    method: Method,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Route(route::Matched),
    Target(Uri),
}

impl Asked {
    pub(super) fn of(head: &RequestHead<'_>) -> Self {
        Self {
            method: head.method.clone(),
            place: match route::matched(head.extensions) {
                Some(route) => Place::Route(route),
                None => Place::Target(head.target().clone()),
            },
        }
    }

    pub(super) fn summary(
        self,
        status: Option<StatusCode>,
        counts: &RequestCounts,
        duration: Duration,
    ) -> RequestSummary {
        RequestSummary {
            path: printable(match &self.place {
                Place::Route(route) => route::path(route),
                Place::Target(target) => target.path(),
            }),
            method: self.method,
            status,
            hits: counts.hits(),
            misses: counts.misses(),
            sets: counts.sets(),
            errors: counts.errors(),
            duration,
        }
    }
}

#[cfg(feature = "axum")]
mod route {
    use axum::extract::MatchedPath;
    use http::Extensions;

    pub(super) type Matched = MatchedPath;

    pub(super) fn matched(extensions: &Extensions) -> Option<Matched> {
        extensions.get().cloned()
    }

    pub(super) fn path(route: &Matched) -> &str {
        route.as_str()
    }
}

#[cfg(not(feature = "axum"))]
mod route {
    use http::Extensions;

    pub(super) type Matched = std::convert::Infallible;

    pub(super) fn matched(_: &Extensions) -> Option<Matched> {
        None
    }

    pub(super) fn path(route: &Matched) -> &str {
        match *route {}
    }
}
