//! Unary calls: what is kept, for whom, and what frees it.

use std::time::Duration;

use futures_util::future::join_all;
use tonic::{Code, Request, codec::CompressionEncoding};

use crate::{
    caller::{Caller, behind_its_back, next},
    proto::GetItemRequest,
    raw::within,
    server::{Scratch, Server},
};

const OTHER_PASTA: &str = "UPDATE menu_items SET name = 'Other pasta' WHERE id = 9";

#[tokio::test]
async fn a_hit_is_the_answer_that_was_given_and_asks_no_handler() {
    let dir = Scratch::new();
    let db = dir.file("menu.db");
    let server = Server::start(&["--db", &db]).await;
    let caller = Caller::of(&server).await;
    let item = caller.get(9).await;
    let list = caller.list("pasta").await;
    item.assert_stored();
    list.assert_stored();

    behind_its_back(&db, OTHER_PASTA);
    let (item_again, list_again) = (caller.get(9).await, caller.list("pasta").await);
    item_again.assert_hit();
    list_again.assert_hit();
    assert_eq!(
        (&item_again.answer, &item_again.metadata),
        (&item.answer, &item.metadata)
    );
    assert_eq!(
        (&list_again.answer, &list_again.metadata),
        (&list.answer, &list.metadata)
    );
    let item = item.message();
    assert_eq!(
        (item.id, &*item.name, &*item.category, item.price_cents),
        (9, "Spaghetti aglio e olio", "pasta", 999)
    );
    let ids: Vec<_> = list.message().iter().map(|item| item.id).collect();
    assert_eq!(ids, (9..=16).collect::<Vec<_>>());
    // Another message is another call.
    assert_eq!(caller.get(10).await.message().id, 10);
}

#[tokio::test]
async fn an_update_frees_the_item_and_its_list_and_nothing_else() {
    let server = Server::start(&[]).await;
    let caller = Caller::of(&server).await;
    for id in [9, 10, 17] {
        caller.get(id).await.assert_stored();
    }
    for category in ["pasta", "pizza"] {
        caller.list(category).await.assert_stored();
    }
    let updated = caller.update(9, "Spaghetti & oil", 1_001).await;
    assert_eq!(updated.cache, None, "a write passes the cache");
    let updated = updated.message();
    assert_eq!(
        (updated.id, &*updated.name, &*updated.category),
        (9, "Spaghetti & oil", "pasta")
    );

    let item = caller.get(9).await;
    item.assert_stored();
    assert_eq!(item.message(), updated);
    let list = caller.list("pasta").await;
    list.assert_stored();
    assert_eq!(list.message()[0], updated);
    for other in [caller.get(17).await, caller.get(9).await] {
        other.assert_hit();
    }
    caller.list("pizza").await.assert_hit();
}

#[tokio::test]
async fn that_there_is_no_such_item_is_kept_and_freed_once_there_is() {
    let dir = Scratch::new();
    let db = dir.file("menu.db");
    let server = Server::start(&["--db", &db]).await;
    let caller = Caller::of(&server).await;
    let absent = caller.get(41).await;
    absent.assert_stored();
    assert_eq!(absent.code(), Code::NotFound);
    behind_its_back(
        &db,
        "INSERT INTO menu_items (id, category_id, name, price_cents) VALUES (41, 2, 'Orecchiette', 1100)",
    );
    let still_absent = caller.get(41).await;
    still_absent.assert_hit();
    assert_eq!(
        (&still_absent.answer, &still_absent.metadata),
        (&absent.answer, &absent.metadata)
    );
    caller.update(41, "Orecchiette", 1_200).await.message();
    assert_eq!(caller.get(41).await.message().price_cents, 1_200);

    for _ in 0..2 {
        assert_eq!(caller.list("soups").await.code(), Code::NotFound);
        // Anybody can make up names: those that no category has are not looked up.
        assert_eq!(caller.list(&"x".repeat(65)).await.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn an_update_that_cannot_be_is_refused_and_frees_nothing() {
    let server = Server::start(&[]).await;
    let caller = Caller::of(&server).await;
    caller.get(9).await.assert_stored();
    let long = "x".repeat(121);
    for (name, price) in [
        ("", 1),
        (" ", 1),
        (&*long, 1),
        ("a\u{7}", 1),
        ("a", -1),
        ("a", 1_000_000),
        ("a", i64::MIN),
        ("a", i64::MAX),
    ] {
        let refused = caller.update(9, name, price).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{name:?} {price}");
    }
    for id in [0, -1, 41, i64::MIN, i64::MAX] {
        let refused = caller.update(id, "a", 1).await;
        assert_eq!(refused.code(), Code::NotFound, "{id}");
    }
    caller.get(9).await.assert_hit();
    let longest = "é".repeat(120);
    assert_eq!(caller.update(9, &longest, 999_999).await.code(), Code::Ok);
    assert_eq!(caller.get(9).await.message().name, longest);
}

#[tokio::test]
async fn of_a_crowd_that_asks_at_once_one_call_reaches_the_handler() {
    let server = Server::start(&["--work", "500"]).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(Caller::of(&server).await);
    }
    let crowd = (0..100).map(|nth| callers[nth % 4].get(9));
    let seen = within("all are answered", join_all(crowd)).await;
    let said: Vec<_> = seen.iter().filter_map(|seen| seen.cache.clone()).collect();
    assert_eq!(said.len(), 100);
    let served = |cache: &&crate::cache_status::CacheStatus| {
        cache.is_hit() || cache.get("collapsed") == Some("?1")
    };
    assert_eq!(said.iter().filter(served).count(), 99, "{said:?}");
    for seen in &seen {
        assert_eq!(seen.answer, callers[0].get(9).await.answer);
    }
}

#[tokio::test]
async fn an_answer_that_an_update_overtakes_is_not_kept() {
    let server = Server::start(&["--work", "1000"]).await;
    let caller = Caller::of(&server).await;
    let watch = &mut caller.watch().await;
    let reading = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(9).await }
    });
    // The read has made its query before the second update, and is answered after it.
    caller.update(9, "First", 1).await.message();
    while !reading.is_finished() {
        caller.update(9, "Last", 2).await.message();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    next(watch).await.expect("it was told").expect("an item");
    reading.await.expect("it does not panic").message();
    assert_eq!(caller.get(9).await.message().name, "Last");
}

#[tokio::test]
async fn each_client_is_answered_in_a_coding_that_it_accepts() {
    let server = Server::start(&[]).await;
    let plain = Caller::of(&server).await;
    let list = plain.list("pasta").await;
    list.assert_stored();
    let coding = |seen: &crate::caller::Seen<_>| {
        let mut fields = seen.metadata.iter();
        let field = fields.find(|(name, _)| name == "grpc-encoding");
        field.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(coding(&list), None);
    for (compressed, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let caller = plain.compressed(compressed);
        let first = caller.list("pasta").await;
        first.assert_stored();
        let second = caller.list("pasta").await;
        second.assert_hit();
        for seen in [first, second] {
            assert_eq!(coding(&seen).as_deref(), Some(name));
            assert_eq!(seen.answer, list.answer);
        }
    }
    plain.update(9, "Changed", 1).await.message();
    for caller in [
        plain.compressed(CompressionEncoding::Gzip),
        plain.compressed(CompressionEncoding::Zstd),
        plain.clone(),
    ] {
        assert_eq!(caller.list("pasta").await.message()[0].name, "Changed");
    }
}

#[tokio::test]
async fn calls_with_credentials_or_unknown_metadata_pass_by() {
    let server = Server::start(&[]).await;
    let caller = Caller::of(&server).await;
    caller.get(9).await.assert_stored();
    for name in ["authorization", "x-tenant"] {
        let mut call = Request::new(GetItemRequest { id: 9 });
        call.metadata_mut()
            .insert(name, "somebody".parse().expect("it is text"));
        let mut catalog = caller.catalog.clone();
        let answer = within("GetItem", catalog.get_item(call)).await;
        let answer = answer.expect("it is answered");
        let said = answer.metadata().get("cache-status");
        assert_eq!(said.expect("it is said"), "larder; fwd=bypass");
        assert_eq!(answer.get_ref().id, 9);
    }
}

#[tokio::test]
async fn whoever_watches_is_told_of_each_change_in_its_order() {
    let server = Server::start(&[]).await;
    let caller = Caller::of(&server).await;
    let mut watches = [caller.watch().await, caller.watch().await];
    for (id, name) in [(9, "One"), (17, "Two"), (9, "Three")] {
        caller.update(id, name, 5).await.message();
    }
    assert_eq!(caller.update(9, "", 5).await.code(), Code::InvalidArgument);
    caller.update(1, "Four", 5).await.message();
    for watch in &mut watches {
        for (id, name) in [(9, "One"), (17, "Two"), (9, "Three"), (1, "Four")] {
            let item = next(watch).await.expect("it goes on").expect("an item");
            assert_eq!((item.id, &*item.name), (id, name));
        }
    }
}

#[tokio::test]
async fn a_client_beyond_its_limit_is_told_when_to_come_again() {
    use tonic_types::StatusExt;

    let server = Server::start(&["--updates", "2/h", "--calls", "8/h"]).await;
    let caller = Caller::of(&server).await;
    for price in 0..2 {
        caller.update(9, "Within", price).await.message();
    }
    let mut catalog = caller.catalog.clone();
    let update = crate::proto::UpdateItemRequest {
        id: 9,
        name: "Beyond".to_owned(),
        price_cents: 3,
    };
    let refused = within("UpdateItem", catalog.update_item(update)).await;
    let refused = refused.expect_err("it is beyond the limit");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let info = refused.get_details_retry_info().expect("it is told when");
    let wait = info.retry_delay.expect("after a wait");
    assert!(
        (1..=1_800).contains(&wait.as_secs()),
        "one of two in an hour: {wait:?}"
    );
    // Reads go on, until all calls are used up, hits as well.
    for nth in 0..6 {
        let seen = caller.get(9).await;
        match nth {
            0..5 => assert_eq!(seen.message().name, "Within", "{nth}"),
            _ => assert_eq!(seen.code(), Code::ResourceExhausted, "{nth}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_grpc() {
    use tonic::codegen::http::uri::PathAndQuery;

    let server = Server::start(&[]).await;
    for path in ["/catalog.Catalog/DropItem", "/catalog.Other/GetItem"] {
        let mut client = tonic::client::Grpc::new(Caller::channel(&server).await);
        client.ready().await.expect("it is connected");
        let codec = tonic_prost::ProstCodec::<GetItemRequest, crate::proto::Item>::default();
        let call = client.unary(
            Request::new(GetItemRequest { id: 9 }),
            PathAndQuery::from_static(path),
            codec,
        );
        let status = within(path, call).await.expect_err("it is not there");
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status:?}");
    }
}
