//! The cache under a tonic client: a real client, a real channel, and a server behind a loopback socket.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use larder::clock::ManualClock;
use larder::grpc::{CallPolicy, GrpcCacheBuilder, GrpcCacheService};
use larder::{Cache, MIB, MemoryStore, minutes, seconds};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::{Layer, ServiceBuilder};

use crate::proto::catalog_client::CatalogClient;
use crate::proto::catalog_server::{Catalog, CatalogServer};
use crate::proto::{
    GetItemRequest, Item, ListCategoryRequest, ListCategoryResponse, UpdateItemRequest,
    WatchItemsRequest,
};

const ITEM: &str = "/catalog.Catalog/GetItem";
const LIST: &str = "/catalog.Catalog/ListCategory";

/// Items whose names say who has made them, and of the how manieth call.
#[derive(Default)]
struct Counting {
    name: &'static str,
    calls: AtomicUsize,
    /// It answers no further call before it is told to.
    holds: AtomicBool,
    released: Notify,
    /// What the last call carried.
    credentials: AtomicBool,
}

#[tonic::async_trait]
impl Catalog for Counting {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        let count = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let has = request.metadata().contains_key("authorization");
        self.credentials.store(has, Ordering::SeqCst);
        if self.holds.load(Ordering::SeqCst) {
            self.released.notified().await;
        }
        let mut response = Response::new(Item {
            id: request.into_inner().id,
            name: format!("{} {count}", self.name),
            category: "pasta".repeat(100),
            price_cents: 900,
        });
        response
            .metadata_mut()
            .insert("x-initial", "i".parse().unwrap());
        Ok(response)
    }

    async fn list_category(
        &self,
        _: Request<ListCategoryRequest>,
    ) -> Result<Response<ListCategoryResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Err(Status::not_found("no such category"))
    }

    async fn update_item(&self, _: Request<UpdateItemRequest>) -> Result<Response<Item>, Status> {
        Err(Status::unimplemented("it is not called"))
    }

    type WatchItemsStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    async fn watch_items(
        &self,
        _: Request<WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        let count = self.calls.fetch_add(1, Ordering::SeqCst) as i64;
        let items = [1, 2].map(|id| {
            Ok(Item {
                id: id + 10 * count,
                ..Item::default()
            })
        });
        // It ends with nothing: a client that waited for the end would wait forever.
        Ok(Response::new(Box::pin(
            stream::iter(items).chain(stream::pending()),
        )))
    }
}

/// A server on a socket of its own.
struct Upstream {
    service: Arc<Counting>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    ends: oneshot::Sender<()>,
}

impl Upstream {
    async fn start(name: &'static str) -> Self {
        let service = Arc::new(Counting {
            name,
            ..Counting::default()
        });
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = CatalogServer::from_arc(service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let (ends, ended) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            Server::builder()
                .add_service(server)
                .serve_with_incoming_shutdown(incoming, async { drop(ended.await) })
                .await
                .unwrap();
        });
        Self {
            service,
            address,
            serving,
            ends,
        }
    }

    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy()
    }

    fn calls(&self) -> usize {
        self.service.calls.load(Ordering::SeqCst)
    }

    /// Ends it, sockets and all.
    async fn stop(self) {
        self.ends.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

fn cache() -> (Cache, ManualClock) {
    let clock = ManualClock::new();
    let cache = Cache::builder(MemoryStore::new(16 * MIB))
        .clock(clock.clone())
        .build()
        .unwrap();
    (cache, clock)
}

fn named(cache: &Cache) -> GrpcCacheBuilder {
    cache.grpc().authority("catalog.internal:443")
}

type Cached = CatalogClient<GrpcCacheService<Channel>>;

fn client(builder: GrpcCacheBuilder, upstream: &Upstream) -> Cached {
    let layer = builder.build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(upstream.channel());
    CatalogClient::new(service)
}

fn item(id: i64) -> GetItemRequest {
    GetItemRequest { id }
}

async fn name_of(client: &mut Cached, id: i64) -> String {
    client.get_item(item(id)).await.unwrap().into_inner().name
}

#[tokio::test]
async fn a_call_is_answered_by_the_server_once_and_then_from_the_store() {
    let upstream = Upstream::start("soup").await;
    let (cache, clock) = cache();
    let mut client = client(named(&cache).method(ITEM, minutes(5)), &upstream);
    let first = client.get_item(item(7)).await.unwrap();
    let second = client.get_item(item(7)).await.unwrap();
    assert_eq!(upstream.calls(), 1);
    assert_eq!(first.metadata().get("x-initial").unwrap(), "i");
    // All but the date of the exchange, which is of one call.
    let without_date = |metadata: &tonic::metadata::MetadataMap| {
        let mut metadata = metadata.clone();
        metadata.remove("date");
        metadata.into_headers()
    };
    assert_eq!(
        without_date(first.metadata()),
        without_date(second.metadata())
    );
    assert_eq!(first.get_ref(), second.get_ref());
    assert_eq!(name_of(&mut client, 8).await, "soup 2");
    clock.advance(minutes(6));
    assert_eq!(name_of(&mut client, 7).await, "soup 3");
    let stats = cache.stats();
    let route = stats.routes.iter().find(|route| route.route == ITEM);
    assert_eq!(route.unwrap().hits(), 1);
}

#[tokio::test]
async fn without_a_name_calls_that_are_addressed_to_nobody_pass_by() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let mut nameless = client(cache.grpc().method(ITEM, minutes(5)), &upstream);
    for count in 1..=2 {
        assert_eq!(name_of(&mut nameless, 7).await, format!("soup {count}"));
    }
    // A client that knows its origin says it, and that is a name.
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(upstream.channel());
    let origin = "http://catalog.internal".parse().unwrap();
    let mut addressed = CatalogClient::with_origin(service, origin);
    for _ in 0..2 {
        assert_eq!(name_of(&mut addressed, 7).await, "soup 3");
    }
}

#[tokio::test]
async fn services_with_names_of_their_own_never_share_answers() {
    let soup = Upstream::start("soup").await;
    let cake = Upstream::start("cake").await;
    let (cache, _) = cache();
    let layer = |name: &str| cache.grpc().authority(name).method(ITEM, minutes(5));
    let mut soups = client(layer("soup.internal:443"), &soup);
    let mut cakes = client(layer("cake.internal:443"), &cake);
    let mut ports = client(layer("soup.internal:8443"), &cake);
    for _ in 0..2 {
        assert_eq!(name_of(&mut soups, 7).await, "soup 1");
        assert_eq!(name_of(&mut cakes, 7).await, "cake 1");
        assert_eq!(name_of(&mut ports, 7).await, "cake 2");
    }
    // Nor where their clients say the same origin, and so where two layers before one service do, they do.
    let origin = || "http://kitchen.internal".parse().unwrap();
    let with_origin = |name: &str, upstream: &Upstream| {
        let service = ServiceBuilder::new()
            .layer(layer(name).build().unwrap())
            .service(upstream.channel());
        CatalogClient::with_origin(service, origin())
    };
    let mut soups = with_origin("soup.internal:443", &soup);
    let mut cakes = with_origin("cake.internal:443", &cake);
    let mut again = client(layer("SOUP.internal:443"), &soup);
    for _ in 0..2 {
        assert_eq!(name_of(&mut soups, 7).await, "soup 2");
        assert_eq!(name_of(&mut cakes, 7).await, "cake 3");
        assert_eq!(name_of(&mut again, 7).await, "soup 1");
    }
}

#[tokio::test]
async fn a_stale_answer_stands_in_where_the_server_cannot_be_reached() {
    let upstream = Upstream::start("soup").await;
    let (cache, clock) = cache();
    let policy = CallPolicy::new(minutes(5)).stale_if_error(minutes(10));
    let mut client = client(named(&cache).method(ITEM, policy), &upstream);
    assert_eq!(name_of(&mut client, 7).await, "soup 1");
    upstream.stop().await;
    clock.advance(minutes(6));
    assert_eq!(name_of(&mut client, 7).await, "soup 1");
    // What was never there cannot stand in: the channel's own error is told.
    let error = client.get_item(item(8)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    clock.advance(minutes(10));
    let error = client.get_item(item(7)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn the_deadline_of_a_client_is_obeyed_and_what_it_asked_for_goes_on() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let mut client = client(named(&cache).method(ITEM, minutes(5)), &upstream);
    upstream.service.holds.store(true, Ordering::SeqCst);
    let mut request = Request::new(item(7));
    request.set_timeout(Duration::from_millis(1));
    let error = client.get_item(request).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    // A client with more time gets the answer that the first has begun to ask for, or had no time to.
    upstream.service.holds.store(false, Ordering::SeqCst);
    upstream.service.released.notify_one();
    let mut request = Request::new(item(7));
    request.set_timeout(Duration::from_secs(60));
    let name = client.get_item(request).await.unwrap().into_inner().name;
    assert_eq!(name, format!("soup {}", upstream.calls()));
    assert_eq!(name_of(&mut client, 7).await, name);
}

#[tokio::test]
async fn credentials_of_the_caller_pass_by_and_those_of_the_service_do_not() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let authorize = |mut request: Request<()>| {
        let token = "Bearer token".parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        Ok(request)
    };
    let layer = named(&cache).method(ITEM, minutes(5)).build().unwrap();
    let cached = layer.layer(upstream.channel());
    let mut outside = CatalogClient::with_interceptor(cached, authorize);
    for _ in 0..2 {
        outside.get_item(item(7)).await.unwrap();
    }
    assert_eq!(upstream.calls(), 2);
    assert!(upstream.service.credentials.load(Ordering::SeqCst));

    let inside = ServiceBuilder::new()
        .layer(layer)
        .service(InterceptedService::new(upstream.channel(), authorize));
    let mut inside = CatalogClient::new(inside);
    for _ in 0..2 {
        inside.get_item(item(7)).await.unwrap();
    }
    assert_eq!(upstream.calls(), 3);
    assert!(upstream.service.credentials.load(Ordering::SeqCst));
}

#[tokio::test]
async fn clients_that_take_compressed_answers_and_those_that_do_not_get_their_own() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let mut plain = client(named(&cache).method(ITEM, minutes(5)), &upstream);
    let mut gzip = plain
        .clone()
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let mut accepting = plain.clone().accept_compressed(CompressionEncoding::Gzip);
    for _ in 0..2 {
        let answer = gzip.get_item(item(7)).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
        assert_eq!(answer.into_inner().name, "soup 1");
        let answer = plain.get_item(item(7)).await.unwrap();
        assert!(!answer.metadata().contains_key("grpc-encoding"));
        assert_eq!(answer.into_inner().name, "soup 2");
        assert_eq!(name_of(&mut accepting, 7).await, "soup 3");
    }
}

#[tokio::test]
async fn streams_and_methods_that_are_not_named_pass() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let mut client = client(named(&cache).method(ITEM, minutes(5)), &upstream);
    for count in 0..2 {
        let stream = client.watch_items(WatchItemsRequest {}).await.unwrap();
        let mut stream = stream.into_inner();
        for id in [1, 2] {
            let item = stream.message().await.unwrap().unwrap();
            assert_eq!(item.id, id + 10 * count);
        }
    }
    for count in 3..5 {
        let category = ListCategoryRequest::default();
        let error = client.list_category(category).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(upstream.calls(), count);
    }
}

#[tokio::test]
async fn an_error_that_is_kept_is_told_again_as_it_came() {
    let upstream = Upstream::start("soup").await;
    let (cache, clock) = cache();
    let policy = CallPolicy::new(minutes(5)).code(Code::NotFound, seconds(10));
    let mut client = client(named(&cache).method(LIST, policy), &upstream);
    for _ in 0..2 {
        let category = ListCategoryRequest::default();
        let error = client.list_category(category).await.unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            (Code::NotFound, "no such category")
        );
    }
    assert_eq!(upstream.calls(), 1);
    clock.advance(seconds(11));
    let category = ListCategoryRequest::default();
    client.list_category(category).await.unwrap_err();
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_purge_frees_what_a_client_has_kept() {
    let upstream = Upstream::start("soup").await;
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5)).tag("items");
    let mut client = client(named(&cache).method(ITEM, policy), &upstream);
    assert_eq!(name_of(&mut client, 7).await, "soup 1");
    cache.purge_tag("items").await.unwrap();
    assert_eq!(name_of(&mut client, 7).await, "soup 2");
    cache
        .purge_page(&format!("//catalog.internal:443{ITEM}"))
        .await
        .unwrap();
    assert_eq!(name_of(&mut client, 7).await, "soup 3");
}
