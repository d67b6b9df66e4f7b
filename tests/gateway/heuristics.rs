//! How long what names no lifetime is fresh (RFC 9111 §4.2.2): a tenth of the time since it was changed, and a day at most.

use crate::stage::{Stage, assert_reuse, page, with_status};

#[tokio::test]
async fn what_was_changed_long_ago_is_fresh_for_a_while() {
    let spans: &[(i64, u64)] = &[
        (100, 10),
        (600, 60),
        (3_600, 360),
        (86_400, 8_640),
        (864_000, 86_400),
        (8_640_000, 86_400),
        (1_700_000_000, 86_400),
    ];
    let stage = Stage::start(|asked, _| {
        let modified = format!("Last-Modified: @-{}", &asked.target[1..]);
        page(&[&modified, "Date: @0"], "")
    })
    .await;
    for (since, lifetime) in spans {
        let target = format!("/{since}");
        stage.get(&target, &[]).await;
        let hit = stage.get(&target, &[]).await;
        assert!(hit.is_hit(), "{since}");
        let ttl = hit.cache().expect("it says so").ttl() + hit.age().expect("a hit has an age");
        assert!(ttl.abs_diff(*lifetime) <= 1, "{since}: {ttl}");
        assert_eq!(hit.get("warning"), None);
    }
}

#[tokio::test]
async fn nothing_is_guessed_where_something_is_said_or_nothing_known() {
    assert_reuse(&[
        (&["Last-Modified: @-100000", "Date: @0"], true),
        (&["Last-Modified: @-100000"], true),
        (&["Last-Modified: @-100000", "Pragma: no-cache"], true),
        (&["Last-Modified: @-100000", "Cache-Control: other"], true),
        (
            &["Last-Modified: @-100000", "Content-Disposition: attachment"],
            true,
        ),
        (
            &["Last-Modified: @-100000", "Cache-Control: max-age=0"],
            false,
        ),
        (
            &["Last-Modified: @-100000", "Cache-Control: max-age=x"],
            false,
        ),
        (&["Last-Modified: @-100000", "Expires: 0"], false),
        (&["Last-Modified: @-100000", "Expires: @-10"], false),
        (
            &["Last-Modified: @-100000", "Cache-Control: no-cache"],
            false,
        ),
        (
            &["Last-Modified: @-100000", "Cache-Control: no-store"],
            false,
        ),
        (&["Last-Modified: @-100000", "Age: 20000"], false),
        (&["Last-Modified: @-100000", "Date: @-20000"], false),
        (&["Last-Modified: @-5", "Date: @0"], false),
        (&["Last-Modified: @0", "Date: @0"], false),
        (&["Last-Modified: @1000", "Date: @0"], false),
        (&["Last-Modified: nonsense"], false),
        (&["Last-Modified: 0"], false),
        (&["ETag: \"a\""], false),
        (&["Cache-Control: public", "ETag: \"a\""], false),
        (&["Cache-Control: public"], false),
    ])
    .await;
}

#[tokio::test]
async fn a_lifetime_is_guessed_for_those_statuses_alone_that_allow_it() {
    let stage = Stage::start(|asked, nth| {
        let (public, status) = asked.target[1..].split_once('/').expect("both");
        let cache = match public {
            "public" => "Cache-Control: public",
            _ => "X-None: 1",
        };
        let body = match status {
            "204" => String::new(),
            _ => format!("{nth}"),
        };
        let fields = [
            cache,
            "Last-Modified: @-86400",
            "Date: @0",
            "Location: /there",
        ];
        match status {
            "204" => crate::stage::bare("204 No Content", &fields),
            _ => with_status(&format!("{status} Text"), &fields, &body),
        }
    })
    .await;
    let allowed = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501];
    let others = [
        201, 202, 205, 299, 302, 303, 307, 400, 401, 403, 406, 409, 412, 418, 425, 429, 499, 500,
        502, 503, 504, 599,
    ];
    let mut wrong = Vec::new();
    let rows = allowed
        .iter()
        .map(|status| (status, true))
        .chain(others.iter().map(|status| (status, false)));
    for (status, reused) in rows {
        let target = format!("/plain/{status}");
        assert_eq!(stage.get(&target, &[]).await.status(), *status);
        if stage.get(&target, &[]).await.is_hit() != reused {
            wrong.push(target);
        }
    }
    // Whatever it is, it may be guessed for if it is for everyone.
    for status in [200, 302, 403, 599] {
        let target = format!("/public/{status}");
        stage.get(&target, &[]).await;
        if !stage.get(&target, &[]).await.is_hit() {
            wrong.push(target);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
