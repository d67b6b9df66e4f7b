//! The faults of another page cache that were published in 2026 and before, by their numbers.

use super::*;

/// How often the handler runs for two requests of these kinds, one after the other.
async fn runs_for(fields: Fields, first: &[(&str, &str)], second: &[(&str, &str)]) -> usize {
    let world = World::new();
    let site = world.site(world.page(), move |_| async move { page(fields, "x") });
    site.ask(get_with("/p", first)).await;
    let answer = site.ask(get_with("/p", second)).await;
    assert_eq!(
        answer.lines("set-cookie").len(),
        fields
            .iter()
            .filter(|(name, _)| *name == "set-cookie")
            .count()
    );
    site.runs()
}

#[tokio::test(start_paused = true)]
async fn cve_2026_6907_a_star_in_vary_is_never_stored() {
    assert_eq!(runs_for(&[("vary", "*")], &[], &[]).await, 2);
    assert_eq!(runs_for(&[("vary", "X, *")], &[], &[]).await, 2);
    assert_eq!(runs_for(&[("vary", "X"), ("vary", "*")], &[], &[]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn cve_2026_35192_a_response_that_refreshes_a_session_cookie_is_not_stored() {
    let session = [("cookie", "session=1")];
    let fields = &[
        ("set-cookie", "session=1; Max-Age=1209600"),
        ("cache-control", "max-age=60"),
    ];
    assert_eq!(runs_for(fields, &session, &session).await, 2);
    assert_eq!(runs_for(fields, &session, &[]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn cve_2026_8404_directives_count_in_any_case() {
    assert_eq!(runs_for(&[("cache-control", "Private")], &[], &[]).await, 2);
    assert_eq!(
        runs_for(&[("cache-control", "NO-STORE")], &[], &[]).await,
        2
    );
    assert_eq!(
        runs_for(&[("cache-control", "public, pRiVaTe = \"X\"")], &[], &[]).await,
        2
    );
    assert_eq!(
        runs_for(&[("cache-control", "Max-Age=60")], &[], &[]).await,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn cve_2026_35193_the_page_of_one_token_never_reaches_another_or_nobody() {
    let (a, b) = (
        [("authorization", "Bearer a")],
        [("authorization", "Bearer b")],
    );
    let fields = &[("cache-control", "max-age=60")];
    for second in [&b[..], &[], &[("authorization", "")]] {
        assert_eq!(runs_for(fields, &a, second).await, 2, "{second:?}");
    }
    // Django's own way out was `Vary: Authorization`; without leave, that is no leave either.
    assert_eq!(runs_for(&[("vary", "Authorization")], &a, &a).await, 2);
}

#[tokio::test(start_paused = true)]
async fn cve_2026_48587_a_padded_star_in_vary_is_never_stored() {
    assert_eq!(runs_for(&[("vary", " * ")], &[], &[]).await, 2);
    assert_eq!(runs_for(&[("vary", "X ,\t*\t")], &[], &[]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn cve_2026_48588_set_cookie_is_never_stored_though_unrelated_cookies_came_in() {
    let unrelated = [("cookie", "theme=dark")];
    for second in [&unrelated[..], &[]] {
        assert_eq!(
            runs_for(&[("set-cookie", "session=1")], &unrelated, second).await,
            2
        );
    }
    let public = &[
        ("set-cookie", "session=1"),
        ("cache-control", "public, max-age=60"),
    ];
    assert_eq!(runs_for(public, &unrelated, &unrelated).await, 2);
}

#[tokio::test(start_paused = true)]
async fn cve_2026_113593_absent_and_empty_are_different_variants() {
    let fields = &[("vary", "X-Region")];
    assert_eq!(runs_for(fields, &[("x-region", "")], &[]).await, 2);
    assert_eq!(runs_for(fields, &[], &[("x-region", "")]).await, 2);
    assert_eq!(runs_for(fields, &[], &[]).await, 1);
    // And where the layer declares the field.
    let world = World::new();
    let layer = world
        .page()
        .vary_on_header(HeaderName::from_static("x-region"));
    let site = world.site(layer, async |_| page(&[], "x"));
    site.get("/p").await;
    assert!(!site.ask(get_with("/p", &[("x-region", "")])).await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn values_of_two_fields_do_not_flow_into_one_another() {
    let fields = &[("vary", "X-A, X-B")];
    let pairs: [&[(&str, &str)]; 5] = [
        &[("x-a", "EU"), ("x-b", "")],
        &[("x-a", ""), ("x-b", "EU")],
        &[("x-a", "EU")],
        &[("x-b", "EU")],
        &[("x-a", "E"), ("x-b", "U")],
    ];
    for (n, one) in pairs.iter().enumerate() {
        for other in &pairs[n + 1..] {
            assert_eq!(runs_for(fields, one, other).await, 2, "{one:?} / {other:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cve_2021_23336_a_semicolon_does_not_split_the_key_from_the_handlers_view() {
    let world = World::new();
    let layer = world.page().query(crate::QueryRule::except(["utm_source"]));
    let site = world.site(layer, async |request| {
        page(&[], request.uri().query().unwrap_or("").to_owned())
    });
    for query in [
        "link=a;utm_source=x",
        "link=a",
        "link=b;utm_source=x&link=a",
    ] {
        assert_eq!(site.get(&format!("/p?{query}")).await.body, query);
    }
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn cve_2020_13254_odd_addresses_do_not_collide() {
    let world = World::new();
    // With a lifetime of its own: the layer's is not for paths that can be read in two ways.
    let site = world.site(world.page(), async |request| {
        let fields = [("cache-control", "max-age=60")];
        page(&fields, request.uri().to_string())
    });
    let long = format!("/{}", "a".repeat(300));
    let targets = [
        "/a%20b",
        "/a+b",
        "/a%00b",
        "/a%0D%0Ab",
        "/../a",
        "/a%2F..%2Fb",
        "/a:1",
        &long,
    ];
    for _ in 0..2 {
        for target in targets {
            assert_eq!(site.get(target).await.body, target);
        }
    }
    assert_eq!(site.runs(), targets.len());
}
