//! Without the feature `tonic`, calls are requests as any other.

use http::{HeaderMap, Request, Response, StatusCode};

use super::limit::Limit;
use crate::limit::answer::{Told, Why};
use crate::limit::decision::Wait;

/// How calls are refused.
#[derive(Clone, Default)]
pub(super) struct Calls(());

/// The status of an answer.
pub(super) fn status_of<B>(response: &Response<B>) -> StatusCode {
    response.status()
}

impl Limit {
    /// The answer to a call that is refused; None for what is none.
    pub(super) fn refuse_call<Q>(
        &self,
        _: Why,
        _: &[Told<'_>],
        _: (u64, Wait),
        _: &Request<Q>,
        _: &impl Fn(&mut HeaderMap),
    ) -> Option<Response<()>> {
        let Calls(()) = self.telling.calls;
        None
    }
}
