//! Limits round a tonic server, as a tonic client and one that speaks HTTP/2 by hand meet them over sockets.

use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use larder::clock::ManualClock;
use larder::grpc::CallPolicy;
use larder::limit::{Fields, RateLimitBuilder, everyone};
use larder::{
    Cache, ClientIpLayer, MIB, MemoryLimiter, MemoryStore, Quota, RateLimiter, TrustedProxies,
    identity, minutes,
};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;
use tower::layer::util::Stack;
use tower::{Layer, ServiceExt};

use crate::proto::catalog_client::CatalogClient;
use crate::proto::catalog_server::{Catalog, CatalogServer};
use crate::proto::{
    GetItemRequest, Item, ListCategoryRequest, ListCategoryResponse, UpdateItemRequest,
    WatchItemsRequest,
};
use crate::raw::within;
use crate::server::Scratch;

/// Names each item by the certificate of whoever asks.
#[derive(Clone)]
struct Shop {
    runs: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Shop {
    fn new() -> Self {
        Self {
            runs: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn item<T>(&self, request: &Request<T>) -> Item {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let mut name = DefaultHasher::new();
        let certificates = request.peer_certs();
        certificates.map(|chain| chain[0].to_vec()).hash(&mut name);
        Item {
            name: name.finish().to_string(),
            ..Item::default()
        }
    }
}

#[tonic::async_trait]
impl Catalog for Shop {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        match request.get_ref().id {
            404 => Err(Status::not_found("no such item")),
            _ => Ok(Response::new(self.item(&request))),
        }
    }

    async fn list_category(
        &self,
        _: Request<ListCategoryRequest>,
    ) -> Result<Response<ListCategoryResponse>, Status> {
        Ok(Response::new(ListCategoryResponse::default()))
    }

    async fn update_item(
        &self,
        request: Request<UpdateItemRequest>,
    ) -> Result<Response<Item>, Status> {
        Ok(Response::new(self.item(&request)))
    }

    type WatchItemsStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    /// Two items: the second when the gate is opened.
    async fn watch_items(
        &self,
        request: Request<WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        let (item, gate) = (self.item(&request), self.gate.clone());
        let items = stream::unfold(0, move |sent| {
            let (item, gate) = (item.clone(), gate.clone());
            async move {
                if sent == 1 {
                    gate.acquire().await.expect("it is never closed").forget();
                }
                (sent < 2).then(|| (Ok(item), sent + 1))
            }
        });
        Ok(Response::new(Box::pin(items)))
    }
}

/// A limiter on a clock that stands still, and a shop behind limits.
struct World {
    clock: ManualClock,
    limiter: RateLimiter,
    shop: Shop,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            limiter: RateLimiter::new(MemoryLimiter::with_clock(clock.clone())),
            shop: Shop::new(),
            clock,
        }
    }

    fn limit(&self) -> RateLimitBuilder {
        self.limiter.layer("calls").clock(self.clock.clone())
    }

    /// Serves the shop behind these layers, and tells where.
    fn serve<L, B>(&self, layer: L, tls: Option<ServerTlsConfig>) -> SocketAddr
    where
        L: Layer<tonic::service::Routes> + Clone + Send + 'static,
        L::Service: tower::Service<
                http::Request<Body>,
                Response = http::Response<B>,
                Error = Infallible,
                Future: Send + 'static,
            > + Clone
            + Send
            + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = incoming.local_addr().unwrap();
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let serving = server
            .layer(layer)
            .add_service(CatalogServer::new(self.shop.clone()))
            .serve_with_incoming(incoming);
        tokio::spawn(serving);
        address
    }
}

async fn client(address: SocketAddr) -> CatalogClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    CatalogClient::new(within("a connection", endpoint.connect()).await.unwrap())
}

async fn get(client: &mut CatalogClient<Channel>, id: i64) -> Result<Response<Item>, Status> {
    within("an item", client.get_item(GetItemRequest { id })).await
}

fn pushback(status: &Status) -> &str {
    let value = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    value.to_str().unwrap()
}

#[tokio::test]
async fn a_client_over_its_quota_is_told_how_long_to_wait_and_then_admitted() {
    let world = World::new();
    let limit = world.limit().quota("2/m", identity::client_ip());
    let limit = limit.fields(Fields::Always).build().unwrap();
    let layers = Stack::new(limit, ClientIpLayer::new(TrustedProxies::none()));
    let mut client = client(world.serve(layers, None)).await;
    let first = get(&mut client, 1).await.unwrap();
    assert_eq!(
        first.metadata().get("ratelimit").unwrap(),
        "\"calls\";r=1;t=30"
    );
    // What fails has them beside its status.
    let absent = get(&mut client, 404).await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    assert_eq!(
        absent.metadata().get("ratelimit").unwrap(),
        "\"calls\";r=0;t=30"
    );

    let refused = get(&mut client, 1).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::ResourceExhausted, "the quota is used up")
    );
    let delay = refused
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    assert_eq!(delay, Duration::from_secs(30));
    assert_eq!(pushback(&refused), "30000");
    let violations = refused.get_details_quota_failure().unwrap().violations;
    assert_eq!(
        (
            violations.len(),
            &*violations[0].quota_id,
            violations[0].quota_value
        ),
        (1, "calls", 2)
    );
    assert_eq!(
        refused.metadata().get("ratelimit").unwrap(),
        "\"calls\";r=0;t=30"
    );
    assert_eq!(world.shop.runs(), 1);

    world.clock.advance(delay - Duration::from_millis(1));
    let early = get(&mut client, 1).await.unwrap_err();
    assert_eq!(pushback(&early), "1");
    world.clock.advance(Duration::from_millis(1));
    get(&mut client, 1).await.unwrap();
}

#[tokio::test]
async fn words_of_the_application_arrive_as_they_were_said() {
    const WORDS: &str = "caf\u{e9} is 100% full,\nsorry \u{1F35D}";
    let world = World::new();
    let limit = world.limit().quota(Quota::deny_all(), everyone());
    let limit = limit.respond_to_calls(|_| Status::resource_exhausted(WORDS));
    let mut client = client(world.serve(limit.build().unwrap(), None)).await;
    let refused = get(&mut client, 1).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::ResourceExhausted, WORDS)
    );
    assert_eq!(pushback(&refused), "-1");
}

#[tokio::test]
async fn a_method_may_have_a_quota_of_its_own() {
    let world = World::new();
    let limit = world.limit().calls(["/catalog.Catalog/UpdateItem"]);
    let limit = limit.quota("1/m", everyone()).build().unwrap();
    let mut client = client(world.serve(limit, None)).await;
    client
        .update_item(UpdateItemRequest::default())
        .await
        .unwrap();
    let refused = client
        .update_item(UpdateItemRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    for _ in 0..3 {
        get(&mut client, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_holds_its_place_until_it_has_ended() {
    let world = World::new();
    let limit = world
        .limit()
        .quota(Quota::in_flight(NonZeroU32::MIN), everyone());
    let mut client = client(world.serve(limit.build().unwrap(), None)).await;
    let mut items = client
        .watch_items(WatchItemsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(
        within("the first item", items.message())
            .await
            .unwrap()
            .is_some()
    );
    let refused = client.watch_items(WatchItemsRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    world.shop.gate.add_permits(1);
    assert!(
        within("the second item", items.message())
            .await
            .unwrap()
            .is_some()
    );
    assert!(within("the end", items.message()).await.unwrap().is_none());
    // The server's body is gone when the client has seen its end, or a moment later.
    let again = async {
        loop {
            match get(&mut client, 1).await {
                Ok(item) => return item,
                Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
            }
        }
    };
    within("a free place", again).await;
}

#[tokio::test]
async fn an_upload_is_refused_in_one_block_at_once_and_told_to_stop() {
    let world = World::new();
    let limit = world.limit().quota("1/h", everyone()).build().unwrap();
    let address = world.serve(limit, None);
    get(&mut client(address).await, 1).await.unwrap();

    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    poll_fn(|cx| sender.poll_ready(cx)).await.unwrap();
    let request = http::Request::post(format!("http://{address}/catalog.Catalog/GetItem"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (response, mut upload) = sender
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    // The first bytes of a message of 16 MiB.
    upload
        .send_data(bytes::Bytes::from_static(b"\0\x01\0\0\0abc"), false)
        .unwrap();
    let response = within("a refusal", response).await.unwrap();
    assert_eq!(response.status(), 200);
    let fields = response.headers();
    assert_eq!(
        (&fields["content-type"], &fields["grpc-status"]),
        (&"application/grpc".parse().unwrap(), &"8".parse().unwrap())
    );
    assert!(!fields.contains_key("content-length"));
    let size: usize = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum();
    assert!(size < 8 * 1_024, "{size}");
    // The block of fields ended the stream.
    assert!(response.body().is_end_stream());
    let reset = within("a reset", poll_fn(|cx| upload.poll_reset(cx))).await;
    assert_eq!(reset.unwrap(), h2::Reason::NO_ERROR);
    assert_eq!(world.shop.runs(), 1);

    // What is no call is answered in HTTP's own terms.
    let plain = http::Request::post(format!("http://{address}/catalog.Catalog/GetItem"));
    let plain = plain.header("content-type", "text/plain").body(()).unwrap();
    let (response, _) = sender.send_request(plain, true).unwrap();
    let response = within("a refusal", response).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

/// An authority, and certificates from it for a server and two clients.
struct Certificates(Scratch);

impl Certificates {
    fn new() -> Self {
        const KEY: &str = "ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        let dir = Scratch::new();
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n";
        std::fs::write(dir.path().join("names"), names).unwrap();
        let mut commands = vec![format!(
            "req -x509 -newkey {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"
        )];
        for name in ["server", "alice", "bob"] {
            commands.push(format!(
                "req -newkey {KEY} -keyout {name}.key -out {name}.csr -subj /CN=localhost"
            ));
            commands.push(format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile names"
            ));
        }
        for command in commands {
            let output = Command::new("openssl")
                .args(command.split(' '))
                .current_dir(dir.path())
                .output()
                .expect("openssl is installed");
            assert!(output.status.success(), "openssl {command}: {output:?}");
        }
        Self(dir)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(file)).unwrap()
    }

    fn authority(&self) -> Certificate {
        Certificate::from_pem(self.read("ca.pem"))
    }

    fn identity(&self, name: &str) -> Identity {
        let file = |kind| self.read(&format!("{name}.{kind}"));
        Identity::from_pem(file("pem"), file("key"))
    }

    /// A server that takes clients with and without certificates.
    fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity("server"))
            .client_ca_root(self.authority())
            .client_auth_optional(true)
    }

    async fn client(&self, address: SocketAddr, name: Option<&str>) -> CatalogClient<Channel> {
        let mut tls = ClientTlsConfig::new().ca_certificate(self.authority());
        if let Some(name) = name {
            tls = tls.identity(self.identity(name));
        }
        let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port()));
        let endpoint = endpoint.unwrap().tls_config(tls).unwrap();
        CatalogClient::new(within("a connection", endpoint.connect()).await.unwrap())
    }
}

#[tokio::test]
async fn clients_are_told_apart_by_their_certificates() {
    let (world, certificates) = (World::new(), Certificates::new());
    let limit = world
        .limit()
        .quota("2/m", identity::tls_peer())
        // The address is found within what is told of TLS, and is the same for all of them.
        .quota("6/h", identity::client_ip())
        .tell_if(|_| true)
        .fields(Fields::Always)
        .build()
        .unwrap();
    let layers = Stack::new(limit, ClientIpLayer::new(TrustedProxies::none()));
    let address = world.serve(layers, Some(certificates.server()));
    let mut codes = Vec::new();
    for name in [Some("alice"), Some("bob"), None] {
        // A connection each: it is the certificate that counts.
        for _ in 0..3 {
            let mut client = certificates.client(address, name).await;
            let answer = get(&mut client, 1).await;
            codes.push(answer.map_or_else(|refused| refused.code(), |_| Code::Ok));
        }
    }
    let one = [Code::Ok, Code::Ok, Code::ResourceExhausted];
    assert_eq!(codes, [one, one, one].concat());
    // All six that the address had are used.
    world.clock.advance(minutes(2));
    let mut client = certificates.client(address, Some("alice")).await;
    let refused = get(&mut client, 1).await.unwrap_err();
    let violations = refused.get_details_quota_failure().unwrap().violations;
    assert_eq!(violations[0].quota_id, "calls-1h");
}

#[tokio::test]
async fn what_is_made_for_the_holder_of_a_certificate_is_kept_for_nobody_else() {
    let (world, certificates) = (World::new(), Certificates::new());
    let kept = |policy: CallPolicy| {
        let cache = Cache::builder(MemoryStore::new(MIB)).build().unwrap();
        let kept = cache.grpc().method("/catalog.Catalog/GetItem", policy);
        let layer = kept.build().unwrap();
        world.serve(layer, Some(certificates.server()))
    };
    let names = async |address: SocketAddr| {
        let mut names = Vec::new();
        for name in [
            Some("alice"),
            Some("alice"),
            Some("bob"),
            Some("bob"),
            None,
            None,
        ] {
            let mut client = certificates.client(address, name).await;
            names.push(get(&mut client, 1).await.unwrap().into_inner().name);
        }
        for pair in names.chunks(2) {
            assert_eq!(pair[0], pair[1]);
        }
        (names[0].clone(), names[2].clone(), names[4].clone())
    };
    // Nobody has said whom answers are for: those to the holder of a certificate pass the cache by.
    let (alice, bob, nobody) = names(kept(CallPolicy::new(minutes(5)))).await;
    assert!(alice != bob && alice != nobody && bob != nobody);
    assert_eq!(world.shop.runs(), 5);
    let each = CallPolicy::new(minutes(5)).vary_on_identity(identity::tls_peer());
    assert_eq!(names(kept(each)).await, (alice, bob, nobody.clone()));
    assert_eq!(world.shop.runs(), 8);
    // Shared by declaration: the handler does not see who asks.
    let shared = CallPolicy::new(minutes(5)).shared();
    let same = (nobody.clone(), nobody.clone(), nobody);
    assert_eq!(names(kept(shared)).await, same);
    assert_eq!(world.shop.runs(), 9);
}

#[tokio::test]
async fn one_service_of_a_server_may_be_limited_alone() {
    let world = World::new();
    let limit = world.limit().quota("1/m", everyone()).build().unwrap();
    let limited = limit.layer(CatalogServer::new(world.shop.clone()));
    let mut routes = tonic::service::Routes::builder();
    routes.add_service(limited);
    let mut client = CatalogClient::new(
        routes
            .routes()
            .map_request(|request: http::Request<Body>| request),
    );
    client.get_item(GetItemRequest { id: 1 }).await.unwrap();
    let refused = client.get_item(GetItemRequest { id: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}
