//! Whatever a body does, it comes through byte for byte, and a 304 is about these very bytes.

use proptest::prelude::*;

use super::*;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::sample::select(["", "a", "soup", "soup of the day"].as_slice()).prop_map(Data),
        1 => Just(Wait),
    ]
}

fn ending() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        6 => Just(vec![]),
        1 => Just(vec![Trailers]),
        1 => Just(vec![Step::Error]),
        1 => Just(vec![Wait, Step::Error]),
    ]
}

/// The bytes of a body, and whether it ended without an error.
async fn outcome<B: Body<Data = Bytes>>(body: B) -> (Vec<u8>, bool) {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}

proptest! {
    #[test]
    fn a_body_is_what_it_was_and_a_304_is_about_it(
        steps in prop::collection::vec(step(), 0..8),
        ending in ending(),
        is_sized in any::<bool>(),
        bound in prop::sample::select([0, 4, 5, 30, 1_000].as_slice()),
        asked in prop::sample::select(["soup", "a", "soupsoup", ""].as_slice()),
        is_exact in any::<bool>(),
    ) {
        let steps = [steps, ending].concat();
        let text: String = steps.iter().filter_map(|step| match step {
            Data(text) => Some(*text),
            _ => None,
        }).collect();
        let make = || match is_sized {
            true => Steps::sized(text.len() as u64, steps.clone()),
            false => Steps::of(steps.clone()),
        };
        // Half of the clients have this very body.
        let asked = tag(if is_exact { &text } else { asked });
        let is_current = asked == tag(&text);

        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let layer = ConditionalLayer::new().max_body(bound);
            let full = through(layer.clone(), request("GET", &[]), answer(200, &[], make())).await;
            let given = field(&full, "etag").map(str::to_owned);
            prop_assert!(given.is_none() || given == Some(tag(&text)));
            prop_assert!(given.is_none() || (!text.is_empty() && text.len() <= bound));
            prop_assert_eq!(outcome(full.into_body()).await, outcome(make()).await);

            let conditions = [("if-none-match", &*asked)];
            let answer = through(layer, request("GET", &conditions), answer(200, &[], make())).await;
            match answer.status().as_u16() {
                304 => {
                    prop_assert!(is_current && given.is_some());
                    prop_assert_eq!(field(&answer, "etag"), Some(&*asked));
                    prop_assert_eq!(outcome(answer.into_body()).await, (Vec::new(), true));
                }
                status => {
                    prop_assert_eq!(status, 200);
                    prop_assert!(!is_current || given.is_none());
                    prop_assert_eq!(outcome(answer.into_body()).await, outcome(make()).await);
                }
            }
            Ok(())
        })?;
    }
}
