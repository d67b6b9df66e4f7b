//! A cluster as what scripts are sent over.

use async_trait::async_trait;
use deadpool_redis::redis::Value;

use super::link::Link;
use crate::store::StoreError;
use crate::store::redis::{Cluster, Script};

#[async_trait]
impl Link for Cluster {
    fn reaches_all(&self) -> bool {
        false
    }

    async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        self.run(script, keys, arguments).await
    }

    async fn try_server(&self) -> Result<(), StoreError> {
        self.connect().await
    }
}
