//! Answers of larder's own to a call: a status without a message (Trailers-Only).

use http::Response;
use tonic::{Code, Status};

use super::body::GrpcBody;
use crate::monitor::Unanswered;

/// A call that ends with this status, in one block of fields.
pub(super) fn trailers_only<B>(status: Status) -> Response<GrpcBody<B>> {
    // The extension that it adds is for tonic's own layers.
    let response: Response<()> = status.into_http();
    response.map(|()| GrpcBody::empty())
}

/// The client's own deadline has passed while it waited.
pub(super) fn too_late() -> Status {
    Status::new(Code::DeadlineExceeded, "no answer in time")
}

/// What the page cache answers with an error of its own.
pub(super) fn unanswered(why: Unanswered) -> Status {
    match why {
        Unanswered::TimedOut => too_late(),
        _ => Status::new(Code::Unavailable, "no answer at hand"),
    }
}

/// What was kept cannot be read, or was never finished.
pub(super) fn unreadable() -> Status {
    Status::new(Code::Unavailable, "the answer at hand is not whole")
}
