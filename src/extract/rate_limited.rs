//! What a request has used of its limits, for a handler.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use smallvec::SmallVec;

use super::MissingLayer;
use crate::identity::Trace;
use crate::limit::{Limit, Seen, Taken};

const MISSING: MissingLayer = MissingLayer {
    wanted: "RateLimited",
    layer: "rate limit layer (RateLimiter::layer)",
};

/// What this request has used of the limits round its route, and a way to change that.
///
/// It stands for the innermost limit; [`of`](Self::of) picks another. Where that limit is not about the request (another method, exempt,
/// switched off), nothing is counted and everything here does nothing.
///
/// Whoever reads what remains makes an answer for one client, so it is then stored only where pages vary on the user. A place in flight is
/// held for as long as this is: keep it in the task that goes on after the answer, as one that serves an upgraded connection.
///
/// ```
/// use axum::Router;
/// use axum::body::Body;
/// use axum::routing::get;
/// use http::Request;
/// use larder::extract::RateLimited;
/// use larder::limit::{Fields, RateLimiter};
/// use larder::{MemoryLimiter, identity};
/// use tower::ServiceExt;
///
/// async fn report(limited: RateLimited) -> String {
///     let rows = 250; // Known only now.
///     limited.charge(rows / 100).await;
///     format!("{rows} rows, {} left", limited.remaining().unwrap_or(0))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let limit = limiter.layer("report").quota("10/h", identity::client_ip());
/// let app: Router = Router::new()
///     .route("/report", get(report))
///     .layer(limit.fields(Fields::Always).build()?);
///
/// let answer = app.oneshot(Request::get("/report").body(Body::empty())?).await?;
/// let body = axum::body::to_bytes(answer.into_body(), 1_024).await?;
/// assert_eq!(&body[..], b"250 rows, 7 left");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimited {
    /// From the outermost.
    passed: SmallVec<[Passed; 1]>,
    trace: Trace,
}

#[derive(Clone)]
struct Passed {
    limit: Arc<Limit>,
    /// None where the limit is not about the request.
    taken: Option<Arc<Taken>>,
}

impl RateLimited {
    /// The limit of this name, if the request has passed one; the innermost of several.
    #[must_use]
    pub fn of(&self, limit: &str) -> Option<Self> {
        let mut passed = self.passed.iter().rev();
        let found = passed.find(|passed| passed.limit.name() == limit)?;
        Some(Self {
            passed: SmallVec::from_iter([found.clone()]),
            trace: self.trace.clone(),
        })
    }

    /// The name of the limit.
    pub fn limit(&self) -> &str {
        self.passed.last().map_or("", |passed| passed.limit.name())
    }

    /// How much could be used at once, by the quota that has the least left, as of the last decision. None where nothing is counted.
    pub fn remaining(&self) -> Option<u64> {
        let policies = self.policies();
        policies.into_iter().map(|(_, remaining)| remaining).min()
    }

    /// The name of each policy, and how much of it could be used at once.
    pub fn policies(&self) -> Vec<(&str, u64)> {
        self.trace.read_identity();
        self.taken()
            .map_or_else(Vec::new, |taken| taken.remaining())
    }

    /// Would the request have been refused, were this no dry run? Of any limit that it has passed.
    pub fn is_over(&self) -> bool {
        self.trace.read_identity();
        let mut taken = self
            .passed
            .iter()
            .filter_map(|passed| passed.taken.as_ref());
        taken.any(|taken| taken.is_over())
    }

    /// Uses so many more of each quota, though it be over: a debt, of at most one more burst.
    ///
    /// Places in flight and quotas that are charged by bytes stay as they are. A limiter that cannot be asked fails no handler: its quotas do
    /// what their [`Outage`](crate::limit::Outage) says.
    pub async fn charge(&self, more: u64) {
        if let Some(taken) = self.taken() {
            taken.charge(more).await;
        }
    }

    /// Makes what was used of each quota `cost` in all: charges what is missing, and gives back what is too much, as far as it still counts.
    /// What was [charged](Self::charge) is not given back. A layer that settles by the answer has the last word.
    pub async fn settle(&self, cost: u64) {
        if let Some(taken) = self.taken() {
            taken.settle(cost).await;
        }
    }

    /// Gives back what the layer took for this request, as far as it still counts.
    pub async fn give_back(&self) {
        self.settle(0).await;
    }

    fn taken(&self) -> Option<&Arc<Taken>> {
        self.passed.last()?.taken.as_ref()
    }
}

impl fmt::Debug for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.passed.iter().map(|passed| passed.limit.name());
        f.debug_list().entries(limits).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for RateLimited {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        read(parts).ok_or(MISSING)
    }
}

/// `None` without the layer.
impl<S: Sync> OptionalFromRequestParts<S> for RateLimited {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(read(parts))
    }
}

fn read(parts: &mut Parts) -> Option<RateLimited> {
    let Seen(seen) = parts.extensions.get()?;
    let passed = seen.iter().map(|seen| Passed {
        limit: seen.limit.clone(),
        taken: seen.taken.upgrade(),
    });
    let passed = passed.collect();
    Some(RateLimited {
        passed,
        trace: Trace::of_or_new(&mut parts.extensions),
    })
}
