//! Rate limits: how often somebody may ask, exact under any concurrency and across nodes.
//!
//! ```text
//! request ─► whose is it? ─► quotas, all or nothing ─┬─ admitted ─► inner service ─► settle by the answer ─► fields
//!                                └─ limiter          └─ refused ──► 429, Retry-After, RateLimit, problem+json
//! ```

mod acquire;
mod answer;
mod ask;
mod claim;
pub mod conformance;
mod decision;
mod handle;
mod layer;
mod limiter;
mod memory;
mod outage;
mod permit;
mod quota;
#[cfg(feature = "redis")]
pub mod redis;
mod refusal;
mod rule;
mod stats;
mod switch;

pub use self::acquire::{Acquire, Act};
pub use self::answer::{Dialect, Fields, Reset};
pub use self::ask::{Action, Ask, LimitKey};
pub use self::decision::{Decision, Receipt, Standing, Wait};
pub use self::handle::{RateLimiter, RateLimiterBuilder};
pub(crate) use self::layer::IsRefusal;
pub use self::layer::{
    Answer, Everyone, FormField, Missing, RateLimitBody, RateLimitBuilder, RateLimitError,
    RateLimitFuture, RateLimitLayer, RateLimitService, Refused, everyone, form_field,
};
pub use self::limiter::{Limiter, LimiterError};
pub use self::memory::{MemoryLimiter, MemoryLimiterBuilder};
pub use self::permit::Permit;
pub use self::quota::{Algorithm, Outage, Quota, QuotaError, Unit};
#[cfg(feature = "redis")]
pub use self::redis::{RedisLimiter, RedisLimiterBuilder};
pub use self::refusal::Refusal;
pub use self::stats::{Event, GroupStats, LimitStats};
pub use self::switch::Switch;
