//! The conditions of a request, for handlers that know the validators before they work.

use std::convert::Infallible;
use std::time::SystemTime;

use axum_core::extract::FromRequestParts;
use http::Method;
use http::request::Parts;

use super::{NotMet, Validators};
use crate::ETag;
use crate::clock::{Clock, SystemClock};
use crate::precondition::{Conditions, Current, CurrentTag, Verdict, reads};

/// The conditions of a request (RFC 9110 §13), to be checked before the handler does its work.
///
/// It never refuses a request by itself, and needs no layer. `check` says what there is now; `?` answers the rest with 304 or 412.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use axum::{Router, response::IntoResponse, routing::get};
/// use larder::{ETag, ETagError, extract::{NotMet, Preconditions, Validators}};
///
/// struct Note { revision: ETag, modified: SystemTime }
///
/// # fn note() -> Note {
/// #     Note { revision: ETag::of("7"), modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000) }
/// # }
/// async fn read(preconditions: Preconditions) -> Result<(Validators, String), NotMet> {
///     let Note { revision, modified } = note();
///     // 304 from here on, if the client has this revision.
///     let validators = preconditions.check(Some(revision), Some(modified))?;
///     Ok((validators, "rendered at great cost".to_owned()))
/// }
///
/// async fn write(preconditions: Preconditions, text: String) -> Result<(), NotMet> {
///     // In one transaction with the change: another request may come between.
///     let Note { revision, modified } = note();
///     // 412 from here on, if the client has not seen this revision.
///     preconditions.check(Some(revision), Some(modified))?;
///     # drop(text);
///     Ok(())
/// }
///
/// let app: Router = Router::new().route("/note", get(read).put(write));
/// # use axum::body::Body;
/// # use http::{Request, StatusCode, header::{ETAG, IF_MATCH, IF_NONE_MATCH}};
/// # use tower::ServiceExt;
/// # #[tokio::main]
/// # async fn ask(app: Router) -> Result<(), Box<dyn std::error::Error>> {
///
/// let first = app.clone().oneshot(Request::get("/note").body(Body::empty())?).await?;
/// let tag = first.headers()[ETAG].clone();
/// let again = Request::get("/note").header(IF_NONE_MATCH, tag).body(Body::empty())?;
/// assert_eq!(app.clone().oneshot(again).await?.status(), StatusCode::NOT_MODIFIED);
/// let late = Request::put("/note").header(IF_MATCH, "\"another\"").body(Body::empty())?;
/// assert_eq!(app.oneshot(late).await?.status(), StatusCode::PRECONDITION_FAILED);
/// # Ok(())
/// # }
/// # ask(app).unwrap();
/// ```
///
/// What cannot be read holds nothing against a request, but for an `If-Match` of a method that changes something: whoever wants to write
/// over one version only must not write over another for a slip in a field.
///
/// On a route that a [page cache](crate::page) stands round, the cache answers from what is stored, and the handler sees what is asked of it
/// to fill a page: without the conditions of the client, or with those of the stored response. Both are checked alike; a 304 then confirms
/// what is stored. Requests with `If-Match` or `If-Unmodified-Since` come through as they are.
#[derive(Clone, Debug)]
pub struct Preconditions {
    method: Method,
    conditions: Conditions,
}

impl Preconditions {
    /// Checks the conditions against what is there now: its tag and when it was modified, as far as known.
    ///
    /// Dates count in whole seconds; one that is yet to come counts as now, and one before 1970 as none (§8.8.2.1). With neither
    /// validator, something is there that has none: a star still names it.
    ///
    /// # Errors
    /// [`NotMet`] if the conditions do not hold, in the order of §13.2.2.
    pub fn check(
        &self,
        etag: Option<ETag>,
        last_modified: Option<SystemTime>,
    ) -> Result<Validators, NotMet> {
        let now = SystemClock::new().wall();
        let modified = last_modified.map(|modified| modified.min(now));
        let tag = etag.as_ref().and_then(ETag::as_entity_tag);
        let current = Current {
            tag: tag.map_or(CurrentTag::None, CurrentTag::Is),
            modified,
        };
        let verdict = self.conditions.judge(&self.method, current, now);
        let validators = match reads(&self.method) {
            true => Validators::new(etag, modified),
            false => Validators::default(),
        };
        match verdict {
            Verdict::Proceed => Ok(validators),
            Verdict::NotModified => Err(NotMet {
                not_modified: Some(validators),
            }),
            Verdict::Failed => Err(NotMet { not_modified: None }),
        }
    }

    /// Checks the conditions where nothing is there yet: `If-None-Match: *` holds, `If-Match` fails.
    ///
    /// GET and HEAD have no conditions then: their answer is a 404 with them and without (§13.2.1).
    ///
    /// # Errors
    /// [`NotMet`], a 412, if the conditions do not hold.
    pub fn check_absent(&self) -> Result<(), NotMet> {
        match self.conditions.judge_absent(&self.method) {
            Verdict::Proceed => Ok(()),
            Verdict::NotModified | Verdict::Failed => Err(NotMet { not_modified: None }),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            method: parts.method.clone(),
            conditions: Conditions::of(&parts.headers),
        })
    }
}
