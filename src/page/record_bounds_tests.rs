//! Bodies that are too large, and the room that recordings take.

use super::*;

fn frames(count: usize) -> Vec<Bytes> {
    (0..count).map(|_| Bytes::from(vec![b'x'; 6])).collect()
}

fn script(frames: &[Bytes]) -> Script {
    Script::new(frames.iter().cloned().map(Step::Data))
}

#[test]
fn above_the_limit_a_body_passes_intact_and_nothing_of_it_is_held() {
    let frames = frames(5);
    let scene = recorded().limit(12).record(script(&frames));
    let mut leader = scene.leader();
    for _ in 0..2 {
        assert_eq!(next_data(&mut leader).len(), 6);
    }
    assert!(!frames[0].is_unique(), "still recorded");
    assert_eq!(next_data(&mut leader).len(), 6);
    assert_eq!(scene.told(), Told::Refused(NotStored::TooLarge));
    assert!(frames[..3].iter().all(Bytes::is_unique), "let go at once");
    for frame in &frames[3..] {
        assert_eq!(next_data(&mut leader).len(), 6);
        assert!(frame.is_unique());
    }
    assert!(next(&mut leader).is_none());
    assert_eq!((scene.stored(), scene.free_budget()), (None, MIB));
    assert!(
        scene.has_landed() && scene.is_remembered(),
        "the next do not queue for it"
    );
}

#[test]
fn the_limit_itself_is_stored() {
    let frames = frames(2);
    let scene = recorded().limit(12).record(script(&frames));
    let mut leader = scene.leader();
    while next(&mut leader).is_some() {}
    assert_eq!(scene.stored(), stored_as("xxxxxxxxxxxx"));
    assert!(!scene.is_remembered());
}

#[test]
fn a_last_frame_above_the_limit_still_goes_out() {
    let frames = frames(3);
    let scene = recorded()
        .limit(12)
        .record(script(&frames).saying_its_end());
    let mut leader = scene.leader();
    for _ in 0..3 {
        assert_eq!(next_data(&mut leader).len(), 6);
    }
    assert!(leader.is_end_stream() && next(&mut leader).is_none());
    assert_eq!(
        (scene.stored(), scene.told()),
        (None, Told::Refused(NotStored::TooLarge))
    );
}

#[test]
fn trailers_go_out_behind_a_body_above_the_limit() {
    let body = Script::new([data("soup"), data("soup"), Trailers]);
    let scene = recorded().limit(4).record(body);
    let mut leader = scene.leader();
    let frames: Vec<_> = std::iter::from_fn(|| next(&mut leader))
        .map(Result::unwrap)
        .collect();
    assert_eq!(frames, ["soup", "soup", "trailers"]);
    assert_eq!(scene.stored(), None);
}

#[test]
fn an_error_above_the_limit_is_still_the_leaders() {
    let scene = recorded()
        .limit(4)
        .record(Script::new([data("soups"), data("oup"), Fail]));
    let mut leader = scene.leader();
    assert_eq!(next_data(&mut leader), "soups");
    assert_eq!(next_data(&mut leader), "oup");
    assert_eq!(
        next(&mut leader).unwrap().unwrap_err().to_string(),
        "as a handler may"
    );
}

#[test]
fn a_follower_never_takes_a_part_above_the_limit_for_the_whole() {
    let frames = frames(4);
    let scene = recorded().limit(12).record(script(&frames));
    let (mut leader, mut follower, mut late) = (scene.leader(), scene.follower(), scene.follower());
    assert_eq!(next_data(&mut leader).len(), 6);
    assert_eq!(next_data(&mut follower).len(), 6);
    while next(&mut leader).is_some() {}
    assert!(next(&mut follower).unwrap().is_err());
    assert!(next(&mut late).unwrap().is_err());
    assert!(!scene.recording.is_whole(), "and nobody may begin");
}

#[test]
fn over_the_budget_a_body_passes_intact_and_may_be_stored_another_time() {
    let frames = frames(3);
    let scene = recorded().budget(17).record(script(&frames));
    let mut leader = scene.leader();
    for _ in 0..2 {
        assert_eq!(next_data(&mut leader).len(), 6);
    }
    assert_eq!(scene.free_budget(), 5);
    assert_eq!(next_data(&mut leader).len(), 6);
    assert!(next(&mut leader).is_none());
    assert_eq!(
        (scene.stored(), scene.told()),
        (None, Told::Refused(NotStored::Budget))
    );
    assert_eq!(scene.free_budget(), 17);
    assert!(!scene.is_remembered(), "it was not its own fault");
}

#[test]
fn room_is_given_back_when_the_last_reader_is_gone() {
    let frames = frames(3);
    let scene = recorded().record(script(&frames));
    let (mut leader, follower) = (scene.leader(), scene.follower());
    while next(&mut leader).is_some() {}
    drop(leader);
    assert_eq!(scene.free_budget(), MIB - 18);
    drop(follower);
    let cache = scene.cache.clone();
    drop(scene);
    assert_eq!(cache.shared.budget.left(), MIB);
}
