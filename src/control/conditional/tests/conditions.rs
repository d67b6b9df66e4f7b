//! What finished answers come to (CO-02 to CO-07, CO-09).

use super::*;

/// The status of an answer with these fields to these conditions.
async fn status(method: &str, conditions: Fields<'_>, code: u16, lines: Fields<'_>) -> u16 {
    let inner = answer(code, lines, text("soup"));
    let layer = ConditionalLayer::new().without_etag();
    let answer = through(layer, request(method, conditions), inner).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn co_02_only_a_2xx_becomes_304_or_412() {
    let validators = [("etag", "\"a\""), ("last-modified", THEN)];
    for code in [200, 201, 202, 203, 204, 206, 226] {
        let found = [("if-none-match", "\"a\"")];
        assert_eq!(status("GET", &found, code, &validators).await, 304);
        let other = [("if-match", "\"b\"")];
        assert_eq!(status("GET", &other, code, &validators).await, 412);
    }
    for code in [301, 302, 304, 400, 403, 404, 410, 412, 416, 500, 503] {
        for conditions in [
            [("if-none-match", "\"a\"")],
            [("if-match", "\"b\"")],
            [("if-modified-since", LATER)],
            [("if-unmodified-since", EARLIER)],
        ] {
            let got = status("GET", &conditions, code, &validators).await;
            assert_eq!(got, code, "{conditions:?}");
        }
    }
}

#[tokio::test]
async fn co_03_conditions_are_judged_in_the_order_of_section_13_2_2() {
    let validators = [("etag", "\"a\""), ("last-modified", THEN)];
    let (matches, differs) = (("if-match", "\"a\""), ("if-match", "\"b\""));
    let (found, not_found) = (("if-none-match", "\"a\""), ("if-none-match", "\"b\""));
    let (same, changed) = (("if-modified-since", THEN), ("if-modified-since", EARLIER));
    let (unchanged, late) = (
        ("if-unmodified-since", THEN),
        ("if-unmodified-since", EARLIER),
    );
    for (conditions, expected) in [
        (&[][..], 200),
        (&[matches], 200),
        (&[differs], 412),
        (&[unchanged], 200),
        (&[late], 412),
        (&[matches, late], 200),
        (&[differs, unchanged], 412),
        (&[differs, found], 412),
        (&[late, found], 412),
        (&[matches, found], 304),
        (&[unchanged, found], 304),
        (&[matches, same], 304),
        (&[late, same], 412),
        (&[found, changed], 304),
        (&[not_found, same], 200),
        (&[same], 304),
        (&[changed], 200),
    ] {
        for method in ["GET", "HEAD"] {
            let got = status(method, conditions, 200, &validators).await;
            assert_eq!(got, expected, "{method} {conditions:?}");
        }
    }
}

#[tokio::test]
async fn co_04_none_match_takes_lists_weakly_and_a_star() {
    for (current, asked, expected) in [
        ("\"a\"", "\"a\"", 304),
        ("\"a\"", "W/\"a\"", 304),
        ("W/\"a\"", "\"a\"", 304),
        ("\"a\"", "\"b\", ,W/\"a\"", 304),
        // CO-10: a tag may have a comma.
        ("\"a,b\"", "\"x\", \"a,b\"", 304),
        ("\"a\"", "*", 304),
        ("\"a\"", "\"b\"", 200),
        ("\"a\"", "\"A\"", 200),
    ] {
        let conditions = [("if-none-match", asked)];
        let got = status("GET", &conditions, 200, &[("etag", current)]).await;
        assert_eq!(got, expected, "{current} {asked}");
    }
    assert_eq!(
        status("GET", &[("if-none-match", "*")], 200, &[]).await,
        304
    );
    let lines = [("if-none-match", "\"x\""), ("if-none-match", "\"a\"")];
    assert_eq!(status("GET", &lines, 200, &[("etag", "\"a\"")]).await, 304);
}

#[tokio::test]
async fn co_05_match_compares_strongly() {
    for (current, asked, expected) in [
        ("\"a\"", "\"a\"", 200),
        ("\"a\"", "\"b\", \"a\"", 200),
        ("\"a\"", "*", 200),
        ("\"a\"", "W/\"a\"", 412),
        ("W/\"a\"", "W/\"a\"", 412),
        ("W/\"a\"", "\"a\"", 412),
        ("W/\"a\"", "*", 200),
    ] {
        let conditions = [("if-match", asked)];
        let got = status("GET", &conditions, 200, &[("etag", current)]).await;
        assert_eq!(got, expected, "{current} {asked}");
    }
    assert_eq!(status("GET", &[("if-match", "*")], 200, &[]).await, 200);
    assert_eq!(status("GET", &[("if-match", "\"a\"")], 200, &[]).await, 412);
}

#[tokio::test]
async fn co_06_what_cannot_be_read_is_ignored() {
    let validators = [("etag", "\"a\""), ("last-modified", THEN)];
    for condition in [
        ("if-none-match", "a"),
        ("if-none-match", "\"a\" \"b\""),
        ("if-none-match", "*, \"a\""),
        ("if-match", "b"),
        ("if-match", "\"b"),
        ("if-modified-since", "tomorrow"),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 UTC"),
        ("if-unmodified-since", "0"),
    ] {
        let got = status("GET", &[condition], 200, &validators).await;
        assert_eq!(got, 200, "{condition:?}");
    }
    // Unreadable on the other side: there is no date, and no tag.
    let broken = [("etag", "a"), ("last-modified", "today")];
    for (condition, expected) in [
        (("if-none-match", "\"a\""), 200),
        (("if-modified-since", LATER), 200),
        (("if-unmodified-since", EARLIER), 200),
        (("if-match", "\"a\""), 412),
    ] {
        let got = status("GET", &[condition], 200, &broken).await;
        assert_eq!(got, expected, "{condition:?}");
    }
    // A date of the answer is not when the page was modified.
    let dated = [("date", EARLIER)];
    assert_eq!(
        status("GET", &[("if-modified-since", LATER)], 200, &dated).await,
        200
    );
}

#[tokio::test]
async fn co_07_a_304_keeps_what_guides_caches_and_the_cookies() {
    let kept = [
        ("age", "7"),
        ("cache-control", "max-age=60"),
        ("cache-control", "private"),
        ("cache-status", "larder; hit"),
        ("content-location", "/menu.en"),
        ("date", THEN),
        ("etag", "\"a\""),
        ("expires", LATER),
        ("last-modified", EARLIER),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("vary", "accept"),
        ("vary", "cookie"),
        ("x-cache", "HIT"),
    ];
    let dropped = [
        ("accept-ranges", "bytes"),
        ("content-disposition", "inline"),
        ("content-encoding", "gzip"),
        ("content-language", "en"),
        ("content-length", "4"),
        ("content-type", "text/plain"),
        ("link", "</style.css>"),
        ("repr-digest", "sha-256=:AAAA:"),
        ("transfer-encoding", "chunked"),
        ("x-own", "1"),
    ];
    let lines = [&kept[..], &dropped[..]].concat();
    for method in ["GET", "HEAD"] {
        let request = request(method, &[("if-none-match", "\"a\"")]);
        let inner = answer(200, &lines, text("soup"));
        let answer = through(ConditionalLayer::new(), request, inner).await;
        assert_eq!(answer.status(), 304);
        assert_eq!(*answer.headers(), fields(&kept));
        assert!(answer.body().is_end_stream());
        assert_eq!(answer.body().size_hint().exact(), None);
        assert_eq!(body(answer).await, "");
    }
}

#[tokio::test]
async fn a_412_keeps_no_lifetime_and_no_content() {
    let lines = [
        ("cache-control", "max-age=60"),
        ("expires", LATER),
        ("date", THEN),
        ("vary", "accept"),
        ("set-cookie", "a=1"),
        ("content-type", "text/plain"),
        ("content-length", "4"),
        ("etag", "\"a\""),
    ];
    let request = request("GET", &[("if-match", "\"b\"")]);
    let answer = through(
        ConditionalLayer::new(),
        request,
        answer(200, &lines, text("soup")),
    )
    .await;
    assert_eq!(answer.status(), 412);
    let kept = [("date", THEN), ("vary", "accept"), ("set-cookie", "a=1")];
    assert_eq!(*answer.headers(), fields(&kept));
    assert_eq!(body(answer).await, "");
}

#[tokio::test]
async fn co_09_an_answer_to_an_unsafe_method_is_never_denied() {
    let validators = [("etag", "\"a\""), ("last-modified", THEN)];
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        for condition in [
            ("if-match", "\"b\""),
            ("if-unmodified-since", EARLIER),
            ("if-none-match", "*"),
            ("if-none-match", "\"a\""),
            ("if-modified-since", LATER),
        ] {
            for code in [200, 201, 204] {
                let inner = answer(code, &validators, text("done"));
                let request = request(method, &[condition]);
                let answer = through(ConditionalLayer::new(), request, inner).await;
                assert_eq!(answer.status().as_u16(), code, "{method} {condition:?}");
                assert_eq!(body(answer).await, "done");
            }
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_made_here_is_judged_at_once() {
    let soup = tag("soup");
    let weakly = format!("W/{soup}");
    for (condition, expected) in [
        (("if-none-match", &*soup), 304),
        (("if-none-match", &*weakly), 304),
        (("if-none-match", "\"other\""), 200),
        (("if-match", &*soup), 200),
        (("if-match", &*weakly), 412),
        (("if-match", "\"other\""), 412),
    ] {
        let request = request("GET", &[condition]);
        let inner = answer(200, &[("last-modified", THEN)], text("soup"));
        let answer = through(ConditionalLayer::new(), request, inner).await;
        assert_eq!(answer.status(), expected, "{condition:?}");
        if expected != 412 {
            assert_eq!(field(&answer, "etag"), Some(&*soup));
        }
    }
    // A 304 by date has the tag that the 200 would have (§15.4.5).
    let request = request("GET", &[("if-modified-since", THEN)]);
    let inner = answer(200, &[("last-modified", THEN)], text("soup"));
    let answer = through(ConditionalLayer::new(), request, inner).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(field(&answer, "etag"), Some(&*soup));
}

#[tokio::test]
async fn weak_tags_are_of_no_use_for_if_match() {
    let ask = async |condition| {
        let inner = answer(200, &[], text("soup"));
        let layer = ConditionalLayer::new().weak();
        let answer = through(layer, request("GET", &[condition]), inner).await;
        answer.status().as_u16()
    };
    let weak = format!("W/{}", tag("soup"));
    assert_eq!(ask(("if-none-match", &weak)).await, 304);
    assert_eq!(ask(("if-match", &weak)).await, 412);
}

/// A HEAD has no content to make a tag of: what its GET has is not held against it.
#[tokio::test]
async fn head_is_judged_by_the_validators_that_it_has() {
    let ask = async |condition, lines, layer: ConditionalLayer| {
        let request = request("HEAD", &[condition]);
        let answer = through(layer, request, answer(200, lines, text(""))).await;
        answer.status().as_u16()
    };
    let soup = tag("soup");
    let new = ConditionalLayer::new;
    assert_eq!(ask(("if-match", &*soup), &[], new()).await, 200);
    assert_eq!(ask(("if-none-match", &*soup), &[], new()).await, 200);
    assert_eq!(ask(("if-none-match", "*"), &[], new()).await, 304);
    let dated: Fields<'_> = &[("last-modified", THEN)];
    assert_eq!(ask(("if-modified-since", THEN), dated, new()).await, 304);
    let tagged: Fields<'_> = &[("etag", "\"a\"")];
    assert_eq!(ask(("if-none-match", "\"a\""), tagged, new()).await, 304);
    assert_eq!(ask(("if-match", "\"b\""), tagged, new()).await, 412);
    // Where no tags are made, none is unknown.
    let none = new().without_etag();
    assert_eq!(ask(("if-match", "\"a\""), &[], none).await, 412);
}

#[tokio::test]
async fn a_part_is_judged_by_the_validators_that_it_has() {
    let lines = [("content-range", "bytes 0-3/10"), ("etag", "\"a\"")];
    for (conditions, expected) in [
        (&[][..], 206),
        (&[("if-range", "\"b\"")], 206),
        (&[("if-none-match", "\"a\"")], 304),
        (&[("if-match", "\"b\"")], 412),
    ] {
        let conditions = [&[("range", "bytes=0-3")], conditions].concat();
        assert_eq!(status("GET", &conditions, 206, &lines).await, expected);
    }
}

#[tokio::test]
async fn the_extensions_and_the_version_of_the_answer_stay() {
    for (condition, expected) in [
        (("if-none-match", "\"b\""), 200),
        (("if-none-match", "\"a\""), 304),
        (("if-match", "\"b\""), 412),
    ] {
        let mut inner = answer(200, &[("etag", "\"a\"")], text("soup"));
        inner.extensions_mut().insert("of the handler");
        *inner.version_mut() = http::Version::HTTP_2;
        let request = request("GET", &[condition]);
        let answer = through(ConditionalLayer::new(), request, inner).await;
        assert_eq!(answer.status(), expected);
        assert_eq!(answer.extensions().get(), Some(&"of the handler"));
        assert_eq!(answer.version(), http::Version::HTTP_2);
    }
}

#[tokio::test]
async fn years_of_two_digits_are_placed_by_the_clock() {
    // 2026: the year is at most fifty years ahead.
    let layer = ConditionalLayer::new().clock(crate::clock::ManualClock::new());
    let lines = [("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
    for (given, expected) in [
        ("Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("Saturday, 05-Nov-94 08:49:37 GMT", 200),
    ] {
        let request = request("GET", &[("if-modified-since", given)]);
        let inner = answer(200, &lines, text("soup"));
        let answer = through(layer.clone(), request, inner).await;
        assert_eq!(answer.status(), expected, "{given}");
    }
}
