//! Calls as they are on the wire. A client and an origin that speak HTTP/2 frame by frame have a tonic server between them, whose service is
//! the cache over a tonic channel:
//!
//! ```text
//! Client ─► socket ─► tonic server ─► GrpcCacheLayer ─► tonic channel ─► socket ─► Origin
//! ```

mod bad_answers;
mod bad_calls;
mod client;
mod deadlines;
mod example;
mod framing;
mod origin;
mod streams;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::clock::ManualClock;
use larder::grpc::{CallPolicy, GrpcCacheBuilder};
use larder::{Cache, MemoryStore, minutes};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tower_layer::Layer;

pub(crate) use self::client::{Call, Client, Seen};
use self::origin::{Origin, Step};

/// The method whose answers are kept.
const ITEM: &str = "/catalog.Catalog/GetItem";

/// One of which nothing was said.
const OTHER: &str = "/catalog.Catalog/WatchItems";

/// Lines of a block of fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, Bytes)>);

impl Fields {
    pub(crate) fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.0 {
            let value = HeaderValue::from_maybe_shared(value.clone()).unwrap();
            map.append(HeaderName::from_static(name), value);
        }
        map
    }

    fn and(mut self, name: &'static str, value: impl Into<Bytes>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

fn fields<const N: usize>(lines: [(&'static str, &'static str); N]) -> Fields {
    Fields(
        lines
            .into_iter()
            .map(|(name, value)| (name, Bytes::from_static(value.as_bytes())))
            .collect(),
    )
}

/// The first block of an answer.
fn grpc() -> Fields {
    fields([("content-type", "application/grpc")])
}

/// The last block of one that went well.
fn fine() -> Step {
    Step::Trailers(fields([("grpc-status", "0")]))
}

/// A message with its prefix.
pub(crate) fn message(content: &[u8]) -> Bytes {
    let length = u32::try_from(content.len()).unwrap();
    framed(0, length, content)
}

/// A prefix, which may lie, and what comes behind it.
fn framed(flag: u8, length: u32, content: &[u8]) -> Bytes {
    [&[flag][..], &length.to_be_bytes(), content]
        .concat()
        .into()
}

/// 16 MiB, of which no two frames are the same.
fn large() -> Vec<u8> {
    let mut content: Vec<u8> = (0..=250).collect();
    content = content.repeat((16 << 20) / content.len());
    content.resize(16 << 20, 255);
    content
}

/// `content` as one message in one frame, and OK.
fn ok(content: &[u8]) -> Vec<Step> {
    vec![
        Step::Head(200, grpc()),
        Step::Data(message(content)),
        fine(),
    ]
}

/// A cache before an origin.
struct Stage {
    origin: Origin,
    cache: Cache,
    clock: ManualClock,
    address: SocketAddr,
    client: Client,
}

impl Stage {
    /// Before an origin that answers in these steps.
    async fn of(steps: Vec<Step>) -> Self {
        Self::before(Origin::of(steps).await).await
    }

    async fn before(origin: Origin) -> Self {
        Self::with_policy(origin, CallPolicy::new(minutes(5))).await
    }

    async fn with_policy(origin: Origin, policy: CallPolicy) -> Self {
        Self::with(origin, |grpc| grpc.method(ITEM, policy)).await
    }

    async fn with(
        origin: Origin,
        methods: impl FnOnce(GrpcCacheBuilder) -> GrpcCacheBuilder,
    ) -> Self {
        let clock = ManualClock::new();
        let cache = Cache::builder(MemoryStore::new(64 << 20))
            .clock(clock.clone())
            .build()
            .unwrap();
        let layer = methods(cache.grpc()).build().unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", origin.address))
            .unwrap()
            .connect_lazy();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let serving = Server::builder()
            .tcp_nodelay(true)
            .max_concurrent_streams(1_000)
            .serve_with_incoming(layer.layer(channel), incoming);
        tokio::spawn(async move { drop(serving.await) });
        Self {
            origin,
            cache,
            clock,
            address,
            client: Client::open(address).await,
        }
    }

    async fn ask(&self, call: &Call) -> Seen {
        self.client.ask(call).await
    }

    /// Asks twice, and shows that the second answer is the first one, from the store, down to the bytes of each block.
    async fn is_kept(&self, call: &Call) -> Seen {
        let before = self.origin.count();
        let first = self.ask(call).await;
        assert_eq!(self.origin.count(), before + 1, "{call:?}");
        let second = self.ask(call).await;
        assert_eq!(self.origin.count(), before + 1, "it was kept: {first:?}");
        assert_eq!(first, second);
        assert!(!first.head.contains_key("content-length"), "{first:?}");
        first
    }

    /// Asks twice, and shows that each call has reached the origin.
    async fn is_not_kept(&self, call: &Call) -> Seen {
        let before = self.origin.count();
        let first = self.ask(call).await;
        self.ask(call).await;
        let asked = self.origin.count() - before;
        assert_eq!(asked, 2, "nothing was kept of {first:?}");
        first
    }
}
