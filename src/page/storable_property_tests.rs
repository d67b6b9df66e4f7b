//! What holds for any response whatever.

use proptest::prelude::*;

use super::*;

/// Response fields that permit and forbid, valid and not.
fn any_headers() -> impl Strategy<Value = HeaderMap> {
    const NAMES: [&str; 16] = [
        "cache-control",
        "cache-control",
        "expires",
        "age",
        "date",
        "vary",
        "content-length",
        "content-type",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "pragma",
        "etag",
        "last-modified",
        "upgrade",
        "warning",
        "x-other",
    ];
    let directive = prop::sample::select(
        [
            "public",
            "max-age=60",
            "s-maxage=60",
            "must-revalidate",
            "immutable",
            "must-understand",
        ]
        .as_slice(),
    )
    .prop_map(HeaderValue::from_static);
    let value = prop_oneof![directive, crate::header::arbitrary::value()];
    prop::collection::vec((prop::sample::select(NAMES.as_slice()), value), 0..8).prop_map(
        |fields| {
            fields
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), value))
                .collect()
        },
    )
}

fn any_case() -> impl Strategy<Value = Case> {
    (
        any_headers(),
        prop::sample::select(&[200_u16, 301, 302, 404, 500][..]),
        any::<[bool; 5]>(),
        prop::option::of(0..2_u64 * MIB as u64),
    )
        .prop_map(
            |(headers, status, [credentials, identity_read, shared, first, ttl], length)| {
                let mut case = page().status(status).length(length).under(|layer| {
                    let order = if first {
                        TtlOrder::PolicyFirst
                    } else {
                        TtlOrder::ResponseFirst
                    };
                    let layer = layer.ttl_order(order);
                    if shared { layer.shared() } else { layer }
                });
                case.headers = headers;
                case.asked.credentials = credentials;
                case.asked.identity_read = identity_read;
                if ttl {
                    case.control = PageControl::new().ttl(hours(1));
                }
                case
            },
        )
}

proptest! {
    #[test]
    fn any_response_is_judged_and_what_is_stored_is_fresh_and_bounded(case in any_case()) {
        if let Ok(plan) = case.judge() {
            prop_assert!(plan.times.fresh_until > exchange().answered);
            prop_assert!(plan.times.keep_until >= plan.times.fresh_until);
            prop_assert!(plan.vary.len() <= MOST_VARY_NAMES);
            prop_assert!(plan.length.is_none_or(|length| length <= MIB as u64));
            prop_assert!(!case.asked.identity_read);
            prop_assert!(case.status != 404 || plan.lifetime <= LONGEST_ERROR);
            prop_assert!(case.status != 500);
        }
    }

    #[test]
    fn what_is_one_persons_is_never_stored_whatever_else_it_says(
        case in any_case(),
        mark in prop::sample::select(&[
            ("set-cookie", "id=1"),
            ("set-cookie", ""),
            ("cache-control", "no-cache"),
            ("cache-control", "private"),
            ("cache-control", "PRIVATE=\"x-a\""),
            ("cache-control", "x=\""),
            ("authentication-info", "x"),
            ("clear-site-data", "\"*\""),
            ("vary", "*"),
        ][..]),
    ) {
        prop_assert!(case.with(mark.0, mark.1).judge().is_err());
    }

    #[test]
    fn no_store_is_never_stored_but_for_an_understood_status(case in any_case(), line in "[nN][oO]-[sS][tT][oO][rR][eE](=1)?") {
        let case = case.says(&line);
        let directives = ResponseDirectives::parse(&case.headers);
        prop_assert!(directives.no_store);
        prop_assert!(directives.must_understand || case.judge().is_err());
    }
}
