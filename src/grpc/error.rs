//! What is wrong with a layer as it was configured.

use http::HeaderName;
use tonic::Code;

use crate::page::PolicyError;

/// A layer was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrpcCacheError {
    /// Nothing would be kept.
    #[error(
        "no method is named: name those whose answers are kept with .method(\"/package.Service/Method\", minutes(5))"
    )]
    NoMethods,
    /// Not the path of a method.
    #[error("{0:?} is not the path of a method: say \"/package.Service/Method\"")]
    Path(String),
    /// Named twice.
    #[error("method {0} is named twice: give it one policy")]
    Twice(String),
    /// Not the name of what is called.
    #[error(
        "{0:?} is not the name of a service that is called: say a host and, if need be, a port, such as \"catalog.internal:443\""
    )]
    Authority(String),
    /// The descriptor set cannot be read.
    #[error("the descriptor set cannot be read: {0}")]
    DescriptorSet(String),
    /// Safe methods were asked for, and nothing says which these are.
    #[error(
        "nothing says which methods have no side effects: give the .proto's to .descriptor_set()"
    )]
    NoDescriptorSet,
    /// Safe methods were asked for, and none is.
    #[error(
        "no unary method of the descriptor set has no side effects: say `option idempotency_level = NO_SIDE_EFFECTS;` in the .proto of those that are to be kept"
    )]
    NoSafeMethods,
    /// The descriptors are of messages alone, or of nothing.
    #[error("the descriptor set has no methods: give the set of the .proto with the service")]
    NoServices,
    /// The descriptor set does not have it.
    #[error("the descriptor set has no method {0}: did you mean one of {1}?")]
    Unknown(String, String),
    /// It streams.
    #[error("method {0} streams, and only unary calls are kept: leave it out of .method()")]
    Streaming(String),
    /// A code that tells of one call, one caller or one moment.
    #[error("answers of code {1:?} are never kept: leave it out of the policy of {0}")]
    Code(String, Code),
    /// A name that the protocol has a use for.
    #[error(
        "{1} is not for the policy of {0}: it is part of the protocol, or has a rule of its own"
    )]
    Metadata(String, HeaderName),
    /// A bound or a time of zero.
    #[error("{1} of zero keeps nothing for {0}: set it above zero")]
    Zero(String, &'static str),
    /// What the page cache has to say of the policy.
    #[error("method {0}: {1}")]
    Policy(String, PolicyError),
}
