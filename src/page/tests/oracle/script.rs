//! What happens in a run: requests, the answers that the origin has for them, and the time between.

use std::fmt;

use proptest::prelude::*;

use super::super::*;
use super::origin::{Kind, Origin, Say, Tags, Version, date, said};

/// A request as it is planned: validators are named by how many versions old they are.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) method: Method,
    pub(super) url: usize,
    pub(super) wish: Wish,
    pub(super) tags: Option<TagPlan>,
    /// `If-Modified-Since`: the version's date, moved by so many seconds.
    pub(super) since: Option<(i64, i64)>,
    pub(super) range: Option<&'static str>,
    pub(super) if_range: Option<IfRange>,
    pub(super) lang: Option<&'static str>,
    pub(super) authorization: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TagPlan {
    Of(i64),
    WeakOf(i64),
    Any,
    Unknown,
    UnknownAnd(i64),
    AnyAnd(i64),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum IfRange {
    Tag(i64),
    Date(i64),
}

/// The directives of a request, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wish {
    pub(super) no_cache: bool,
    pub(super) no_store: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<i64>,
    /// `Some(None)`: however stale.
    pub(super) max_stale: Option<Option<i64>>,
    pub(super) min_fresh: Option<i64>,
    pub(super) if_error: Option<i64>,
}

impl Wish {
    fn text(&self) -> String {
        let mut words = Vec::new();
        let mut flag = |on: bool, name: &str| {
            if on {
                words.push(name.to_owned());
            }
        };
        flag(self.no_cache, "no-cache");
        flag(self.no_store, "no-store");
        flag(self.only_if_cached, "only-if-cached");
        let mut number = |name: &str, value: Option<i64>| {
            words.extend(value.map(|value| format!("{name}={value}")));
        };
        number("max-age", self.max_age);
        number("max-stale", self.max_stale.flatten());
        number("min-fresh", self.min_fresh);
        number("stale-if-error", self.if_error);
        if self.max_stale == Some(None) {
            words.push("max-stale".to_owned());
        }
        words.join(", ")
    }
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: usize,
    pub(super) wish: Wish,
    pub(super) tags: Option<String>,
    pub(super) since: Option<i64>,
    pub(super) range: Option<&'static str>,
    pub(super) if_range: Option<String>,
    pub(super) lang: Option<&'static str>,
    pub(super) authorization: bool,
}

impl Plan {
    /// With the validators of a resource that is at this version.
    pub(super) fn ask(&self, kind: Kind, version: Version) -> Ask {
        let older = |back: i64| Version {
            number: version.number - back,
            ..version
        };
        // Clients may ask with tags though the resource has none.
        let tag = |back: i64| {
            let strong = Kind {
                tags: if kind.tags == Tags::None {
                    Tags::Strong
                } else {
                    kind.tags
                },
                ..kind
            };
            older(back).tag(strong, self.lang).unwrap()
        };
        let tags = self.tags.map(|plan| match plan {
            TagPlan::Of(back) => tag(back),
            TagPlan::WeakOf(back) => format!("W/{}", tag(back).trim_start_matches("W/")),
            TagPlan::Any => "*".to_owned(),
            TagPlan::Unknown => "\"zz\"".to_owned(),
            TagPlan::UnknownAnd(back) => format!("\"zz\", {}", tag(back)),
            TagPlan::AnyAnd(back) => format!("*, {}", tag(back)),
        });
        Ask {
            method: self.method.clone(),
            url: self.url,
            wish: self.wish,
            tags,
            since: self
                .since
                .map(|(back, moved)| older(back).modified() + moved),
            range: self.range,
            if_range: self.if_range.map(|condition| match condition {
                IfRange::Tag(back) => tag(back),
                IfRange::Date(back) => date(older(back).modified()),
            }),
            lang: self.lang,
            authorization: self.authorization,
        }
    }
}

impl Ask {
    pub(super) fn target(&self) -> String {
        format!("/u{}", self.url)
    }

    pub(super) fn request(&self) -> Request<Body> {
        let mut fields = Vec::new();
        let wish = self.wish.text();
        if !wish.is_empty() {
            fields.push(("cache-control", wish));
        }
        fields.extend(self.tags.clone().map(|tags| ("if-none-match", tags)));
        fields.extend(self.since.map(|since| ("if-modified-since", date(since))));
        fields.extend(self.range.map(|range| ("range", range.to_owned())));
        fields.extend(self.if_range.clone().map(|value| ("if-range", value)));
        fields.extend(self.lang.map(|lang| ("x-l", lang.to_owned())));
        if self.authorization {
            fields.push(("authorization", "Basic eA==".to_owned()));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        request(self.method.clone(), &self.target(), &fields)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Milliseconds since the step before.
    pub(super) wait: i64,
    pub(super) plan: Plan,
    /// Has the resource changed since?
    pub(super) changed: bool,
    pub(super) origin: Origin,
}

#[derive(Clone)]
pub(super) struct Script {
    pub(super) kinds: [Kind; 2],
    pub(super) steps: Vec<Step>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (url, kind) in self.kinds.iter().enumerate() {
            write!(f, "\n  /u{url}: tags {:?}", kind.tags)?;
            write!(f, ", modified {}, vary {}", kind.modified, kind.vary)?;
        }
        let mut now = 0;
        for (number, step) in self.steps.iter().enumerate() {
            now += step.wait;
            write!(f, "\n  {number:2} {now:>8} ms  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        write!(f, "{} /u{}", plan.method, plan.url)?;
        let wish = plan.wish.text();
        if !wish.is_empty() {
            write!(f, " [{wish}]")?;
        }
        if let Some(tags) = plan.tags {
            write!(f, " inm={tags:?}")?;
        }
        if let Some((back, moved)) = plan.since {
            write!(f, " ims=({back} back, {moved:+} s)")?;
        }
        if let Some(range) = plan.range {
            write!(f, " range={range}")?;
        }
        if let Some(condition) = plan.if_range {
            write!(f, " if-range={condition:?}")?;
        }
        if let Some(lang) = plan.lang {
            write!(f, " x-l={lang:?}")?;
        }
        if plan.authorization {
            f.write_str(" authorization")?;
        }
        let origin = &self.origin;
        let changed = if self.changed { " changed" } else { "" };
        write!(f, "  <-{changed} ")?;
        if origin.unreachable {
            return f.write_str("unreachable");
        }
        write!(f, "{} [{}]", origin.status, said(&origin.says))?;
        if let Some(after) = origin.expires {
            write!(f, " expires={after:+}")?;
        }
        if let Some(ago) = origin.date {
            write!(f, " date=-{ago}")?;
        }
        if let Some(age) = origin.age {
            write!(f, " age={age}")?;
        }
        if !origin.honest {
            f.write_str(" ignores conditions")?;
        }
        Ok(())
    }
}

pub(super) fn scripts() -> impl Strategy<Value = Script> {
    ([kinds(), kinds()], prop::collection::vec(steps(), 2..10))
        .prop_map(|(kinds, steps)| Script { kinds, steps })
}

fn kinds() -> impl Strategy<Value = Kind> {
    let tags = prop_oneof![
        1 => Just(Tags::None),
        3 => Just(Tags::Strong),
        1 => Just(Tags::Weak),
    ];
    (tags, any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(tags, modified, vary)| Kind {
        tags,
        modified,
        vary,
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        3 => Just(0),
        3 => (0..8_i64).prop_map(|seconds| seconds * 1_000),
        1 => (0..16_i64).prop_map(|halves| halves * 500),
        1 => Just(1_000_i64 * 60),
        1 => Just(1_000_i64 * 4_000),
    ];
    (wait, plans(), prop::bool::weighted(0.3), origins()).prop_map(
        |(wait, plan, changed, origin)| Step {
            wait,
            plan,
            changed,
            origin,
        },
    )
}

fn few_seconds() -> impl Strategy<Value = i64> {
    prop::sample::select(&[0, 1, 2, 4, 5, 8, 10, 60][..])
}

fn plans() -> impl Strategy<Value = Plan> {
    let method = prop_oneof![
        12 => Just(Method::GET),
        3 => Just(Method::HEAD),
        1 => Just(Method::PUT),
    ];
    let url = prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    let back = || 0..2_i64;
    let tags = prop_oneof![
        4 => back().prop_map(TagPlan::Of),
        1 => back().prop_map(TagPlan::WeakOf),
        1 => Just(TagPlan::Any),
        1 => Just(TagPlan::Unknown),
        1 => back().prop_map(TagPlan::UnknownAnd),
        1 => back().prop_map(TagPlan::AnyAnd),
    ];
    let since = (
        back(),
        prop::sample::select(&[0_i64, 0, -1, 1, 995, 2_000][..]),
    );
    let range = prop::sample::select(
        &[
            "bytes=0-3",
            "bytes=0-",
            "bytes=-5",
            "bytes=4-99",
            "bytes=99-",
            "bytes=0-0,3-4",
            "bytes=5-2",
            "items=0-1",
        ][..],
    );
    let if_range = prop_oneof![
        back().prop_map(IfRange::Tag),
        back().prop_map(IfRange::Date),
    ];
    let lang = prop::sample::select(&[None, None, Some("a"), Some("b"), Some("")][..]);
    let seldom = |weight| prop::bool::weighted(weight);
    (
        (method, url, wishes(), lang, seldom(0.1)),
        prop::option::weighted(0.2, tags),
        prop::option::weighted(0.15, since),
        prop::option::weighted(0.15, (range, prop::option::weighted(0.4, if_range))),
    )
        .prop_map(
            |((method, url, wish, lang, authorization), tags, since, range)| Plan {
                method,
                url,
                wish,
                tags,
                since,
                range: range.map(|(range, _)| range),
                if_range: range.and_then(|(_, condition)| condition),
                lang,
                authorization,
            },
        )
}

fn wishes() -> impl Strategy<Value = Wish> {
    let seldom = || prop::bool::weighted(0.06);
    let some_seconds = || prop::option::weighted(0.07, few_seconds());
    (
        [seldom(), seldom(), seldom()],
        some_seconds(),
        prop::option::weighted(0.1, prop::option::weighted(0.7, few_seconds())),
        some_seconds(),
        some_seconds(),
    )
        .prop_map(
            |([no_cache, no_store, only_if_cached], max_age, max_stale, min_fresh, if_error)| {
                Wish {
                    no_cache,
                    no_store,
                    only_if_cached,
                    max_age,
                    max_stale,
                    // To ask for both makes no sense, and nobody says what it means.
                    min_fresh: min_fresh.filter(|_| max_stale.is_none()),
                    if_error,
                }
            },
        )
}

fn origins() -> impl Strategy<Value = Origin> {
    let status = prop_oneof![
        16 => Just(200_u16),
        2 => Just(404),
        1 => Just(500),
        2 => Just(503),
        1 => Just(302),
        1 => Just(204),
    ];
    let some_seconds = |weight| prop::option::weighted(weight, few_seconds());
    let seldom = |weight| prop::bool::weighted(weight);
    let flags = [
        (0.08, Say::NoCache),
        (0.04, Say::NoStore),
        (0.04, Say::Private),
        (0.1, Say::Public),
        (0.1, Say::MustRevalidate),
        (0.05, Say::ProxyRevalidate),
        (0.05, Say::Immutable),
        (0.03, Say::MustUnderstand),
    ];
    let flags: Vec<_> = flags
        .into_iter()
        .map(|(weight, say)| seldom(weight).prop_map(move |on| on.then_some(say)))
        .collect();
    let numbers = (
        some_seconds(0.6).prop_map(|n| n.map(Say::MaxAge)),
        some_seconds(0.15).prop_map(|n| n.map(Say::SMaxage)),
        some_seconds(0.3).prop_map(|n| n.map(Say::WhileRevalidate)),
        some_seconds(0.3).prop_map(|n| n.map(Say::IfError)),
    );
    let says = (numbers, flags).prop_map(|((a, b, c, d), flags)| {
        [a, b, c, d].into_iter().chain(flags).flatten().collect()
    });
    (
        status,
        seldom(0.1),
        says,
        prop::option::weighted(0.15, prop::sample::select(&[-5_i64, 0, 5, 60][..])),
        prop::option::weighted(0.5, prop::sample::select(&[0_i64, 0, 0, 1, 5][..])),
        prop::option::weighted(0.15, few_seconds()),
        seldom(0.85),
    )
        .prop_map(
            |(status, unreachable, says, expires, date, age, honest)| Origin {
                status,
                unreachable,
                says,
                expires,
                date,
                age,
                honest,
            },
        )
}
