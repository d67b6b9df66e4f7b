use std::time::UNIX_EPOCH;

use http::HeaderValue;

use super::*;
use crate::clock::Now;
use crate::page::CacheLayer;
use crate::store::NullStore;
use crate::ttl::{Ttl, hours, minutes, seconds};
use crate::{Cache, MIB};

#[path = "storable_directives_tests.rs"]
mod directives;
#[path = "storable_lifetime_tests.rs"]
mod lifetimes;
#[path = "storable_property_tests.rs"]
mod properties;
#[path = "storable_sharing_tests.rs"]
mod sharing;

/// A response, and all that it is judged by.
#[derive(Clone, Debug)]
struct Case {
    status: u16,
    headers: HeaderMap,
    control: PageControl,
    length: Option<u64>,
    asked: Asked<'static>,
    layer: CacheLayer,
}

impl Case {
    fn judge(&self) -> Result<Plan, NotStored> {
        storable(
            StatusCode::from_u16(self.status).unwrap(),
            &self.headers,
            self.control,
            self.length,
            self.asked,
            self.layer.policy(),
            &exchange(),
        )
    }

    fn lifetime(&self) -> Result<Duration, NotStored> {
        self.judge().map(|plan| plan.lifetime)
    }

    fn refusal(&self) -> Option<NotStored> {
        self.judge().err()
    }

    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(name, value);
        self
    }

    fn says(self, directives: &str) -> Self {
        self.with("cache-control", directives)
    }

    fn length(mut self, length: Option<u64>) -> Self {
        self.length = length;
        self
    }

    fn control(mut self, control: PageControl) -> Self {
        self.control = control;
        self
    }

    fn asked_with_credentials(mut self) -> Self {
        self.asked.credentials = true;
        self
    }

    fn asked_by_somebody(mut self) -> Self {
        self.asked.identity_read = true;
        self
    }

    fn under(mut self, policy: impl FnOnce(CacheLayer) -> CacheLayer) -> Self {
        self.layer = policy(self.layer);
        self
    }
}

/// Answered at once, 1,000 s after the epoch.
fn exchange() -> Exchange {
    let asked = Now::from_millis(1_000_000);
    Exchange {
        asked,
        answered: asked,
        wall: UNIX_EPOCH + seconds(1_000),
    }
}

/// A bare 200 of unknown length on a route of these pages.
fn on(ttl: impl Into<Ttl>) -> Case {
    Case {
        status: 200,
        headers: HeaderMap::new(),
        control: PageControl::new(),
        length: None,
        asked: Asked {
            plain_path: true,
            credentials: false,
            authorization_alone: false,
            withheld: &[],
            for_one_person: false,
            identity_read: false,
            default_ttl: minutes(7),
        },
        layer: Cache::builder(NullStore).build().unwrap().page(ttl),
    }
}

/// A bare 200 on a route of 5 minutes.
fn page() -> Case {
    on(minutes(5))
}

#[test]
fn each_status_is_stored_by_its_class() {
    for status in 100..=599_u16 {
        let bare = page().status(status).lifetime();
        let for_90 = page().status(status).says("max-age=90").lifetime();
        let public = page().status(status).says("public, max-age=90").lifetime();
        assert_eq!(
            for_90, public,
            "{status}: no directive makes a status storable"
        );
        let expected = match status {
            100..=199 => (Err(NotStored::Stream), Err(NotStored::Stream)),
            200 | 203 | 204 | 300 | 301 | 308 => (Ok(minutes(5)), Ok(seconds(90))),
            302 | 303 | 307 => (Err(NotStored::NoLifetime), Ok(seconds(90))),
            404 | 405 | 410 | 414 | 451 | 501 => (Err(NotStored::NoLifetime), Ok(seconds(60))),
            _ => (Err(NotStored::Status), Err(NotStored::Status)),
        };
        assert_eq!((bare, for_90), expected, "{status}");
    }
}

#[test]
fn no_heuristic_gives_a_lifetime() {
    // SEC-POI-01: without the route's word, `public` and `Last-Modified` are none.
    for status in [302, 303, 307, 404, 405, 410, 414, 451, 501] {
        for case in [
            page().status(status).says("public"),
            page()
                .status(status)
                .with("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
            page().status(status).with("etag", "\"a\""),
            page().status(status).says("must-revalidate"),
            page().status(status).says("proxy-revalidate"),
            page().status(status).says("immutable"),
        ] {
            assert_eq!(
                case.refusal(),
                Some(NotStored::NoLifetime),
                "{status} {:?}",
                case.headers
            );
        }
    }
}

#[test]
fn an_error_is_stored_for_a_minute_at_most_whoever_says_so() {
    for status in [404, 410, 501] {
        let case = || page().status(status);
        let control = |ttl| PageControl::new().ttl(ttl);
        assert_eq!(case().says("max-age=5").lifetime(), Ok(seconds(5)));
        assert_eq!(case().says("s-maxage=3600").lifetime(), Ok(seconds(60)));
        let expires = case().with("expires", "Thu, 01 Jan 1970 01:00:00 GMT");
        assert_eq!(expires.lifetime(), Ok(seconds(60)));
        assert_eq!(
            case().control(control(Ttl::For(seconds(5)))).lifetime(),
            Ok(seconds(5))
        );
        assert_eq!(
            case().control(control(Ttl::For(hours(1)))).lifetime(),
            Ok(seconds(60))
        );
        assert_eq!(
            case().control(control(Ttl::Forever)).lifetime(),
            Ok(seconds(60))
        );
        let policy_first = case()
            .says("max-age=0")
            .control(control(Ttl::For(hours(1))))
            .under(|layer| layer.ttl_order(TtlOrder::PolicyFirst));
        assert_eq!(policy_first.lifetime(), Ok(seconds(60)));
    }
}

#[test]
fn streams_and_changes_of_protocol_are_not_stored() {
    for kind in [
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "text/event-stream;x",
    ] {
        let case = page().says("public, max-age=60").with("content-type", kind);
        assert_eq!(case.refusal(), Some(NotStored::Stream), "{kind}");
    }
    let upgrade = page().says("max-age=60").with("upgrade", "h2c");
    assert_eq!(upgrade.refusal(), Some(NotStored::Stream));
    for kind in [
        "text/event",
        "text/html",
        "application/x; a=text/event-stream",
    ] {
        assert!(page().with("content-type", kind).judge().is_ok(), "{kind}");
    }
}

#[test]
fn a_length_that_is_contradicted_is_not_stored() {
    let refused = |case: Case| case.refusal() == Some(NotStored::Length);
    assert!(refused(page().with("content-length", "9").length(Some(10))));
    assert!(refused(
        page()
            .with("content-length", "9")
            .with("content-length", "10")
    ));
    assert!(refused(page().with("content-length", "9, 10")));
    for invalid in ["", "-1", "x", "9 ", "0x9", "99999999999999999999"] {
        let case = page().with("content-length", invalid);
        assert_eq!(refused(case), invalid != "9 ", "{invalid}");
    }
    let lengths = [
        (page(), None),
        (page().length(Some(0)), Some(0)),
        (page().length(Some(9)), Some(9)),
        (page().with("content-length", "9"), Some(9)),
        (page().with("content-length", "9").length(Some(9)), Some(9)),
        (
            page()
                .with("content-length", "9, 9")
                .with("content-length", "9"),
            Some(9),
        ),
    ];
    for (case, length) in lengths {
        assert_eq!(case.judge().unwrap().length, length, "{:?}", case.headers);
    }
}

#[test]
fn a_body_above_the_limit_is_not_stored() {
    let limit = MIB as u64;
    assert!(page().length(Some(limit)).judge().is_ok());
    assert_eq!(
        page().length(Some(limit + 1)).refusal(),
        Some(NotStored::TooLarge)
    );
    let claimed = page().with("content-length", "1048577");
    assert_eq!(claimed.refusal(), Some(NotStored::TooLarge));
    let small = |length| {
        page()
            .length(length)
            .under(|layer| layer.max_body(10).unwrap())
    };
    assert!(small(Some(10)).judge().is_ok());
    assert_eq!(small(Some(11)).refusal(), Some(NotStored::TooLarge));
    assert!(small(None).judge().is_ok(), "its recording is bounded");
}

#[test]
fn a_handlers_no_is_final() {
    let no = PageControl::new().ttl(hours(1)).do_not_store();
    for case in [
        page(),
        page().says("public, max-age=60"),
        page().says("s-maxage=60"),
    ] {
        assert_eq!(case.clone().control(no).refusal(), Some(NotStored::Handler));
        let first = case
            .control(no)
            .under(|layer| layer.ttl_order(TtlOrder::PolicyFirst).shared());
        assert_eq!(first.refusal(), Some(NotStored::Handler));
    }
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_not_stored_for_the_policys_lifetime() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/caf%C3%A9",
        "/a;b",
        "/a%20b/c.css",
        "/a..b/.well-known",
    ] {
        assert!(is_plain_path(path), "{path}");
    }
    let doubtful = [
        "/account%2Fx.css",
        "/account%5cx.css",
        "/account%3Bx.css",
        "/account%23x.css",
        "/account%3Fx.css",
        "/account%00x.css",
        "/a%2e%2E/b",
        "/a/./b",
        "/a/../b",
        "/a/..",
        "//a",
        "/a//b",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%+1",
    ];
    for path in doubtful {
        assert!(!is_plain_path(path), "{path}");
    }
}

#[test]
fn a_doubtful_path_takes_a_lifetime_from_the_response_or_the_handler_alone() {
    let mut bare = page();
    bare.asked.plain_path = false;
    assert_eq!(bare.judge().unwrap_err(), NotStored::NoLifetime);
    let mut said = page().says("max-age=90");
    said.asked.plain_path = false;
    assert_eq!(said.judge().unwrap().lifetime, seconds(90));
    let mut handled = page();
    handled.asked.plain_path = false;
    handled.control = PageControl::new().ttl(seconds(9));
    assert_eq!(handled.judge().unwrap().lifetime, seconds(9));
}
