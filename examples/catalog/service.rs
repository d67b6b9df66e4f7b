//! The gRPC service. It knows nothing of the cache but the tags of what it answers.

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status};

use crate::{
    menu::{Menu, Problem, absent_tags, category_tags, item_tags},
    money::Money,
    proto::{
        GetItemRequest, Item, ListCategoryRequest, ListCategoryResponse, UpdateItemRequest,
        WatchItemsRequest, catalog_server::Catalog,
    },
};

#[tonic::async_trait]
impl Catalog for Menu {
    async fn get_item(&self, call: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        let id = call.get_ref().id;
        match self.item(id).await {
            Ok(item) => {
                let tags = item_tags(&item);
                let mut answer = Response::new(item);
                answer.extensions_mut().insert(tags);
                Ok(answer)
            }
            // That there is none is kept as well, and is freed once there is.
            Err(problem) => Err(absent_tags(id).on_status(problem.into())),
        }
    }

    async fn list_category(
        &self,
        call: Request<ListCategoryRequest>,
    ) -> Result<Response<ListCategoryResponse>, Status> {
        let category = &call.get_ref().category;
        let items = self.items_of(category).await?;
        let mut answer = Response::new(ListCategoryResponse { items });
        answer.extensions_mut().insert(category_tags(category));
        Ok(answer)
    }

    async fn update_item(
        &self,
        call: Request<UpdateItemRequest>,
    ) -> Result<Response<Item>, Status> {
        let UpdateItemRequest {
            id,
            name,
            price_cents,
        } = call.into_inner();
        let item = self.change(id, name, Money(price_cents)).await?;
        Ok(Response::new(item))
    }

    type WatchItemsStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    async fn watch_items(
        &self,
        _: Request<WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        Ok(Response::new(Box::pin(self.changes.watch())))
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let why = problem.to_string();
        match problem {
            Problem::Invalid(_) => Self::invalid_argument(why),
            Problem::NotFound(_) => Self::not_found(why),
            Problem::Failed => Self::internal(why),
        }
    }
}
