//! One quota for everybody.

use crate::identity::{Identify, Identity};
use crate::request::RequestHead;

const KIND: &str = "larder: everyone";

/// Counts all requests as one: what a backend can take, whoever asks.
///
/// No client can help it that such a quota is used up, so a refusal is a 503 and not a 429 (RFC 6585 §4), and no field tells how it stands.
///
/// ```
/// use larder::limit::{RateLimiter, everyone};
/// use larder::{MemoryLimiter, identity};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let layer = limiter
///     .layer("search")
///     .quota("100/m", identity::client_ip())
///     .quota("5000/s", everyone())
///     .build()?;
/// # drop(layer);
/// # Ok::<(), larder::limit::RateLimitError>(())
/// ```
pub const fn everyone() -> Everyone {
    Everyone(())
}

/// See [`everyone`].
#[derive(Clone, Copy, Debug)]
pub struct Everyone(());

impl Identify for Everyone {
    fn identify(&self, _: &RequestHead<'_>) -> Identity {
        Identity::known(KIND, "").of_no_person()
    }

    fn name(&self) -> String {
        "everyone".to_owned()
    }
}

/// Does it say nothing of who is asking?
pub(super) fn is_everyone(identity: &Identity) -> bool {
    identity.is_known() && identity.known_kinds().all(|kind| kind == KIND)
}
