use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, USER_AGENT};
use http::{Method, Request};
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;
use crate::page::negotiate::normalise;

const REGION: HeaderName = HeaderName::from_static("x-region");

fn languages() -> KeyPart {
    KeyPart::language(["de", "EN", "pt-br", "zh-hant-TW"]).unwrap()
}

fn codings() -> KeyPart {
    KeyPart::encoding(["br", "x-gzip"]).unwrap()
}

fn currency() -> KeyPart {
    KeyPart::cookie("currency").one_of(["EUR", "USD"]).into()
}

/// The lines of a field as the handler sees them, and what the key holds.
fn seen(part: &KeyPart, field: &HeaderName, lines: &[&str]) -> (Vec<String>, Option<String>) {
    let mut request = Request::new(());
    *request.headers_mut() = arbitrary::map(field, lines);
    part.rewrite(request.headers_mut()).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value = part.value(&RequestHead::of(&request)).unwrap();
    let lines = request.headers().get_all(field).iter();
    (
        lines.map(|line| text(line.as_bytes())).collect(),
        value.map(|value| text(&value)),
    )
}

/// Each of these is brought to one value, which is the key's and the handler's.
fn assert_normal(part: &KeyPart, field: &HeaderName, table: &[(&[&str], &str)]) {
    for (lines, normal) in table {
        let expected = (vec![(*normal).to_owned()], Some((*normal).to_owned()));
        assert_eq!(seen(part, field, lines), expected, "{lines:?}");
    }
}

#[test]
fn a_request_gets_one_of_the_sites_languages() {
    assert_normal(
        &languages(),
        &ACCEPT_LANGUAGE,
        &[
            (&[], "de"),
            (&[""], "de"),
            (&["*"], "de"),
            (&["en"], "en"),
            (&["En-us, de;q=0.9"], "en"),
            (&["de;q=0.8", "en;q=0.9"], "en"),
            (&["fr, en;q=0.1"], "en"),
            (&["fr, it"], "de"),
            (&["pt"], "pt-BR"),
            (&["pt-PT, pt;q=0.9"], "pt-BR"),
            (&["pt-PT"], "de"),
            (&["zh-Hant"], "zh-Hant-TW"),
            (&["zh-Hant-TW-x-private"], "zh-Hant-TW"),
            // Wanted alike: the site's own order.
            (&["en, de"], "de"),
            (&["pt, en"], "en"),
            (&["de;q=0"], "en"),
            (&["de;q=0, en;q=0, *"], "pt-BR"),
            (&["de-AT, de;q=0"], "en"),
            (&["*;q=0"], "de"),
            (&["en;q=0.2, *;q=0.5"], "de"),
            // What cannot be read asks for nothing.
            (&["en;q=2"], "de"),
            (&["e n"], "de"),
            (&["\u{fc}"], "de"),
        ],
    );
}

#[test]
fn a_request_gets_one_of_the_codings_offered() {
    assert_normal(
        &codings(),
        &ACCEPT_ENCODING,
        &[
            (&[], "identity"),
            (&[""], "identity"),
            (&["gzip, deflate, br, zstd"], "br"),
            (&["GZIP"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["br;q=0.5, gzip"], "gzip"),
            (&["br;q=0.5", "gzip;q=0.5"], "br"),
            (&["gzip;q=0.1"], "gzip"),
            (&["identity, gzip;q=0.5"], "identity"),
            (&["deflate"], "identity"),
            (&["*"], "br"),
            (&["br;q=0, *"], "gzip"),
            (&["gzip;q=0"], "identity"),
            (&["identity;q=0, gzip"], "gzip, identity;q=0"),
            (&["*;q=0, br"], "br, identity;q=0"),
            (&["identity;q=0"], "identity;q=0"),
            (&["*;q=0"], "identity;q=0"),
            (&["gzip;q=2"], "identity"),
        ],
    );
}

#[test]
fn a_client_gets_its_class() {
    assert_normal(
        &KeyPart::user_agent(),
        &USER_AGENT,
        &[
            (&[], "desktop"),
            (&["curl/8.5.0"], "desktop"),
            (
                &["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"],
                "desktop",
            ),
            (
                &[
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                ],
                "desktop",
            ),
            (
                &[
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                ],
                "mobile",
            ),
            (
                &[
                    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                ],
                "mobile",
            ),
            (
                &[
                    "Mozilla/5.0 (Linux; Android 9; CUBOT_P20) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36",
                ],
                "mobile",
            ),
            (
                &["Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0"],
                "mobile",
            ),
            (
                &[
                    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                ],
                "tablet",
            ),
            (
                &["Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0"],
                "tablet",
            ),
            (
                &[
                    "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
                ],
                "tablet",
            ),
            (
                &[
                    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Chrome/126 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                ],
                "bot",
            ),
            (&["Mozilla/5.0 (compatible; bingbot/2.0)"], "bot"),
            (&["GOOGLEBOT"], "bot"),
            (&["a phone", "Googlebot"], "desktop"),
        ],
    );
}

#[test]
fn classes_of_ones_own_take_the_place_of_the_value() {
    let part = KeyPart::classes(REGION, |value| match value {
        None => "nowhere",
        Some("") => "",
        Some(value) if value.starts_with('\u{e9}') => "accented",
        Some(_) => "somewhere",
    });
    assert_normal(
        &part,
        &REGION,
        &[
            (&[], "nowhere"),
            (&["eu", "us"], "nowhere"),
            (&[""], ""),
            (&["\u{e9}t\u{e9}"], "accented"),
            (&["eu"], "somewhere"),
            // A class need not be its own: the key holds what the handler sees.
            (&["nowhere"], "somewhere"),
        ],
    );
    let mut latin = HeaderMap::new();
    latin.insert(REGION, HeaderValue::from_bytes(b"\xe9").unwrap());
    part.rewrite(&mut latin).unwrap();
    assert_eq!(latin[REGION], "nowhere");
}

#[test]
fn a_class_that_cannot_be_told_or_written_is_no_part_of_a_key() {
    let panics: fn(Option<&str>) -> &'static str = |_| panic!("a closure of the application");
    for part in [
        KeyPart::classes(REGION, panics),
        KeyPart::classes(REGION, |_| "a\nb"),
    ] {
        assert_eq!(part.rewrite(&mut HeaderMap::new()), Err(Bypass::KeyPart));
    }
}

#[test]
fn a_field_that_is_none_of_the_list_is_none() {
    let part = KeyPart::header(REGION).one_of(["eu", "us"]).into();
    assert_normal(&part, &REGION, &[(&["eu"], "eu"), (&[" us "], "us")]);
    let others: [&[&str]; 6] = [
        &[],
        &[""],
        &["EU"],
        &["eu, us"],
        &["eu", "us"],
        &["eu", "eu"],
    ];
    for lines in others {
        assert_eq!(seen(&part, &REGION, lines), (vec![], None), "{lines:?}");
    }
}

#[test]
fn a_raw_field_is_keyed_line_by_line() {
    let part = KeyPart::header(REGION).into();
    let keyed = |lines: &[&str]| seen(&part, &REGION, lines).1;
    assert_eq!(keyed(&[]), None);
    assert_eq!(keyed(&["a, b"]).as_deref(), Some("a, b"));
    assert_eq!(keyed(&["a", "b"]).as_deref(), Some("a\nb"));
    assert_ne!(keyed(&["b", "a"]), keyed(&["a", "b"]));
    assert_ne!(keyed(&[""]), keyed(&["", ""]));
}

/// A `Cookie`, and the values of the key.
type Cookies = (Option<String>, Vec<Option<Vec<u8>>>);

/// What the handler of a shared route sees of these cookies, and what the key holds.
fn shared(parts: &[KeyPart], lines: &[&str]) -> Result<Cookies, Bypass> {
    let mut request = Request::new(());
    *request.headers_mut() = arbitrary::map(&COOKIE, lines);
    rewrite(parts, request.headers_mut())?;
    let head = RequestHead::of(&request);
    let values = parts
        .iter()
        .map(|part| part.value(&head).map(|value| value.map(Cow::into_owned)))
        .collect::<Result<_, _>>()?;
    keep_cookies(parts, request.headers_mut());
    let lines: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
    assert!(lines.len() <= 1, "{lines:?}");
    let line = lines.first().map(|line| line.to_str().unwrap().to_owned());
    Ok((line, values))
}

#[test]
fn a_shared_route_sees_the_declared_cookies_alone() {
    let any = || [KeyPart::cookie("a").into(), KeyPart::cookie("b").into()];
    type Row = (
        &'static [&'static str],
        Option<&'static str>,
        [Option<&'static str>; 2],
    );
    let table: &[Row] = &[
        (&[], None, [None, None]),
        (&[""], None, [None, None]),
        (&["session=x"], None, [None, None]),
        (&["a"], None, [None, None]),
        (&["A=1; %61=1; \"a\"=1; =1; a b=1"], None, [None, None]),
        (&["a=1"], Some("a=1"), [Some("1"), None]),
        (&["a="], Some("a="), [Some(""), None]),
        (
            &["session=x; b=2;a = 1 "],
            Some("a=1; b=2"),
            [Some("1"), Some("2")],
        ),
        (
            &["session=x", "b=2", "a=1"],
            Some("a=1; b=2"),
            [Some("1"), Some("2")],
        ),
        (&["a=\"1\""], Some("a=1"), [Some("1"), None]),
        (&["a=1; a=\"1\"; a=1"], Some("a=1"), [Some("1"), None]),
        (&["a=\" 1\""], Some("a=\" 1\""), [Some(" 1"), None]),
        (
            &["a=1, session=x"],
            Some("a=1, session=x"),
            [Some("1, session=x"), None],
        ),
        (&["a==b=c"], Some("a==b=c"), [Some("=b=c"), None]),
    ];
    for (lines, line, [a, b]) in table {
        let (seen, values) = shared(&any(), lines).unwrap();
        assert_eq!(seen.as_deref(), *line, "{lines:?}");
        let bytes = |value: &Option<&str>| value.map(|value| value.as_bytes().to_vec());
        assert_eq!(values, [bytes(a), bytes(b)], "{lines:?}");
    }
    for lines in [&["a=1; a=2"][..], &["a=1", "a=2"], &["a=; a=1"]] {
        assert_eq!(shared(&any(), lines), Err(Bypass::KeyPart), "{lines:?}");
    }
}

#[test]
fn a_cookie_that_is_none_of_the_list_is_none() {
    let parts = [
        currency(),
        KeyPart::time_zone("tz", ["Europe/Berlin", "Etc/GMT+5"]),
    ];
    let table: &[(&str, Option<&str>)] = &[
        ("currency=EUR; session=x", Some("currency=EUR")),
        ("currency=\"USD\"", Some("currency=USD")),
        ("currency=eur", None),
        ("currency=XXX; currency=EUR", Some("currency=EUR")),
        ("currency=", None),
        ("tz=europe%2Fberlin", Some("tz=Europe/Berlin")),
        (
            "tz=Europe/Berlin; tz=Europe%2FBerlin",
            Some("tz=Europe/Berlin"),
        ),
        (
            "tz=Etc/GMT%2b5; currency=EUR",
            Some("currency=EUR; tz=Etc/GMT+5"),
        ),
        ("tz=Mars/Olympus", None),
    ];
    for (line, seen) in table {
        assert_eq!(
            shared(&parts, &[line]).unwrap().0.as_deref(),
            *seen,
            "{line}"
        );
    }
    let two = shared(&parts, &["currency=EUR; currency=USD"]);
    assert_eq!(two, Err(Bypass::KeyPart));
}

#[test]
fn a_rewritten_cookie_leaves_the_others_as_they_are() {
    let mut headers = arbitrary::map(&COOKIE, ["session=\"x\";currency=XXX", "other; a = 1;;"]);
    headers.get_mut(COOKIE).unwrap().set_sensitive(true);
    currency().rewrite(&mut headers).unwrap();
    assert_eq!(headers[COOKIE], "session=\"x\"; other; a = 1");
    assert!(headers[COOKIE].is_sensitive());
    let mut none = HeaderMap::new();
    currency().rewrite(&mut none).unwrap();
    assert!(none.is_empty());
}

#[test]
fn nonsense_is_refused_with_what_to_say() {
    let none: [&str; 0] = [];
    let table = [
        (KeyPart::language(none), "KeyPart::language()"),
        (KeyPart::language(["de", "*"]), "\"*\""),
        (KeyPart::language(["de_DE"]), "\"de_DE\""),
        (KeyPart::language([""]), "\"\""),
        (KeyPart::encoding(none), "KeyPart::encoding()"),
        (KeyPart::encoding(["*"]), "\"*\""),
        (KeyPart::encoding(["identity"]), "always offered"),
        (KeyPart::encoding(["b r"]), "\"b r\""),
    ];
    for (built, remedy) in table {
        let error = built.map(drop).unwrap_err().to_string();
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn a_part_tells_in_a_log_what_it_is() {
    let part = KeyPart::extension("tenant", |tenant: &u8| [*tenant]);
    assert_eq!(format!("{part:?}"), "extension tenant");
    assert!(format!("{:?}", languages()).contains("pt-BR"));
}

#[test]
fn one_field_alone_is_what_a_part_says_of_it() {
    let parts = [languages(), currency(), KeyPart::header(REGION).into()];
    assert!(holds(&parts, &ACCEPT_LANGUAGE) && holds(&parts, &REGION));
    // Of all cookies it is one.
    assert!(!holds(&parts, &COOKIE) && have_cookies(&parts));
}

/// Members that normalisers get far with.
fn members() -> impl Strategy<Value = HeaderValue> {
    let member = prop::sample::select(
        [
            "de",
            "en-US",
            "pt",
            "zh-Hant",
            "*",
            "fr",
            "gzip",
            "br",
            "x-gzip",
            "identity",
            "EUR",
            "mobile",
            "Android",
            "bot",
            "currency=EUR",
            "currency=\"\"USD\"\"",
            "a=1",
            "a=\" \"",
            "tz=etc%2fgmt%2B5",
            ";",
            " ",
            "\"",
        ]
        .as_slice(),
    );
    let weight = prop::sample::select(["", ";q=0", ";q=0.5", ";q=1.0"].as_slice());
    let glue = prop::sample::select([",", "; ", ", "].as_slice());
    prop::collection::vec((member, weight, glue), 0..6).prop_map(|members| {
        let text: String = members
            .iter()
            .map(|(a, b, c)| format!("{a}{b}{c}"))
            .collect();
        HeaderValue::from_str(&text).unwrap()
    })
}

fn any_lines() -> impl Strategy<Value = Vec<HeaderValue>> {
    prop::collection::vec(prop_oneof![members(), arbitrary::value()], 0..3)
}

fn with_a_list() -> [(KeyPart, HeaderName); 7] {
    [
        (languages(), ACCEPT_LANGUAGE),
        (codings(), ACCEPT_ENCODING),
        (KeyPart::user_agent(), USER_AGENT),
        (KeyPart::header(REGION).one_of(["EUR", ""]).into(), REGION),
        (currency(), COOKIE),
        (KeyPart::cookie("a").into(), COOKIE),
        (KeyPart::time_zone("tz", ["Etc/GMT+5"]), COOKIE),
    ]
}

fn value(part: &KeyPart, headers: &HeaderMap) -> Result<Option<Vec<u8>>, Bypass> {
    let request = Request::new(());
    let head = RequestHead {
        method: &Method::GET,
        uri: request.uri(),
        headers,
        extensions: request.extensions(),
    };
    Ok(part.value(&head)?.map(Cow::into_owned))
}

proptest! {
    #[test]
    fn what_the_handler_sees_comes_to_the_same_part_again(which in 0..7_usize, lines in any_lines()) {
        let (part, name) = with_a_list().into_iter().nth(which).unwrap();
        let mut once: HeaderMap = lines.into_iter().map(|line| (name.clone(), line)).collect();
        part.rewrite(&mut once).unwrap();
        let mut twice = once.clone();
        part.rewrite(&mut twice).unwrap();
        prop_assert_eq!(&once, &twice);
        prop_assert!(once.get_all(&name).iter().count() <= 1);
        prop_assert!(is_rewritten(std::slice::from_ref(&part), &once));
        // Nor does the form that negotiation selects by change it.
        normalise(&mut twice);
        prop_assert_eq!(&once, &twice);
    }

    #[test]
    fn what_is_keyed_of_cookies_is_all_that_a_shared_route_sees(lines in any_lines()) {
        let parts: Vec<KeyPart> = with_a_list().into_iter().map(|(part, _)| part).skip(4).collect();
        let mut headers: HeaderMap = lines.into_iter().map(|line| (COOKIE, line)).collect();
        rewrite(&parts, &mut headers).unwrap();
        let keyed: Result<Vec<_>, _> = parts.iter().map(|part| value(part, &headers)).collect();
        let Ok(keyed) = keyed else { return Ok(()) };
        keep_cookies(&parts, &mut headers);
        // From what the key holds alone comes the same field.
        let names = [b"currency".as_slice(), b"a", b"tz"];
        let told = names.iter().zip(&keyed).filter_map(|(name, value)| {
            let mut pair = Vec::new();
            crate::header::cookie::write(&mut pair, name, value.as_ref()?);
            Some(pair)
        });
        let told: Vec<_> = told.collect();
        let seen = headers.get(COOKIE).map(|line| line.as_bytes().to_vec());
        prop_assert_eq!(seen, (!told.is_empty()).then(|| told.join(&b"; "[..])));
    }
}
