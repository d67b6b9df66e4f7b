//! Readers that go away or stand still, and the task that drives the body in their place.

use super::*;

#[tokio::test]
async fn a_leader_that_leaves_half_way_leaves_a_whole_page() {
    let scene = recorded().record(Script::new([
        data("so"),
        Step::Pending,
        data("up"),
        Step::Pending,
        Trailers,
    ]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "so");
    drop(leader);
    assert_eq!(scene.stored(), None);
    scene.cache.background().idle().await;
    assert_eq!(scene.stored(), Some(("soup".into(), Some(trailers()))));
    assert_eq!(scene.told(), Told::Shared);
}

#[tokio::test]
async fn a_leader_that_never_reads_leaves_a_whole_page() {
    let scene = recorded()
        .length(4)
        .record(Script::new([data("so"), data("up")]));
    drop(scene.leader());
    scene.cache.background().idle().await;
    assert_eq!(scene.stored(), stored_as("soup"));
}

#[tokio::test]
async fn with_the_background_full_an_orphan_is_abandoned() {
    let buffer = Bytes::from(vec![b'x'; 9]);
    let scene = recorded().tasks(0).record(Script::new([
        Step::Data(buffer.clone()),
        Step::Data(buffer.clone()),
    ]));
    let (mut leader, mut follower) = (scene.leader(), scene.follower());
    assert_eq!(next_data(&mut leader).len(), 9);
    drop(leader);
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
    assert_eq!(scene.free_budget(), MIB);
    assert!(scene.has_landed() && !scene.is_remembered());
    assert_eq!(next_data(&mut follower).len(), 9);
    assert!(next(&mut follower).unwrap().is_err());
    assert_eq!(
        scene.polls.load(Ordering::Relaxed),
        1,
        "nobody drives it any more"
    );
}

#[test]
fn without_a_runtime_an_orphan_is_abandoned() {
    let scene = recorded().record(Script::new([data("so"), data("up")]));
    drop(scene.leader());
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
}

#[tokio::test]
async fn an_orphan_is_abandoned_when_the_background_shuts_down() {
    let gate = Arc::new(Gate::default());
    let scene = recorded().record(Script::new([data("so"), Step::Gate(gate)]));
    drop(scene.leader());
    tokio::task::yield_now().await;
    assert_eq!(scene.told(), Told::Shared, "still under way");
    scene.cache.background().shutdown();
    scene.cache.background().idle().await;
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
}

#[tokio::test]
async fn an_orphan_above_the_limit_is_dropped_unread() {
    let frames: Vec<_> = (0..9).map(|_| Bytes::from(vec![b'x'; 6])).collect();
    let scene = recorded()
        .limit(12)
        .record(Script::new(frames.iter().cloned().map(Step::Data)));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader).len(), 6);
    drop(leader);
    scene.cache.background().idle().await;
    assert_eq!(
        (scene.stored(), scene.told()),
        (None, Told::Refused(NotStored::TooLarge))
    );
    assert_eq!(
        scene.polls.load(Ordering::Relaxed),
        3,
        "not read further than it is worth"
    );
    assert!(frames[3..].iter().all(Bytes::is_unique));
}

#[tokio::test]
async fn a_leader_that_leaves_a_body_above_the_limit_drops_it() {
    let frames: Vec<_> = (0..9).map(|_| Bytes::from(vec![b'x'; 6])).collect();
    let scene = recorded()
        .limit(6)
        .record(Script::new(frames.iter().cloned().map(Step::Data)));
    let mut leader = scene.leader();
    for _ in 0..2 {
        assert_eq!(next_data(&mut leader).len(), 6);
    }
    drop(leader);
    assert!(frames[2..].iter().all(Bytes::is_unique));
    assert_eq!(scene.cache.background().running(), 0);
}

#[tokio::test]
async fn an_orphan_that_fails_or_panics_keeps_nobody_waiting() {
    for last in [Fail, Step::Panic] {
        let scene = recorded().record(Script::new([data("so"), last]));
        let follower = scene.follower();
        drop(scene.leader());
        scene.cache.background().idle().await;
        let (bytes, _, end) = rest(follower).await;
        assert_eq!((bytes, end.is_err()), ("so".into(), true));
        assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_not_held_up_by_a_leader_that_does_not_read() {
    let scene = recorded()
        .length(4)
        .record(Script::new([data("so"), Step::Pending, data("up")]));
    let leader = scene.leader();
    assert_eq!(rest(scene.follower()).await, whole("soup"));
    assert_eq!(scene.stored(), stored_as("soup"));
    assert_eq!(
        rest(leader).await,
        whole("soup"),
        "the leader reads the recording"
    );
}

#[tokio::test(start_paused = true)]
async fn a_follower_takes_over_half_way() {
    let scene = recorded().record(Script::new([data("so"), data("up"), Trailers]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "so");
    let all = ("soup".into(), Some(trailers()), Ok(()));
    assert_eq!(rest(scene.follower()).await, all);
    assert_eq!(rest(leader).await, ("up".into(), Some(trailers()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_reads_is_not_overtaken() {
    let scene = recorded().record(Script::new([data("so"), data("up")]));
    let mut leader = scene.leader();
    let follower = tokio::spawn(rest(scene.follower()));
    for text in ["so", "up"] {
        tokio::time::advance(Duration::from_millis(60)).await;
        assert_eq!(next_data(&mut leader), text);
    }
    assert_eq!(
        scene.polls.load(Ordering::Relaxed),
        2,
        "nobody else has driven it"
    );
    assert!(next(&mut leader).is_none());
    assert_eq!(follower.await.unwrap(), whole("soup"));
    assert_eq!(scene.cache.background().running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_waits_is_woken_by_what_the_background_reads() {
    let gate = Arc::new(Gate::default());
    let body = Script::new([data("so"), Step::Gate(gate.clone()), data("up")]);
    let scene = recorded().record(body);
    let leader = tokio::spawn(rest(scene.leader()));
    let follower = tokio::spawn(rest(scene.follower()));
    // The background has polled last, so the body knows its waker alone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.cache.background().running(), 1);
    gate.open();
    assert_eq!(leader.await.unwrap(), whole("soup"));
    assert_eq!(follower.await.unwrap(), whole("soup"));
}

#[tokio::test(start_paused = true)]
async fn with_the_background_full_a_follower_waits_for_the_leader() {
    let gate = Arc::new(Gate::default());
    let body = Script::new([data("so"), Step::Gate(gate.clone()), data("up")]);
    let scene = recorded().tasks(0).record(body);
    let leader = tokio::spawn(rest(scene.leader()));
    let follower = tokio::spawn(rest(scene.follower()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.open();
    assert_eq!(leader.await.unwrap(), whole("soup"));
    assert_eq!(follower.await.unwrap(), whole("soup"));
    assert_eq!(scene.stored(), stored_as("soup"));
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_the_background_gives_the_body_back_to_the_leader() {
    let body = Script::new([data("so"), data("ups"), data("oup")]);
    let scene = recorded().limit(4).record(body);
    let leader = scene.leader();
    let (bytes, _, end) = rest(scene.follower()).await;
    assert!(end.is_err(), "{bytes:?}");
    scene.cache.background().idle().await;
    assert_eq!(
        scene.polls.load(Ordering::Relaxed),
        2,
        "what is not recorded waits for its reader"
    );
    assert_eq!(rest(leader).await, whole("soupsoup"));
    assert_eq!(scene.stored(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_the_leader_holds_when_the_background_comes_is_handed_over() {
    let gate = Arc::new(Gate::default());
    let place: Arc<Mutex<Option<Arc<Recording>>>> = Arc::default();
    let meanwhile = {
        let place = place.clone();
        Step::Do(Box::new(move || {
            let recording: Arc<Recording> = place.lock().unwrap().clone().unwrap();
            recording.drive_if_stalled();
            recording.drive_if_stalled();
            // The pump finds the body taken, and waits for it.
            while recording.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
        }))
    };
    let body = Script::new([data("so"), meanwhile, Step::Gate(gate.clone()), data("up")]);
    let scene = recorded().record(body);
    *place.lock().unwrap() = Some(scene.recording.clone());
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "so");
    let waited = tokio::task::spawn_blocking(move || {
        assert!(leader.frame().now_or_never().is_none());
        leader
    });
    let leader = waited.await.unwrap();
    gate.open();
    // Nobody polls for the leader: the page is finished by the one that waited.
    let idle = scene.cache.background().idle();
    let in_time = tokio::time::timeout(Duration::from_secs(60), idle).await;
    assert!(in_time.is_ok(), "the background waits for ever");
    assert_eq!(scene.stored(), stored_as("soup"));
    assert_eq!(rest(leader).await, whole("up"));
    place.lock().unwrap().take();
}
