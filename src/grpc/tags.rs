//! Tags of answers that are errors: a [`Status`] has no extensions, and takes them along as its source.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::Extensions;
use tonic::Status;

use crate::cache::CacheTags;

#[derive(Debug)]
struct Tagged(CacheTags);

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer that carries tags")
    }
}

impl Error for Tagged {}

impl CacheTags {
    /// Gives these tags to an error that a gRPC handler answers with, so that they free it where it is kept
    /// ([`CallPolicy::code`](crate::grpc::CallPolicy::code)). They take the place of the source of the status, and no client sees them.
    ///
    /// Messages take their tags in the extensions of the response.
    ///
    /// ```
    /// use larder::CacheTags;
    /// use tonic::{Response, Status};
    ///
    /// fn answer(id: u64, found: Option<String>) -> Result<Response<String>, Status> {
    ///     let tags = CacheTags::new([format!("item:{id}")]);
    ///     let Some(item) = found else {
    ///         return Err(tags.on_status(Status::not_found("there is no such item")));
    ///     };
    ///     let mut answer = Response::new(item);
    ///     answer.extensions_mut().insert(tags);
    ///     Ok(answer)
    /// }
    /// # assert_eq!(answer(7, None).unwrap_err().code(), tonic::Code::NotFound);
    /// ```
    pub fn on_status(self, mut status: Status) -> Status {
        status.set_source(Arc::new(Tagged(self)));
        status
    }
}

/// Moves the tags of a status to where those of messages stand.
pub(super) fn take_from_status(extensions: &mut Extensions) {
    let source = extensions.get::<Status>().and_then(Error::source);
    if let Some(Tagged(tags)) = source.and_then(|source| source.downcast_ref()) {
        tags.clone().add_to(extensions);
    }
}
