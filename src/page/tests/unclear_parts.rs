//! 206 answers that are no clear part of anything (RFC 9110 §14.4, RFC 9111 §3.3).

use super::ranged::{TEXT, get_range, ranged};
use super::*;

/// A gateway before an origin that answers every request with this 206.
fn fixed(world: &World, fields: Fields, body: &'static str) -> Site {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(move |_| {
        let own = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
        with_status(206, &[fields, &own].concat(), body)
    });
    site
}

#[tokio::test(start_paused = true)]
async fn what_is_no_clear_part_is_passed_on_and_not_stored() {
    let table: [(Fields, &str); 12] = [
        (&[], "01234"),
        (&[("content-range", "bytes 0-5/20")], "01234"),
        (&[("content-range", "bytes 0-3/20")], "01234"),
        (&[("content-range", "bytes 0-4/4")], "01234"),
        (&[("content-range", "bytes 4-0/20")], "01234"),
        (&[("content-range", "bytes */20")], "01234"),
        (&[("content-range", "items 0-4/20")], "01234"),
        (&[("content-range", "0-4/20")], "01234"),
        (&[("content-range", "bytes 0-4/2O")], "01234"),
        (
            &[
                ("content-range", "bytes 0-4/20"),
                ("content-range", "bytes 0-4/20"),
            ],
            "01234",
        ),
        (
            &[("content-type", "multipart/byteranges; boundary=x")],
            "--x\r\n--x--",
        ),
        (
            &[
                ("content-type", "Multipart/ByteRanges; boundary=x"),
                ("content-range", "bytes 0-10/20"),
            ],
            "--x\r\n--x--\n",
        ),
    ];
    let world = World::new();
    for (n, (fields, body)) in table.into_iter().enumerate() {
        let target = format!("/{n}");
        let site = fixed(&world, fields, body);
        for run in 1..=2 {
            let answer = site.ask(get_range(&target, "bytes=0-4")).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (206, body));
            assert_eq!(answer.said(), "fwd=uri-miss", "{fields:?}");
            assert_eq!(site.runs(), run, "{fields:?}");
        }
    }
    world.assert_at_rest().await;
}

/// A part whose stream is shorter or longer than it says is found out only at its end.
#[tokio::test(start_paused = true)]
async fn a_part_whose_stream_has_another_length_is_not_stored() {
    for frames in [["012", "3"], ["012", "345"]] {
        let world = World::new();
        let (origin, site) = world.origin(world.cache.gateway());
        origin.answers(move |_| {
            let frames = stream::iter(frames.map(Ok::<_, Infallible>));
            let fields = [
                ("cache-control", "max-age=60"),
                ("content-range", "bytes 0-4/20"),
            ];
            with_status(206, &fields, Body::from_stream(frames))
        });
        for run in 1..=2 {
            let opened = site.open(get_range("/p", "bytes=0-4")).await;
            let _ = try_read(opened).await;
            assert_eq!(site.runs(), run, "{frames:?}");
        }
        world.assert_at_rest().await;
    }
}

/// A 206 that nobody asked for is no page.
#[tokio::test(start_paused = true)]
async fn a_part_that_answers_a_plain_get_is_not_stored_as_the_page() {
    let world = World::new();
    let site = fixed(&world, &[("content-range", "bytes 0-4/20")], "01234");
    site.get("/p").await;
    site.get("/p").await;
    assert_eq!(site.runs(), 2);
    let honest = world.site(world.cache.gateway(), async |request: Request<Body>| {
        ranged(&request, "\"a\"", &[])
    });
    assert!(honest.get("/p").await.is(200, TEXT));
}
