//! Any body, and any order in which readers and the background come to it.

use proptest::prelude::*;

use super::*;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    SaysEnd,
    Exact,
    Short,
    Trailing,
    Failing,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    PollLeader,
    DropLeader,
    Follow,
    PollFollower(usize),
    DropFollower(usize),
    /// A follower's patience is over.
    Stall,
    /// The background gets its turn.
    Turn,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::PollLeader),
        1 => Just(Act::DropLeader),
        2 => Just(Act::Follow),
        4 => (0..4_usize).prop_map(Act::PollFollower),
        1 => (0..4_usize).prop_map(Act::DropFollower),
        2 => Just(Act::Stall),
        4 => Just(Act::Turn),
    ]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    use Kind::{Exact, Failing, Plain, SaysEnd, Short, Trailing};
    prop::sample::select([Plain, SaysEnd, Exact, Short, Trailing, Failing].as_slice())
}

/// A reader, and what it has got.
struct Reading {
    body: Option<Client>,
    got: Vec<u8>,
    trailers: bool,
    end: Option<bool>,
}

impl Reading {
    fn new(body: Client) -> Self {
        Self {
            body: Some(body),
            got: Vec::new(),
            trailers: false,
            end: None,
        }
    }

    /// Takes one frame if it is there.
    fn poll(&mut self) {
        let Some(body) = self.body.as_mut().filter(|_| self.end.is_none()) else {
            return;
        };
        if let Some(frame) = body.frame().now_or_never() {
            self.take(frame);
        }
    }

    async fn finish(&mut self) {
        while self.end.is_none() {
            let Some(body) = &mut self.body else { return };
            let frame = body.frame().await;
            self.take(frame);
        }
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BoxError>>) {
        match frame {
            None => self.end = Some(true),
            Some(Err(_)) => self.end = Some(false),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.got.extend_from_slice(&data),
                Err(_) => self.trailers = true,
            },
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    chunks: Vec<Vec<u8>>,
    /// Is each chunk made to be waited for?
    waits: Vec<bool>,
    kind: Kind,
    limit: usize,
    acts: Vec<Act>,
}

fn any_case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6),
        prop::collection::vec(any::<bool>(), 6),
        any_kind(),
        prop::sample::select(&[4_usize, 1_000, 1_000, 1_000][..]),
        prop::collection::vec(any_act(), 0..40),
    )
        .prop_map(|(chunks, waits, kind, limit, acts)| Case {
            chunks,
            waits,
            kind,
            limit,
            acts,
        })
}

impl Case {
    fn script(&self) -> Script {
        let mut steps = Vec::new();
        for (chunk, waits) in self.chunks.iter().zip(&self.waits) {
            if *waits {
                steps.push(Step::Pending);
            }
            steps.push(Step::Data(Bytes::from(chunk.clone())));
        }
        match self.kind {
            Kind::Trailing => steps.push(Trailers),
            Kind::Failing => steps.push(Fail),
            Kind::Plain | Kind::SaysEnd | Kind::Exact | Kind::Short => {}
        }
        let mut script = Script::new(steps);
        script.says_end = self.kind == Kind::SaysEnd;
        script
    }

    fn scene(&self, whole: &[u8]) -> Scene {
        let setup = recorded().limit(self.limit);
        let length = whole.len() as u64;
        match self.kind {
            Kind::Exact => setup.length(length),
            Kind::Short => setup.length(length + 1),
            _ => setup,
        }
        .record(self.script())
    }

    async fn play(&self) -> Result<(), TestCaseError> {
        let whole = self.chunks.concat();
        let scene = self.scene(&whole);
        let mut leader = Reading::new(scene.leader());
        let mut followers: Vec<Reading> = Vec::new();
        for act in &self.acts {
            match *act {
                Act::PollLeader => leader.poll(),
                Act::DropLeader => leader.body = None,
                Act::Follow if followers.len() < 4 && scene.recording.is_whole() => {
                    followers.push(Reading::new(scene.follower()));
                }
                Act::Follow => {}
                Act::PollFollower(n) => followers.get_mut(n).map_or((), Reading::poll),
                Act::DropFollower(n) => {
                    if let Some(follower) = followers.get_mut(n) {
                        follower.body = None;
                    }
                }
                Act::Stall => scene.recording.drive_if_stalled(),
                Act::Turn => tokio::task::yield_now().await,
            }
            if let Some((body, trailers)) = scene.stored() {
                prop_assert_eq!(
                    (&*body, trailers.is_some()),
                    (&*whole, self.kind == Kind::Trailing)
                );
            }
        }
        // Time is paused: whoever is never woken fails here, at once.
        let finish = async {
            for follower in &mut followers {
                follower.finish().await;
            }
            leader.finish().await;
            scene.cache.background().idle().await;
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), finish).await;
        prop_assert!(in_time.is_ok(), "somebody waits for ever");
        self.check(&scene, &whole, &leader, &followers)
    }

    fn check(
        &self,
        scene: &Scene,
        whole: &[u8],
        leader: &Reading,
        followers: &[Reading],
    ) -> Result<(), TestCaseError> {
        let fits = whole.len() <= self.limit;
        let ends_well = !matches!(self.kind, Kind::Short | Kind::Failing);
        let trailing = self.kind == Kind::Trailing;

        if leader.body.is_some() {
            prop_assert_eq!(&*leader.got, whole);
            prop_assert_eq!(leader.end, Some(self.kind != Kind::Failing));
            prop_assert_eq!(leader.trailers, trailing);
        }
        for follower in followers {
            prop_assert!(whole.starts_with(&follower.got));
            if follower.end == Some(true) {
                prop_assert!(ends_well);
                prop_assert_eq!(&*follower.got, whole);
                prop_assert_eq!(follower.trailers, trailing);
            }
            if follower.body.is_some() && fits && ends_well {
                prop_assert_eq!(follower.end, Some(true));
            }
        }
        let stored = scene.stored();
        prop_assert_eq!(stored.is_some(), fits && ends_well);
        if let Some((body, trailers)) = stored {
            prop_assert_eq!((&*body, trailers.is_some()), (whole, trailing));
        }
        let expected = match (fits, ends_well) {
            (true, true) => Told::Shared,
            (true, false) => Told::Abandoned,
            (false, _) => Told::Refused(NotStored::TooLarge),
        };
        prop_assert_eq!(scene.told(), expected);
        prop_assert!(scene.has_landed());
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_reader_that_ends_well_has_the_whole_body_in_whatever_order_they_come(case in any_case()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(case.play())?;
    }
}
