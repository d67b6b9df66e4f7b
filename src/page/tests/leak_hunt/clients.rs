//! What clients were answered, and whether it was theirs.

use http_body_util::BodyExt;

use super::super::*;
use super::people::Person;
use super::routes::Route;
use super::script::{Ask, Condition};
use crate::monitor::Reason;

/// An answer, as far as its client has read it.
#[derive(Debug)]
pub(super) struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    reason: Option<Reason>,
    /// Has the body come to its end?
    whole: bool,
}

impl Received {
    pub(super) async fn of(response: Response<Body>, reads: bool) -> Self {
        let (parts, mut body) = response.into_parts();
        let mut received = Self {
            status: parts.status,
            headers: parts.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            reason: parts.extensions.get().copied(),
            whole: false,
        };
        if !reads {
            return received;
        }
        loop {
            let frame = match body.frame().await {
                Some(Ok(frame)) => frame,
                ended => {
                    received.whole = ended.is_none();
                    break;
                }
            };
            match frame.into_data() {
                Ok(data) => received.body.extend_from_slice(&data),
                Err(frame) => received.trailers.extend(frame.into_trailers().unwrap()),
            }
        }
        received
    }

    fn texts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let fields = self.headers.iter().chain(&self.trailers);
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
        fields.chain([("the body", &*self.body)])
    }

    /// Those whose secrets it tells.
    fn tells(&self) -> Vec<Person> {
        let mut tells = Vec::new();
        for (_, text) in self.texts() {
            let told = Person::told_by(text).filter(|person| !tells.contains(person));
            let told: Vec<_> = told.collect();
            tells.extend(told);
        }
        tells
    }
}

/// A tag that a client was given with a page, and whose secrets that page told.
struct Given {
    route: Route,
    person: Person,
    tag: String,
    tells: Vec<Person>,
}

/// The clients and what they hold.
#[derive(Default)]
pub(super) struct Clients {
    given: Vec<Given>,
}

impl Clients {
    /// The tags for the condition of a request.
    pub(super) fn tags(&self, ask: &Ask, route: Route) -> Vec<String> {
        let nth = |nth: usize, own: bool| {
            let held = self
                .given
                .iter()
                .rev()
                .filter(|given| given.route == route && (given.person == ask.person) == own);
            held.map(|given| given.tag.clone()).nth(nth)
        };
        match ask.condition {
            Some(Condition::Own(place)) => nth(place, true).into_iter().collect(),
            Some(Condition::Others(place)) => nth(place, false).into_iter().collect(),
            Some(Condition::Both(place)) => [nth(place, false), nth(place, true)]
                .into_iter()
                .flatten()
                .collect(),
            Some(Condition::Any) => vec!["*".to_owned()],
            Some(Condition::Date) | None => Vec::new(),
        }
    }

    /// The last tag that this person was given on a route.
    pub(super) fn last_tag(&self, person: Person, route: Route) -> Option<&str> {
        let mut held = self.given.iter().rev();
        held.find(|given| given.person == person && given.route == route)
            .map(|given| &*given.tag)
    }

    /// Is the answer all the asker's, or nobody's?
    pub(super) fn judge(
        &mut self,
        ask: &Ask,
        route: Route,
        tags: &[String],
        received: &Received,
    ) -> Result<(), String> {
        for (place, text) in received.texts() {
            if let Some(other) = Person::told_by(text).find(|other| *other != ask.person) {
                let text = String::from_utf8_lossy(text);
                return Err(format!("{place} tells of {other:?}: {text}"));
            }
        }
        if received.status == StatusCode::NOT_MODIFIED {
            self.judge_confirmed(ask, route, tags)?;
        }
        if let Some(tag) = received.headers.get("etag")
            && received.status == StatusCode::OK
            && ask.method == Method::GET
            && received.whole
        {
            self.given.push(Given {
                route,
                person: ask.person,
                tag: tag.to_str().unwrap().to_owned(),
                tells: received.tells(),
            });
        }
        Ok(())
    }

    /// A 304 makes the client show what it holds under one of its tags: one of these must be the asker's, or nobody's.
    fn judge_confirmed(&self, ask: &Ask, route: Route, tags: &[String]) -> Result<(), String> {
        if tags.is_empty() {
            return match route.is_of_people() {
                true => Err("a date has told what is whose".to_owned()),
                false => Ok(()),
            };
        }
        let is_own = |tag: &String| {
            let mut held = self.given.iter().filter(|given| given.tag == *tag);
            held.all(|given| given.tells.iter().all(|person| *person == ask.person))
        };
        match tags.iter().any(is_own) {
            true => Ok(()),
            false => Err(format!("a page of somebody else is confirmed by {tags:?}")),
        }
    }
}

/// In how many ways people were answered with pages of their own by the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) hits: usize,
    pub(super) collapsed: usize,
    pub(super) stale: usize,
    pub(super) validated: usize,
    pub(super) not_modified: usize,
    pub(super) parts: usize,
    pub(super) heads: usize,
}

impl Tally {
    pub(super) fn count(&mut self, ask: &Ask, received: &Received) {
        if received.tells() != [ask.person] {
            return;
        }
        let said = received.headers.get("cache-status");
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
        let from_store = match received.reason {
            Some(Reason::Collapsed(_)) => &mut self.collapsed,
            Some(Reason::StaleHit(_) | Reason::StaleOnError(_)) => &mut self.stale,
            Some(Reason::Validated(_)) => &mut self.validated,
            None if said.starts_with("larder; hit") => &mut self.hits,
            _ => return,
        };
        *from_store += 1;
        let shape = match received.status {
            StatusCode::NOT_MODIFIED => &mut self.not_modified,
            StatusCode::PARTIAL_CONTENT => &mut self.parts,
            _ if ask.method == Method::HEAD => &mut self.heads,
            _ => return,
        };
        *shape += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.collapsed += other.collapsed;
        self.stale += other.stale;
        self.validated += other.validated;
        self.not_modified += other.not_modified;
        self.parts += other.parts;
        self.heads += other.heads;
    }

    pub(super) fn all(self) -> [usize; 7] {
        [
            self.hits,
            self.collapsed,
            self.stale,
            self.validated,
            self.not_modified,
            self.parts,
            self.heads,
        ]
    }
}
