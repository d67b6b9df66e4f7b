//! A fill that runs during a purge does not bring the old page back (P2).

use super::*;
use crate::{QueryRule, seconds};

/// For each way of a purge: while the handler runs, and while its body streams.
macro_rules! purges {
    ($scenario:ident: $($name:ident = $how:ident,)*) => {
        $(async fn $name(world: World) {
            $scenario(world, How::$how).await;
        })*
        on_every_store! { $($name)* }
    };
}

mod in_the_handler {
    use super::*;

    purges! { outruns_a_fill_in_the_handler:
        a_purge_by_key_outruns_a_fill_in_the_handler = Key,
        a_purge_by_page_outruns_a_fill_in_the_handler = Page,
        a_purge_by_page_of_a_host_outruns_a_fill_in_the_handler = PageOnHost,
        a_purge_by_page_and_query_outruns_a_fill_in_the_handler = PageWithQuery,
        a_purge_by_tag_outruns_a_fill_in_the_handler = LayersTag,
        a_purge_by_a_tag_not_yet_known_outruns_a_fill_in_the_handler = HandlersTag,
        a_purge_by_prefix_outruns_a_fill_in_the_handler = Prefix,
        a_purge_by_prefix_on_a_host_outruns_a_fill_in_the_handler = PrefixOnHost,
        a_purge_by_glob_outruns_a_fill_in_the_handler = Glob,
        a_clear_outruns_a_fill_in_the_handler = Clear,
        a_clear_of_the_namespace_outruns_a_fill_in_the_handler = ClearNamespace,
    }

    async fn outruns_a_fill_in_the_handler(world: World, how: How) {
        let (data, head) = (Data::default(), Gate::closed());
        let site = world.site_of(&data, &head, &Gate::opened());
        let old = site.start(get("/p?q"));
        site.runs.reach(1).await;
        data.change();
        world.purge(how).await;
        head.open();
        assert_eq!(
            old.await.unwrap().body,
            "version 0",
            "who asked before gets it"
        );
        world.cache.background().idle().await;
        let new = site.get("/p?q").await;
        assert_eq!(
            (&*new.body, new.said()),
            ("version 1", "fwd=uri-miss; stored")
        );
        assert_eq!(site.get("/p?q").await.said(), "hit; ttl=1800");
        assert_eq!(site.runs(), 2);
        world.assert_at_rest().await;
    }
}

mod streaming {
    use super::*;

    purges! { outruns_a_fill_that_streams:
        a_purge_by_key_outruns_a_fill_that_streams = Key,
        a_purge_by_page_outruns_a_fill_that_streams = Page,
        a_purge_by_tag_outruns_a_fill_that_streams = LayersTag,
        a_purge_by_the_handlers_tag_outruns_a_fill_that_streams = HandlersTag,
        a_purge_by_prefix_outruns_a_fill_that_streams = Prefix,
        a_purge_by_glob_outruns_a_fill_that_streams = Glob,
        a_clear_outruns_a_fill_that_streams = Clear,
    }

    async fn outruns_a_fill_that_streams(world: World, how: How) {
        let (data, body) = (Data::default(), Gate::closed());
        let site = world.site_of(&data, &Gate::opened(), &body);
        let old = site.open(get("/p?q")).await;
        data.change();
        world.purge(how).await;
        body.open();
        assert_eq!(read(old).await.body, "version 0");
        world.cache.background().idle().await;
        assert_eq!(site.get("/p?q").await.body, "version 1");
        assert!(site.get("/p?q").await.is_hit());
        assert_eq!(site.runs(), 2);
        world.assert_at_rest().await;
    }
}

mod stored {
    use super::*;

    purges! { frees_what_is_stored:
        a_purge_by_key_frees_what_is_stored = Key,
        a_purge_by_page_frees_what_is_stored = Page,
        a_purge_by_page_of_a_host_frees_what_is_stored = PageOnHost,
        a_purge_by_page_and_query_frees_what_is_stored = PageWithQuery,
        a_purge_by_tag_frees_what_is_stored = LayersTag,
        a_purge_by_the_handlers_tag_frees_what_is_stored = HandlersTag,
        a_clear_frees_what_is_stored = Clear,
    }

    async fn frees_what_is_stored(world: World, how: How) {
        let data = Data::default();
        let site = world.site_of(&data, &Gate::opened(), &Gate::opened());
        site.get("/p?q").await;
        assert!(site.get("/p?q").await.is_hit());
        data.change();
        world.purge(how).await;
        assert_eq!(site.get("/p?q").await.body, "version 1");
        assert!(site.get("/p?q").await.is_hit());
    }
}

on_every_store! {
    a_purge_frees_nothing_else
    caches_of_other_names_and_versions_keep_what_they_have
    a_page_purged_with_the_query_of_its_key_is_gone_whoever_filled_it
    a_variant_stored_before_a_purge_by_key_never_comes_back
}

async fn a_purge_frees_nothing_else(world: World) {
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    let others = ["/p?r", "/q?q", "/p/?q", "/P?q", "http://other.example/p?q"];
    let ask = async |target: &str| match target.starts_with('/') {
        true => site.get(target).await,
        false => {
            site.ask(Request::get(target).body(Body::empty()).unwrap())
                .await
        }
    };
    for target in others {
        ask(target).await;
    }
    for how in [
        How::Key,
        How::PageWithQuery,
        How::LayersTag,
        How::HandlersTag,
    ] {
        world.purge(how).await;
        for target in others {
            assert!(ask(target).await.is_hit(), "{target} after {how:?}");
        }
    }
}

async fn caches_of_other_names_and_versions_keep_what_they_have(world: World) {
    // Three caches on one store: what they are made of is shared, what they hold is not.
    let store = MemoryStore::new(MIB);
    let worlds = [("a", 1), ("b", 1), ("a", 2)].map(|(namespace, version)| {
        World::built(
            Cache::builder(store.clone())
                .namespace(namespace)
                .version(version),
        )
    });
    let sites = worlds
        .each_ref()
        .map(|other| other.site(other.page().tag("layer"), async |_| page(&[], "soup")));
    for how in [How::Key, How::Page, How::LayersTag, How::Clear] {
        for site in &sites {
            site.get("/p?q").await;
        }
        worlds[0].purge(how).await;
        let hits = [&sites[0], &sites[1], &sites[2]].map(|site| site.get("/p?q"));
        let hits = futures_util::future::join_all(hits).await;
        let hits: Vec<_> = hits.iter().map(Answer::is_hit).collect();
        assert_eq!(hits, [false, true, true], "{how:?}");
    }
    drop(world);
}

/// The key leaves campaign parameters out, so a page may have been filled by a request that had some. It is the page of the address without
/// them all the same.
async fn a_page_purged_with_the_query_of_its_key_is_gone_whoever_filled_it(world: World) {
    let data = Data::default();
    let made_of = data.clone();
    let layer = world.page().query(QueryRule::except(["utm_*"]));
    let site = world.site(layer, move |_| {
        let version = made_of.read();
        async move { page(&[], version.to_string()) }
    });
    assert_eq!(site.get("/p?utm_source=mail&page=2").await.body, "0");
    assert!(site.get("/p?page=2").await.is_hit());
    data.change();
    world.purge_page("/p?page=2").await;
    assert_eq!(site.get("/p?page=2").await.body, "1");
}

/// A purge by key removes the list of variants, and its mark is dropped after five minutes, when no fill can be under way any more. The
/// variants themselves may still stand: a new list must not lead to them.
async fn a_variant_stored_before_a_purge_by_key_never_comes_back(world: World) {
    let data = Data::default();
    let made_of = data.clone();
    let site = world.site(world.page(), move |_| {
        let version = made_of.read();
        async move { page(&[("vary", "X-L")], version.to_string()) }
    });
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await.body;
    assert_eq!((ask("de").await, ask("en").await), ("0".into(), "0".into()));
    data.change();
    world.purge_key("/p").await;
    assert_eq!(ask("de").await, "1");
    world.advance(seconds(301));
    world.purge_key("/other").await;
    assert_eq!(ask("en").await, "1");
    assert_eq!(site.runs(), 4);
}
