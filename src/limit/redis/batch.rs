//! What a call asks the script, and what the script's answer means.
//!
//! The script decides and counts; standings are worked out here from what it tells, by the rules that every limiter shares.

use deadpool_redis::redis::Value;
use smallvec::SmallVec;

use super::super::ask::{Action, Ask};
use super::super::decision::{Decision, Receipt, Standing, Wait};
use super::super::quota::QuotaError;
use super::super::rule::{Alignment, At, Counts, Gcra, InFlight, Log, Rule, State, Window};
use super::names::{Name, Names};
use super::places::{Place, Places};

/// What a call asks, key by key.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: SmallVec<[Item; 2]>,
    /// What each ask is about.
    asked: SmallVec<[Asked; 2]>,
    pub(super) action: Action,
}

/// One key of a call.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: Name,
    rule: Rule,
    pub(super) cost: u64,
    receipt: Receipt,
    /// How much the place holds that something is given back of.
    held: u64,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Nothing that is counted.
    Fixed(Standing),
    /// An item, at a cost, and how much later asks of this call take of the same.
    Item { nth: usize, cost: u64, later: u64 },
}

/// How an item stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) standing: Standing,
    /// Of GCRA, from which the receipts of several asks are told apart.
    arrival: u128,
}

/// What the script said of a part.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) admitted: bool,
    pub(super) told: SmallVec<[Told; 2]>,
}

/// The answer is not what the script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer is not that of the script")]
pub(super) struct Nonsense;

impl Batch {
    pub(super) fn new(
        names: &Names,
        places: &Places,
        action: Action,
        asks: &[Ask<'_>],
    ) -> Result<Self, QuotaError> {
        let mut batch = Self {
            items: SmallVec::new(),
            asked: SmallVec::new(),
            action,
        };
        for ask in asks {
            let rule = ask.quota.rule()?;
            if matches!(rule, Rule::Unlimited | Rule::Denied) {
                let standing = rule.look(&State::None, At { now: 0, offset: 0 }, ask.cost);
                if action == Action::Acquire && !standing.admitted {
                    // Nothing is taken of the others, either.
                    batch.action = Action::Peek;
                }
                batch.asked.push(Asked::Fixed(standing));
                continue;
            }
            batch.ask(names.name(&ask.key, &rule), rule, ask);
        }
        for item in &mut batch.items {
            item.prepare(places, batch.action);
        }
        Ok(batch)
    }

    fn ask(&mut self, name: Name, rule: Rule, ask: &Ask<'_>) {
        let same = match self.action {
            // Each has a receipt of its own.
            Action::GiveBack => None,
            _ => self.items.iter().position(|item| item.name == name),
        };
        let nth = match same {
            Some(nth) => {
                if let Some(item) = self.items.get_mut(nth) {
                    item.cost = item.cost.saturating_add(ask.cost);
                }
                for asked in &mut self.asked {
                    match asked {
                        Asked::Item { nth: of, later, .. } if *of == nth => {
                            *later = later.saturating_add(ask.cost);
                        }
                        _ => {}
                    }
                }
                nth
            }
            None => {
                self.items.push(Item {
                    name,
                    rule,
                    cost: ask.cost,
                    receipt: ask.receipt,
                    held: 0,
                });
                self.items.len() - 1
            }
        };
        self.asked.push(Asked::Item {
            nth,
            cost: ask.cost,
            later: 0,
        });
    }

    /// The decision, from how each item stands.
    pub(super) fn decision(&self, told: &[Told]) -> Decision {
        Decision::new(self.asked.iter().map(|asked| match asked {
            Asked::Fixed(standing) => *standing,
            Asked::Item { nth, cost, later } => {
                let (Some(item), Some(told)) = (self.items.get(*nth), told.get(*nth)) else {
                    return Standing::DENIED;
                };
                let mut standing = told.standing;
                if *cost == 0 {
                    standing.receipt = Receipt::NONE;
                } else if let (Rule::Gcra(rule), true) = (&item.rule, *later > 0) {
                    standing.receipt = earlier(rule, told.arrival, *later, standing.receipt);
                }
                standing
            }
        }))
    }
}

/// The receipt of what was taken before `later` units.
fn earlier(rule: &Gcra, arrival: u128, later: u64, receipt: Receipt) -> Receipt {
    if receipt == Receipt::NONE {
        return receipt;
    }
    let before = arrival.saturating_sub(u128::from(later) * u128::from(rule.period));
    Receipt::new(u64::try_from(before / u128::from(rule.rate)).unwrap_or(u64::MAX))
}

impl Item {
    /// A place that nobody holds any more.
    pub(super) const fn ghost(name: Name, place: u64, count: u64) -> Self {
        Self {
            name,
            rule: Rule::InFlight(InFlight { most: 1 }),
            cost: count,
            receipt: Receipt::new(place),
            held: count,
        }
    }

    /// Places are named by this node, before they are taken.
    fn prepare(&mut self, places: &Places, action: Action) {
        if !matches!(self.rule, Rule::InFlight(_)) {
            return;
        }
        match action {
            Action::Acquire | Action::Charge if self.cost > 0 => {
                self.receipt = Receipt::new(places.name());
            }
            Action::GiveBack => {
                let held = places.release(self.receipt.value(), self.cost);
                // What another node holds is given back as it was taken.
                self.held = held.unwrap_or(self.cost);
            }
            Action::Reset => places.forget(&self.name),
            _ => {}
        }
    }

    /// The place that was taken, if it is one.
    pub(super) fn place(&self) -> Option<(u64, Place)> {
        let is_place = matches!(self.rule, Rule::InFlight(_)) && self.cost > 0;
        is_place.then(|| {
            let place = Place {
                key: self.name.clone(),
                count: self.bounded_cost(),
            };
            (self.receipt.value(), place)
        })
    }

    /// What was taken, to be given back.
    pub(super) fn returning(&self, told: &Told) -> Self {
        let mut item = self.clone();
        item.receipt = told.standing.receipt;
        item.held = self.bounded_cost();
        item
    }

    /// More than twice the capacity and one makes no difference, and might not be exact in a double.
    fn bounded_cost(&self) -> u64 {
        match self.rule {
            Rule::InFlight(_) => self.cost.min(LARGEST_COUNT),
            rule => self.cost.min(2 * rule.capacity() + 1),
        }
    }

    /// The rule, and what is asked of it, as the script reads them.
    pub(super) fn argument(&self, lease: u64) -> SmallVec<[u8; 80]> {
        let cost = self.bounded_cost();
        let mut words = Words::default();
        match &self.rule {
            Rule::Gcra(rule) => {
                let room = match cost {
                    0 => (LARGEST, 0),
                    cost if cost > rule.burst => (-1, 0),
                    cost => time(rule, rule.burst - cost),
                };
                words.kind(1).number(rule.rate);
                for (whole, part) in [room, time(rule, cost), time(rule, 2 * rule.burst)] {
                    words.signed(whole).number(part);
                }
                words.number(self.receipt.value());
            }
            Rule::Fixed(rule) => {
                let alignment = match rule.alignment {
                    Alignment::Epoch => 0,
                    Alignment::Staggered => 1,
                    Alignment::FirstRequest => 2,
                };
                let numbers = [rule.amount, rule.window, cost, self.receipt.value()];
                words.kind(2).numbers(numbers);
                words.numbers([alignment, self.name.offset % rule.window]);
            }
            Rule::Counter(rule) => {
                let numbers = [rule.amount, rule.window, cost, self.receipt.value()];
                words.kind(3).numbers(numbers);
            }
            Rule::Log(rule) => {
                let numbers = [rule.amount, rule.window, cost, self.receipt.value()];
                words.kind(4).numbers(numbers);
            }
            Rule::InFlight(rule) => {
                let held = self.held.min(LARGEST_COUNT);
                words.kind(5).numbers([rule.most, lease, cost, held]);
                words.0.extend(self.receipt.value().to_le_bytes());
            }
            Rule::Unlimited | Rule::Denied => {}
        }
        words.0
    }

    fn told(
        &self,
        now: u64,
        numbers: &mut impl Iterator<Item = u64>,
        taken: bool,
        cost: u64,
    ) -> Option<Told> {
        let mut next = || numbers.next();
        let at = At {
            now,
            offset: self.name.offset,
        };
        let (state, receipt) = match &self.rule {
            Rule::Gcra(rule) => {
                let (whole, part) = (next()?, next()?);
                let arrival = u128::from(whole) * u128::from(rule.rate) + u128::from(part);
                (State::Arrival(arrival), Receipt::new(whole))
            }
            Rule::Fixed(_) => {
                let (begins, used) = (next()?, next()?);
                let state = State::Window(Window { begins, used });
                (state, Receipt::new(begins))
            }
            Rule::Counter(_) => {
                let (begins, used, before) = (next()?, next()?, next()?);
                let state = State::Counts(Counts {
                    begins,
                    used,
                    before,
                });
                (state, Receipt::new(begins))
            }
            Rule::Log(rule) => {
                let told = [next()?, next()?, next()?, next()?];
                let mut standing = of_log(rule, now, told, cost);
                if taken {
                    standing.receipt = Receipt::new(told[3]);
                }
                return Some(Told {
                    standing,
                    arrival: 0,
                });
            }
            Rule::InFlight(_) => (State::InFlight(next()?), self.receipt),
            Rule::Unlimited | Rule::Denied => (State::None, Receipt::NONE),
        };
        let mut standing = self.rule.look(&state, at, cost);
        if taken {
            standing.receipt = receipt;
        }
        let arrival = match state {
            State::Arrival(arrival) => arrival,
            _ => 0,
        };
        Some(Told { standing, arrival })
    }
}

/// What the script says of items, after `action`.
pub(super) fn read(value: &Value, items: &[&Item], action: Action) -> Result<Answer, Nonsense> {
    let Value::Array(values) = value else {
        return Err(Nonsense);
    };
    let mut numbers = values.iter().map_while(|value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    });
    let now = numbers.next().ok_or(Nonsense)?;
    let admitted = numbers.next().ok_or(Nonsense)? == 1;
    let changed = match action {
        Action::Acquire => admitted,
        Action::Peek => false,
        Action::Charge | Action::GiveBack | Action::Reset => true,
    };
    let took = changed && matches!(action, Action::Acquire | Action::Charge);
    let mut told = SmallVec::new();
    for item in items {
        let cost = if changed { 0 } else { item.cost };
        let taken = took && item.cost > 0;
        told.push(item.told(now, &mut numbers, taken, cost).ok_or(Nonsense)?);
    }
    Ok(Answer { admitted, told })
}

/// How a log stands: the script has walked it.
fn of_log(rule: &Log, now: u64, [sum, wait, next, newest]: [u64; 4], cost: u64) -> Standing {
    let remaining = rule.amount.saturating_sub(sum);
    let admitted = cost == 0 || cost <= remaining;
    Standing {
        admitted,
        remaining,
        wait: match admitted {
            true => Wait::NONE,
            false if cost > rule.amount => Wait::Never,
            false => Wait::Micros(wait),
        },
        next: if remaining < rule.amount { next } else { 0 },
        full: match newest {
            0 => 0,
            newest => (newest + rule.window).saturating_sub(now),
        },
        receipt: Receipt::NONE,
    }
}

/// As large as anything the script is told.
const LARGEST: i64 = (1 << 53) - 1;
/// The most that one place in flight counts.
const LARGEST_COUNT: u64 = 1 << 40;

/// How long so many units take, in microseconds and parts of one of `1 / rate`.
fn time(rule: &Gcra, units: u64) -> (i64, u64) {
    let all = u128::from(units) * u128::from(rule.period);
    let (whole, part) = (all / u128::from(rule.rate), all % u128::from(rule.rate));
    let narrow = |number| u64::try_from(number).unwrap_or(u64::MAX);
    (
        i64::try_from(whole).unwrap_or(LARGEST).min(LARGEST),
        narrow(part),
    )
}

/// Numbers below 2^53, packed as doubles.
#[derive(Default)]
struct Words(SmallVec<[u8; 80]>);

impl Words {
    fn kind(&mut self, kind: u8) -> &mut Self {
        self.0.push(kind);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.signed(i64::try_from(number).unwrap_or(LARGEST))
    }

    fn numbers<const N: usize>(&mut self, numbers: [u64; N]) -> &mut Self {
        for number in numbers {
            self.number(number);
        }
        self
    }

    fn signed(&mut self, number: i64) -> &mut Self {
        self.0.extend(packed(number));
        self
    }
}

/// A number as the scripts unpack it.
pub(super) fn double(number: u64) -> [u8; 8] {
    packed(i64::try_from(number).unwrap_or(LARGEST))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "doubles hold whole numbers below 2^53 exactly"
)]
fn packed(number: i64) -> [u8; 8] {
    (number.clamp(-LARGEST, LARGEST) as f64).to_le_bytes()
}
