//! An exhaustive model of what meets at the fence: every order of the steps of purgers, fills, followers, validations, mirrors and a loss is
//! gone through, with the real [`Fence`] between them.
//!
//! What must hold is P2: once a purge has returned, whoever starts later gets nothing that was read before the data changed. Each rule can be
//! left out, and a history is found that breaks it.

mod world;

use std::collections::HashSet;

use self::world::{Actor, Broken, Mirror, Purge, World};
use super::*;

/// What keeps P2.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Data changes before it is purged, not after.
    ChangeFirst,
    /// A fill takes its stamp before it reads.
    StampFirst,
    /// A fill commits only if the fence admits it.
    FencedCommits,
    /// The clock of the fence grows with every purge.
    SeqGrows,
    /// What shares a fill's answer asks the fence when it gets it.
    FollowersAsk,
    /// A validation stores under the stamp that was read together with what it validates.
    ValidationKeepsStamp,
    /// It stores under the marks of what it validates too.
    ValidationKeepsMarks,
    /// A fill that supersedes is checked and moves the fence in one step.
    SupersedesInOneStep,
    /// A purge by predicate refuses the fills under way.
    PredicateRefusesFills,
    /// And does so before it looks for what it removes,
    RefusesBeforeSearch,
    /// and once more after it.
    RefusesAfterSearch,
    /// It removes whatever it finds, also what was stored since it began.
    SearchSparesNothing,
    /// A validation replaces nothing but what it has validated.
    ValidationReplacesTheSame,
    /// A purge of a key removes the record in the step that sets the mark.
    KeyPurgeInOneStep,
    /// A purge of a key removes its record.
    KeyPurgeRemoves,
    /// What is forgotten of a key refuses the fills that it outlawed.
    ForgottenKeyRefusesFills,
    /// What is forgotten of a mark that lasts purges all that is older.
    ForgottenMarkPurges,
    /// So does what is forgotten of a soft one.
    ForgottenSoftMarkPurges,
    /// A purge moves the fence and sets its marks in one step.
    PurgesInOneStep,
    /// A mirror compares the fence's number with its own at every read.
    MirrorCompares,
    /// A fence that was lost has another epoch when it is made anew.
    LossIsNoticed,
}

/// How many states there are, or that one of them breaks P2.
fn explore(start: World, off: Option<Rule>) -> Result<usize, Broken> {
    start.check()?;
    let mut seen = HashSet::from([start.essence()]);
    let mut left = vec![start];
    while let Some(world) = left.pop() {
        for n in 0..world.actors.len() {
            if let Some(next) = world.step(n, off)?
                && seen.insert(next.essence())
            {
                left.push(next);
            }
        }
    }
    Ok(seen.len())
}

fn purger(purge: Purge) -> Actor {
    Actor::Purger(purge, 0, 0, 0)
}

fn fill() -> Actor {
    Actor::Fill(0, None)
}

fn validator() -> Actor {
    Actor::Validator(0, None)
}

fn superseder() -> Actor {
    Actor::Superseder(0, None)
}

fn mirror() -> Actor {
    Actor::Mirror(Box::new(Mirror::new()))
}

/// Who meets, and the rules without which that ends badly.
fn scenes() -> Vec<(&'static str, World, Vec<Rule>)> {
    use Purge::{Key, OtherKey, OtherSoft, OtherTag, Predicate, Soft, Tag};
    let of_flight = || Actor::Follower(1, 0, 0);
    vec![
        (
            "a purge of a tag, a fill, a follower",
            World::new(9, true, &[purger(Tag), fill(), of_flight()]),
            vec![
                Rule::ChangeFirst,
                Rule::StampFirst,
                Rule::SeqGrows,
                Rule::FollowersAsk,
            ],
        ),
        (
            "a purge of a key, a fill, a follower, and the mark is forgotten",
            World::new(
                1,
                true,
                &[purger(Key), fill(), of_flight(), purger(OtherKey)],
            ),
            vec![
                Rule::FencedCommits,
                Rule::KeyPurgeRemoves,
                Rule::ForgottenKeyRefusesFills,
            ],
        ),
        (
            "a purge of a tag, a fill, a validation, and the mark is forgotten",
            World::new(
                1,
                true,
                &[purger(Tag), fill(), validator(), purger(OtherTag)],
            ),
            vec![Rule::ForgottenMarkPurges],
        ),
        (
            "a purge by predicate, two fills, a follower",
            World::new(9, true, &[purger(Predicate), fill(), of_flight(), fill()]),
            vec![
                Rule::FencedCommits,
                Rule::PredicateRefusesFills,
                Rule::RefusesBeforeSearch,
            ],
        ),
        (
            "a purge by predicate, a validation, its follower",
            World::new(9, true, &[purger(Predicate), validator(), of_flight()]),
            vec![
                Rule::RefusesAfterSearch,
                Rule::SearchSparesNothing,
                Rule::ValidationReplacesTheSame,
            ],
        ),
        (
            "a purge of a key, a validation, its follower, and the mark is forgotten",
            World::new(
                1,
                true,
                &[purger(Key), validator(), of_flight(), purger(OtherKey)],
            ),
            vec![Rule::KeyPurgeInOneStep],
        ),
        (
            "a purge of a tag, a validation, its follower, a fill",
            World::new(9, true, &[purger(Tag), validator(), of_flight(), fill()]),
            vec![Rule::ValidationKeepsStamp, Rule::ValidationKeepsMarks],
        ),
        (
            "a purge of a tag, and a fill that supersedes",
            World::new(9, true, &[purger(Tag), superseder(), fill()]),
            vec![Rule::SupersedesInOneStep],
        ),
        (
            "two purges of tags, a fill, a mirror",
            World::new(9, true, &[purger(Tag), purger(OtherTag), fill(), mirror()]),
            vec![Rule::PurgesInOneStep, Rule::MirrorCompares],
        ),
        (
            "a purge of a tag, a fill, and the fence is lost",
            World::new(9, true, &[purger(Tag), fill(), Actor::Loss(0), mirror()]),
            vec![Rule::LossIsNoticed],
        ),
        (
            "a soft purge, a fill, a hard purge, and the marks are forgotten",
            World::new(
                1,
                true,
                &[purger(Soft), fill(), purger(OtherSoft), purger(Tag)],
            ),
            vec![Rule::ForgottenSoftMarkPurges],
        ),
        (
            "purges of both kinds, a fill, a validation",
            World::new(
                9,
                true,
                &[purger(Key), fill(), purger(Predicate), validator()],
            ),
            Vec::new(),
        ),
    ]
}

#[test]
fn no_order_of_steps_breaks_the_promise() {
    for (scene, world, _) in scenes() {
        let states = explore(world, None);
        assert!(
            states.as_ref().is_ok_and(|states| *states > 50),
            "{scene}: {states:?}"
        );
    }
}

#[test]
fn without_any_one_rule_some_order_breaks_it() {
    for (scene, world, rules) in scenes() {
        for rule in rules {
            assert_eq!(
                explore(world.clone(), Some(rule)),
                Err(Broken),
                "{scene}, without {rule:?}"
            );
        }
    }
}
