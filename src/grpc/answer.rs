//! May what a call was answered with be kept for other calls? (SPEC GRPC-20 to 25)

use std::time::Duration;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tonic::Code;

use super::call::has_grpc_content;
use super::frame::Compressed;
use super::key::GRPC_ENCODING;
use crate::header::{Lifetime, ResponseDirectives, Scope};
use crate::monitor::NotStored;

pub(super) const GRPC_STATUS: &str = "grpc-status";

/// An answer, as far as it bears on keeping it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished<'a> {
    pub(super) status: StatusCode,
    pub(super) metadata: &'a HeaderMap,
    /// None where the status came in the first block of fields (Trailers-Only).
    pub(super) trailers: Option<&'a HeaderMap>,
    pub(super) message: Option<Compressed>,
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is kept, for as long as these directives and the policy say.
    Keep(HeaderMap),
    /// It is for its own caller alone.
    Pass(NotStored),
    /// The handler failed: something stale may stand in.
    Fail,
    /// It refuses this caller, and says nothing of what others would get.
    Refuse,
}

/// The code that an answer ended with: that of its trailers, or of its head where it has no message.
pub(crate) fn code_of(fields: &HeaderMap) -> Option<Code> {
    let mut lines = fields.get_all(GRPC_STATUS).iter();
    match (lines.next(), lines.next()) {
        (Some(code), None) => Some(Code::from_bytes(code.as_bytes())),
        _ => None,
    }
}

/// Codes that tell of one call, one caller or one moment, and so are never kept (GRPC-21).
pub(super) const fn is_never_kept(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated
    )
}

/// Decides from all of an answer. `codes` are the lifetimes of answers that are errors.
pub(super) fn verdict(finished: Finished<'_>, codes: &[(Code, Duration)]) -> Verdict {
    let Finished {
        status,
        metadata,
        trailers,
        message,
    } = finished;
    if status != StatusCode::OK || !has_grpc_content(metadata) {
        return Verdict::Pass(NotStored::Status);
    }
    let Some(code) = code_of(trailers.unwrap_or(metadata)) else {
        return Verdict::Pass(NotStored::Incomplete);
    };
    let most = match code {
        Code::Ok => None,
        Code::Unavailable
        | Code::Internal
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::DataLoss => return Verdict::Fail,
        Code::ResourceExhausted | Code::Unauthenticated | Code::PermissionDenied => {
            return Verdict::Refuse;
        }
        code => match codes.iter().find(|(other, _)| *other == code) {
            Some((_, ttl)) if !is_never_kept(code) => Some(*ttl),
            _ => return Verdict::Pass(NotStored::Status),
        },
    };
    match (message, most) {
        (Some(Compressed(compressed)), None) => {
            let has_coding = metadata
                .get(GRPC_ENCODING)
                .is_some_and(|coding| coding != "identity");
            if compressed && !has_coding {
                return Verdict::Pass(NotStored::Message);
            }
        }
        (None, Some(_)) => {}
        // Success without a message, or an error with one.
        _ => return Verdict::Pass(NotStored::Message),
    }
    let blocks = [Some(metadata), trailers];
    if blocks
        .iter()
        .flatten()
        .any(|block| block.contains_key(SET_COOKIE))
    {
        return Verdict::Pass(NotStored::SetCookie);
    }
    match restrictions(metadata, most) {
        Ok(directives) => Verdict::Keep(directives),
        Err(why) => Verdict::Pass(why),
    }
}

/// What `cache-control` among the metadata takes away from what the policy gives. It can give nothing (GRPC-23).
fn restrictions(metadata: &HeaderMap, most: Option<Duration>) -> Result<HeaderMap, NotStored> {
    let said = ResponseDirectives::parse(metadata);
    if said.malformed {
        return Err(NotStored::Malformed);
    }
    if said.no_store || said.must_understand {
        return Err(NotStored::NoStore);
    }
    if said.no_cache != Scope::Absent {
        return Err(NotStored::NoCache);
    }
    let mut seconds = most.map(|most| most.as_secs());
    for lifetime in [said.max_age, said.s_maxage] {
        match lifetime {
            Lifetime::Absent => {}
            Lifetime::Invalid => return Err(NotStored::Expired),
            Lifetime::Seconds(own) => seconds = Some(seconds.map_or(own, |most| most.min(own))),
        }
    }
    let mut directives = Vec::new();
    if let Some(seconds) = seconds {
        directives.push(format!("max-age={seconds}"));
    }
    if said.private != Scope::Absent {
        directives.push("private".to_owned());
    }
    if said.must_revalidate || said.proxy_revalidate {
        directives.push("must-revalidate".to_owned());
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&directives.join(", "))
        && !directives.is_empty()
    {
        headers.insert(CACHE_CONTROL, value);
    }
    Ok(headers)
}
