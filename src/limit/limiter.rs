//! The contract of limiters.

use std::task::Poll;

use async_trait::async_trait;

use super::ask::{Action, Ask};
use super::decision::Decision;
use super::quota::QuotaError;

/// Counts what is used of quotas, and decides.
///
/// A call is one step: no other call of this limiter, on any node that shares it, comes between its parts. All asks of an
/// [`Acquire`](Action::Acquire) are taken, or none; what is refused changes nothing. An `Err` means that the limiter itself is unwell, and
/// that nothing was decided.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// The same without waiting, where the limiter can; `Pending` means "call [`decide`](Self::decide)". Never does I/O.
    fn decide_now(&self, action: Action, asks: &[Ask<'_>]) -> Poll<Result<Decision, LimiterError>> {
        let _ = (action, asks);
        Poll::Pending
    }

    /// Does `action` with all asks at once, and tells how each quota stands.
    ///
    /// # Errors
    ///
    /// A quota that cannot be, or a limiter that could not be asked, or answered nonsense.
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError>;
}

/// Nothing was decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimiterError {
    /// A quota cannot be.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The limiter could not be asked.
    #[error("the limiter could not be asked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
