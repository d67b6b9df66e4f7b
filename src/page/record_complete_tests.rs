//! What counts as complete, and when it is stored.

use super::*;

#[test]
fn a_body_is_complete_when_it_says_that_it_has_ended_and_stored_before_that_is_passed_on() {
    let scene = recorded().record(Script::new([data("so"), data("up")]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "so");
    assert_eq!(next_data(&mut leader), "up");
    assert_eq!(scene.stored(), None, "more may come");
    assert!(next(&mut leader).is_none());
    assert_eq!(scene.stored(), stored_as("soup"));
    assert!(scene.has_landed() && scene.told() == Told::Shared);
}

#[test]
fn a_body_that_announces_its_end_is_stored_before_its_last_frame_goes_out() {
    let body = Script::new([data("so"), data("up")]).saying_its_end();
    let polls = body.polls.clone();
    let scene = recorded().record(body);
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "so");
    assert!(!leader.is_end_stream() && scene.stored().is_none());
    assert_eq!(next_data(&mut leader), "up");
    assert_eq!(scene.stored(), stored_as("soup"));
    assert!(leader.is_end_stream(), "a server asks no further");
    assert!(next(&mut leader).is_none());
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_body_of_the_promised_length_is_stored_before_its_last_frame_goes_out() {
    let gate = Arc::new(Gate::default());
    let scene =
        recorded()
            .length(4)
            .record(Script::new([data("so"), data("up"), Step::Gate(gate)]));
    let mut leader = scene.leader();
    assert_eq!(leader.size_hint().exact(), Some(4));
    assert_eq!(next_data(&mut leader), "so");
    assert_eq!(leader.size_hint().exact(), Some(2));
    assert_eq!(scene.stored(), None);
    assert_eq!(next_data(&mut leader), "up");
    assert_eq!(
        scene.stored(),
        stored_as("soup"),
        "its end is not waited for"
    );
    assert!(leader.is_end_stream() && next(&mut leader).is_none());

    for behind in [data(""), Step::Pending] {
        let gate = Arc::new(Gate::default());
        let body = Script::new([data("soup"), behind, Step::Gate(gate)]);
        let scene = recorded().length(4).record(body);
        assert_eq!(next_data(&mut scene.leader()), "soup");
        assert_eq!(scene.stored(), stored_as("soup"));
    }
}

#[test]
fn an_empty_body_that_says_so_is_stored_before_anybody_reads_it() {
    let scene = recorded().record(Script::new([]).saying_its_end());
    assert_eq!(scene.stored(), stored_as(""));
    assert!(scene.leader().is_end_stream());
    let scene = recorded().length(0).record(Script::new([]));
    assert!(next(&mut scene.leader()).is_none());
    assert_eq!(scene.stored(), stored_as(""));
}

#[test]
fn trailers_are_kept_apart_and_stored_before_they_go_out() {
    for says_end in [false, true] {
        let mut body = Script::new([data("so"), data("up"), Trailers]);
        body.says_end = says_end;
        let scene = recorded().record(body);
        let mut leader = scene.leader();
        assert_eq!(next_data(&mut leader), "so");
        assert_eq!(next_data(&mut leader), "up");
        assert_eq!(scene.stored(), None);
        assert_eq!(next_data(&mut leader), "trailers");
        assert_eq!(scene.stored(), Some(("soup".into(), Some(trailers()))));
        assert!(leader.is_end_stream() && next(&mut leader).is_none());
        let mut follower = scene.follower();
        let frames: Vec<_> = std::iter::from_fn(|| next(&mut follower))
            .map(Result::unwrap)
            .collect();
        assert_eq!(frames, ["so", "up", "trailers"]);
    }
}

#[test]
fn announced_trailers_are_waited_for_past_the_promised_length() {
    let body = Script::new([data("soup"), Step::Pending, Trailers]);
    let scene = recorded().length(4).with_trailers().record(body);
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "soup");
    assert!(!leader.is_end_stream() && scene.stored().is_none());
    assert!(leader.frame().now_or_never().is_none());
    assert_eq!(next_data(&mut leader), "trailers");
    assert_eq!(scene.stored(), Some(("soup".into(), Some(trailers()))));
}

#[test]
fn trailers_that_nobody_announced_are_not_lost_behind_the_promised_length() {
    let scene = recorded()
        .length(4)
        .record(Script::new([data("soup"), Trailers]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "soup");
    assert!(!leader.is_end_stream());
    assert_eq!(next_data(&mut leader), "trailers");
    assert_eq!(scene.stored(), Some(("soup".into(), Some(trailers()))));
}

#[test]
fn a_body_that_ends_short_of_its_length_is_not_stored() {
    for says_end in [false, true] {
        let mut body = Script::new([data("so"), data("u")]);
        body.says_end = says_end;
        let scene = recorded().length(4).record(body);
        let (mut leader, mut follower) = (scene.leader(), scene.follower());
        assert_eq!(next_data(&mut leader), "so");
        assert_eq!(next_data(&mut leader), "u");
        assert!(next(&mut leader).is_none(), "as the handler has it");
        assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
        assert!(scene.has_landed() && !scene.is_remembered());
        assert_eq!(next_data(&mut follower), "so");
        assert_eq!(next_data(&mut follower), "u");
        assert!(
            next(&mut follower).unwrap().is_err(),
            "never answered as if it were whole"
        );
    }
    let scene = recorded()
        .length(4)
        .record(Script::new([]).saying_its_end());
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
}

#[test]
fn a_body_beyond_its_length_passes_intact_and_is_not_stored() {
    for frames in [["sou", "psop"], ["soups", "op"]] {
        let body = Script::new(frames.map(data));
        let scene = recorded().length(4).record(body);
        let (mut leader, mut follower) = (scene.leader(), scene.follower());
        assert_eq!(next_data(&mut leader), frames[0]);
        assert_eq!(next_data(&mut leader), frames[1]);
        assert!(next(&mut leader).is_none());
        assert_eq!(
            (scene.stored(), scene.told()),
            (None, Told::Refused(NotStored::Length))
        );
        let told = std::iter::from_fn(|| next(&mut follower)).find(Result::is_err);
        assert!(told.is_some(), "a follower has no part in it");
    }
    let scene = recorded()
        .length(4)
        .record(Script::new([data("soup"), data("s")]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "soup");
    assert_eq!(next_data(&mut leader), "s");
    assert!(next(&mut leader).is_none());
    assert_eq!(
        (scene.stored(), scene.told()),
        (None, Told::Refused(NotStored::Length))
    );
}

#[test]
fn a_body_that_fails_is_not_stored_and_its_error_is_the_leaders() {
    let scene = recorded().record(Script::new([data("so"), Fail]));
    let (mut leader, mut follower) = (scene.leader(), scene.follower());
    assert_eq!(next_data(&mut leader), "so");
    assert_eq!(next_data(&mut follower), "so");
    let error = next(&mut leader).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "as a handler may");
    let error = next(&mut follower).unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the response that this one was read from ended early"
    );
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
    assert_eq!(scene.free_budget(), MIB);
}

#[test]
fn a_body_that_fails_behind_its_promised_length_is_not_stored() {
    let scene = recorded()
        .length(4)
        .record(Script::new([data("soup"), Fail]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "soup");
    assert!(next(&mut leader).unwrap().is_err());
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
}

#[test]
fn a_body_that_panics_keeps_nobody_waiting() {
    let scene = recorded().record(Script::new([data("so"), Step::Panic]));
    let (mut leader, mut follower) = (scene.leader(), scene.follower());
    assert_eq!(next_data(&mut leader), "so");
    assert_eq!(next_data(&mut follower), "so");
    let polled = std::panic::AssertUnwindSafe(|| next(&mut leader));
    assert!(
        std::panic::catch_unwind(polled).is_err(),
        "the panic is the leader's"
    );
    assert!(next(&mut follower).unwrap().is_err());
    assert!(
        next(&mut leader).unwrap().is_err(),
        "and it is not polled again"
    );
    assert_eq!((scene.stored(), scene.told()), (None, Told::Abandoned));
}

#[test]
fn what_is_stored_pins_no_buffer_of_the_handlers() {
    let buffer = Bytes::from(vec![b'x'; 4_096]);
    let scene = recorded().record(Script::new([
        Step::Data(buffer.slice(..3)),
        Step::Data(buffer.slice(9..10)),
    ]));
    let mut leader = scene.leader();
    while next(&mut leader).is_some() {}
    assert_eq!(scene.stored(), stored_as("xxxx"));
    assert!(!buffer.is_unique(), "the recording holds it");
    let cache = scene.cache.clone();
    drop((scene, leader));
    assert!(buffer.is_unique());
    assert!(cache.shared.budget.left() == MIB);
}
