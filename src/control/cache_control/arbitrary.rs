//! Anything that a handler or a layer can say, and fields that it may be said beside.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;

use super::directives::{Audience, Directives, Extension};
use crate::header::arbitrary;

fn fields() -> impl Strategy<Value = Vec<HeaderName>> {
    prop::sample::subsequence(vec!["a", "b", "set-cookie"], 0..=3)
        .prop_map(|names| names.into_iter().map(HeaderName::from_static).collect())
}

fn span() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        3 => Just(None),
        4 => (0..100u64).prop_map(Some),
        1 => Just(Some((1 << 31) - 1)),
    ]
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let argument = prop_oneof![
        Just(None),
        "[ -~]{0,8}".prop_map(Some),
        "-?[0-9]{1,20}".prop_map(Some),
        "[a-z*]{1,3}".prop_map(Some),
    ];
    prop::option::of(argument).prop_map(|argument| {
        let extension = |argument| Extension {
            name: "x-y".to_owned(),
            argument,
        };
        argument.map(extension).into_iter().collect()
    })
}

prop_compose! {
    /// What the methods of `CacheControl` can make.
    pub(super) fn said()(
        audience in prop::sample::select(vec![None, Some(Audience::Public), Some(Audience::Private)]),
        private_fields in fields(),
        spans in [span(), span(), span(), span()],
        no_cache_fields in fields(),
        flags in any::<[bool; 7]>(),
        nothing in prop::bool::weighted(0.05),
        extensions in extensions(),
    ) -> Directives {
        let shared = audience != Some(Audience::Private);
        let [no_cache, no_store, must_understand, must_revalidate, proxy_revalidate, no_transform, immutable] = flags;
        if nothing {
            return Directives::NONE;
        }
        Directives {
            audience,
            private_fields: if shared { private_fields } else { Vec::new() },
            max_age: spans[0],
            s_maxage: spans[1].filter(|_| shared),
            stale_while_revalidate: spans[2],
            stale_if_error: spans[3],
            no_cache,
            no_cache_fields,
            no_store: no_store || must_understand,
            must_revalidate,
            proxy_revalidate: proxy_revalidate && shared,
            must_understand,
            no_transform,
            immutable,
            extensions,
        }
    }
}

/// Lines of `Cache-Control`, of members that mean something and of others.
pub(super) fn lines() -> impl Strategy<Value = HeaderMap> {
    let member = prop::sample::select(
        [
            "public",
            "PRIVATE",
            "private=\"a, c\"",
            "private=\"\"",
            "public=1",
            "max-age=30",
            "Max-Age = \"50\"",
            "max-age=x",
            "max-age",
            "s-maxage=20",
            "stale-if-error=10",
            "no-cache",
            "No-Cache=Set-Cookie",
            "no-cache=\"a, d\"",
            "no-store",
            "must-understand",
            "must-understand=1",
            "must-revalidate",
            "immutable",
            "x-y=1",
            "unknown=\"a, \\\"b\"",
            "Other",
            "x=\"a",
            "a b",
            "",
        ]
        .as_slice(),
    );
    let line = prop::collection::vec(member, 0..5).prop_map(|members| members.join(" ,"));
    prop_oneof![
        3 => prop::collection::vec(line, 0..3)
            .prop_map(|lines| arbitrary::map(&CACHE_CONTROL, &lines)),
        1 => arbitrary::lines(CACHE_CONTROL),
    ]
}
