use crate::page::complete::Completed;
use crate::page::terms::Terms;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::task::Waker;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use tower_layer::Layer;

use super::*;
use crate::page::body::{PageBody, Reader};
use crate::page::commit::Commit;
use crate::page::flight::{Flight, Flights, Join, Phase};
use crate::page::service::CacheService;
use crate::page::share::SharedPage;
use crate::page::stored::StoredPage;
use crate::store::{Key, Times};
use crate::{Cache, MIB, MemoryStore, minutes};

#[path = "record_bounds_tests.rs"]
mod bounds;
#[path = "record_complete_tests.rs"]
mod complete;
#[path = "record_property_tests.rs"]
mod properties;
#[path = "record_pump_tests.rs"]
mod pump;

/// What a hand-made body does when it is polled.
enum Step {
    Data(Bytes),
    Trailers,
    Fail,
    Panic,
    /// Not yet; polled again at once.
    Pending,
    /// Not before it is opened.
    Gate(Arc<Gate>),
    /// Does this, and then the next step in the same poll.
    Do(Box<dyn FnOnce() + Send>),
}

use Step::{Fail, Trailers};

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

/// Like most futures, it knows the last waker alone.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Gate {
    fn open(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        wake_all(state.1.take());
    }

    fn is_open(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock().unwrap();
        state.1 = Some(waker.clone());
        state.0
    }
}

/// A body that does as it is told, and panics when it is asked again after its end.
struct Script {
    steps: VecDeque<Step>,
    /// Does it say with its last frame that it has ended?
    says_end: bool,
    ended: bool,
    polls: Arc<AtomicUsize>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            says_end: false,
            ended: false,
            polls: Arc::default(),
        }
    }

    fn saying_its_end(mut self) -> Self {
        self.says_end = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert!(!self.ended, "asked again after its end");
        self.polls.fetch_add(1, Ordering::Relaxed);
        loop {
            let frame = match self.steps.pop_front() {
                None => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                Some(Step::Data(data)) => Ok(Frame::data(data)),
                Some(Trailers) => Ok(Frame::trailers(trailers())),
                Some(Fail) => {
                    self.ended = true;
                    Err("as a handler may".into())
                }
                Some(Step::Panic) => panic!("as a handler may"),
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Gate(gate)) if !gate.is_open(cx.waker()) => {
                    self.steps.push_front(Step::Gate(gate));
                    return Poll::Pending;
                }
                Some(Step::Gate(_)) => continue,
                Some(Step::Do(act)) => {
                    act();
                    continue;
                }
            };
            return Poll::Ready(Some(frame));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.says_end && self.steps.is_empty())
    }
}

fn trailers() -> HeaderMap {
    let field = (
        HeaderName::from_static("x-sum"),
        HeaderValue::from_static("7"),
    );
    [field].into_iter().collect()
}

/// How a recording is made.
struct Setup {
    bounds: Bounds,
    budget: usize,
    tasks: usize,
}

impl Setup {
    fn length(mut self, length: u64) -> Self {
        self.bounds.length = Some(length);
        self
    }

    fn limit(mut self, limit: usize) -> Self {
        self.bounds.limit = limit;
        self
    }

    fn with_trailers(mut self) -> Self {
        self.bounds.trailers = true;
        self
    }

    fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    fn tasks(mut self, most: usize) -> Self {
        self.tasks = most;
        self
    }

    /// Leads a flight of a real cache, as a fill does.
    fn record(self, body: Script) -> Scene {
        let cache = Cache::builder(MemoryStore::new(64 * MIB))
            .recording_budget(self.budget)
            .background(Background::new(self.tasks))
            .build()
            .unwrap();
        let service: CacheService<()> = cache.page(minutes(5)).layer(());
        let shared = &cache.shared;
        let now = shared.clock.now();
        let stamp = match shared.get_now(Key::new(KEY), now) {
            Poll::Ready(found) => found.unwrap().stamp,
            Poll::Pending => unreachable!("memory answers at once"),
        };
        let Join::Lead(lead) = Flights::join(shared, KEY, stamp) else {
            panic!("somebody else leads");
        };
        let Join::Follow(flight, phase) = Flights::join(shared, KEY, stamp) else {
            panic!("nobody leads");
        };
        let times = Times {
            born: now,
            fresh_until: now + minutes(5),
            keep_until: now + minutes(5),
        };
        let head = || {
            let (terms, completed) = (Terms::default(), Completed::default());
            StoredPage::new(StatusCode::OK, &HeaderMap::new(), 300, terms, completed)
        };
        let polls = body.polls.clone();
        let recording = Recording::new(
            Box::pin(body),
            self.bounds,
            shared.budget.share(),
            shared.background.clone(),
        );
        lead.share(Arc::new(SharedPage {
            head: head(),
            times,
            stamp,
            marks: Arc::new([]),
            vary: Vec::new(),
            variant: Vec::new(),
            length: self.bounds.length,
            recording: recording.clone(),
        }));
        recording.begin(Ending {
            asker: super::super::asker::Asker::default(),
            read: super::super::asker::Read::of(&crate::Trace::default(), true),
            commit: Commit {
                page: service.page.clone(),
                base: KEY.into(),
                variant: Vec::new(),
                vary: Vec::new(),
                selecting: HeaderMap::new(),
                date: 0,
                head: head(),
                stamp,
                times,
                marks: Arc::new([]),
                search: None,
                over: None,
            },
            lead,
            credentials: false,
            is_for_all: true,
            background: shared.background.clone(),
        });
        let length = self.bounds.length;
        Scene {
            cache,
            recording,
            polls,
            length,
            phase,
            _flight: flight,
        }
    }
}

const KEY: &[u8] = b"page";

/// A recording under way.
struct Scene {
    cache: Cache,
    recording: Arc<Recording>,
    polls: Arc<AtomicUsize>,
    length: Option<u64>,
    phase: tokio::sync::watch::Receiver<Phase>,
    _flight: Arc<Flight>,
}

/// What those who wait for the flight are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Shared,
    Refused(NotStored),
    Abandoned,
}

type Client = PageBody<Empty<Bytes>>;

impl Scene {
    fn reader(&self, role: Role) -> Client {
        PageBody::recorded(Reader::new(self.recording.clone(), role, self.length))
    }

    fn leader(&self) -> Client {
        self.reader(Role::Leader)
    }

    fn follower(&self) -> Client {
        self.reader(Role::Follower)
    }

    /// The body and trailers that a later request would get.
    fn stored(&self) -> Option<(Bytes, Option<HeaderMap>)> {
        let shared = &self.cache.shared;
        let Poll::Ready(found) = shared.get_now(Key::new(KEY), shared.clock.now()) else {
            unreachable!("memory answers at once");
        };
        let record = found.unwrap().record?;
        let head: &StoredPage = record.head.downcast().unwrap();
        Some((record.body.clone(), head.trailers().cloned()))
    }

    fn told(&self) -> Told {
        match &*self.phase.borrow() {
            Phase::Open => unreachable!("it was shared before it began"),
            Phase::Shared(_) => Told::Shared,
            Phase::Validated(_) | Phase::LookUp | Phase::Failed(_) => {
                unreachable!("there is nothing to validate")
            }
            Phase::Refused(why) => Told::Refused(*why),
            Phase::Abandoned => Told::Abandoned,
        }
    }

    /// Has the flight ended, so that later requests look the store up?
    fn has_landed(&self) -> bool {
        self.cache.shared.flights.ended() == 1
    }

    fn is_remembered(&self) -> bool {
        let shared = &self.cache.shared;
        shared.remembered.holds(KEY, false, shared.clock.now())
    }

    fn free_budget(&self) -> usize {
        self.cache.shared.budget.left()
    }
}

fn recorded() -> Setup {
    Setup {
        bounds: Bounds {
            limit: 1_000,
            length: None,
            trailers: false,
        },
        budget: MIB,
        tasks: 8,
    }
}

/// The next frame of a body that has one ready: its data, or `trailers`.
fn next(body: &mut Client) -> Option<Result<Bytes, BoxError>> {
    let frame = body.frame().now_or_never().expect("nothing is ready")?;
    Some(frame.map(|frame| match frame.into_data() {
        Ok(data) => data,
        Err(frame) => {
            assert_eq!(frame.into_trailers().ok(), Some(trailers()));
            Bytes::from_static(b"trailers")
        }
    }))
}

fn next_data(body: &mut Client) -> Bytes {
    next(body).expect("it has ended").expect("it has failed")
}

/// All that is left of a body, and whether it ended well.
async fn rest(mut body: Client) -> (Bytes, Option<HeaderMap>, Result<(), String>) {
    let mut bytes = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => return (bytes.into(), trailers, Err(error.to_string())),
        }
    }
    (bytes.into(), trailers, Ok(()))
}

fn whole(text: &'static str) -> (Bytes, Option<HeaderMap>, Result<(), String>) {
    (text.into(), None, Ok(()))
}

fn stored_as(text: &'static str) -> Option<(Bytes, Option<HeaderMap>)> {
    Some((text.into(), None))
}
