//! Connections to the server: what is sent goes through one place, which keeps time, reconnects, and leaves a sick server alone.

use deadpool_redis::redis::{Cmd, Value};

use super::script::Script;
use crate::store::StoreError;

/// The connections of a store.
pub(super) struct Connections {}

impl Connections {
    /// Sends one command, and waits for its answer no longer than the answer timeout.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        let _ = command;
        Err(StoreError::new("connect", "no connections yet"))
    }

    /// Runs a script by its digest, and sends its text where the server does not know it (any more).
    pub(super) async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let _ = (script, keys, arguments);
        Err(StoreError::new("connect", "no connections yet"))
    }

    /// How many servers have been met behind the address: when it grows, the primary has changed or was restarted, and may have lost
    /// what it had acknowledged.
    pub(super) fn servers(&self) -> u64 {
        0
    }
}
