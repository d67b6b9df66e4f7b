//! Fields that speak to caches of one kind (RFC 9213).

use crate::stage::{Stage, assert_reuse, page};

#[tokio::test]
async fn what_is_said_to_gateways_counts_before_what_is_said_to_all() {
    assert_reuse(&[
        (&["CDN-Cache-Control: max-age=3600"], true),
        (&["CDN-Cache-Control: max-age=2147483648"], true),
        (&["CDN-Cache-Control: max-age=99999999999"], true),
        (&["CDN-Cache-Control: other, max-age=3600"], true),
        (&["CDN-Cache-Control: max-age=3600;x=1"], true),
        (&["CDN-Cache-Control: max-age=3600, max-age=0"], false),
        (&["CDN-Cache-Control: max-age=0, max-age=3600"], true),
        (&["CDN-Cache-Control: s-maxage=3600, max-age=0"], true),
        (&["CDN-Cache-Control: max-age=0"], false),
        (&["CDN-Cache-Control: max-age=3600", "Age: 7200"], false),
        (&["CDN-Cache-Control: max-age=3600", "Date: @-7200"], false),
        (
            &["CDN-Cache-Control: max-age=3600", "Expires: @-10000"],
            true,
        ),
        (&["CDN-Cache-Control: max-age=3600", "Expires: 0"], true),
        (&["CDN-Cache-Control: max-age=0", "Expires: @10000"], false),
        (
            &[
                "Age: 10",
                "CDN-Cache-Control: max-age=3600",
                "Cache-Control: max-age=5",
            ],
            true,
        ),
        (
            &[
                "Age: 10",
                "CDN-Cache-Control: max-age=5",
                "Cache-Control: max-age=3600",
            ],
            false,
        ),
        (
            &["CDN-Cache-Control: private", "Cache-Control: max-age=3600"],
            false,
        ),
        (
            &["CDN-Cache-Control: no-cache", "Cache-Control: max-age=3600"],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: no-store",
                "Cache-Control: max-age=3600",
                "Expires: @3600",
            ],
            false,
        ),
        (
            &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-store"],
            true,
        ),
        (
            &["CDN-Cache-Control: max-age=3600", "Cache-Control: private"],
            true,
        ),
        (
            &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-cache"],
            true,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=5",
                "CDN-Cache-Control: max-age=3600",
                "Age: 10",
            ],
            true,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_structured_field_is_not_there() {
    assert_reuse(&[
        (
            &[
                "CDN-Cache-Control: max-age=3600, &&&",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=3600,",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (
            &["CDN-Cache-Control: Max-Age=3600", "Cache-Control: no-store"],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age =3600",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age= 3600",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (&["CDN-Cache-Control:", "Cache-Control: no-store"], false),
        (
            &[
                "CDN-Cache-Control: max-age=3600, &&&",
                "Cache-Control: max-age=3600",
            ],
            true,
        ),
        (
            &[
                "CDN-Cache-Control: no-store, &&&",
                "Cache-Control: max-age=3600",
            ],
            true,
        ),
        (&["CDN-Cache-Control:", "Cache-Control: max-age=3600"], true),
        // It is one, but its lifetime is no number of seconds.
        (
            &[
                "CDN-Cache-Control: max-age=\"3600\"",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=3600.5",
                "Cache-Control: no-store",
            ],
            false,
        ),
        (
            &["CDN-Cache-Control: max-age", "Cache-Control: no-store"],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=-1",
                "Cache-Control: max-age=3600",
            ],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=x",
                "Cache-Control: max-age=3600",
            ],
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_said_to_this_cache_by_name_counts_most() {
    assert_reuse(&[
        (&["Larder-Cache-Control: max-age=3600"], true),
        (
            &[
                "Larder-Cache-Control: max-age=3600",
                "CDN-Cache-Control: no-store",
            ],
            true,
        ),
        (
            &[
                "Larder-Cache-Control: no-store",
                "CDN-Cache-Control: max-age=3600",
            ],
            false,
        ),
        (
            &["Larder-Cache-Control: &", "CDN-Cache-Control: max-age=3600"],
            true,
        ),
        (&["Other-Cache-Control: max-age=3600"], false),
        (
            &[
                "Other-Cache-Control: no-store",
                "Cache-Control: max-age=3600",
            ],
            true,
        ),
    ])
    .await;
}

#[tokio::test]
async fn targeted_fields_go_on() {
    let said = "max-age=3600, other=?0";
    let stage = Stage::start(move |_, _| {
        page(
            &[
                &format!("CDN-Cache-Control: {said}"),
                "Cache-Control: no-store",
            ],
            "",
        )
    })
    .await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!(reply.is_hit(), hit);
        assert_eq!(reply.get("cdn-cache-control"), Some(said));
        assert_eq!(reply.get("cache-control"), Some("no-store"));
    }
}
