//! A shared cache as RFC 9111 describes one, in the simplest code there is: a list of responses, and time in milliseconds.
//!
//! Where the texts leave room, the model goes both ways ([`Room`]); a run then goes on with those futures that fit what was seen.

use std::collections::VecDeque;

use super::super::*;
use super::origin::{Reply, Say, Seen, lists};
use super::script::{Ask, Wish};

const HOUR: i64 = 3_600_000;

/// One run of the handler: what it was asked, and what it said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) seen: Seen,
    pub(super) reply: Reply,
}

/// What must be seen of an answer.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) body: Option<String>,
    pub(super) age: Aged,
    pub(super) said: Said,
    /// The step that made the fields.
    pub(super) made: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Aged {
    Exactly(i64),
    /// What has just been validated may carry an age, and then the right one.
    IfAny(i64),
    Anyhow,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Hit,
    Forwarded(Vec<&'static str>),
    Anything,
}

/// Where a cache may do either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// What can hardly be used any more is dropped.
    DropOld,
    /// What is stale on arrival and cannot be validated (but may have a window in which it is used stale), or has a status of doubtful
    /// understanding, is stored.
    StoreDoubtful,
    /// The full answer to a request with a range is stored.
    StoreOnRange,
    /// What a full answer that is not stored has replaced is dropped.
    DropReplaced,
    /// The cache judges the client's conditions, or cuts its range, on a full answer of the origin too.
    JudgeAnswer,
    /// Conditions count for a stored 204: it is 2xx (RFC 9110 §13.2.1), but RFC 9111 §4.3.2 speaks of 200 and 206.
    Judge204,
    /// `max-age` and `min-fresh` of a request do not make an immutable response be validated (RFC 8246 §2.1).
    Immutable,
    /// A request that stores nothing, a HEAD, or a range of what cannot be validated, is forwarded as if nothing usable were stored.
    PassBy,
    /// A 304 to a HEAD with the client's own condition updates what is stored.
    UpdateOnPassing,
    /// `max-age=0` asks for validation, though a response of no age at all is not older.
    MaxAgeZero,
    /// The response lets more staleness pass than the request's `max-stale`.
    StaleBeyondWish,
    /// What is stale answers an error though the request asks for better.
    ErrorDespiteWish,
    /// Where the stored response may not be used: 504 in place of the origin's error.
    GatewayTimeout,
    /// A 304 to a request whose answer may not be stored updates nothing, or drops.
    LeaveOnUpdate,
    DropOnUpdate,
    /// A 304 to tags of the client's is about its copy, where what is stored has no validator that could have been asked about.
    AboutTheClients,
    /// A 304 that is about something else drops what is stored.
    DropOnOther,
    /// What one person's HEAD was answered says nothing of what is everyone's.
    LeaveToOne,
    /// An answer to HEAD drops what it might have updated, or what it says nothing about.
    DropOnHead,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    url: usize,
    lang: Option<String>,
    reply: Reply,
    /// When it, or the 304 that updated it, came.
    born: i64,
    /// The lifetime that the layer gives, in an application's own cache.
    page: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    entries: Vec<Entry>,
    now: i64,
    /// The lifetime of a page layer; a gateway has none.
    page: Option<i64>,
    runs: VecDeque<Run>,
    choices: Vec<bool>,
    pub(super) asked: Vec<Room>,
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

type Expected = Result<Outcome, String>;

/// The argument of this directive, in milliseconds. A window of no length is none.
macro_rules! number {
    ($says:expr, $name:ident) => {
        $says.iter().find_map(|say| match say {
            Say::$name(seconds) if *seconds > 0 || !stringify!($name).starts_with(['W', 'I']) => {
                Some(seconds * 1_000)
            }
            _ => None,
        })
    };
}

impl Entry {
    fn of(ask: &Ask, reply: Reply, born: i64, page: Option<i64>) -> Self {
        Self {
            page,
            url: ask.url,
            lang: ask.lang.map(str::to_owned),
            reply,
            born,
        }
    }

    fn says(&self, say: Say) -> bool {
        self.reply.says.contains(&say)
    }

    /// RFC 9111 §4.2.3, with no response delay.
    fn age(&self, now: i64) -> i64 {
        // Dates have no more than seconds, so what is compared with them has none either.
        let second = self.born.div_euclid(1_000);
        let apparent = self.reply.date.map_or(0, |date| second - date).max(0) * 1_000;
        let told = self.reply.age.unwrap_or(0) * 1_000;
        apparent.max(told) + now - self.born
    }

    /// RFC 9111 §4.2.1, for a shared cache.
    fn lifetime(&self) -> i64 {
        let says = &self.reply.says;
        let date = self.reply.date.map_or(self.born, |date| date * 1_000);
        if let Some(lifetime) = number!(says, SMaxage) {
            return lifetime;
        }
        if let Some(lifetime) = number!(says, MaxAge) {
            return lifetime;
        }
        if let Some(expires) = self.reply.expires {
            return (expires * 1_000 - date).max(0);
        }
        if let Some(ttl) = self.page {
            return if matches!(self.reply.status, 200 | 204) {
                ttl
            } else {
                0
            };
        }
        let guessed = is_guessed(self.reply.status) || self.says(Say::Public);
        match self.reply.modified {
            // In whole seconds, as any lifetime.
            Some(modified) if guessed => {
                let guess = (date / 1_000 - modified) / 10 * 1_000;
                guess.clamp(0, 24 * HOUR)
            }
            _ => 0,
        }
    }

    fn is_validatable(&self) -> bool {
        self.reply.tag.is_some() || self.reply.modified.is_some()
    }

    fn must_revalidate(&self) -> bool {
        self.says(Say::MustRevalidate) || self.says(Say::ProxyRevalidate)
    }

    fn has_s_maxage(&self) -> bool {
        number!(self.reply.says, SMaxage).is_some()
    }

    fn matches(&self, ask: &Ask) -> bool {
        self.url == ask.url && (!self.reply.vary || self.lang.as_deref() == ask.lang)
    }

    /// Is it so old, or so useless, that a cache need not have kept it?
    fn may_be_gone(&self, now: i64) -> bool {
        let stale = self.age(now) - self.lifetime();
        let windows = [
            number!(self.reply.says, WhileRevalidate),
            number!(self.reply.says, IfError),
        ];
        let forbidden = self.must_revalidate() || self.says(Say::NoCache);
        // At its very end, what is kept for a window may be gone.
        let windowed = !forbidden && windows.iter().flatten().any(|window| stale < *window);
        let useless = !self.is_validatable()
            && (self.says(Say::NoCache)
                || stale >= 0
                    && (forbidden || self.has_s_maxage() || self.page.is_some())
                    && !windowed);
        stale >= HOUR && !windowed || useless
    }

    /// RFC 9111 §4.3.4: is this 304 about it?
    fn is_meant_by(&self, reply: &Reply) -> bool {
        match (&reply.tag, reply.modified) {
            (Some(tag), _) => self.reply.tag.as_ref() == Some(tag),
            (None, Some(modified)) => self.reply.modified == Some(modified),
            (None, None) => !self.is_validatable(),
        }
    }

    /// RFC 9111 §3.2: each field that came replaces the stored one, and age counts anew (§4.2.3).
    fn updated(&self, by: &Reply, now: i64) -> Self {
        let mut updated = self.clone();
        let reply = &mut updated.reply;
        if !by.says.is_empty() {
            reply.says = by.says.clone();
        }
        reply.expires = by.expires.or(reply.expires);
        reply.modified = by.modified.or(reply.modified);
        reply.tag = by.tag.clone().or(reply.tag.take());
        reply.date = by.date;
        reply.age = by.age;
        reply.run = by.run;
        updated.born = now;
        updated
    }
}

/// The heuristically cacheable statuses (RFC 9110 §15.1) among those of the scripts.
fn is_guessed(status: u16) -> bool {
    matches!(status, 200 | 204 | 404)
}

fn is_error(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Storing {
    Yes,
    No,
    Doubtful,
}

/// May it be stored (RFC 9111 §3), and is it by our policy?
fn storing(entry: &Entry, authorization: bool, now: i64) -> Storing {
    let says = &entry.reply.says;
    let says_so = |say| says.contains(&say);
    let mut doubtful = false;
    if says_so(Say::MustUnderstand) && !is_guessed(entry.reply.status) {
        doubtful = true;
    } else if says_so(Say::NoStore) && !says_so(Say::MustUnderstand) {
        return Storing::No;
    }
    if says_so(Say::Private) || entry.reply.unreachable {
        return Storing::No;
    }
    let surely = says_so(Say::Public) || says_so(Say::MustRevalidate);
    if authorization && !surely && !entry.has_s_maxage() {
        return Storing::No;
    }
    // A lifetime of zero hardly asks for sharing.
    doubtful |= authorization && !surely && number!(says, SMaxage) == Some(0);
    if entry.page.is_some() {
        return storing_page(entry, authorization, doubtful, now);
    }
    let explicit =
        number!(says, MaxAge).is_some() || entry.has_s_maxage() || entry.reply.expires.is_some();
    let permitted = explicit || says_so(Say::Public) || is_guessed(entry.reply.status);
    let windowed = number!(says, WhileRevalidate).is_some() || number!(says, IfError).is_some();
    if !permitted || !explicit && !entry.is_validatable() && !windowed {
        return Storing::No;
    }
    let stale = entry.age(now) >= entry.lifetime() || says_so(Say::NoCache);
    if doubtful || stale && !entry.is_validatable() {
        return Storing::Doubtful;
    }
    Storing::Yes
}

/// The same in an application's own cache, for what is neither private nor barred: errors seldom, and nothing that must be validated each
/// time (SEC-DOS-01).
fn storing_page(entry: &Entry, authorization: bool, doubtful: bool, now: i64) -> Storing {
    let shared = entry.says(Say::Public) || entry.has_s_maxage();
    if entry.says(Say::NoCache) || is_error(entry.reply.status) || authorization && !shared {
        return Storing::No;
    }
    match entry.reply.status {
        _ if entry.lifetime() == 0 && !entry.is_validatable() => Storing::Doubtful,
        _ if doubtful || entry.age(now) >= entry.lifetime() => Storing::Doubtful,
        204 | 302 => Storing::Doubtful,
        _ => Storing::Yes,
    }
}

impl Model {
    /// The cache of an application, whose layer gives this lifetime, in milliseconds.
    pub(super) fn of_pages(ttl: i64) -> Self {
        Self {
            page: Some(ttl),
            ..Self::default()
        }
    }

    /// Every way in which a cache may answer this, and what it stores then.
    pub(super) fn futures(&self, ask: &Ask, now: i64, runs: &[Run]) -> Vec<(Self, Expected)> {
        let mut futures = Vec::new();
        let mut open = vec![Vec::new()];
        while let Some(choices) = open.pop() {
            let known = choices.len();
            let mut model = Self {
                entries: self.entries.clone(),
                now,
                page: self.page,
                runs: runs.iter().cloned().collect(),
                choices,
                asked: Vec::new(),
            };
            // No client of a page can force work, or get less than the layer gives.
            let mut heard = ask.clone();
            if self.page.is_some() {
                heard.wish = Wish {
                    no_store: ask.wish.no_store,
                    ..Wish::default()
                };
            }
            let mut expected = model.answer(&heard);
            if let (Ok(_), Some(run)) = (&expected, model.runs.front()) {
                expected = Err(format!("no further run of the handler: {:?}", run.seen));
            }
            for place in known..model.asked.len() {
                let mut choices = model.choices.clone();
                choices.resize(place, false);
                choices.push(true);
                open.push(choices);
            }
            futures.push((model, expected));
        }
        futures
    }

    fn may(&mut self, room: Room) -> bool {
        let place = self.asked.len();
        self.asked.push(room);
        self.choices.get(place).copied().unwrap_or(false)
    }

    fn answer(&mut self, ask: &Ask) -> Expected {
        if ask.method != Method::GET && ask.method != Method::HEAD {
            return self.change(ask);
        }
        let Some(place) = self.entries.iter().position(|entry| entry.matches(ask)) else {
            return self.miss(ask);
        };
        let entry = self.entries[place].clone();
        if entry.may_be_gone(self.now) && self.may(Room::DropOld) {
            self.entries.remove(place);
            return self.miss(ask);
        }
        self.found(ask, &entry)
    }

    /// RFC 9111 §4.4.
    fn change(&mut self, ask: &Ask) -> Expected {
        let reply = self.run()?.reply;
        if matches!(reply.status, 200..=399) {
            self.entries.retain(|entry| entry.url != ask.url);
        }
        Ok(relayed(&reply, vec!["bypass", "method"]))
    }

    fn miss(&mut self, ask: &Ask) -> Expected {
        if ask.wish.only_if_cached {
            return Ok(unanswered(504));
        }
        let mut reasons = vec![];
        let mut others = self.entries.iter().filter(|entry| entry.url == ask.url);
        let vary = others.clone().next().is_some();
        if vary {
            reasons.push("vary-miss");
        }
        // It need not be known what has been stored: either will do then.
        if !vary || others.any(|entry| entry.may_be_gone(self.now)) {
            reasons.extend(["uri-miss", "vary-miss"]);
        }
        if ask.range.is_some() || ask.method == Method::HEAD || ask.wish.no_store {
            reasons.extend(["bypass", "uri-miss"]);
        }
        self.forward(ask, None, reasons)
    }

    fn found(&mut self, ask: &Ask, entry: &Entry) -> Expected {
        let wish = &ask.wish;
        let age = entry.age(self.now);
        let ttl = entry.lifetime() - age;
        let fresh = ttl > 0;
        let held = entry.says(Say::NoCache) || wish.no_cache;
        let young = wish.max_age.is_none_or(|most| age <= most * 1_000);
        let young = young && !(wish.max_age == Some(0) && self.may(Room::MaxAgeZero));
        let lasting = wish.min_fresh.is_none_or(|least| ttl >= least * 1_000);
        if fresh && !held {
            let immutable = entry.says(Say::Immutable);
            if young && lasting || immutable && self.may(Room::Immutable) {
                return Ok(self.reuse(ask, entry, Aged::Exactly(age / 1_000), Said::Hit));
            }
        }
        if !fresh && !held && young && wish.min_fresh.is_none() {
            let refreshing = self.is_served_while_refreshed(wish, entry, -ttl);
            if refreshing {
                let stored = entry.clone();
                self.refresh(ask, &stored)?;
            }
            if refreshing || accepts_stale(wish, entry, -ttl) {
                return Ok(self.reuse(ask, entry, Aged::Exactly(age / 1_000), Said::Hit));
            }
        }
        if wish.only_if_cached {
            return Ok(unanswered(504));
        }
        let mut reasons = Vec::new();
        if ask.method == Method::HEAD {
            reasons.extend(["uri-miss", "bypass"]);
        }
        if !fresh || entry.says(Say::NoCache) {
            reasons.push("stale");
        }
        if fresh || held || !young || !lasting {
            reasons.push("request");
        }
        let apart = ask.method == Method::HEAD || ask.range.is_some() && !entry.is_validatable();
        if (ask.wish.no_store || apart) && self.may(Room::PassBy) {
            reasons.push("bypass");
            return self.pass_by(ask, entry, reasons);
        }
        self.forward(ask, Some(entry), reasons)
    }

    fn pass_by(&mut self, ask: &Ask, entry: &Entry, reasons: Vec<&'static str>) -> Expected {
        let Run { seen, reply } = self.run()?;
        self.check_conditions(ask, None, &seen)?;
        if ask.method == Method::GET {
            let answered = Entry::of(ask, reply.clone(), self.now, self.page);
            let stored = !ask.wish.no_store && self.may(Room::StoreOnRange);
            self.replace(Some(entry), answered, ask.authorization, !stored);
            return Ok(relayed(&reply, reasons));
        }
        if reply.status == 304 && entry.is_meant_by(&reply) && self.may(Room::UpdateOnPassing) {
            let place = self.place(entry);
            self.update(place, &reply, ask.authorization, ask.wish.no_store);
        } else if !is_error(reply.status) && reply.status != 304 {
            self.learn_from_head(ask, entry, &reply);
        }
        Ok(relayed_head(&reply, reasons))
    }

    /// RFC 5861 §3.
    fn is_served_while_refreshed(&mut self, wish: &Wish, entry: &Entry, stale: i64) -> bool {
        let allowed = number!(entry.reply.says, WhileRevalidate).is_some_and(|most| stale <= most)
            && !entry.must_revalidate();
        match (wish.max_age, wish.max_stale) {
            _ if !allowed => false,
            // Whoever says how old it may be does not want it stale (RFC 9111 §5.2.1.1).
            (Some(_), None) => false,
            (_, Some(Some(most))) if stale > most * 1_000 => self.may(Room::StaleBeyondWish),
            _ => true,
        }
    }

    /// In the background: for nobody in particular (RFC 9111 §4.3.1), and what fails leaves all as it was.
    fn refresh(&mut self, ask: &Ask, entry: &Entry) -> Result<(), String> {
        let wish = &ask.wish;
        // Who accepts what is stale, and for whom nothing is stored, need not set off work.
        if self.runs.is_empty()
            && (wish.only_if_cached
                || wish.no_store
                || wish.max_stale.is_some()
                || ask.method == Method::HEAD)
        {
            return Ok(());
        }
        let Run { seen, reply } = self.run()?;
        let expected = Seen {
            method: Method::GET,
            tags: entry.reply.tag.clone(),
            since: entry.reply.modified,
            range: false,
            lang: entry.lang.clone().filter(|_| entry.reply.vary),
            authorization: false,
        };
        if seen != expected {
            return Err(format!("a refresh that asks {expected:?}"));
        }
        let place = self.place(entry);
        match reply.status {
            304 if entry.is_meant_by(&reply) => self.update(place, &reply, false, false),
            304 => {
                if self.may(Room::DropOnOther) {
                    self.entries.remove(place);
                }
            }
            status if is_error(status) => {}
            _ => self.replace(
                Some(entry),
                Entry {
                    reply,
                    born: self.now,
                    ..entry.clone()
                },
                false,
                false,
            ),
        }
        Ok(())
    }

    fn forward(
        &mut self,
        ask: &Ask,
        entry: Option<&Entry>,
        reasons: Vec<&'static str>,
    ) -> Expected {
        let Run { seen, reply } = self.run()?;
        self.check_conditions(ask, entry, &seen)?;
        if reply.status == 304 {
            return Ok(self.not_modified(ask, entry, &reply, reasons));
        }
        if let Some(entry) = entry
            && is_error(reply.status)
        {
            return Ok(self.failed(ask, entry, &reply, reasons));
        }
        if ask.method == Method::HEAD {
            if let Some(entry) = entry {
                self.learn_from_head(ask, entry, &reply);
            }
            return Ok(relayed_head(&reply, reasons));
        }
        let answered = Entry::of(ask, reply.clone(), self.now, self.page);
        let unstored = ask.wish.no_store || seen.range && !self.may(Room::StoreOnRange);
        self.replace(entry, answered.clone(), ask.authorization, unstored);
        let judged = ask.tags.is_some() || ask.since.is_some() || ask.range.is_some();
        if matches!(reply.status, 200 | 204) && judged && self.may(Room::JudgeAnswer) {
            return Ok(self.reuse(ask, &answered, Aged::Anyhow, Said::Forwarded(reasons)));
        }
        Ok(relayed(&reply, reasons))
    }

    /// What the handler may be asked in the client's name (RFC 9111 §4.3.1, §4.3.2).
    fn check_conditions(
        &self,
        ask: &Ask,
        entry: Option<&Entry>,
        seen: &Seen,
    ) -> Result<(), String> {
        if seen.method != ask.method
            || seen.lang.as_deref() != ask.lang
            || seen.authorization != ask.authorization
        {
            return Err("the client's request to be forwarded".to_owned());
        }
        // What is validated is whole.
        let validates = entry.is_some_and(Entry::is_validatable);
        if seen.range && (validates || ask.range.is_none()) && ask.method == Method::GET {
            return Err("no range to be asked of the origin".to_owned());
        }
        let stored = self.entries.iter().filter(|other| other.url == ask.url);
        let stored_tags: Vec<_> = stored.filter_map(|other| other.reply.tag.clone()).collect();
        for tag in seen.tags.iter().flat_map(|tags| tags.split(", ")) {
            let by_client = ask
                .tags
                .as_ref()
                .is_some_and(|tags| tags.split(", ").any(|listed| listed == tag));
            if !by_client && !stored_tags.iter().any(|stored| stored == tag) {
                return Err(format!("nobody to ask about {tag}"));
            }
        }
        // Nobody has to ask for HEAD on conditions.
        let entry = entry.filter(|_| ask.method == Method::GET);
        let own_tag = entry.and_then(|entry| entry.reply.tag.as_deref());
        if let Some(tag) = own_tag
            && !seen
                .tags
                .as_deref()
                .is_some_and(|tags| lists(tags, Some(tag)))
        {
            return Err(format!("a condition with {tag}"));
        }
        let own_date = entry.and_then(|entry| entry.reply.modified);
        let by_client = seen.since.is_none() || seen.since == ask.since;
        match own_date {
            // With tags the date does not count.
            Some(date) if seen.since != Some(date) && (seen.tags.is_none() || !by_client) => {
                Err(format!("a condition with the date {date}"))
            }
            None if !by_client => Err("no date but the client's".to_owned()),
            _ => Ok(()),
        }
    }

    fn not_modified(
        &mut self,
        ask: &Ask,
        entry: Option<&Entry>,
        reply: &Reply,
        reasons: Vec<&'static str>,
    ) -> Outcome {
        if entry.is_some_and(|entry| !entry.is_validatable())
            && ask.tags.is_some()
            && self.may(Room::AboutTheClients)
        {
            return relayed(reply, reasons);
        }
        if let Some(entry) = entry
            && entry.is_meant_by(reply)
        {
            let place = self.place(entry);
            self.update(place, reply, ask.authorization, ask.wish.no_store);
            let updated = entry.updated(reply, self.now);
            let age = Aged::IfAny(updated.age(self.now) / 1_000);
            return self.reuse(ask, &updated, age, Said::Forwarded(reasons));
        }
        let asked = match (&ask.tags, ask.since) {
            (Some(tags), _) => lists(tags, reply.tag.as_deref()),
            (None, Some(since)) => reply.modified.is_some_and(|modified| modified <= since),
            (None, None) => false,
        };
        if asked {
            if let Some(entry) = entry
                && self.may(Room::DropOnOther)
            {
                let place = self.place(entry);
                self.entries.remove(place);
            }
            return relayed(reply, reasons);
        }
        if let Some(entry) = entry {
            let place = self.place(entry);
            self.entries.remove(place);
        }
        unanswered(502)
    }

    /// The origin failed, and something is stored (RFC 9111 §4.2.4, §4.3.3, RFC 5861 §4).
    fn failed(
        &mut self,
        ask: &Ask,
        entry: &Entry,
        reply: &Reply,
        reasons: Vec<&'static str>,
    ) -> Outcome {
        let wish = &ask.wish;
        let age = entry.age(self.now);
        let stale = age - entry.lifetime();
        let covers = |window: Option<i64>| window.is_some_and(|most| stale <= most);
        let held = entry.says(Say::NoCache) || stale >= 0 && entry.must_revalidate();
        let strict = held || stale >= 0 && entry.has_s_maxage();
        let allowed = covers(number!(entry.reply.says, IfError)) && !held
            || covers(
                wish.if_error
                    .filter(|most| *most > 0)
                    .map(|most| most * 1_000),
            ) && !strict
            || reply.unreachable && !strict && self.page.is_none()
            || stale < 0 && !held && wish.if_error.is_some_and(|most| most > 0);
        let demanding = wish.no_cache
            || wish.max_age.is_some()
            || wish.min_fresh.is_some()
            || wish
                .max_stale
                .flatten()
                .is_some_and(|most| stale > most * 1_000);
        if allowed && (!demanding || !self.may(Room::ErrorDespiteWish)) {
            let age = Aged::Exactly(age / 1_000);
            return self.reuse(ask, entry, age, Said::Forwarded(reasons));
        }
        // RFC 9111 §5.2.2.2: an error, and preferably 504, where what is stored must be validated and nobody is there to ask.
        let surely = reply.unreachable && strict && !demanding;
        if surely || (strict || reply.unreachable) && self.may(Room::GatewayTimeout) {
            return unanswered(504);
        }
        if ask.method == Method::HEAD {
            return relayed_head(reply, reasons);
        }
        relayed(reply, reasons)
    }

    /// RFC 9111 §4.3.5.
    fn learn_from_head(&mut self, ask: &Ask, entry: &Entry, reply: &Reply) {
        if ask.authorization && self.may(Room::LeaveToOne) {
            return;
        }
        let place = self.place(entry);
        let fits = entry.reply.status == 200
            && entry.is_meant_by(reply)
            && reply.body.len() == entry.reply.body.len();
        if reply.status != 200 {
            if self.may(Room::DropOnHead) {
                self.entries.remove(place);
            }
        } else if !fits {
            if !ask.wish.no_store || self.may(Room::DropOnHead) {
                self.entries.remove(place);
            }
        } else if self.may(Room::DropOnHead) {
            self.entries.remove(place);
        } else {
            self.update(place, reply, ask.authorization, ask.wish.no_store);
        }
    }

    fn place(&self, entry: &Entry) -> usize {
        let is_it = |stored: &Entry| stored == entry;
        self.entries.iter().position(is_it).expect("what was found")
    }

    fn update(&mut self, place: usize, by: &Reply, authorization: bool, no_store: bool) {
        let updated = self.entries[place].updated(by, self.now);
        // The 304 itself answers this request, and must be one that may be stored.
        let says = &by.says;
        let says_so = says.contains(&Say::Public)
            || says.contains(&Say::MustRevalidate)
            || number!(says, SMaxage).is_some();
        // What an answer to one person leaves unsaid is no permission, whatever the stored response says.
        let personal =
            authorization && (!says_so || storing(&updated, true, self.now) != Storing::Yes);
        let doubtful = storing(&updated, false, self.now) == Storing::Doubtful;
        if (no_store || personal || doubtful) && self.may(Room::LeaveOnUpdate) {
            return;
        }
        let dropped = match storing(&updated, false, self.now) {
            Storing::Yes => (no_store || personal) && self.may(Room::DropOnUpdate),
            Storing::Doubtful => self.may(Room::DropOnUpdate),
            Storing::No => true,
        };
        if dropped {
            self.entries.remove(place);
        } else if no_store {
            // Nothing of the answer is stored (RFC 9111 §5.2.1.5).
        } else {
            self.entries[place] = updated;
        }
    }

    fn replace(&mut self, old: Option<&Entry>, new: Entry, authorization: bool, no_store: bool) {
        let good = old.is_some_and(|old| !is_error(old.reply.status));
        if good && is_error(new.reply.status) {
            return;
        }
        let stores = match storing(&new, authorization, self.now) {
            _ if no_store => false,
            Storing::Yes => true,
            Storing::No => false,
            Storing::Doubtful => self.may(Room::StoreDoubtful),
        };
        let drops = stores || old.is_some() && self.may(Room::DropReplaced);
        if drops {
            let same = |entry: &Entry| {
                entry.url == new.url && (!entry.reply.vary || entry.lang == new.lang)
            };
            self.entries.retain(|entry| !same(entry));
        }
        if stores {
            self.entries.push(new);
        }
    }

    /// What a stored response answers to conditions and ranges (RFC 9110 §13.2.2, RFC 9111 §4.3.2).
    fn reuse(&mut self, ask: &Ask, entry: &Entry, age: Aged, said: Said) -> Outcome {
        let reply = &entry.reply;
        let conditional = ask.tags.is_some() || ask.since.is_some();
        let judges =
            reply.status == 200 || reply.status == 204 && conditional && self.may(Room::Judge204);
        let unmodified = match (&ask.tags, ask.since) {
            (Some(tags), _) => lists(tags, reply.tag.as_deref()),
            (None, Some(since)) => {
                let received = entry.born.div_euclid(1_000);
                since >= reply.modified.or(reply.date).unwrap_or(received)
            }
            (None, None) => false,
        };
        let mut outcome = Outcome {
            status: reply.status,
            body: Some(reply.body.clone()),
            age,
            said,
            made: Some(reply.run),
        };
        if judges && unmodified {
            outcome.status = 304;
            outcome.body = Some(String::new());
            outcome.made = None;
        } else if ask.method == Method::HEAD {
            outcome.body = Some(String::new());
        } else if let Some(range) = ask.range
            && reply.status == 200
            && is_range_meant(ask, reply)
        {
            cut(range, &mut outcome);
        }
        outcome
    }

    fn run(&mut self) -> Result<Run, String> {
        self.runs
            .pop_front()
            .ok_or_else(|| "a run of the handler".to_owned())
    }
}

/// RFC 9111 §5.2.1.2, within §4.2.4.
fn accepts_stale(wish: &Wish, entry: &Entry, stale: i64) -> bool {
    let accepted = wish
        .max_stale
        .is_some_and(|most| most.is_none_or(|most| stale <= most * 1_000));
    accepted && !entry.must_revalidate() && !entry.has_s_maxage()
}

/// RFC 9110 §13.1.5. The dates of the scripts are strong: long before `Date`.
fn is_range_meant(ask: &Ask, reply: &Reply) -> bool {
    let Some(condition) = &ask.if_range else {
        return true;
    };
    let tag = reply.tag.as_ref().filter(|tag| !tag.starts_with("W/"));
    let modified = reply.modified.map(super::origin::date);
    tag == Some(condition) || modified.as_ref() == Some(condition)
}

fn cut(range: &str, outcome: &mut Outcome) {
    let whole = outcome.body.clone().unwrap_or_default();
    let part = match range {
        "bytes=0-3" => whole.get(..4),
        "bytes=0-" => Some(&whole[..]),
        "bytes=-5" => whole.get(whole.len() - 5..),
        "bytes=4-99" => whole.get(4..),
        "bytes=0-0,3-4" => None,
        "bytes=99-" => {
            outcome.status = 416;
            outcome.body = None;
            outcome.made = None;
            return;
        }
        // Not a range, or of an unknown unit.
        _ => return,
    };
    outcome.status = 206;
    outcome.body = part.map(str::to_owned);
    outcome.made = None;
}

fn relayed(reply: &Reply, reasons: Vec<&'static str>) -> Outcome {
    Outcome {
        status: reply.status,
        body: Some(reply.body.clone()),
        age: Aged::Anyhow,
        said: Said::Forwarded(reasons),
        made: Some(reply.run).filter(|_| reply.status != 304),
    }
}

fn relayed_head(reply: &Reply, reasons: Vec<&'static str>) -> Outcome {
    Outcome {
        body: Some(String::new()),
        ..relayed(reply, reasons)
    }
}

fn unanswered(status: u16) -> Outcome {
    Outcome {
        status,
        body: None,
        age: Aged::Anyhow,
        said: Said::Anything,
        made: None,
    }
}
