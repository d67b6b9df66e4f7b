//! What happens in a hunt: requests of several people, alone and side by side, purges, and time that passes.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::*;
use super::origin::{Answering, Form, Reads, Reply};
use super::people::{Person, Way};
use super::routes::{Options, Route};

#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What the secrets are drawn from.
    pub(super) token: u64,
    pub(super) routes: [Route; 2],
    pub(super) options: Options,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Requests side by side.
    Ask {
        asks: Vec<Ask>,
        /// Do the slow handlers outlast the soft timeout?
        late: bool,
        /// What is purged while they are under way.
        purge: Option<Purge>,
    },
    /// The content changes.
    Change,
    /// So many seconds pass.
    Wait(u64),
    Purge(Purge),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Purge {
    Layers,
    Handlers,
    Page,
    Alice,
    Clear,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) person: Person,
    pub(super) known: Known,
    /// With two cookies of a session, which cannot be told apart?
    pub(super) unclear: bool,
    /// One of the script's.
    pub(super) route: usize,
    pub(super) page: usize,
    pub(super) method: Method,
    pub(super) control: &'static str,
    pub(super) condition: Option<Condition>,
    pub(super) range: Option<&'static str>,
    /// `If-Range` with the last of the tags that the person was given.
    pub(super) if_range: bool,
    pub(super) language: Option<&'static str>,
    pub(super) reply: Reply,
    /// When the handler is let go on, among those that are slow.
    pub(super) turn: u8,
    pub(super) fate: Fate,
}

/// By what a request shows who sends it.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// By all that its route varies on.
    ByTheRoute,
    By(Vec<Way>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// A tag that the same person was given.
    Own(usize),
    /// A tag that another was given.
    Others(usize),
    Both(usize),
    Any,
    Date,
}

/// What becomes of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Reads,
    /// It goes away once it has the head.
    DropsTheBody,
    /// It goes away before it has anything.
    GoesAway,
}

impl Ask {
    /// The ways in which it shows who sends it, as far as that person has them.
    fn ways(&self, route: Route) -> Vec<Way> {
        let ways = match &self.known {
            Known::ByTheRoute => route.varies_on(),
            Known::By(ways) => ways,
        };
        let can = self.person.ways();
        let shown: Vec<_> = ways
            .iter()
            .filter(|way| can.contains(way))
            .copied()
            .collect();
        match shown.is_empty() {
            true => can.iter().take(1).copied().collect(),
            false => shown,
        }
    }

    pub(super) fn request(
        &self,
        route: Route,
        secret: &str,
        tags: &[String],
        own: Option<&str>,
        gate: Gate,
    ) -> Request<Body> {
        let mut fields = Vec::new();
        if !self.control.is_empty() {
            fields.push(("cache-control", self.control.to_owned()));
        }
        if !tags.is_empty() {
            fields.push(("if-none-match", tags.join(", ")));
        }
        if let Some(Condition::Date) = self.condition {
            let date = "Thu, 01 Jan 2026 00:00:00 GMT";
            fields.push(("if-modified-since", date.to_owned()));
        }
        if let Some(range) = self.range {
            fields.push(("range", range.to_owned()));
        }
        if let (true, Some(tag)) = (self.if_range, own) {
            fields.push(("if-range", tag.to_owned()));
        }
        if let Some(language) = self.language {
            fields.push(("accept-language", language.to_owned()));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut request = request(self.method.clone(), &route.target(self.page), &fields);
        let ways = self.ways(route);
        for way in &ways {
            way.add_to(&mut request, secret);
        }
        if self.unclear && ways.contains(&Way::Session) {
            let other: String = secret.chars().rev().collect();
            Way::Session.add_to(&mut request, &format!("{other}{secret}"));
        }
        let reply = self.reply.clone();
        request.extensions_mut().insert(Answering { reply, gate });
        request
    }
}

pub(super) fn scripts() -> impl Strategy<Value = Script> {
    let routes = [select(&Route::ALL[..]), select(&Route::ALL[..])];
    let steps = prop::collection::vec(steps(), 4..20);
    (any::<u64>(), routes, options(), steps).prop_map(|(token, routes, options, steps)| Script {
        token,
        routes,
        options,
        steps,
    })
}

fn seldom(weight: f64) -> impl Strategy<Value = bool> {
    prop::bool::weighted(weight)
}

fn options() -> impl Strategy<Value = Options> {
    let half = || seldom(0.5);
    let first = (half(), half(), half(), half(), seldom(0.3));
    let second = (half(), half(), seldom(0.3), half(), seldom(0.3));
    (first, second).prop_map(|(first, second)| {
        let (while_revalidate, if_error, soft_timeout, etag, search) = first;
        let (parts, posts, validates, heeds, client_ttl) = second;
        Options {
            while_revalidate,
            if_error,
            soft_timeout,
            etag,
            search,
            parts,
            posts,
            validates,
            heeds,
            client_ttl,
        }
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let asks = prop::collection::vec(asks(), 1..5);
    let place = prop::option::weighted(0.8, places());
    let purge = prop::option::weighted(0.1, purges());
    let ask = (asks, place, seldom(0.3), purge).prop_map(|(mut asks, place, late, purge)| {
        // Mostly, all of them ask for the same.
        if let Some((route, page)) = place {
            for ask in &mut asks {
                (ask.route, ask.page) = (route, page);
            }
        }
        Step::Ask { asks, late, purge }
    });
    prop_oneof![
        16 => ask,
        1 => Just(Step::Change),
        4 => select(&[1_u64, 4, 7, 11, 25][..]).prop_map(Step::Wait),
        1 => purges().prop_map(Step::Purge),
    ]
}

fn purges() -> impl Strategy<Value = Purge> {
    select(
        &[
            Purge::Layers,
            Purge::Handlers,
            Purge::Page,
            Purge::Alice,
            Purge::Clear,
        ][..],
    )
}

/// A person, and the ways in which this request shows who it is.
fn people() -> impl Strategy<Value = (Person, Known)> {
    let person = prop_oneof![
        5 => Just(Person::Alice),
        5 => Just(Person::Bob),
        1 => Just(Person::Visitor),
        2 => Just(Person::Stranger),
    ];
    let known = prop_oneof![
        3 => Just(Known::ByTheRoute),
        1 => subsequence(Way::ALL.to_vec(), 1..4).prop_map(Known::By),
    ];
    (person, known)
}

/// One of the script's routes, and one of the pages there.
fn places() -> impl Strategy<Value = (usize, usize)> {
    let route = prop_oneof![3 => Just(0_usize), 1 => Just(1)];
    (route, select(&[0_usize, 0, 0, 0, 1, 2][..]))
}

fn asks() -> impl Strategy<Value = Ask> {
    let method = prop_oneof![
        12 => Just(Method::GET),
        2 => Just(Method::HEAD),
        1 => Just(Method::POST),
    ];
    let condition = prop_oneof![
        3 => (0..4_usize).prop_map(Condition::Own),
        3 => (0..4_usize).prop_map(Condition::Others),
        1 => (0..4_usize).prop_map(Condition::Both),
        1 => Just(Condition::Any),
        2 => Just(Condition::Date),
    ];
    let control = select(
        &[
            "no-cache",
            "no-store",
            "max-stale",
            "only-if-cached",
            "max-age=0",
            "stale-if-error=60",
        ][..],
    );
    let range = select(
        &[
            "bytes=0-9",
            "bytes=5-",
            "bytes=-7",
            "bytes=0-3,9-14",
            "bytes=900-",
        ][..],
    );
    let fate = prop_oneof![
        10 => Just(Fate::Reads),
        1 => Just(Fate::DropsTheBody),
        1 => Just(Fate::GoesAway),
    ];
    let wishes = (
        prop::option::weighted(0.2, control),
        prop::option::weighted(0.3, condition),
        prop::option::weighted(0.15, range),
        seldom(0.3),
        select(&[None, Some("de"), Some("en")][..]),
    );
    let who = (people(), seldom(0.03), places(), method);
    (who, wishes, replies(), any::<u8>(), fate).prop_map(|(who, wishes, reply, turn, fate)| {
        let ((person, known), unclear, (route, page), method) = who;
        let (control, condition, range, if_range, language) = wishes;
        Ask {
            person,
            known,
            unclear,
            route,
            page,
            method,
            control: control.unwrap_or_default(),
            condition,
            range,
            if_range,
            language,
            reply,
            turn,
            fate,
        }
    })
}

fn replies() -> impl Strategy<Value = Reply> {
    let reads = prop_oneof![
        5 => Just(Reads::Looks),
        1 => Just(Reads::Identity),
        1 => Just(Reads::Personal),
        1 => Just(Reads::Trace),
    ];
    let status = prop_oneof![
        16 => Just(200_u16),
        1 => Just(404),
        1 => Just(301),
        2 => Just(500),
        1 => Just(503),
    ];
    let control = prop_oneof![
        4 => Just(""),
        3 => Just("max-age=5"),
        8 => select(
            &[
                "max-age=5, stale-while-revalidate=30, stale-if-error=30",
                "max-age=5, must-revalidate",
                "private",
                "private, max-age=5",
                "private=\"x-for\", max-age=5",
                "public",
                "public, max-age=5",
                "s-maxage=5",
                "public, max-age=5, stale-while-revalidate=30, stale-if-error=30",
                "public, private, max-age=5",
                "no-cache",
                "no-store",
                "must-understand, no-store, max-age=5",
                "max-age=0, stale-while-revalidate=30",
                "max-age=5, max-age=\"",
            ][..],
        ),
    ];
    let targeted = select(&["max-age=5", "public, max-age=5", "private"][..]);
    let vary = select(
        &[
            "accept-language",
            "cookie",
            "authorization, x-api-key",
            "accept-language, cookie",
            "*",
            "a1, a2, a3, a4, a5, a6, a7, a8, a9",
        ][..],
    );
    let form = prop_oneof![
        5 => Just(Form::Whole),
        2 => Just(Form::Streamed),
        1 => Just(Form::Trailers),
        1 => Just(Form::Broken),
    ];
    let says = (
        control,
        prop::option::weighted(0.1, targeted),
        prop::option::weighted(0.2, vary),
    );
    let first = (reads, status, says, form);
    let second = (seldom(0.7), seldom(0.4), seldom(0.05), seldom(0.8));
    let third = (seldom(0.2), seldom(0.4), seldom(0.03), seldom(0.5));
    (first, second, third).prop_map(|(first, second, third)| {
        let (reads, status, (control, targeted, vary), form) = first;
        let (tag, dated, sets_cookie, honest) = second;
        let (search, slow, panics, unreachable) = third;
        Reply {
            reads,
            status,
            control,
            targeted,
            vary,
            tag,
            dated,
            sets_cookie,
            honest,
            search,
            form,
            slow,
            panics,
            unreachable,
        }
    })
}
