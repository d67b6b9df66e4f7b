//! Identities as keys hold them: digests that tell nothing to whoever reads the store.

use std::fmt;

use super::value::Identity;
use crate::store::random;

/// The secret under which digests are made.
#[derive(Clone)]
pub(crate) struct Secret {
    key: [u8; 32],
    is_shared: bool,
}

/// An identity in a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IdentityDigest(pub(crate) [u8; 16]);

impl Secret {
    /// One that no other process knows.
    pub(crate) fn random() -> Self {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&random().to_be_bytes());
        }
        Self {
            key: blake3::derive_key("larder 2026 identities in keys, one process", &seed),
            is_shared: false,
        }
    }

    /// One that all nodes were given.
    pub(crate) fn shared(secret: &[u8]) -> Self {
        Self {
            key: blake3::derive_key("larder 2026 identities in keys, given secret", secret),
            is_shared: true,
        }
    }

    /// Do other nodes make the same digests?
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) fn digest(&self, identity: &Identity) -> IdentityDigest {
        let hash = blake3::keyed_hash(&self.key, &identity.encode());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.as_bytes()[..16]);
        IdentityDigest(digest)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for IdentityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_secret_makes_the_same_digest_and_nobody_else() {
        let alice = Identity::known("user", "alice");
        let one = Secret::shared(b"sixteen bytes at least");
        assert_eq!(
            one.digest(&alice),
            Secret::shared(b"sixteen bytes at least").digest(&alice)
        );
        let others = [
            Secret::shared(b"sixteen bytes at last").digest(&alice),
            Secret::random().digest(&alice),
            Secret::random().digest(&alice),
            one.digest(&Identity::known("user", "bob")),
            one.digest(&Identity::anonymous("user")),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(one.digest(&alice), *other);
            assert!(!others[..i].contains(other));
        }
    }
}
