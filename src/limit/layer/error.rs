//! What is wrong with a limit as it was configured.

use super::super::quota::QuotaError;

/// A limit was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateLimitError {
    /// A quota cannot be.
    #[error("quota {place} of limit {limit:?}: {source}")]
    Quota {
        /// The limit.
        limit: String,
        /// Which of its quotas, counted from 1 in the order they were given.
        place: usize,
        /// What is wrong with it.
        source: QuotaError,
    },
    /// It has no quota.
    #[error("limit {0:?} has no quota; `Quota::unlimited()` counts nothing")]
    NoQuota(String),
    /// The name of the limit is empty, longer than 64 bytes, or not printable ASCII.
    #[error("the name {0:?} is empty, longer than 64 bytes, or not printable ASCII")]
    Name(String),
    /// Two quotas go by one name, so that clients could not tell them apart.
    #[error(
        "limit {limit:?} has two policies that are named {policy:?}: give one of them a name of its own with `Quota::name`"
    )]
    DuplicatePolicy {
        /// The limit.
        limit: String,
        /// The name.
        policy: String,
    },
    /// It is about gRPC calls of no method.
    #[error("limit {0:?} is about calls of no method: leave `calls` out for all of them")]
    NoCalls(String),
    /// Not the path of a gRPC method.
    #[error("{0:?} is not the path of a method: say \"/package.Service/Method\"")]
    Call(String),
    /// A network that is to be allowed or denied is none.
    #[error("{0:?} is neither an address nor a network as 192.0.2.0/24 or 2001:db8::/32")]
    Network(String),
    /// Two options contradict one another.
    #[error("{0} and {1} contradict one another")]
    Contradiction(&'static str, &'static str),
    /// `settle_bytes` has nothing to charge.
    #[error("`settle_bytes` charges quotas of `Unit::ContentBytes`, and limit {0:?} has none")]
    NoQuotaOfBytes(String),
}
