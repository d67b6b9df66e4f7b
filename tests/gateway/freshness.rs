//! How long a response is fresh, and how old it is (RFC 9111 §4.2).

use std::time::Duration;

use crate::{
    origin::Act,
    stage::{Stage, assert_reuse, date, page},
};

#[tokio::test]
async fn a_lifetime_is_read_as_it_is_written() {
    assert_reuse(&[
        (&["Cache-Control: max-age=3600"], true),
        (&["Cache-Control: max-age=\"3600\""], true),
        (&["Cache-Control: max-age=003600"], true),
        (&["Cache-Control: MAX-age=3600"], true),
        (&["Cache-Control: ,, max-age=3600 ,"], true),
        (&["Cache-Control: other, max-age=3600"], true),
        (
            &["Cache-Control: other", "Cache-Control: max-age=3600"],
            true,
        ),
        (&["Cache-Control: max-age=2147483648"], true),
        (&["Cache-Control: max-age=99999999999"], true),
        (&["Cache-Control: max-age=18446744073709551616"], true),
        (
            &["Cache-Control: max-age=99999999999999999999999999999999999999999999999999"],
            true,
        ),
        (&["Cache-Control: max-age=0"], false),
        (&["Cache-Control: max-age='3600'"], false),
        (&["Cache-Control: max-age"], false),
        (&["Cache-Control: max-age="], false),
        (&["Cache-Control: max-age=\"\""], false),
        (&["Cache-Control: max-age=a3600"], false),
        (&["Cache-Control: max-age=3600a"], false),
        (&["Cache-Control: max-age=3600s"], false),
        (&["Cache-Control: max-age=-3600"], false),
        (&["Cache-Control: max-age=+3600"], false),
        (&["Cache-Control: max-age=3600.0"], false),
        (&["Cache-Control: max-age=3600.5"], false),
        (&["Cache-Control: max-age=0x3600"], false),
        (&["Cache-Control: max-age=3600, x=\"a"], false),
    ])
    .await;
}

#[tokio::test]
async fn what_stands_in_quotes_is_no_directive() {
    assert_reuse(&[
        (
            &["Age: 10", "Cache-Control: x=\"max-age=3600\", max-age=5"],
            false,
        ),
        (
            &["Age: 10", "Cache-Control: max-age=5, x=\"max-age=3600\""],
            false,
        ),
        (
            &[
                "Age: 10",
                "Cache-Control: x=\"max-age=3600\", max-age=\"5\"",
            ],
            false,
        ),
        (
            &[
                "Age: 10",
                "Cache-Control: x=\"a, max-age=3600, b\", max-age=5",
            ],
            false,
        ),
        (
            &["Age: 10", "Cache-Control: x=\"max-age=5\", max-age=3600"],
            true,
        ),
        (
            &["Age: 10", "Cache-Control: max-age=3600, x=\"max-age=5\""],
            true,
        ),
        (
            &["Cache-Control: x=\"no-store, private\", max-age=3600"],
            true,
        ),
        (
            &["Cache-Control: x=\"a\\\", no-store\", max-age=3600"],
            true,
        ),
    ])
    .await;
}

#[tokio::test]
async fn of_several_lifetimes_the_most_special_counts() {
    assert_reuse(&[
        (&["Cache-Control: s-maxage=3600"], true),
        (
            &["Age: 10", "Cache-Control: max-age=3600, s-maxage=5"],
            false,
        ),
        (
            &["Age: 10", "Cache-Control: s-maxage=5, max-age=3600"],
            false,
        ),
        (
            &[
                "Age: 10",
                "Cache-Control: max-age=3600",
                "Cache-Control: s-maxage=5",
            ],
            false,
        ),
        (
            &["Age: 10", "Cache-Control: max-age=5, s-maxage=3600"],
            true,
        ),
        (&["Cache-Control: s-maxage=0, max-age=3600"], false),
        (&["Cache-Control: s-maxage=x, max-age=3600"], false),
        (&["Cache-Control: max-age=3600", "Expires: @-10000"], true),
        (&["Cache-Control: max-age=3600", "Expires: 0"], true),
        (&["Cache-Control: max-age=0", "Expires: @10000"], false),
        (&["Cache-Control: max-age=x", "Expires: @10000"], false),
        (&["Cache-Control: other", "Expires: @10000"], true),
        // Equal ones are one, and different ones are no lifetime beyond the shortest.
        (&["Cache-Control: max-age=3600, max-age=3600"], true),
        (
            &["Age: 10", "Cache-Control: max-age=3600, max-age=5"],
            false,
        ),
        (
            &["Age: 10", "Cache-Control: max-age=5, max-age=3600"],
            false,
        ),
        (
            &[
                "Age: 10",
                "Cache-Control: max-age=3600",
                "Cache-Control: max-age=5",
            ],
            false,
        ),
        (
            &[
                "Age: 10",
                "Cache-Control: max-age=5",
                "Cache-Control: max-age=3600",
            ],
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn expires_is_a_date_or_in_the_past() {
    assert_reuse(&[
        (&["Expires: @3600"], true),
        (&["Date: @0", "Expires: @3600"], true),
        (&["Date: @-7200", "Expires: @7200"], true),
        (&["Date: @0", "Expires: @0"], false),
        (&["Date: @0", "Expires: @-3600"], false),
        // By the origin's clock it is over, whatever this one says.
        (&["Date: @400", "Expires: @300"], false),
        (&["Expires: Thursday, 18-Aug-50 02:01:18 GMT"], true),
        (&["Expires: Thu Aug 18 02:01:18 2050"], true),
        (&["Expires: Thu, 18 Aug 2050 02:01:60 GMT"], true),
        (&["Expires: THU, 18 Aug 2050 02:01:18 GMT"], true),
        (&["Expires: Thu, 18 AUG 2050 02:01:18 GMT"], true),
        (&["Expires: Thu, 18 Aug 2050 02:01:18 gmt"], true),
        (&["Expires: Thu, 18 Aug 2050 02:01:18 UTC"], false),
        (&["Expires: Thu, 18 Aug 2050 02:01:18 +0000"], false),
        (&["Expires: Thu, 18 Aug 2050 02:01:18"], false),
        (&["Expires: Thu, 18 Aug 50 02:01:18 GMT"], false),
        (&["Expires: Thu 18 Aug 2050 02:01:18 GMT"], false),
        (&["Expires: Thu, 18  Aug  2050 02:01:18 GMT"], false),
        (&["Expires: Thu, 18-Aug-2050 02:01:18 GMT"], false),
        (&["Expires: Thu, 18 Aug 2050 02.01.18 GMT"], false),
        (&["Expires: Thu, 18 Aug 2050 2:01:18 GMT"], false),
        (&["Expires: Thu, 38 Aug 2050 02:01:18 GMT"], false),
        (&["Expires: Thu, 18 Aug 2050 25:01:18 GMT"], false),
        (&["Expires: 18 Aug 2050 02:01:18 GMT"], false),
        (&["Expires: 2050-08-18T02:01:18Z"], false),
        (&["Expires: 2544487278"], false),
        (&["Expires: 0"], false),
        (&["Expires: -1"], false),
        (&["Expires:"], false),
        (&["Expires: @3600", "Expires: @-3600"], false),
        (&["Date: nonsense", "Expires: @3600"], true),
        (&["Date: @-10", "Expires: @10", "Age: 25"], false),
        (&["Date: @10", "Expires: @20", "Age: 15"], false),
    ])
    .await;
}

#[tokio::test]
async fn an_age_is_the_first_number_that_is_told_or_nothing() {
    assert_reuse(&[
        (&["Age: 15", "Cache-Control: max-age=10"], false),
        (&["Age: 10", "Cache-Control: max-age=10"], false),
        (&["Age: 5", "Cache-Control: max-age=3600"], true),
        (&["Age: nonsense", "Cache-Control: max-age=3600"], true),
        (&["Age:", "Cache-Control: max-age=3600"], true),
        (&["Age: -7200", "Cache-Control: max-age=3600"], true),
        (&["Age: +1", "Cache-Control: max-age=3600"], true),
        (&["Age: 1.0", "Cache-Control: max-age=3600"], true),
        (&["Age: 7200,0", "Cache-Control: max-age=3600"], false),
        (&["Age: 0,7200", "Cache-Control: max-age=3600"], true),
        (&["Age: 0, 0", "Cache-Control: max-age=3600"], true),
        (
            &[
                "Age: 99999999999999999999999999",
                "Cache-Control: max-age=3600",
            ],
            false,
        ),
        (
            &["Age: 7200", "Age: 0", "Cache-Control: max-age=3600"],
            false,
        ),
        (
            &["Age: 0", "Age: 7200", "Cache-Control: max-age=3600"],
            true,
        ),
        (&["Age: 0", "Age: 0", "Cache-Control: max-age=3600"], true),
        (
            &["Age: 7200", "Age: 7200", "Cache-Control: max-age=3600"],
            false,
        ),
        // What was long on its way says so by its date.
        (&["Date: @-100", "Cache-Control: max-age=60"], false),
        (&["Date: @-100", "Cache-Control: max-age=160"], true),
        (&["Date: @100", "Cache-Control: max-age=60"], true),
        (
            &["Date: @-100", "Age: 5", "Cache-Control: max-age=60"],
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_stored_response_tells_its_age_and_keeps_its_date() {
    let rows: &'static [(&[&str], u64)] = &[
        (&["Cache-Control: max-age=600"], 0),
        (&["Cache-Control: max-age=600", "Age: 30"], 30),
        (&["Expires: @600", "Date: @0", "Age: 30"], 30),
        (&["Cache-Control: max-age=600", "Date: @-100"], 100),
        (
            &["Cache-Control: max-age=600", "Date: @-100", "Age: 30"],
            100,
        ),
        (
            &["Cache-Control: max-age=600", "Date: @-30", "Age: 100"],
            100,
        ),
        (&["Cache-Control: max-age=600", "Date: @100"], 0),
        (&["Cache-Control: max-age=600", "Age: 30", "Age: 90"], 30),
    ];
    let stage = Stage::start(move |asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(rows[row].0, "")
    })
    .await;
    for (row, (fields, age)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        let first = stage.get(&target, &[]).await;
        let hit = stage.get(&target, &[]).await;
        assert!(hit.is_hit(), "{fields:?}");
        let told = hit.age().expect("a hit has an age");
        assert!((*age..age + 3).contains(&told), "{fields:?}: {told}");
        let ttl = hit.cache().expect("it says so").ttl();
        assert_eq!(ttl + told, 600, "{fields:?}");
        let dates: Vec<_> = [&first, &hit]
            .iter()
            .map(|reply| reply.get("date").map(str::to_owned))
            .collect();
        assert!(dates[0].is_some(), "{fields:?}");
        assert_eq!(dates[0], dates[1], "{fields:?}");
    }
}

#[tokio::test]
async fn the_date_that_came_is_the_date_that_is_told() {
    let then = date(-60);
    let field = format!("Date: {then}");
    let stage = Stage::start(move |_, _| page(&[&field, "Cache-Control: max-age=600"], "")).await;
    for _ in 0..2 {
        assert_eq!(stage.get("/", &[]).await.get("date"), Some(then.as_str()));
    }
}

#[tokio::test]
async fn the_time_that_the_origin_took_is_part_of_the_age() {
    let stage = Stage::acting(&[], |_, _| {
        let page = page(&["Cache-Control: max-age=600", "Age: 10"], "");
        vec![Act::Wait(Duration::from_millis(1_050)), Act::Send(page)]
    })
    .await;
    stage.get("/", &[]).await;
    let age = stage.get("/", &[]).await.age();
    assert!(age.is_some_and(|age| age >= 11), "{age:?}");
}

#[tokio::test]
async fn a_lifetime_that_is_over_is_over() {
    let stage = Stage::start(|asked, nth| {
        let fields = match asked.target.as_str() {
            "/age" => &["Cache-Control: max-age=1"][..],
            "/aged" => &["Cache-Control: max-age=61", "Age: 60"],
            "/expires" => &["Date: @0", "Expires: @1"],
            "/shared" => &["Cache-Control: max-age=600, s-maxage=1"],
            _ => &["Cache-Control: max-age=600"],
        };
        page(fields, &format!("{nth}"))
    })
    .await;
    let targets = ["/age", "/aged", "/expires", "/shared", "/long"];
    for target in targets {
        stage.get(target, &[]).await;
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for target in targets {
        let reply = stage.get(target, &[]).await;
        let is_long = target == "/long";
        assert_eq!(reply.is_hit(), is_long, "{target}: {:?}", reply.head);
        assert_eq!(reply.body(), if is_long { "0" } else { "1" }, "{target}");
    }
}

#[tokio::test]
async fn each_target_is_a_page_of_its_own() {
    let stage = Stage::start(|asked, _| page(&["Cache-Control: max-age=60"], &asked.target)).await;
    let targets = [
        "/a",
        "/a?",
        "/a?q=1",
        "/a?q=2",
        "/a?q=1&p=1",
        "/a?p=1&q=1",
        "/A",
        "/a/",
        "//a",
        "/%61",
        "/a%2Fb",
        "/a/b",
    ];
    for target in targets {
        let reply = stage.get(target, &[]).await;
        assert!(!reply.is_hit(), "{target}");
        assert_eq!(reply.body(), target);
    }
    for target in targets {
        let reply = stage.get(target, &[]).await;
        assert!(reply.is_hit(), "{target}");
        assert_eq!(reply.body(), target);
    }
}
