//! The example, met frame by frame.

use bytes::Bytes;
use h2::Reason;
use prost::Message;

use super::client::frame;
use super::{Call, Client, Fields, ITEM, OTHER, Seen, fields, framed, message};
use crate::proto::{GetItemRequest, Item, UpdateItemRequest};
use crate::raw::within;
use crate::server::Server;

const UPDATE: &str = "/catalog.Catalog/UpdateItem";

async fn start(flags: &[&str]) -> (Server, Client) {
    let server = Server::start(flags).await;
    let client = Client::open(server.address).await;
    (server, client)
}

fn get(id: i64) -> Call {
    Call::of(ITEM, &GetItemRequest { id }.encode_to_vec())
}

fn update(id: i64, name: &str) -> Call {
    let update = UpdateItemRequest {
        id,
        name: name.to_owned(),
        price_cents: 1_250,
    };
    Call::of(UPDATE, &update.encode_to_vec())
}

fn item(data: &Bytes) -> Item {
    assert_eq!(data[0], 0, "not compressed");
    let content = data.slice(5..);
    assert_eq!(*data, message(&content), "one message");
    Item::decode(content).unwrap()
}

/// What it says became of a call.
fn told(seen: &mut Seen) -> String {
    let told = seen.head.remove("cache-status").expect("it tells");
    told.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hit_of_the_example_is_the_fill_block_by_block() {
    let (_server, client) = start(&[]).await;
    let mut first = client.ask(&get(1)).await;
    let mut second = client.ask(&get(1)).await;
    assert!(told(&mut first).contains("fwd="));
    assert!(told(&mut second).contains("hit"));
    assert_eq!(first, second);
    assert_eq!(item(&first.data).id, 1);
    assert_eq!(
        (first.status, first.in_one_block, first.code()),
        (200, false, "0")
    );
    assert_eq!(
        first.head,
        fields([("content-type", "application/grpc")]).map()
    );
}

#[tokio::test]
async fn an_update_of_the_example_frees_what_it_changes() {
    let (_server, client) = start(&[]).await;
    let mut before = client.ask(&get(1)).await;
    // Of another category: an item goes with its own.
    client.ask(&get(40)).await;
    told(&mut before);
    let changed = client.ask(&update(1, "Soup of the day")).await;
    assert_eq!(changed.code(), "0", "{changed:?}");
    let mut after = client.ask(&get(1)).await;
    assert!(told(&mut after).contains("fwd="));
    assert_eq!(item(&after.data).name, "Soup of the day");
    assert_eq!(after.data, changed.data);
    assert_ne!(after.data, before.data);
    let mut other = client.ask(&get(40)).await;
    assert!(told(&mut other).contains("hit"));
}

#[tokio::test]
async fn whoever_watches_the_example_sees_each_change_as_it_comes() {
    let (_server, client) = start(&[]).await;
    let (answer, mut upload) = client.begin(&Call::of(OTHER, b"")).await;
    upload.send_data(message(b""), true).unwrap();
    let answer = within("the stream begins", answer).await.unwrap();
    assert!(!answer.headers().contains_key("content-length"));
    assert!(!answer.body().is_end_stream());
    let mut changes = answer.into_body();
    for name in ["Bread", "Butter"] {
        client.ask(&update(3, name)).await;
        let change = frame(&mut changes).await.unwrap().unwrap();
        assert_eq!(item(&change).name, name);
    }
    upload.send_reset(Reason::CANCEL);
}

#[tokio::test]
async fn what_the_example_does_not_have_is_said_in_one_block() {
    let (_server, client) = start(&[]).await;
    for (call, code) in [
        (Call::of("/catalog.Catalog/DropItem", b""), "12"),
        (Call::of("/catalog.Cellar/GetItem", b""), "12"),
        (get(123_456), "5"),
        (update(123_456, "Nothing"), "5"),
    ] {
        for _ in 0..2 {
            let seen = client.ask(&call).await;
            assert_eq!((seen.code(), seen.status), (code, 200), "{seen:?}");
            assert!(seen.in_one_block, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_call_over_the_limit_of_the_example_is_refused_before_its_message() {
    let (_server, client) = start(&["--updates", "1/day"]).await;
    assert_eq!(client.ask(&update(1, "Soup")).await.code(), "0");
    let refused = |seen: Seen| {
        assert!(seen.in_one_block, "{seen:?}");
        assert_eq!((seen.status, seen.code()), (200, "8"));
        assert_eq!(seen.head["content-type"], "application/grpc");
        let details = seen.head["grpc-status-details-bin"].as_bytes();
        assert!(!details.is_empty() && !details.contains(&b'='));
        let pushback = seen.head["grpc-retry-pushback-ms"].to_str().unwrap();
        assert!(pushback.parse::<i32>().unwrap() > 0, "{pushback}");
    };
    refused(client.ask(&update(1, "Soup")).await);
    // Of this one there is but the head.
    let (answer, _upload) = client.begin(&update(1, "Soup")).await;
    refused(Seen::of(answer).await.unwrap());
}

#[tokio::test]
async fn bad_calls_to_the_example_end_with_an_error_and_do_no_harm() {
    let (_server, client) = start(&[]).await;
    let asked = GetItemRequest { id: 1 }.encode_to_vec();
    let length = u32::try_from(asked.len()).unwrap();
    let raw = |frames: Vec<Bytes>| Call::raw(ITEM, frames);
    let one = message(&asked);
    for (name, call) in [
        ("no message", raw(vec![])),
        ("less than a prefix", raw(vec![one.slice(..3)])),
        (
            "a length beyond what comes",
            raw(vec![framed(0, length + 1, &asked)]),
        ),
        (
            "a length that nothing has",
            raw(vec![framed(0, u32::MAX, &asked)]),
        ),
        ("a flag that is none", raw(vec![framed(2, length, &asked)])),
        (
            "compressed without a coding",
            raw(vec![framed(1, length, &asked)]),
        ),
        (
            "compressed, and it is not",
            raw(vec![framed(1, length, &asked)]).with("grpc-encoding", "gzip"),
        ),
        (
            "a coding that it does not have",
            get(1).with("grpc-encoding", "brotli"),
        ),
        ("no protobuf", Call::of(ITEM, b"\xff\xff")),
        ("16 MiB", Call::of(ITEM, &super::large())),
    ] {
        for _ in 0..2 {
            // It may end a stream whose rest it does not want.
            match client.ask_for(&call).await {
                Ok(seen) => assert!(!["0", "2"].contains(&seen.code()), "{name}: {seen:?}"),
                Err(error) => assert!(error.is_reset(), "{name}: {error}"),
            }
        }
    }
    let seen = client.ask(&get(1)).await;
    assert_eq!((seen.code(), item(&seen.data).id), ("0", 1));
}

#[tokio::test]
async fn compression_of_the_example_is_what_each_client_takes() {
    let (_server, client) = start(&[]).await;
    let gzip = get(1).with("grpc-accept-encoding", "gzip");
    for said in ["fwd=", "hit"] {
        let mut seen = client.ask(&gzip).await;
        assert!(told(&mut seen).contains(said));
        assert_eq!(
            (seen.data[0], &seen.head["grpc-encoding"]),
            (1, &"gzip".parse().unwrap())
        );
        let mut plain = client.ask(&get(1)).await;
        assert!(told(&mut plain).contains(said));
        assert!(!plain.head.contains_key("grpc-encoding"));
        assert_eq!(item(&plain.data).id, 1);
    }
}

#[tokio::test]
async fn metadata_of_a_stranger_pass_the_cache_of_the_example_by() {
    let (_server, client) = start(&[]).await;
    client.ask(&get(1)).await;
    let strange = get(1).and("x-tenant-bin", b"AAEC/w");
    for _ in 0..2 {
        let mut seen = client.ask(&strange).await;
        assert!(told(&mut seen).contains("fwd=bypass"), "{seen:?}");
    }
    // A client ends by trailers of its own, which nobody reads.
    let trailers: Fields = fields([("x-a", "b")]);
    let seen = client.ask(&get(1).trailers(trailers)).await;
    assert_eq!(item(&seen.data).id, 1);
}
