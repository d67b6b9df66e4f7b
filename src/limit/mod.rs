//! Rate limits: how often somebody may ask, exact under any concurrency and across nodes.
//!
//! ```text
//! request ─► whose is it? ─► quotas, all or nothing ─┬─ admitted ─► inner service ─► settle by the answer ─► fields
//!                                └─ limiter          └─ refused ──► 429, Retry-After, RateLimit, problem+json
//! ```

mod answer;
mod ask;
mod claim;
pub mod conformance;
mod decision;
mod handle;
mod limiter;
mod memory;
mod permit;
mod quota;
#[cfg(feature = "redis")]
pub mod redis;
mod rule;

pub use self::answer::{Dialect, Fields, Reset};
pub use self::ask::{Action, Ask, LimitKey};
pub use self::decision::{Decision, Receipt, Standing, Wait};
pub use self::handle::RateLimiter;
pub use self::limiter::{Limiter, LimiterError};
pub use self::memory::{MemoryLimiter, MemoryLimiterBuilder};
pub use self::permit::{Permit, Refusal};
pub use self::quota::{Algorithm, Outage, Quota, QuotaError, Unit};
#[cfg(feature = "redis")]
pub use self::redis::{RedisLimiter, RedisLimiterBuilder};
