use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;

fn request(lines: &[&str]) -> HeaderMap {
    arbitrary::map(&ACCEPT_ENCODING, lines)
}

fn takes(accept: &[&str], codings: &[&str]) -> bool {
    accepts(
        &request(accept),
        &arbitrary::map(&CONTENT_ENCODING, codings),
    )
}

fn form(lines: &[&str]) -> Option<String> {
    normal(&request(lines)).map(|form| String::from_utf8(form).unwrap())
}

#[test]
fn each_request_takes_its_codings() {
    // `Accept-Encoding`, and whether it takes: no coding, gzip, br.
    let table: &[(&[&str], [bool; 3])] = &[
        (&[], [true, true, true]),
        (&[""], [true, false, false]),
        (&["gzip"], [true, true, false]),
        (&["GZIP, Br"], [true, true, true]),
        (&["gzip", "br"], [true, true, true]),
        (&["x-gzip"], [true, true, false]),
        (&["identity"], [true, false, false]),
        (&["*"], [true, true, true]),
        (&["gzip;q=0"], [true, false, false]),
        (&["gzip;q=0.001"], [true, true, false]),
        (&["gzip;q=0, *"], [true, false, true]),
        (&["identity;q=0"], [false, false, false]),
        (&["identity;q=0, gzip"], [false, true, false]),
        (&["identity;q=0, *"], [false, true, true]),
        (&["*;q=0"], [false, false, false]),
        (&["*;q=0, gzip"], [false, true, false]),
        (&["*;q=0, identity"], [true, false, false]),
        (&["*;q=0, identity;q=0.5, br"], [true, false, true]),
        (&["gzip, x-gzip;q=0"], [true, false, false]),
        (&["gzip;q=0, gzip"], [true, false, false]),
        // What cannot be read asks for nothing.
        (&["gzip;q=2"], [true, false, false]),
        (&["gzip, \"br\""], [true, false, false]),
        (&["gzip;level=1"], [true, false, false]),
    ];
    for (accept, taken) in table {
        assert_eq!(takes(accept, &[]), taken[0], "{accept:?}: none");
        assert_eq!(takes(accept, &["gzip"]), taken[1], "{accept:?}: gzip");
        assert_eq!(takes(accept, &["BR"]), taken[2], "{accept:?}: br");
    }
}

#[test]
fn each_coding_of_a_response_must_be_taken() {
    assert!(takes(&["gzip, br"], &["gzip, br"]));
    assert!(takes(&["gzip, br"], &["gzip", "br"]));
    assert!(!takes(&["gzip"], &["gzip, br"]));
    assert!(!takes(&["gzip"], &["br, gzip"]));
    assert!(takes(&["gzip"], &["x-gzip"]));
    assert!(takes(&["gzip"], &["identity"]));
    assert!(!takes(&["gzip, identity;q=0"], &["identity"]));
    assert!(takes(&["gzip"], &[" , "]));
}

#[test]
fn a_coding_that_cannot_be_read_is_taken_by_who_takes_any() {
    let many = vec!["gzip"; MOST_CODINGS + 1].join(",");
    for unreadable in ["gz ip", "*", "\"gzip\"", "gzip;q=1", many.as_str()] {
        assert!(!takes(&["*, gzip"], &[unreadable]), "{unreadable}");
        assert!(takes(&[], &[unreadable]), "{unreadable}");
    }
}

#[test]
fn requests_that_take_the_same_have_one_form() {
    let expected = Some("br, gzip, zstd;q=0.5, *;q=0, identity;q=0".to_owned());
    for lines in [
        &["gzip,br,zstd;q=0.5,identity;q=0,*;q=0"][..],
        &[
            "*;q=0.000, Identity ; q=0.",
            "ZSTD;Q=0.50",
            "br;q=1, X-GZIP",
        ],
    ] {
        assert_eq!(form(lines), expected, "{lines:?}");
    }
}

#[test]
fn absent_empty_and_a_coding_are_three_forms() {
    assert_eq!(form(&[]), None);
    assert_eq!(form(&[""]).as_deref(), Some(""));
    assert_eq!(form(&["gzip"]).as_deref(), Some("gzip"));
    assert_eq!(form(&["gzip;q=2,br"]).as_deref(), Some("gzip;q=2, br"));
}

fn accept() -> impl Strategy<Value = Vec<String>> {
    let coding = prop::sample::select(["gzip", "x-GZIP", "br", "identity", "*", "zstd"].as_slice());
    let weight =
        prop::sample::select(["", ";q=1.0", ";q=0", " ; q=0.5", ";q=0.50", ";q=9"].as_slice());
    let member = (coding, weight).prop_map(|(coding, weight)| coding.to_owned() + weight);
    prop::collection::vec(member, 0..6)
}

proptest! {
    #[test]
    fn what_is_chosen_is_accepted(headers in arbitrary::lines(ACCEPT_ENCODING)) {
        let offered = ["br", "gzip"];
        let chosen = choose(&headers, &offered);
        let answer = match chosen.coding {
            Some(place) => arbitrary::map(&CONTENT_ENCODING, [offered[place]]),
            None => HeaderMap::new(),
        };
        let gives_up = chosen.coding.is_none() && chosen.identity_refused;
        prop_assert_eq!(accepts(&headers, &answer), !gives_up);
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(accept in arbitrary::lines(ACCEPT_ENCODING), content in arbitrary::lines(CONTENT_ENCODING)) {
        prop_assert!(accepts(&accept, &content) || !accept.is_empty());
        prop_assert_eq!(normal(&accept).is_none(), accept.is_empty());
    }

    #[test]
    fn the_form_takes_what_the_request_takes(
        (accept, shuffled) in accept().prop_flat_map(|accept| (Just(accept.clone()), Just(accept).prop_shuffle())),
    ) {
        let (one, other) = (accept.join(","), shuffled.join(", "));
        let normal = form(&[&one]).unwrap();
        for codings in [&[][..], &["gzip"], &["br"], &["zstd, gzip"], &["identity"], &["x"]] {
            let taken = takes(&[&one], codings);
            prop_assert_eq!(takes(&[&normal], codings), taken);
            prop_assert_eq!(takes(&[&other], codings), taken);
        }
        if !one.contains("q=9") {
            prop_assert_eq!(form(&[&other]), Some(normal));
        }
    }
}
