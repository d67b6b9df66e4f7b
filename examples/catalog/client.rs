//! The other end: calls a catalog, and prints for each call what came and whether it was a hit.

use std::{io, time::Duration};

use larder::{Cache, MIB, MemoryStore, PurgeError, grpc::CallPolicy, seconds};
use tonic::{
    Response, Status,
    body::Body,
    client::GrpcService,
    codegen::{Bytes, StdError},
    metadata::MetadataMap,
    transport::Endpoint,
};
use tonic_types::StatusExt;
use tower::Layer;

use crate::{
    args::Call,
    money::Money,
    process::{AnyError, say},
    proto::{
        GetItemRequest, Item, ListCategoryRequest, ListCategoryResponse, UpdateItemRequest,
        WatchItemsRequest, catalog_client::CatalogClient,
    },
    store,
};

const ITEM: i64 = 9;
const NO_ITEM: i64 = 999_999;
const CATEGORY: &str = "pasta";

/// What the client keeps carries it.
const ITEMS: &str = "items";

pub(crate) fn run(args: &Call) -> Result<(), AnyError> {
    tokio::runtime::Runtime::new()?.block_on(connect_and_call(args))
}

async fn connect_and_call(args: &Call) -> Result<(), AnyError> {
    let url = format!("http://{}", args.address);
    let channel = Endpoint::from_shared(url.clone())?
        .connect_timeout(Duration::from_secs(5))
        .connect()
        .await
        .map_err(|error| format!("cannot call {url}: {}", store::with_causes(&error)))?;
    if !args.cache {
        return call(CatalogClient::new(channel), None, args.until_refused).await;
    }
    // The same layer as in the server, here under the client: what it has does not leave the process. Changes by others are seen when the
    // time is over, so it is short; its own it frees itself.
    let cache = Cache::builder(MemoryStore::new(8 * MIB))
        .name("client")
        .build()?;
    let policy = || CallPolicy::new(seconds(10)).tag(ITEMS);
    let layer = cache
        .grpc()
        // Calls get their address in the channel, behind the cache: it is told before.
        .authority(args.address.to_string())
        .method("/catalog.Catalog/GetItem", policy())
        .method("/catalog.Catalog/ListCategory", policy())
        .cache_status()
        .build()?;
    let client = CatalogClient::new(layer.layer(channel));
    call(client, Some(cache), args.until_refused).await
}

/// Each read twice: the first is a miss, unless somebody has asked before.
async fn call<T>(
    mut catalog: CatalogClient<T>,
    cache: Option<Cache>,
    until_refused: bool,
) -> Result<(), AnyError>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    let get = |id| GetItemRequest { id };
    let list = || ListCategoryRequest {
        category: CATEGORY.to_owned(),
    };
    let mut item = Item::default();
    for _ in 0..2 {
        let answer = catalog.get_item(get(ITEM)).await;
        tell("GetItem 9", &answer, show_item);
        item = answer?.into_inner();
    }
    for _ in 0..2 {
        tell(
            "ListCategory pasta",
            &catalog.list_category(list()).await,
            show_items,
        );
    }
    for _ in 0..2 {
        tell(
            "GetItem 999999",
            &catalog.get_item(get(NO_ITEM)).await,
            show_item,
        );
    }

    // From here on: what is changed later is told.
    let mut watch = catalog
        .watch_items(WatchItemsRequest {})
        .await?
        .into_inner();
    let update = UpdateItemRequest {
        id: ITEM,
        name: item.name,
        // There and back.
        price_cents: item.price_cents ^ 1,
    };
    tell(
        "UpdateItem 9",
        &catalog.update_item(update.clone()).await,
        show_item,
    );
    if let Some(cache) = &cache {
        free(cache).await?;
    }
    let changed = watch.message().await?.unwrap_or_default();
    line("WatchItems", "", &show_item(&changed), "");
    for _ in 0..2 {
        tell("GetItem 9", &catalog.get_item(get(ITEM)).await, show_item);
    }
    tell(
        "ListCategory pasta",
        &catalog.list_category(list()).await,
        show_items,
    );

    if until_refused {
        let refused = loop {
            if let Err(refused) = catalog.update_item(update.clone()).await {
                break refused;
            }
        };
        tell_refusal(&refused);
    }
    Ok(())
}

/// What this client has changed is not what it has kept.
async fn free(cache: &Cache) -> Result<(), PurgeError> {
    cache.purge_tag(ITEMS).await.map(drop)
}

/// Prints why, and what `google.rpc.RetryInfo` among the details says of when to come again.
fn tell_refusal(refused: &Status) {
    let info = refused.get_details_retry_info();
    let wait = info.and_then(|info| info.retry_delay);
    let when = match wait {
        Some(wait) => format!("again in {wait:?}"),
        None => "it is not told when again".to_owned(),
    };
    let why = format!("{:?}: {}", refused.code(), refused.message());
    line("UpdateItem 9", "", &why, &when);
}

/// Prints what came, whether a cache on the way had it, and what the caches say of it.
fn tell<M>(call: &str, answer: &Result<Response<M>, Status>, show: impl FnOnce(&M) -> String) {
    let (metadata, what) = match answer {
        Ok(answer) => (answer.metadata(), show(answer.get_ref())),
        Err(status) => (
            status.metadata(),
            format!("{:?}: {}", status.code(), status.message()),
        ),
    };
    let said = cache_status(metadata);
    let outcome = match () {
        () if said.is_empty() => "",
        () if said.contains("; hit") => "hit",
        () => "miss",
    };
    line(call, outcome, &what, &said);
}

fn line(call: &str, outcome: &str, what: &str, said: &str) {
    let line = format!("{call:<19} {outcome:<5} {what:<40} {said}");
    say(io::stdout(), format_args!("{}", line.trim_end()));
}

/// One member for each cache on the way, the client's own last (RFC 9211).
fn cache_status(metadata: &MetadataMap) -> String {
    let members = metadata.get_all("cache-status").iter();
    let members: Vec<_> = members.filter_map(|member| member.to_str().ok()).collect();
    members.join(", ")
}

fn show_item(item: &Item) -> String {
    format!("{}, {}", item.name, Money(item.price_cents))
}

fn show_items(list: &ListCategoryResponse) -> String {
    format!("{} items", list.items.len())
}
