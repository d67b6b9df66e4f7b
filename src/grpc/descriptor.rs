//! What the descriptors of a service say of its methods (`google.protobuf.FileDescriptorSet`).

use std::collections::BTreeMap;

use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

/// What is known of each method, by its path.
#[derive(Debug, Default)]
pub(super) struct Described(BTreeMap<String, Kind>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Streaming,
    /// Its `idempotency_level` is `NO_SIDE_EFFECTS`.
    Safe,
    Unsafe,
}

impl Described {
    /// Adds what a set says, as protoc and its like write it.
    pub(super) fn add(&mut self, set: &[u8]) -> Result<(), prost::DecodeError> {
        for file in FileDescriptorSet::decode(set)?.file {
            let package = file.package().to_owned();
            for service in &file.service {
                for method in &service.method {
                    let dot = if package.is_empty() { "" } else { "." };
                    let path = format!("/{package}{dot}{}/{}", service.name(), method.name());
                    let level = method.options.as_ref().map(|it| it.idempotency_level());
                    let kind = if method.client_streaming() || method.server_streaming() {
                        Kind::Streaming
                    } else if level == Some(IdempotencyLevel::NoSideEffects) {
                        Kind::Safe
                    } else {
                        Kind::Unsafe
                    };
                    self.0.insert(path, kind);
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn kind(&self, path: &str) -> Option<Kind> {
        self.0.get(path).copied()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The unary methods without side effects.
    pub(super) fn safe(&self) -> impl Iterator<Item = &str> {
        let safe = self.0.iter().filter(|(_, kind)| **kind == Kind::Safe);
        safe.map(|(path, _)| path.as_str())
    }
}
