//! A program that calls the catalog by tonic's own client, and what it sees of the answers.

use rusqlite::Connection;
use tonic::{
    Code, Response, Status,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

use crate::{
    cache_status::CacheStatus,
    proto::{
        GetItemRequest, Item, ListCategoryRequest, UpdateItemRequest, WatchItemsRequest,
        catalog_client::CatalogClient,
    },
    raw::{self, within},
    server::Server,
};

#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) catalog: CatalogClient<Channel>,
}

/// An answer, as a program sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen<M> {
    pub(crate) answer: Result<M, (Code, String)>,
    /// Without what is said of each answer anew.
    pub(crate) metadata: Vec<(String, Vec<u8>)>,
    /// What the cache says, if it says anything.
    pub(crate) cache: Option<CacheStatus>,
}

impl Caller {
    pub(crate) async fn of(server: &Server) -> Self {
        Self {
            catalog: CatalogClient::new(Self::channel(server).await),
        }
    }

    pub(crate) async fn channel(server: &Server) -> Channel {
        // One authority for all, since it is a part of the key.
        let origin = format!("http://{}", raw::HOST).parse().expect("a URI");
        let endpoint = Endpoint::from_shared(server.url("")).expect("a URI");
        let endpoint = endpoint.origin(origin);
        let connected = within("the catalog accepts", endpoint.connect()).await;
        connected.expect("the catalog accepts")
    }

    /// The same, taking and sending messages in this coding.
    pub(crate) fn compressed(&self, coding: CompressionEncoding) -> Self {
        let catalog = self.catalog.clone();
        Self {
            catalog: catalog.accept_compressed(coding).send_compressed(coding),
        }
    }

    pub(crate) async fn get(&self, id: i64) -> Seen<Item> {
        let mut catalog = self.catalog.clone();
        Seen::of(within("GetItem", catalog.get_item(GetItemRequest { id })).await)
    }

    pub(crate) async fn list(&self, category: &str) -> Seen<Vec<Item>> {
        let mut catalog = self.catalog.clone();
        let category = category.to_owned();
        let call = catalog.list_category(ListCategoryRequest { category });
        let answer = within("ListCategory", call).await;
        Seen::of(answer.map(|answer| answer.map(|list| list.items)))
    }

    pub(crate) async fn update(&self, id: i64, name: &str, price_cents: i64) -> Seen<Item> {
        let mut catalog = self.catalog.clone();
        let name = name.to_owned();
        let call = catalog.update_item(UpdateItemRequest {
            id,
            name,
            price_cents,
        });
        Seen::of(within("UpdateItem", call).await)
    }

    pub(crate) async fn watch(&self) -> tonic::Streaming<Item> {
        let mut catalog = self.catalog.clone();
        let call = within("WatchItems", catalog.watch_items(WatchItemsRequest {})).await;
        let answer = call.expect("the stream begins");
        assert_eq!(answer.metadata().get("cache-status"), None, "it passes");
        answer.into_inner()
    }
}

/// The next item of a stream, or how it ended.
pub(crate) async fn next(watch: &mut tonic::Streaming<Item>) -> Result<Option<Item>, Status> {
    within("something changes", watch.message()).await
}

impl<M> Seen<M> {
    fn of(answer: Result<Response<M>, Status>) -> Self {
        let (metadata, answer) = match answer {
            Ok(answer) => {
                let (metadata, message, _) = answer.into_parts();
                (metadata, Ok(message))
            }
            Err(status) => {
                let problem = (status.code(), status.message().to_owned());
                (status.metadata().clone(), Err(problem))
            }
        };
        let cache = metadata
            .get("cache-status")
            .map(|value| CacheStatus::parse(value.to_str().expect("what the cache says is text")));
        Self {
            answer,
            metadata: of_every_answer(metadata),
            cache,
        }
    }

    #[track_caller]
    pub(crate) fn assert_hit(&self) {
        let is_hit = self.cache.as_ref().is_some_and(CacheStatus::is_hit);
        assert!(is_hit, "{:?} {:?}", self.cache, self.metadata);
    }

    #[track_caller]
    pub(crate) fn assert_stored(&self) {
        let stored = CacheStatus::of(&[("fwd", "uri-miss"), ("stored", "?1")]);
        assert_eq!(self.cache, Some(stored));
    }

    #[track_caller]
    pub(crate) fn message(self) -> M {
        match self.answer {
            Ok(message) => message,
            Err(problem) => panic!("{problem:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn code(&self) -> Code {
        match &self.answer {
            Ok(_) => Code::Ok,
            Err((code, _)) => *code,
        }
    }
}

fn of_every_answer(mut metadata: MetadataMap) -> Vec<(String, Vec<u8>)> {
    for name in ["cache-status", "date"] {
        metadata.remove(name);
    }
    let headers = metadata.into_headers();
    let fields = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable();
    fields
}

/// Changes the database behind the catalog's back: what is answered as before was kept.
pub(crate) fn behind_its_back(db: &str, sql: &str) {
    let database = Connection::open(db).expect("the file is there");
    let patience = std::time::Duration::from_secs(5);
    database.busy_timeout(patience).expect("it can wait");
    database.execute_batch(sql).expect("it is changed");
}
